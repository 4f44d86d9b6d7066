package transport_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// webSocket switches protocols and then answers each hello, but not how Caddy says goodbye.
func webSocket(c *rawserver.Conn) {
	if c.Head() == nil {
		return
	}
	c.Say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	for word := make([]byte, 5); ; {
		if _, err := io.ReadFull(c.Reader, word); err != nil || string(word) != "hello" {
			return
		}
		c.Say("hello")
	}
}

// upgrade opens a WebSocket, and sees that it works.
func (s *side) upgrade() *client {
	s.t.Helper()
	c := s.dial().say("GET / HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if status := c.response(http.MethodGet).StatusCode; status != http.StatusSwitchingProtocols {
		s.t.Fatalf("got %d", status)
	}
	c.wantEcho()
	return c
}

func (c *client) wantEcho() {
	c.t.Helper()
	got := make([]byte, 5)
	if _, err := io.ReadFull(c.say("hello").reader, got); err != nil || string(got) != "hello" {
		c.t.Errorf("got %q, %v", got, err)
	}
}

// goingAway is how Caddy ends a WebSocket of a configuration that is gone: a close frame (RFC 6455, 7.4.1).
const goingAway = "\x88\x02\x03\xe9"

// wantEnd waits until the stream ends, which takes at least so long, with these last words.
func (c *client) wantEnd(least time.Duration, last string) {
	c.t.Helper()
	const most = 5 * time.Second
	start := time.Now()
	_ = c.SetReadDeadline(start.Add(most))
	rest, _ := io.ReadAll(c.reader)
	if took := time.Since(start); string(rest) != last || took < least || took >= most {
		c.t.Errorf("it ended after %v with %q, want %v at least and %v at most", took, rest, least, most)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	reload := func(s *side) {
		s.caddyfile += "\n# another configuration\n"
		s.caddy.Reload(s.t, s.caddyfile)
	}
	runBehaviours(t, []behaviour{
		{"stream_timeout ends a WebSocket", setup{proxy: "stream_timeout 300ms"}, webSocket, func(s *side) {
			s.upgrade().wantEnd(200*time.Millisecond, "")
			s.upstream.WantOpen(s.t, 0)
		}},
		{"stream_timeout is of WebSockets only", setup{proxy: "stream_timeout 50ms"}, slow(200 * time.Millisecond), func(s *side) {
			s.dial().say(post("body")).wantResponse(http.StatusOK, "ok")
		}},
		{"without stream_close_delay a reload ends a WebSocket", setup{}, webSocket, func(s *side) {
			c := s.upgrade()
			reload(s)
			c.wantEnd(0, goingAway)
			s.upstream.WantOpen(s.t, 0)
		}},
		{"with stream_close_delay a WebSocket outlives a reload by so long", setup{proxy: "stream_close_delay 500ms"}, webSocket, func(s *side) {
			c := s.upgrade()
			reload(s)
			c.wantEcho()
			c.wantEnd(300*time.Millisecond, goingAway)
			s.upstream.WantOpen(s.t, 0)
		}},
	})
}
