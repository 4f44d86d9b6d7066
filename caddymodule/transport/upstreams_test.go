package transport_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

const first, second = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"

// sequence makes requests one after the other, and returns the first letters of what responded.
func (s *side) sequence(requests ...string) string {
	s.t.Helper()
	c, letters := s.dial(), ""
	for _, request := range requests {
		letters += bodyOf(c.say(request).response(http.MethodGet))[:1]
	}
	return letters
}

func (s *side) wantSequence(want string, requests ...string) {
	s.t.Helper()
	if got := s.sequence(requests...); got != want {
		s.t.Errorf("%s responded, want %s", got, want)
	}
}

func times(n int, request string) []string {
	return strings.Split(strings.Repeat(request+"|", n)[:n*(len(request)+1)-1], "|")
}

// wantHashed sees that all requests of a user are for one upstream, whatever else is in them, and that not all users' are for the same.
// Each user connects from an address of its own.
func (s *side) wantHashed(request func(user, other int) string) {
	s.t.Helper()
	var seen strings.Builder
	for user := range 20 {
		letters := ""
		for other := range 3 {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 7, byte(user+1))}}
			letters += bodyOf(s.dialBy(dialer).say(request(user+1, 3*user+other)).response(http.MethodGet))[:1]
		}
		if letters != strings.Repeat(letters[:1], 3) {
			s.t.Errorf("for user %d %s responded", user, letters)
		}
		seen.WriteString(letters[:1])
	}
	if !strings.Contains(seen.String(), "f") || !strings.Contains(seen.String(), "s") {
		s.t.Errorf("for all users it is the same: %s", seen.String())
	}
}

// getWith is a GET with one more field, of a path that says nothing.
func getWith(other int, field string) string {
	return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: site\r\n%s\r\n\r\n", other, field)
}

