package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// hangUp serves one request on each connection, and hangs up in the middle of the second.
func hangUp(c *rawserver.Conn) {
	if c.Request() == nil {
		return
	}
	c.Say(okResponse)
	c.Request()
	_ = c.Close()
}

func TestConnectionsAndRetries(t *testing.T) {
	t.Parallel()
	runBehaviours(t, []behaviour{
		{"a GET on a connection that had ended is made again", setup{}, hangUp, func(s *side) {
			c := s.dial()
			for range 4 {
				c.say(get("/")).wantResponse(http.StatusOK, "ok")
			}
			s.wantAccepted(4)
		}},
		{"a POST on such a connection is a 502: the upstream may have done it", setup{}, hangUp, func(s *side) {
			c := s.dial()
			c.say(post("body")).wantResponse(http.StatusOK, "ok")
			c.say(post("body")).wantResponse(http.StatusBadGateway, "")
			c.say(post("body")).wantResponse(http.StatusOK, "ok")
		}},
		{"a POST on a connection that ended before is made on another", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say(okResponse)
			_ = c.Close()
		}, func(s *side) {
			c := s.dial()
			for range 4 {
				c.say(post("body")).wantResponse(http.StatusOK, "ok")
				s.upstream.WantOpen(s.t, 0)
				time.Sleep(5 * time.Millisecond)
			}
			s.wantAccepted(4)
		}},
		{"lb_retries with lb_retry_match repeats a POST whose body is buffered", setup{proxy: "request_buffers 4KiB\nlb_retries 3\nlb_retry_match method POST"}, func(c *rawserver.Conn) {
			body := rawserver.Body(c.Request())
			if c.Number >= 3 {
				c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			}
			_ = c.Close()
		}, func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "body")
			s.wantAccepted(3)
		}},
		{"lb_retries without a buffer sends no body twice, nor half of one", setup{proxy: "lb_retries 3\nlb_retry_match method POST"}, func(c *rawserver.Conn) {
			req := c.Request()
			if req != nil && (c.Number > 1 || rawserver.Body(req) != "body") {
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
			}
			_ = c.Close()
		}, func(s *side) { s.dial().say(post("body")).wantResponse(http.StatusBadGateway, "") }},
		{"an upstream that is not there leaves the body to the next", setup{to: "127.0.0.1:1 $UPSTREAM", proxy: "lb_policy first\nlb_retries 2\nfail_duration 10s"}, nil, func(s *side) {
			c := s.dial()
			for range 3 {
				c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
			}
		}},
		{"lb_retry_match by the response's status", setup{proxy: "lb_retries 3\nlb_retry_match expression `{rp.status_code} == 503`"}, func(c *rawserver.Conn) {
			for range 2 {
				c.Request()
				c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
			}
			c.Request()
			c.Say(okResponse)
		}, func(s *side) { // the body of the 503 is not read, so each costs its connection
			s.dial().say(get("/")).wantResponse(http.StatusServiceUnavailable, "")
			s.wantAccepted(4)
		}},
		{"each attempt has the whole header", setup{proxy: "lb_retries 3"}, func(c *rawserver.Conn) {
			req := c.Request()
			if c.Number >= 3 && req != nil {
				c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%s", req.Header.Get("X-Sent")))
			}
			_ = c.Close()
		}, func(s *side) {
			s.dial().say("GET / HTTP/1.1\r\nHost: site\r\nX-Sent: yes\r\n\r\n").wantResponse(http.StatusOK, "yes")
			s.wantAccepted(3)
		}},
		{"what comes unasked is nobody's response", setup{}, func(c *rawserver.Conn) {
			for {
				if c.Request() == nil {
					return
				}
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + strconv.Itoa(c.Number) + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
			}
		}, func(s *side) {
			c := s.dial()
			for _, want := range []string{"1", "2", "3"} {
				c.say(get("/")).wantResponse(http.StatusOK, want)
				time.Sleep(5 * time.Millisecond)
			}
		}},
		{"keepalive off", setup{transport: "keepalive off"}, func(c *rawserver.Conn) {
			req := c.Request()
			text := fmt.Sprint(req.Close)
			c.Say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
		}, func(s *side) {
			c := s.dial()
			for range 3 {
				c.say(get("/")).wantResponse(http.StatusOK, "true")
			}
			s.wantAccepted(3)
			s.upstream.WantOpen(s.t, 0)
		}},
		{"keepalive 100ms", setup{transport: "keepalive 100ms"}, nil, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusOK, "GET / ")
			s.upstream.WantOpen(s.t, 0)
		}},
		{"keepalive_idle_conns_per_host", setup{transport: "keepalive_idle_conns_per_host 2"}, slow(50 * time.Millisecond), func(s *side) {
			s.getAtOnce(5)
			s.upstream.WantOpen(s.t, 2)
		}},
		{"keepalive_idle_conns", setup{transport: "keepalive_idle_conns 3"}, slow(50 * time.Millisecond), func(s *side) {
			s.getAtOnce(5)
			s.upstream.WantOpen(s.t, 3)
		}},
		{"write_timeout is no matter of the next request", setup{site: "held_body", transport: "write_timeout 500ms"}, nil, func(s *side) {
			c, large := s.dial(), strings.Repeat("large ", 20_000)
			for range 3 {
				c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", len(large), large)).wantResponse(http.StatusOK, "POST / "+large)
				c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
				time.Sleep(550 * time.Millisecond)
			}
			s.wantAccepted(1)
		}},
		{"max_conns_per_host", setup{transport: "max_conns_per_host 2"}, slow(10 * time.Millisecond), func(s *side) {
			s.getAtOnce(10)
			if n := s.upstream.Accepted.Load(); n > 2 {
				s.t.Errorf("%d connections were opened", n)
			}
		}},
		{"max_conns_per_host 1 with requests of all kinds", setup{transport: "max_conns_per_host 1"}, nil, func(s *side) {
			const chunked = "POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
			c := s.dial()
			for range 3 {
				c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
				c.say(chunked).wantResponse(http.StatusOK, "POST / body")
				c.say(get("/")).wantResponse(http.StatusOK, "GET / ")
			}
			var wg sync.WaitGroup
			for i := range 10 {
				c := s.dial()
				wg.Go(func() {
					if i%2 == 0 {
						c.say(chunked).wantResponse(http.StatusOK, "POST / body")
					} else {
						c.say(post("body")).wantResponse(http.StatusOK, "POST / body")
					}
				})
			}
			wg.Wait()
			s.upstream.WantOpenBetween(s.t, 0, 1)
		}},
	})
}

