package wechat_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// calls are what a client's observer was told, in order.
type calls struct {
	mu   sync.Mutex
	list []wechat.Call
}

func (c *calls) add(call wechat.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
}

func (c *calls) all() []wechat.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// newClient returns a client of endpoint and what it tells its observer.
func newClient(t *testing.T, endpoint string) (*wechat.Client, *calls) {
	t.Helper()
	seen := new(calls)
	client, err := wechat.New(endpoint, seen.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, seen
}

// serve returns a client of a server that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) *wechat.Client {
	t.Helper()
	client, _ := newClient(t, start(t, handler))
	return client
}

// start returns the URL of a server that answers with handler.
func start(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// responding returns a client whose every call is answered with this body and HTTP status 200.
func responding(t *testing.T, body string) *wechat.Client {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

// rawResponse returns what a request is answered with, byte for byte, and whether the connection stays open behind it.
type rawResponse func(request string) (reply string, stay bool)

// rawServer answers with what net/http's server would never send.
func rawServer(t *testing.T, response rawResponse) (endpoint string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { respondRaw(conn, response) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		connections.Wait()
	})
	return "http://" + listener.Addr().String()
}

func respondRaw(conn net.Conn, response rawResponse) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // so that no test hangs for longer
	reader := bufio.NewReader(conn)
	for {
		var head bytes.Buffer
		request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(oneByteAtATime{reader}, &head)))
		if err != nil {
			return
		}
		// ReadRequest read the head and no more, since bytes came to it one by one.
		body, err := io.ReadAll(io.LimitReader(reader, max(0, request.ContentLength)))
		if err != nil {
			return
		}
		reply, stay := response(head.String() + string(body))
		if _, err := io.WriteString(conn, reply); err != nil || !stay {
			return
		}
	}
}

type oneByteAtATime struct{ io.Reader }

func (r oneByteAtATime) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

// within is a context with a deadline so far off that only a call that ignores its faults meets it.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// ask calls getopendata for one id.
func ask(ctx context.Context, client *wechat.Client) error {
	_, err := client.GetOpenData(ctx, "the-token", "the-openid", []string{"27_a"})
	return err
}

// kind names what an error is, in the words of these tests.
func kind(err error) string {
	var (
		code     *wechat.Error
		network  *wechat.NetworkError
		response *wechat.ResponseError
	)
	switch {
	case err == nil:
		return "success"
	case errors.As(err, &code):
		return "errcode"
	case errors.As(err, &network) && network.Timeout:
		return "timeout"
	case errors.As(err, &network):
		return "network"
	case errors.As(err, &response):
		return "response"
	default:
		return "unknown"
	}
}

// contains reports an error unless each part is somewhere in text.
func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s is %q, without %q", what, text, part)
		}
	}
}
