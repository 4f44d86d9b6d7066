package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// calm are the ways in which servers do what they should, given the body of a response. Each reports whether it reads on.
var calm = map[string]func(c *rawserver.Conn, text string) bool{
	"length":   func(c *rawserver.Conn, text string) bool { c.Say(withLength(text)); return true },
	"chunks":   func(c *rawserver.Conn, text string) bool { c.Say(inChunks(text)); return true },
	"announce": func(c *rawserver.Conn, text string) bool { c.Say(announcement + withLength(text)); return true },
	"pieces": func(c *rawserver.Conn, text string) bool {
		for _, piece := range strings.SplitAfter(withLength(text), " ") {
			c.Say(piece)
		}
		return true
	},
	"slowly": func(c *rawserver.Conn, text string) bool { pause(25); c.Say(withLength(text)); return true },
}

// wild are the ways in which servers do not.
var wild = map[string]func(c *rawserver.Conn, text string) bool{
	"no end": func(c *rawserver.Conn, text string) bool { c.Say("HTTP/1.1 200 OK\r\n\r\n" + text); return false },
	"leaves": func(c *rawserver.Conn, text string) bool { c.Say(withLength(text)); return false },
	"idles":  func(c *rawserver.Conn, text string) bool { c.Say(withLength(text)); pause(2); return false },
	"two": func(c *rawserver.Conn, text string) bool {
		c.Say(withLength(text) + withLength("foreign"))
		return true
	},
	"garbage": func(c *rawserver.Conn, text string) bool { c.Say(withLength(text)); pause(2); c.Say("x"); return true },
	"half":    func(c *rawserver.Conn, text string) bool { c.Say(someOf(withLength(text))); return false },
	"chunk":   func(c *rawserver.Conn, text string) bool { c.Say(someOf(inChunks(text))); return false },
	"nothing": func(*rawserver.Conn, string) bool { return false },
	"silence": func(c *rawserver.Conn, _ string) bool { _, _ = io.Copy(io.Discard, c); return false },
	"goodbye": func(c *rawserver.Conn, text string) bool { c.Say(withLength(text)); endWriting(c.Conn); return true },
	"reset":   func(c *rawserver.Conn, _ string) bool { reset(c.Conn); return false },
	"resets": func(c *rawserver.Conn, text string) bool {
		c.Say(withLength(text))
		pause(2)
		reset(c.Conn)
		return false
	},
	"too soon": nil, // before the request was read
}

const announcement = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

func withLength(text string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

func inChunks(text string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), text)
}

func someOf(text string) string { return text[:rand.IntN(len(text))] }

func pause(most int) { time.Sleep(time.Duration(rand.IntN(most*1000)) * time.Microsecond) }

func endWriting(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() }