// slow responds to each request after a while.
func slow(wait time.Duration) func(*rawserver.Conn) {
	return func(c *rawserver.Conn) {
		for c.Request() != nil {
			time.Sleep(wait)
			c.Say(okResponse)
		}
	}
}

func (s *side) getAtOnce(n int) {
	var wg sync.WaitGroup
	for range n {
		c := s.dial()
		wg.Go(func() { c.say(get("/")).wantResponse(http.StatusOK, "ok") })
	}
	wg.Wait()
}

func TestTimeoutsAndCancellation(t *testing.T) {
	t.Parallel()
	never := func(c *rawserver.Conn) { c.Request() }
	runBehaviours(t, []behaviour{
		{"response_header_timeout is a 504", setup{transport: "response_header_timeout 100ms"}, never, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusGatewayTimeout, "")
			s.dial().say(post("body")).wantResponse(http.StatusGatewayTimeout, "")
			s.upstream.WantOpen(s.t, 0)
		}},
		{"response_header_timeout counts from the end of the request", setup{transport: "response_header_timeout 1s"}, nil, func(s *side) {
			c := s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 4\r\n\r\n")
			for _, piece := range strings.Split("body", "") {
				time.Sleep(300 * time.Millisecond)
				c.say(piece)
			}
			c.wantResponse(http.StatusOK, "POST / body")
		}},
		{"response_header_timeout does not cut off a body", setup{transport: "response_header_timeout 500ms"}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			time.Sleep(750 * time.Millisecond)
			c.Say("k")
		}, func(s *side) { s.dial().say(get("/")).wantResponse(http.StatusOK, "ok") }},
		{"read_timeout before the response is a 504", setup{transport: "read_timeout 100ms"}, never, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusGatewayTimeout, "")
			s.upstream.WantOpen(s.t, 0)
		}},
		{"read_timeout within the body ends it", setup{transport: "read_timeout 500ms"}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}, func(s *side) {
			if text, err := io.ReadAll(s.dial().say(get("/")).response("GET").Body); string(text) != "half" || err == nil {
				s.t.Errorf("got %q, %v", text, err)
			}
			s.upstream.WantOpen(s.t, 0)
		}},
		{"read_timeout is of each read", setup{transport: "read_timeout 1s"}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			for range 4 {
				time.Sleep(300 * time.Millisecond)
				c.Say("x")
			}
		}, func(s *side) { s.dial().say(get("/")).wantResponse(http.StatusOK, "xxxx") }},
		{"write_timeout", setup{transport: "write_timeout 200ms"}, func(c *rawserver.Conn) { c.Head(); time.Sleep(time.Second) }, func(s *side) {
			c := s.dial()
			go func() { _, _ = io.WriteString(c.Conn, post(strings.Repeat("x", 1<<25))) }()
			if status := c.response("POST").StatusCode; status < 500 {
				s.t.Errorf("got %d", status)
			}
		}},
		{"a client that leaves while it waits", setup{}, func(c *rawserver.Conn) { c.Request(); c.Say("") }, func(s *side) {
			for _, request := range []string{get("/"), post("body"), post(strings.Repeat("x", 1<<20))} {
				c := s.dial().say(request)
				probe.Eventually(s.t, "the request is there", func() bool { return s.upstream.Open.Load() == 1 })
				time.Sleep(20 * time.Millisecond)
				_ = c.Close()
				s.upstream.WantOpen(s.t, 0)
			}
		}},
		{"a client that leaves while it uploads", setup{}, func(c *rawserver.Conn) { c.Request() }, func(s *side) {
			for _, length := range []int{100, 1 << 20} {
				c := s.dial().say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\nhalf", length))
				probe.Eventually(s.t, "the request is there", func() bool { return s.upstream.Open.Load() == 1 })
				time.Sleep(20 * time.Millisecond) // earlier, the connection was not used, and may stay
				_ = c.Close()
				s.upstream.WantOpen(s.t, 0)
			}
		}},
		{"a client that leaves while it is sent a body", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n")
		}, func(s *side) {
			c := s.dial().say(get("/"))
			_, _ = io.ReadFull(c.response("GET").Body, make([]byte, 5))
			_ = c.Close()
			s.upstream.WantOpen(s.t, 0)
		}},
		{"a client that reads slowly gets all of it", setup{}, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + strings.Repeat("x", 5_000_000))
		}, func(s *side) {
			res := s.dial().say(get("/")).response("GET")
			time.Sleep(100 * time.Millisecond)
			if n, err := io.Copy(io.Discard, res.Body); n != 5_000_000 || err != nil {
				s.t.Errorf("got %d bytes, %v", n, err)
			}
		}},
	})
}

