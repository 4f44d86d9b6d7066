package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is a server that a test plays by hand, connection by connection.
type upstream struct {
	network, address string
	accepted         atomic.Int32
	open             atomic.Int32 // connections the client has not closed

	mu    sync.Mutex
	conns []net.Conn
}

// startUpstream serves each connection by calling serve with its number, from 1; then it reads until the client hangs up.
func startUpstream(t *testing.T, serve func(conn *serverConn)) *upstream {
	t.Helper()
	return startUpstreamOn(t, "tcp", "127.0.0.1:0", nil, serve)
}

func startUpstreamOn(t *testing.T, network, address string, secure *tls.Config, serve func(conn *serverConn)) *upstream {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{network: network, address: listener.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			if secure != nil {
				raw = tls.Server(raw, secure)
			}
			u.mu.Lock()
			u.conns = append(u.conns, raw)
			u.mu.Unlock()
			number := int(u.accepted.Add(1))
			u.open.Add(1)
			wg.Go(func() {
				defer u.open.Add(-1)
				defer raw.Close()
				serve(&serverConn{Conn: raw, reader: bufio.NewReader(raw), number: number})
				_, _ = io.Copy(io.Discard, raw)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		u.mu.Lock()
		for _, conn := range u.conns {
			_ = conn.Close()
		}
		u.mu.Unlock()
		wg.Wait()
	})
	return u
}

// wantOpen waits until so many connections are open, and fails if that does not come.
func (u *upstream) wantOpen(t *testing.T, want int32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); u.open.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d connections are open, want %d", u.open.Load(), want)
			return
		}
	}
}

type serverConn struct {
	net.Conn
	reader *bufio.Reader
	number int
}

// request reads one request, body and all; nil when there is none.
func (c *serverConn) request() *http.Request {
	req, err := http.ReadRequest(c.reader)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	return req
}

func (c *serverConn) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// sayEach responds to every request with the same bytes.
func sayEach(text string) func(*serverConn) {
	return func(c *serverConn) {
		for c.request() != nil {
			c.say(text)
		}
	}
}

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func newClient(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	options := Options{Dial: (&net.Dialer{}).DialContext, DisableCompression: true}
	if change != nil {
		change(&options)
	}
	c := New(options)
	t.Cleanup(c.CloseIdle)
	return c
}

// get makes a GET and returns what was responded, read to its end.
func (u *upstream) get(ctx context.Context, c *Client) (string, error) {
	return u.do(c, newRequest(ctx, http.MethodGet, nil, 0))
}

func (u *upstream) do(c *Client, req *http.Request) (string, error) {
	res, err := c.RoundTrip(req, u.network, u.address)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// newRequest makes a request whose body is not known to be in memory.
func newRequest(ctx context.Context, method string, body io.Reader, length int64) *http.Request {
	req := httptest.NewRequestWithContext(ctx, method, "http://upstream/path", nil)
	req.RequestURI, req.Body = "", nil
	if body != nil {
		req.Body, req.ContentLength = opaque{body}, length
	}
	return req
}

func post(ctx context.Context, body string) *http.Request {
	return newRequest(ctx, http.MethodPost, strings.NewReader(body), int64(len(body)))
}
