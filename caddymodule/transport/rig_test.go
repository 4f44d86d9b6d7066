package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/transport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// setup is what a case changes of the usual configuration. $UPSTREAM is replaced by the upstream's address, $PORT by its port, and
// $TRANSPORT by the transport.
type setup struct {
	transport string // options of the transport
	proxy     string // options of reverse_proxy
	to        string // the upstreams; default $UPSTREAM
	global    string // global options
	site      string // what stands before reverse_proxy
	sites     string // more sites, which may import site
	listen    func(t testing.TB) net.Listener
}

// side is a Caddy that proxies to an upstream by one of the two transports.
type side struct {
	t         *testing.T
	name      string // of the transport
	address   string // of Caddy
	upstream  *rawserver.Server
	caddyfile string
	caddy     *caddyrig.Instance
}

// bothTransports runs a test against `transport http`, which says what is right, and against `transport http1`.
func bothTransports(t *testing.T, s setup, serve func(*rawserver.Conn), run func(s *side)) {
	for _, name := range []string{"http", "http1"} {
		if raceDetector && name == "http" && strings.Contains(s.proxy, "lb_retries") {
			continue // net/http may still read the body for the attempt before, by the same wrapper of reverse_proxy: their race
		}
		t.Run(name, func(t *testing.T) { run(start(t, name, s, serve)) })
	}
}

// start runs Caddy until the test ends.
func start(t *testing.T, transport string, s setup, serve func(*rawserver.Conn)) *side {
	t.Helper()
	if s.listen == nil {
		s.listen = rawserver.ListenTCP
	}
	out := &side{t: t, name: transport, address: freeport.Addr(t), upstream: rawserver.Start(t, s.listen(t), serve)}
	upstream := out.upstream.Address
	if out.upstream.Network == "unix" {
		upstream = "unix/" + upstream
	}
	if s.to == "" {
		s.to = "$UPSTREAM"
	}
	_, port, _ := net.SplitHostPort(out.address)
	out.caddyfile = strings.NewReplacer("$UPSTREAM", upstream, "$PORT", upstream[strings.LastIndexByte(upstream, ':')+1:], "$TRANSPORT", transport).Replace(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	log {
		output discard
	}
	%s
}
(site) {
	%s
	reverse_proxy %s {
		%s
		transport $TRANSPORT {
			%s
		}
	}
}
http://:%s {
	import site
}
%s
`, s.global, s.site, s.to, s.proxy, s.transport, port, s.sites))
	out.caddy = caddyrig.Start(t, out.caddyfile)
	return out
}

// behaviour is something that a user of `transport http` can notice. Each is run against both transports, with bodies that come from
// the client, and again with bodies that a handler holds in memory, unless that is another matter.
type behaviour struct {
	sentence string
	setup    setup
	serve    func(*rawserver.Conn) // default: echo
	run      func(s *side)
}

// unheld are the behaviours of a body that comes from the client while it is being sent, and then is gone.
var unheld = map[string]bool{
	"an upload is streamed as it comes":                                true,
	"a client that leaves while it uploads":                            true,
	"lb_retries without a buffer sends no body twice, nor half of one": true,
}

func runBehaviours(t *testing.T, table []behaviour) {
	for _, b := range table {
		t.Run(b.sentence, func(t *testing.T) {
			if b.serve == nil {
				b.serve = echo
			}
			bothTransports(t, b.setup, b.serve, b.run)
			if unheld[b.sentence] || strings.Contains(b.setup.site, "held_body") || strings.Contains(b.setup.site, "cloudid") {
				return
			}
			t.Run("a held body", func(t *testing.T) {
				held := b.setup
				held.site = "held_body\n" + held.site
				bothTransports(t, held, b.serve, b.run)
			})
		})
	}
}

func (s *side) wantAccepted(want int32) {
	s.t.Helper()
	if n := s.upstream.Accepted.Load(); n != want {
		s.t.Errorf("%d connections were opened, want %d", n, want)
	}
}

// client is a connection to Caddy on which a test speaks HTTP/1.1 by hand.
type client struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func (s *side) dial() *client {
	s.t.Helper()
	return s.dialBy(net.Dialer{})
}

func (s *side) dialBy(dialer net.Dialer) *client {
	s.t.Helper()
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
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

// echo responds to each request with its method, its path and its body.
func echo(c *rawserver.Conn) {
	for req := c.Request(); req != nil; req = c.Request() {
		text := req.Method + " " + req.RequestURI + " " + rawserver.Body(req)
		c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
	}
}