func TestHealthAndUpstreams(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	runBehaviours(t, []behaviour{
		{"active health checks", setup{proxy: "health_uri /health\nhealth_interval 20ms\nhealth_status 2xx\nhealth_method POST\nhealth_request_body ping"}, func(c *rawserver.Conn) {
			for req := c.Request(); req != nil; req = c.Request() {
				body := rawserver.Body(req)
				if req.URL.Path == "/health" && (sick.Load() || req.Method != http.MethodPost || body != "ping") {
					c.Say("HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n")
					continue
				}
				c.Say(okResponse)
			}
		}, func(s *side) {
			for _, status := range []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusOK} {
				sick.Store(status != http.StatusOK)
				probe.Eventually(s.t, "the health check is believed", func() bool { return s.dial().say(get("/")).response("GET").StatusCode == status })
			}
		}},
		{"passive health checks", setup{proxy: "fail_duration 10s\nmax_fails 1\nunhealthy_status 500"}, rawserver.SayEach("HTTP/1.1 500 Sick\r\nContent-Length: 4\r\n\r\nsick"), func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusInternalServerError, "sick")
			s.dial().say(get("/")).wantResponse(http.StatusServiceUnavailable, "")
		}},
		{"passive health checks of failures", setup{proxy: "fail_duration 10s"}, func(c *rawserver.Conn) { c.Request(); _ = c.Close() }, func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
			s.dial().say(get("/")).wantResponse(http.StatusServiceUnavailable, "")
		}},
		{"unhealthy_latency", setup{proxy: "fail_duration 10s\nunhealthy_latency 20ms"}, slow(50 * time.Millisecond), func(s *side) {
			s.dial().say(get("/")).wantResponse(http.StatusOK, "ok")
			s.dial().say(get("/")).wantResponse(http.StatusServiceUnavailable, "")
		}},
		{"unhealthy_request_count", setup{proxy: "unhealthy_request_count 1"}, slow(time.Second), func(s *side) {
			first := s.dial().say(get("/"))
			probe.Eventually(s.t, "the request is there", func() bool { return s.upstream.Open.Load() == 1 })
			s.dial().say(get("/")).wantResponse(http.StatusServiceUnavailable, "")
			first.wantResponse(http.StatusOK, "ok")
		}},
		{"upstreams by a placeholder", setup{to: "{query.to}"}, nil, func(s *side) {
			s.dial().say(get("/?to="+s.upstream.Address)).wantResponse(http.StatusOK, "GET /?to="+s.upstream.Address+" ")
			s.dial().say(get("/?to=127.0.0.1:1")).wantResponse(http.StatusBadGateway, "")
		}},
		{"placeholders of the response's time", setup{proxy: "header_down X {http.reverse_proxy.upstream.hostport}"}, nil, func(s *side) {
			if res := s.dial().say(get("/")).wantResponse(http.StatusOK, "GET / "); res.Header.Get("X") != s.upstream.Address {
				s.t.Errorf("the header is %v", res.Header)
			}
		}},
	})
}

