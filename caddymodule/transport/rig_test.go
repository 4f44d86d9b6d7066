package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/transport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// setup is what a case changes of the usual configuration. $UPSTREAM is replaced by the upstream's address.
type setup struct {
	transport string // options of the transport
	proxy     string // options of reverse_proxy
	to        string // the upstreams; default $UPSTREAM
	global    string // global options
	site      string // what stands before reverse_proxy
	listen    func(t *testing.T) net.Listener
}

// side is a Caddy that proxies to an upstream by one of the two transports.
type side struct {
	t         *testing.T
	name      string // of the transport
	address   string // of Caddy
	upstream  *upstream
	caddyfile string
	caddy     *caddyrig.Instance
}

// bothTransports runs a test against `transport http`, which says what is right, and against `transport http1`.
func bothTransports(t *testing.T, s setup, serve func(*upstreamConn), run func(s *side)) {
	for _, name := range []string{"http", "http1"} {
		t.Run(name, func(t *testing.T) { run(start(t, name, s, serve)) })
	}
}

// start runs Caddy until the test ends.
func start(t *testing.T, transport string, s setup, serve func(*upstreamConn)) *side {
	t.Helper()
	if s.listen == nil {
		s.listen = listenTCP
	}
	out := &side{t: t, name: transport, address: freeport.Addr(t), upstream: startUpstream(t, s.listen(t), serve)}
	if s.to == "" {
		s.to = "$UPSTREAM"
	}
	_, port, _ := net.SplitHostPort(out.address)
	out.caddyfile = strings.NewReplacer("$UPSTREAM", out.upstream.address, "$TRANSPORT", transport).Replace(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	log {
		output discard
	}
	%s
}
http://:%s {
	%s
	reverse_proxy %s {
		%s
		transport $TRANSPORT {
			%s
		}
	}
}
`, s.global, port, s.site, s.to, s.proxy, s.transport))
	out.caddy = caddyrig.Start(t, out.caddyfile)
	return out
}

// client is a connection to Caddy on which a test speaks HTTP/1.1 by hand.
type client struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func (s *side) dial() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{conn, s.t, bufio.NewReader(conn)}
}

func (c *client) say(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// response reads a response's head.
func (c *client) response(method string) *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

// wantResponse reads a response, and says where it is not the wanted one.
func (c *client) wantResponse(status int, body string) *http.Response {
	c.t.Helper()
	res := c.response(http.MethodGet)
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || string(got) != body {
		c.t.Errorf("the response is %d %.200q, %v; want %d %.200q", res.StatusCode, got, err, status, body)
	}
	return res
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: site\r\n\r\n" }

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// upstream is a server that a test plays by hand.
type upstream struct {
	address  string
	accepted atomic.Int32
	open     atomic.Int32
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// startUpstream serves each connection by calling serve; then it reads until the other side hangs up.
func startUpstream(t *testing.T, listener net.Listener, serve func(*upstreamConn)) *upstream {
	t.Helper()
	u := &upstream{address: listener.Addr().String(), listener: listener}
	if listener.Addr().Network() == "unix" {
		u.address = "unix/" + u.address
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.conns = append(u.conns, conn)
			u.mu.Unlock()
			u.open.Add(1)
			number := int(u.accepted.Add(1))
			wg.Go(func() {
				defer u.open.Add(-1)
				defer conn.Close()
				serve(&upstreamConn{Conn: conn, reader: bufio.NewReader(conn), number: number})
				_, _ = io.Copy(io.Discard, conn)
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

func (u *upstream) wantOpen(t *testing.T, want int32) {
	t.Helper()
	u.wantOpenBetween(t, want, want)
}

// wantOpenBetween waits a little: the upstream notices only after a while that the other side has hung up.
func (u *upstream) wantOpenBetween(t *testing.T, least, most int32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		open := u.open.Load()
		if least <= open && open <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d connections to the upstream are open, want %d to %d", open, least, most)
			return
		}
	}
}

type upstreamConn struct {
	net.Conn
	reader *bufio.Reader
	number int
}

func (c *upstreamConn) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// head reads a request's head; nil when there is none.
func (c *upstreamConn) head() *http.Request {
	req, err := http.ReadRequest(c.reader)
	if err != nil {
		return nil
	}
	return req
}

// request reads a request and its body; false when there is none.
func (c *upstreamConn) request() (req *http.Request, body string, ok bool) {
	req = c.head()
	if req == nil {
		return nil, "", false
	}
	text, err := io.ReadAll(req.Body)
	return req, string(text), err == nil
}

func sayEach(text string) func(*upstreamConn) {
	return func(c *upstreamConn) {
		for {
			if _, _, ok := c.request(); !ok {
				return
			}
			c.say(text)
		}
	}
}

// echo responds to each request with its method, its path and its body.
func echo(c *upstreamConn) {
	for {
		req, body, ok := c.request()
		if !ok {
			return
		}
		text := req.Method + " " + req.RequestURI + " " + body
		c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	}
}