// reset closes a connection as if the server's machine had lost it.
func reset(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// traffic is what servers saw of many requests, each of which has an ID, and a body that is this ID again and again.
type traffic struct {
	*testing.T
	ways map[string]func(c *rawserver.Conn, text string) bool

	mu   sync.Mutex
	read map[string]int // how often a request was read whole
}

// serve responds to /WAY/ID with the ID.
func (s *traffic) serve(c *rawserver.Conn) {
	defer c.Close()
	for req := c.Head(); req != nil; req = c.Head() {
		way, id, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
		respond, known := s.ways[way]
		if !known {
			s.Errorf("a foreign request: %q", req.URL.Path)
			return
		}
		if respond == nil {
			c.Say("HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n" + id)
			pause(3)
			return
		}
		body, err := io.ReadAll(req.Body)
		if string(body) != strings.Repeat(id, len(body)/len(id)+1)[:len(body)] {
			s.Errorf("the body of %s has foreign bytes", id)
		}
		if err != nil {
			return
		}
		s.mu.Lock()
		s.read[req.Method+" "+id]++
		s.mu.Unlock()
		if !respond(c, id) {
			return
		}
	}
}

// request makes a random request. closed is called when its body is closed; its memory is somebody else's then.
func (s *traffic) request(ctx context.Context, id string, closed func()) *http.Request {
	req := newRequest(ctx, []string{http.MethodGet, http.MethodPost}[rand.IntN(2)], nil, 0)
	ways := slices.Collect(maps.Keys(s.ways))
	req.URL.Path = "/" + ways[rand.IntN(len(ways))] + "/" + id
	data := []byte(strings.Repeat(id, []int{1, 50, 700, 5000, 50_000, 700_000}[rand.IntN(6)]))
	req.ContentLength = int64(len(data))
	switch rand.IntN(5) {
	case 0:
		req.ContentLength = 0
		closed()
	case 1:
		req.Body = onClose{opaque{strings.NewReader(string(data))}, closed}
	case 2:
		req.Body = onClose{opaque{&slowly{iotest.HalfReader(strings.NewReader(string(data))), 2, 2 * time.Millisecond}}, closed}
	default:
		req.Body = NewInMemory(data, func() {
			for i := range data {
				data[i] = '!'
			}
			closed()
		})
	}
	return req
}

// do makes a request of a random kind, whose context ends in three of four cases while it is made. It returns an error where the
// request failed, and its context had not ended.
func (s *traffic) do(c *Client, u *upstream, id string) error {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	end := time.Duration(rand.IntN(30_000)) * time.Microsecond
	switch rand.IntN(4) {
	case 0:
		defer time.AfterFunc(end, cancel).Stop()
	case 1:
		ctx, cancel = context.WithTimeout(ctx, end)
		defer cancel()
	default:
		defer time.AfterFunc(300*time.Millisecond, cancel).Stop() // there are servers that stay silent
	}
	closed := make(chan struct{})
	req := s.request(ctx, id, func() { close(closed) }) // panics if it is called twice
	res, err := c.RoundTrip(req, u.Network, u.Address)
	if err == nil {
		defer res.Body.Close()
		if rand.IntN(10) == 0 {
			_ = res.Body.Close()
			err = context.Canceled
		}
	}
	if err == nil {
		var text []byte
		if text, err = io.ReadAll(res.Body); err == nil && string(text) != id {
			s.Errorf("the response to %s %s is %q", req.Method, req.URL.Path, text)
		}
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		s.Errorf("the body of %s was not closed", req.URL.Path)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
}

// run makes requests at many places at once. Then no connection of theirs may be left.
func (s *traffic) run(listener net.Listener, change func(*Options), each int, failed func(error)) {
	u, c := startUpstreamOn(s.T, listener, s.serve), newClient(s.T, change)
	var wg sync.WaitGroup
	for place := range 8 {
		wg.Go(func() {
			for i := range each {
				if err := s.do(c, u, fmt.Sprintf("%d-%04d/", place, i)); err != nil {
					failed(err)
				}
			}
		})
	}
	wg.Wait()
	c.CloseIdle()
	u.WantOpen(s.T, 0)
	for request, times := range s.read {
		if times > 1 && strings.HasPrefix(request, http.MethodPost) {
			s.Errorf("%s was made %d times", request, times)
		}
	}
}

func newTraffic(t *testing.T, ways ...map[string]func(*rawserver.Conn, string) bool) *traffic {
	s := &traffic{T: t, ways: make(map[string]func(*rawserver.Conn, string) bool), read: make(map[string]int)}
	for _, some := range ways {
		maps.Copy(s.ways, some)
	}
	return s
}

// Whatever servers, bodies and contexts do, and whenever: a response belongs to its request, one that must not be made twice is not,
// bodies are closed once and not touched after that, and nothing is left behind.
func TestWhateverHappens(t *testing.T) {
	serverConfig, config := certificate(t)
	before := runtime.NumGoroutine()
	t.Run("all at once", func(t *testing.T) {
		for name, test := range map[string]struct {
			listener net.Listener
			change   func(*Options)
		}{
			"over TCP":             {rawserver.ListenTCP(t), nil},
			"over a Unix socket":   {rawserver.Listen(t, "unix", filepath.Join(t.TempDir(), "socket")), nil},
			"over TLS":             {tls.NewListener(rawserver.ListenTCP(t), serverConfig), overTLS(config)},
			"with few connections": {rawserver.ListenTCP(t), func(o *Options) { o.MaxPerHost = 3 }},
			"little by little":     {rawserver.ListenTCP(t), func(o *Options) { o.Dial = dials["little by little"] }},
			"in a hurry": {rawserver.ListenTCP(t), func(o *Options) {
				o.ResponseHeaderTimeout, o.IdleTimeout = 10*time.Millisecond, 5*time.Millisecond
			}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				newTraffic(t, calm, wild).run(test.listener, test.change, 12, func(error) {})
			})
		}
	})
	wantGoroutines(t, before)
}

// Requests that are aborted harm none that is made at the same time, or later on a connection that they used.
func TestAbortsHarmNobodyElse(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"unbounded":            nil,
		"with few connections": func(o *Options) { o.MaxPerHost = 3 },
		"little by little":     func(o *Options) { o.Dial = dials["little by little"] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newTraffic(t, calm).run(rawserver.ListenTCP(t), change, 20, func(err error) { t.Error(err) })
		})
	}
}