// A reload closes the connections of the old configuration that nobody uses, and harms no request under way.
func TestReload(t *testing.T) {
	t.Parallel()
	runBehaviours(t, []behaviour{{"closes what is idle", setup{transport: "dial_timeout 5s"}, slow(300 * time.Millisecond), func(s *side) {
		s.getAtOnce(3)
		c, handed := s.dial().say(post("body")), s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
		time.Sleep(50 * time.Millisecond)
		s.caddyfile += "\n# another configuration\n"
		s.caddy.Reload(s.t, s.caddyfile)
		c.wantResponse(http.StatusOK, "ok")
		handed.wantResponse(http.StatusOK, "ok")
		s.upstream.WantOpen(s.t, 0)
		s.dial().say(get("/")).wantResponse(http.StatusOK, "ok")
		s.upstream.WantOpen(s.t, 1)
	}}})
}

// Different from transport http, whose client then waits for a response: nobody asked for another protocol.
func TestAProtocolNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t, "http1", setup{}, rawserver.SayEach("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
	s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
	s.upstream.WantOpen(t, 0)
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	const site = "http://localhost:%d {\nreverse_proxy %s {\ntransport http1 {\n%s\n}\n}\n}\n"
	for _, test := range []struct{ to, options, wrong string }{
		{"127.0.0.1:3000", "", ""},
		{"127.0.0.1:3000", "versions 1.1", ""},
		{"127.0.0.1:3000", "versions 1.1 2", ""},
		{"127.0.0.1:3000", "keepalive 10s\nkeepalive_interval 5s\nmax_conns_per_host 5\ndial_timeout 1s\ntls\ntls_insecure_skip_verify", ""},
		{"https://127.0.0.1:3000", "", ""},
		{"127.0.0.1:3000", "versions h2c 2", "versions must be 1.1, or 1.1 2 with tls, not h2c; use transport http"},
		{"127.0.0.1:3000", "versions 2", "versions must include 1.1"},
		{"127.0.0.1:3000", "versions 3", "not 3"},
		{"h2c://127.0.0.1:3000", "", "not h2c: use transport http for upstreams h2c://"},
		{"127.0.0.1:3000", "nonsense", "unrecognized subdirective nonsense"},
	} {
		config, err := caddyrig.Adapt(fmt.Sprintf(site, 9999, test.to, test.options))
		if test.wrong == "" && (err != nil || !strings.Contains(string(config), `"protocol":"http1"`)) {
			t.Errorf("%q to %s: %v in %s", test.options, test.to, err, config)
		}
		if test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%q to %s: %v", test.options, test.to, errors.Unwrap(err))
		}
	}
	_, err := caddyrig.Adapt("http://localhost:9999 {\nreverse_proxy 127.0.0.1:3000 {\ntransport http1 nonsense\n}\n}\n")
	if err == nil || !strings.Contains(err.Error(), `takes no arguments, only a block with the options of transport http, not "nonsense"`) {
		t.Errorf("an argument: %v", err)
	}
}

// What is wrong with a config in JSON, Caddy says when it loads that.
func TestConfigurationInJSON(t *testing.T) {
	t.Parallel()
	config := string(caddyrig.MustAdapt(t, "{\nadmin off\n}\nhttp://127.0.0.1:9999 {\nreverse_proxy 127.0.0.1:3000 {\ntransport http1\n}\n}\n"))
	for options, wrong := range map[string]string{
		`"versions":["3"]`:          "versions must be 1.1, or 1.1 2 with tls, not 3; use transport http",
		`"versions":["2"],"tls":{}`: "versions must include 1.1",
		`"tls":{"ca":{"provider":"file","pem_files":["/nowhere/at/all"]}}`: "/nowhere/at/all",
	} {
		err := caddyrig.New(t).ReloadJSON([]byte(strings.Replace(config, `"protocol":"http1"`, `"protocol":"http1",`+options, 1)))
		if err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", options, err)
		}
	}
}
