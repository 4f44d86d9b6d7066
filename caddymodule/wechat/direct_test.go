package wechat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// serveConnections serves each connection by calling serve with its number, and returns how to get there.
func serveConnections(t *testing.T, serve func(conn net.Conn, reader *bufio.Reader, number int)) (endpoint *url.URL, opened *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	opened = new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			number := int(opened.Add(1))
			go func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn), number)
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/pre fix"}, opened
}

func (d *directTransport) ask(ctx context.Context, body string) (string, error) {
	res, err := d.post(ctx, "/wxa/getopendata?openid=o%26", []byte(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

func TestDirectPosts(t *testing.T) {
	endpoint, opened := serveConnections(t, func(conn net.Conn, reader *bufio.Reader, _ int) {
		for {
			req, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			text := fmt.Sprint(req.Method, " ", req.RequestURI, " ", req.Header, string(body))
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})
	d := newDirectTransport(endpoint)
	defer d.close()
	for body, length := range map[string]int{"{}": 2, "": 0} {
		want := fmt.Sprintf("POST /pre%%20fix/wxa/getopendata?openid=o%%26 map[Content-Length:[%d] Content-Type:[application/json] User-Agent:[caddy-cloudid]]%s", length, body)
		if got, err := d.ask(t.Context(), body); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// Servers end idle connections, some with a word, and a client meets that only when it asks again.
func TestAConnectionThatEndedWhileIdleIsReplaced(t *testing.T) {
	for sentence, farewell := range map[string]string{
		"without a word":         "",
		"with a request timeout": "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			endpoint, _ := serveConnections(t, func(conn net.Conn, reader *bufio.Reader, number int) {
				for i := range 2 {
					req, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if i == 1 {
						_, _ = io.WriteString(conn, farewell)
						return
					}
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", number)
				}
			})
			d := newDirectTransport(endpoint)
			defer d.close()
			for _, want := range []string{"1", "2"} {
				if got, err := d.ask(t.Context(), "{}"); got != want || err != nil {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
			}
		})
	}
}

func TestTheHeadOfAResponseIsBounded(t *testing.T) {
	for kilobytes, fits := range map[int]bool{63: true, 65: false} {
		endpoint, _ := serveConnections(t, func(conn net.Conn, reader *bufio.Reader, _ int) {
			for {
				req, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				padding := strings.Repeat("x", kilobytes<<10+900)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nPadding: "+padding+"\r\n\r\n{}")
			}
		})
		d := newDirectTransport(endpoint)
		if got, err := d.ask(t.Context(), "{}"); (got == "{}") != fits || (err == nil) != fits {
			t.Errorf("%d KiB: got %q, %v", kilobytes, got, err)
		}
		d.close()
	}
}

// The variables that net/http reads are those of a process, which it reads once: so this test runs itself again.
func TestAProxyOfTheEnvironmentIsUsed(t *testing.T) {
	const asked = "CLOUDID_TEST_ASKS"
	if os.Getenv(asked) == "" {
		var seen sync.Map
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r.URL.Host+r.URL.Path, true)
			_, _ = io.WriteString(w, `{"errcode":0,"data_list":[],"openid":"o"}`)
		}))
		defer proxy.Close()
		again := exec.Command(os.Args[0], "-test.run=^TestAProxyOfTheEnvironmentIsUsed$")
		again.Env = append(os.Environ(), asked+"=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, path := range []string{"/wxa/getopendata", "/sns/jscode2session", "/relayed"} {
			if _, ok := seen.Load("wechat.invalid" + path); !ok {
				t.Errorf("%s did not come by the proxy", path)
			}
		}
		return
	}
	client, err := New("http://wechat.invalid", func(Call) {})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, dataErr := client.GetOpenData(t.Context(), "t", "o", []string{"27_a"})
	_, loginErr := client.JSCode2Session(t.Context(), "wx1", "s", "c")
	_, relayErr := client.Relay(t.Context(), "t", RelayRequest{Method: "GET", Path: "/relayed"})
	if err := errors.Join(dataErr, loginErr, relayErr); err != nil {
		t.Error(err)
	}
}

func TestACallThatIsOverIsNotMade(t *testing.T) {
	endpoint, opened := serveConnections(t, func(net.Conn, *bufio.Reader, int) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newDirectTransport(endpoint).ask(ctx, "{}"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// A proxy, a password in the endpoint, and a host that is written in another way on the wire are what net/http's client knows
// to deal with.
func TestWhatIsNotPlainGoesByNetHTTP(t *testing.T) {
	for endpoint, direct := range map[string]bool{
		"https://api.weixin.qq.com":         true,
		"http://127.0.0.1:9080/prefix":      true,
		"https://user:pass@gateway.example": false,
		"https://微信.example":                false,
		"http://[fe80::1%25eth0]:8080":      false,
	} {
		client, err := New(endpoint, func(Call) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := client.transport.(*directTransport); ours != direct {
			t.Errorf("%s: direct is %v", endpoint, ours)
		}
	}
}
