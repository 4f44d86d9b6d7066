package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// inMemory makes a POST whose body is in memory, and counts how often its owner is told that nobody reads it any more.
func inMemory(ctx context.Context, data string, length int) (*http.Request, *atomic.Int32) {
	var done atomic.Int32
	req := newRequest(ctx, http.MethodPost, nil, 0)
	req.Body, req.ContentLength = NewInMemory([]byte(data), func() { done.Add(1) }), int64(length)
	return req, &done
}

// wantDone waits until the owner of a body was told that nobody reads it any more, and fails if that does not come, or twice.
func wantDone(t *testing.T, done *atomic.Int32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); done.Load() == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if n := done.Load(); n != 1 {
		t.Errorf("the body was given back %d times", n)
	}
}

// Some dials whose connections take what is written in other ways.
var dials = map[string]func(ctx context.Context, network, address string) (net.Conn, error){
	"at once": (&net.Dialer{}).DialContext,
	"little by little": func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4 << 10)
		}
		return conn, err
	},
	"without a socket of its own": func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return struct{ net.Conn }{conn}, err
	},
}

func TestBodiesInMemory(t *testing.T) {
	for way, dial := range dials {
		for sentence, size := range map[string]int{
			"of one byte": 1, "small": 200, "the largest that is joined to its head": maxJoined, "a larger one": maxJoined + 1,
			"100 KiB": 100 << 10, "more than a socket takes": 8 << 20,
		} {
			if way == "little by little" {
				size = min(size, 256<<10) // more than such a socket takes
			}
			t.Run(sentence+", written "+way, func(t *testing.T) {
				received := make(chan string, 2)
				u := startUpstream(t, func(c *rawserver.Conn) {
					for {
						req := c.Request()
						if req == nil {
							return
						}
						body, _ := io.ReadAll(req.Body)
						received <- req.Method + string(body)
						c.Say(okResponse)
					}
				})
				c := newClient(t, func(o *Options) { o.Dial = dial })
				data := strings.Repeat("0123456789", size/10+1)[:size]
				for range 2 { // the second time on a connection that is reused, where there can be some
					req, done := inMemory(t.Context(), data, size)
					if got, err := u.do(c, req); got != "ok" || err != nil {
						t.Fatalf("%q, %v", got, err)
					}
					if got := <-received; got != http.MethodPost+data {
						t.Errorf("the server got %.20q and more, %d bytes", got, len(got))
					}
					wantDone(t, done)
				}
				if n := u.Accepted.Load(); n != 1 && way != "without a socket of its own" {
					t.Errorf("%d connections", n)
				}
			})
		}
	}
}

func TestABodyInMemoryOfAnotherLengthIsNotSent(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
	for _, length := range []int{3, 5} {
		req, done := inMemory(t.Context(), "body", length)
		if _, err := u.do(c, req); err == nil || !strings.Contains(err.Error(), "4 bytes") {
			t.Errorf("said to have %d bytes: %v", length, err)
		}
		wantDone(t, done)
	}
	if n := u.Accepted.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// What somebody has read of a body is not sent.
func TestOfABodyInMemoryIsSentWhatIsLeft(t *testing.T) {
	received := make(chan string, 1)
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		body, _ := io.ReadAll(c.Request().Body)
		received <- string(body)
		c.Say(okResponse)
	}), newClient(t, nil)
	req, _ := inMemory(t.Context(), "the body", 4)
	_, _ = io.ReadFull(req.Body, make([]byte, 4))
	if got, err := u.do(c, req); got != "ok" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if got := <-received; got != "body" {
		t.Errorf("the server got %q", got)
	}
}

// Many a server says that a body is too large, and reads none of it.
func TestAnEarlyResponseToABodyInMemory(t *testing.T) {
	for way, dial := range dials {
		t.Run(way, func(t *testing.T) {
			over := make(chan struct{})
			u := startUpstream(t, func(c *rawserver.Conn) {
				if _, err := http.ReadRequest(bufio.NewReaderSize(c, 16)); err == nil {
					c.Say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
				}
				<-over
			})
			c := newClient(t, func(o *Options) { o.Dial = dial })
			req, done := inMemory(t.Context(), strings.Repeat("x", 8<<20), 8<<20)
			res, err := c.RoundTrip(req, u.Network, u.Address)
			if err != nil {
				t.Fatal(err)
			}
			if n := done.Load(); n != 0 {
				t.Errorf("the body was given back while it was being sent")
			}
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusRequestEntityTooLarge || string(body) != "no" || err != nil {
				t.Errorf("%d %q, %v", res.StatusCode, body, err)
			}
			wantDone(t, done) // since the connection, on which the request is not complete, was closed
			close(over)
			u.WantOpen(t, 0)
		})
	}
}