func TestWhichUpstream(t *testing.T) {
	t.Parallel()
	other := rawserver.Start(t, rawserver.ListenTCP(t), rawserver.SayEach(second))
	both, one := "$UPSTREAM "+other.Address, rawserver.SayEach(first)
	runBehaviours(t, []behaviour{
		{"lb_policy first", setup{to: both, proxy: "lb_policy first"}, one, func(s *side) {
			s.wantSequence("fff", get("/"), post("body"), get("/"))
		}},
		{"lb_policy round_robin", setup{to: both, proxy: "lb_policy round_robin"}, one, func(s *side) {
			if got := s.sequence(times(6, post("body"))...); got != "fsfsfs" && got != "sfsfsf" {
				s.t.Errorf("%s responded", got)
			}
		}},
		{"lb_policy weighted_round_robin", setup{to: both, proxy: "lb_policy weighted_round_robin 2 1"}, one, func(s *side) {
			if got := s.sequence(times(9, post("body"))...); strings.Count(got, "f") != 6 {
				s.t.Errorf("%s responded", got)
			}
		}},
		{"lb_policy header", setup{to: both, proxy: "lb_policy header X-User"}, one, func(s *side) {
			s.wantHashed(func(user, other int) string { return getWith(other, fmt.Sprint("X-User: ", user)) })
		}},
		{"lb_policy query", setup{to: both, proxy: "lb_policy query user"}, one, func(s *side) {
			s.wantHashed(func(user, other int) string { return get(fmt.Sprintf("/%d?n=%d&user=%d", other, other, user)) })
		}},
		{"lb_policy uri_hash", setup{to: both, proxy: "lb_policy uri_hash"}, one, func(s *side) {
			s.wantHashed(func(user, other int) string {
				return fmt.Sprintf("POST /?user=%d HTTP/1.1\r\nHost: site%d\r\nContent-Length: 4\r\n\r\nbody", user, other)
			})
		}},
		{"lb_policy client_ip_hash", setup{to: both, proxy: "lb_policy client_ip_hash", global: "servers {\ntrusted_proxies static 127.0.0.0/8\n}"}, one, func(s *side) {
			s.wantHashed(func(user, other int) string { return getWith(other, fmt.Sprint("X-Forwarded-For: 192.0.2.", user)) })
		}},
		{"lb_policy ip_hash is by who connects, not by what it says", setup{to: both, proxy: "lb_policy ip_hash", global: "servers {\ntrusted_proxies static 127.0.0.0/8\n}"}, one, func(s *side) {
			s.wantHashed(func(user, other int) string { return getWith(other, fmt.Sprint("X-Forwarded-For: 192.0.2.", other)) })
		}},
		{"lb_policy cookie stays with one", setup{to: both, proxy: "lb_policy cookie upstream made-up-secret"}, one, func(s *side) {
			var seen string
			for range 20 {
				res := s.dial().say(post("body")).response(http.MethodPost)
				cookie := strings.Split(res.Header.Get("Set-Cookie"), ";")[0]
				letter := bodyOf(res)[:1]
				seen += letter
				if !strings.HasPrefix(cookie, "upstream=") {
					s.t.Fatalf("the cookie is %q", cookie)
				}
				c := s.dial()
				for range 3 {
					res := c.say("GET / HTTP/1.1\r\nHost: site\r\nCookie: " + cookie + "\r\n\r\n").response(http.MethodGet)
					if got := bodyOf(res)[:1]; got != letter || res.Header.Get("Set-Cookie") != "" {
						s.t.Errorf("with the cookie of %s it is %s, and the next is %q", letter, got, res.Header.Get("Set-Cookie"))
					}
				}
			}
			if !strings.Contains(seen, "f") || !strings.Contains(seen, "s") {
				s.t.Errorf("without a cookie it is always the same: %s", seen)
			}
		}},
		{"lb_policy least_conn counts what is under way", setup{to: both, proxy: "lb_policy least_conn"}, func(c *rawserver.Conn) { c.Request() }, func(s *side) {
			waiting := 0
			for ; s.upstream.Open.Load() == 0 && waiting < 100; waiting++ { // chance chooses while both have none
				c := s.dial().say(post("body"))
				_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				_, _ = c.reader.Peek(1)
			}
			s.wantSequence("ssssss", times(6, post("body"))...)
		}},
		{"dynamic upstreams", setup{to: "127.0.0.1:1", proxy: "dynamic a {\nname localhost\nport $PORT\nversions ipv4\n}"}, one, func(s *side) {
			s.wantSequence("fff", post("body"), get("/"), post("body"))
			s.wantAccepted(1)
		}},
		{"lb_try_duration", setup{to: "127.0.0.1:1", proxy: "lb_try_duration 200ms\nlb_try_interval 20ms"}, nil, func(s *side) {
			start := time.Now()
			s.dial().say(post("body")).wantResponse(http.StatusBadGateway, "")
			if took := time.Since(start); took < 150*time.Millisecond {
				s.t.Errorf("it took %v", took)
			}
		}},
		{"dial_timeout is a 502", setup{to: deaf(t), transport: "dial_timeout 200ms"}, nil, func(s *side) {
			start := time.Now()
			s.dial().say(post("body")).wantResponse(http.StatusBadGateway, "")
			s.dial().say("POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n").wantResponse(http.StatusBadGateway, "")
			if took := time.Since(start); took < 300*time.Millisecond || took > 10*time.Second {
				s.t.Errorf("it took %v", took)
			}
		}},
		{"a client that leaves while it is dialed", setup{to: deaf(t) + " $UPSTREAM", proxy: "lb_policy first\nlb_retries 5\nfail_duration 10s", transport: "dial_timeout 5s"}, nil, func(s *side) {
			c := s.dial().say(post("body"))
			time.Sleep(50 * time.Millisecond)
			_ = c.Close()
			time.Sleep(50 * time.Millisecond)
			if n := s.upstream.Accepted.Load(); n != 0 {
				s.t.Errorf("the request went to the next upstream")
			}
		}},
		{"an upstream that comes back", setup{to: "$UPSTREAM", proxy: "fail_duration 100ms\nlb_try_duration 5s\nlb_try_interval 20ms\nlb_retry_match method POST"}, func(c *rawserver.Conn) {
			body := rawserver.Body(c.Request())
			if c.Number > 2 {
				c.Say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n" + body)
			}
			_ = c.Close()
		}, func(s *side) {
			if strings.Contains(s.caddyfile, "held_body") { // else the body is gone, with both
				s.dial().say(post("body")).wantResponse(http.StatusOK, "body")
			}
			probe.Eventually(s.t, "it is asked again", func() bool { return s.dial().say(get("/")).response("GET").StatusCode == http.StatusOK })
		}},
	})
}

// max_conns_per_host is of all requests, also of those that http1 hands to the transport within it.
func TestNoMoreRequestsAtOnceThanConnections(t *testing.T) {
	t.Parallel()
	var under atomic.Int32
	serve := func(c *rawserver.Conn) {
		for c.Request() != nil {
			at := under.Add(1)
			time.Sleep(5 * time.Millisecond)
			under.Add(-1)
			if at > 1 {
				c.Say("HTTP/1.1 500 At Once\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			c.Say(okResponse)
		}
	}
	run := func(s *side) {
		var wg sync.WaitGroup
		for i := range 10 {
			c, request := s.dial(), post("body")
			if i%2 == 0 {
				request = "POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
			}
			wg.Go(func() { c.say(request).wantResponse(http.StatusOK, "ok") })
		}
		wg.Wait()
	}
	runBehaviours(t, []behaviour{
		{"max_conns_per_host 1", setup{transport: "max_conns_per_host 1"}, serve, run},
		{"max_conns_per_host 1 of a Unix socket", setup{transport: "max_conns_per_host 1", listen: listenUnix}, serve, run},
	})
}