// The same goes for whatever a connection does not take at once. Its memory is its own until it was written.
func TestAnEarlyResponseToWhatIsNotTakenAtOnce(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	for sentence, newRequest := range map[string]func() *http.Request{
		"a head": func() *http.Request {
			req := newRequest(t.Context(), http.MethodGet, nil, 0)
			req.Header["X"] = []string{text, text, text}
			return req
		},
		"a body that is read first": func() *http.Request { return post(t.Context(), text+text+text) },
		"a body in memory, joined to its head": func() *http.Request {
			req, _ := inMemory(t.Context(), text+text[:6000], 16_000)
			return req
		},
		"a body in memory": func() *http.Request { req, _ := inMemory(t.Context(), text+text+text, 30_000); return req },
	} {
		t.Run(sentence, func(t *testing.T) {
			received := make(chan string, 1)
			u := startUpstreamOn(t, rawserver.Listen(t, "unix", filepath.Join(t.TempDir(), "socket")), func(c *rawserver.Conn) {
				c.Reader = bufio.NewReaderSize(c, 16)
				_, _ = c.Reader.Peek(1)
				c.Say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
				time.Sleep(20 * time.Millisecond)
				req := c.Request()
				received <- strings.Join(req.Header["X"], "") + rawserver.Body(req)
			})
			c := newClient(t, func(o *Options) { o.Dial = dials["little by little"] })
			res, err := c.RoundTrip(newRequest(), u.Network, u.Address)
			if err != nil {
				t.Fatal(err)
			}
			if got := <-received; len(got) < 16_000 || strings.ReplaceAll(got, text, "") != "" && got != text+text[:6000] {
				t.Errorf("the server received other bytes, %d", len(got))
			}
			if got, err := io.ReadAll(res.Body); string(got) != "no" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// That a request was written whole on one connection says nothing of the next one: on that, the rest may still be on its way when
// the response is over, and nobody else may use it.
func TestARequestThatIsSentAgainLittleByLittle(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	u := startUpstreamOn(t, rawserver.Listen(t, "unix", filepath.Join(t.TempDir(), "socket")), func(c *rawserver.Conn) {
		if c.Number == 2 {
			_, _ = c.Reader.Peek(1)
			c.Say(okResponse)
			<-over
			return
		}
		c.Request()
		c.Say(okResponse)
		if c.Number == 1 {
			c.Request()
			_ = c.Close()
		}
	})
	dialed := 0
	c := newClient(t, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dialed++; dialed == 2 {
				return dials["little by little"](ctx, network, address)
			}
			return dials["at once"](ctx, network, address)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	again, _ := inMemory(ctx, strings.Repeat("x", 100<<10), 100<<10)
	again.Method = http.MethodGet
	for i, req := range []*http.Request{post(ctx, "first"), again, post(ctx, "third")} {
		if got, err := u.do(c, req); got != "ok" || err != nil {
			t.Errorf("request %d: %q, %v", i+1, got, err)
		}
	}
	if dialed != 3 {
		t.Errorf("%d connections were opened", dialed)
	}
}

// A connection that the server has just closed is no reason to fail.
func TestABodyInMemoryIsSentAgain(t *testing.T) {
	for sentence, size := range map[string]int{"small": 4, "large": 100 << 10, "more than a socket takes": 8 << 20} {
		t.Run(sentence, func(t *testing.T) {
			u := startUpstream(t, func(c *rawserver.Conn) {
				if c.Request() == nil {
					return
				}
				c.Say(okResponse)
				if c.Number == 1 {
					_, _ = c.Reader.ReadByte() // of the next request
					_ = c.Close()
					return
				}
				for c.Request() != nil {
					c.Say(okResponse)
				}
			})
			c := newClient(t, nil)
			if _, err := u.get(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			req, done := inMemory(t.Context(), strings.Repeat("x", size), size)
			req.Header["Idempotency-Key"] = nil
			got, err := u.do(c, req)
			if size <= 100<<10 && (got != "ok" || err != nil) {
				t.Errorf("%q, %v", got, err)
			}
			wantDone(t, done) // what a socket did not take at once is a stream, which is not sent again
		})
	}
}

func TestCancellationWhileABodyInMemoryIsSent(t *testing.T) {
	for way, dial := range dials {
		t.Run(way, func(t *testing.T) {
			reached := make(chan struct{})
			u := startUpstream(t, func(c *rawserver.Conn) {
				_, _ = c.Reader.ReadByte()
				close(reached)
				time.Sleep(50 * time.Millisecond) // reads nothing, and then the rest
			})
			c := newClient(t, func(o *Options) { o.Dial = dial })
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("the client is gone")
			go func() { <-reached; cancel(why) }()
			req, done := inMemory(ctx, strings.Repeat("x", 8<<20), 8<<20)
			if _, err := u.do(c, req); !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
			wantDone(t, done)
			u.WantOpen(t, 0)
		})
	}
}
