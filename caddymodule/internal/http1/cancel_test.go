package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// At every point of an exchange its context may end. The error is the context's, the connection is closed, and nobody is left
// behind.
func TestCancelledAtEveryPoint(t *testing.T) {
	never := func(c *rawserver.Conn) { c.Request() }
	for _, test := range []struct {
		sentence string
		serve    func(c *rawserver.Conn)
		request  func(ctx context.Context) *http.Request
	}{
		{"waiting for the response", never, nil},
		{"after a 1xx response", func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 103 Early Hints\r\n\r\n") }, nil},
		{"in the middle of the head", func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\nContent-") }, nil},
		{"in the middle of a body with a length", func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") }, nil},
		{"in the middle of a chunk", func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf")
		}, nil},
		{"in the middle of a body that lasts until the end", func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\n\r\nhalf") }, nil},
		{"writing a body that nobody reads", func(*rawserver.Conn) { time.Sleep(200 * time.Millisecond) }, func(ctx context.Context) *http.Request {
			return newRequest(ctx, http.MethodPost, io.LimitReader(forever{}, 1<<30), 1<<30)
		}},
		{"while the body does not come", never, func(ctx context.Context) *http.Request {
			return newRequest(ctx, http.MethodPost, &until{ctx: ctx, first: "some"}, 100)
		}},
		{"while a large body does not come", never, func(ctx context.Context) *http.Request {
			return newRequest(ctx, http.MethodPost, &until{ctx: ctx, first: "some"}, 1<<20)
		}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			before := runtime.NumGoroutine()
			u, c := startUpstream(t, test.serve), newClient(t, nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			req := newRequest(ctx, http.MethodGet, nil, 0)
			if test.request != nil {
				req = test.request(ctx)
			}
			cause := errors.New("the client has gone")
			time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
			if _, err := u.do(c, req); !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
			u.WantOpen(t, 0)
			wantGoroutines(t, before+2) // of the upstream
		})
	}
}

func TestCancelledBeforeAndWhileDialing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, func(o *Options) {
		o.Dial = func(dialing context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-dialing.Done()
			return nil, errors.New("some error of the network")
		}
	})
	closed := 0
	for range 2 { // the second time it is over already
		req := post(ctx, "body")
		req.Body = onClose{req.Body, func() { closed++ }}
		if _, err := c.RoundTrip(req, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if closed != 2 {
		t.Errorf("the body was closed %d times, want each once", closed)
	}
}

// A dialer looks at the clock, too, and may do so before the context's timer.
func TestADeadlineThatTheDialerNotices(t *testing.T) {
	ctx := deadlineOnly{t.Context(), time.Now()}
	c := newClient(t, func(o *Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }
	})
	if _, err := c.RoundTrip(newRequest(ctx, http.MethodGet, nil, 0), "tcp", "127.0.0.1:1"); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

// deadlineOnly is a context whose deadline is past, and whose timer did not notice.
type deadlineOnly struct {
	context.Context
	deadline time.Time
}

func (d deadlineOnly) Deadline() (time.Time, bool) { return d.deadline, true }

// After the end of a response its context no longer matters: the connection is somebody else's.
func TestCancelledAfterTheEnd(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		if got, err := u.get(ctx, c); got != "ok" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		cancel()
	}
	if n := u.Accepted.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// timed is a connection that gives each Read and Write some time, as Caddy's do where read_timeout or write_timeout is set.
type timed struct{ *net.TCPConn }

func (c timed) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	return c.TCPConn.Read(p)
}

func (c timed) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
	return c.TCPConn.Write(p)
}

// What was a deadline of one request is none of the next one on its connection, also when it is over.
func TestDeadlinesOfAnEarlierRequest(t *testing.T) {
	for _, name := range []string{"none", "small", "small, in memory", "large, in memory"} {
		t.Run(name, func(t *testing.T) {
			var conn timed
			u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, func(o *Options) {
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
					conn.TCPConn, _ = raw.(*net.TCPConn)
					return conn, err
				}
			})
			for range 3 {
				if got, err := u.do(c, bodies[name](t.Context())); got != "ok" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				_ = conn.SetDeadline(time.Unix(1, 0))
			}
			if n := u.Accepted.Load(); n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

func TestCloseWhileReading(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\n\r\n") }), newClient(t, nil)
	res, err := c.RoundTrip(newRequest(t.Context(), http.MethodGet, nil, 0), u.Network, u.Address)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { _ = res.Body.Close() })
	if _, err := io.ReadAll(res.Body); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("the body that was cut off ends with %v", err)
	}
	u.WantOpen(t, 0)
}

func TestResponseHeaderTimeout(t *testing.T) {
	limit := 400 * time.Millisecond // a machine that has no time responds within that, too
	withLimit := func(o *Options) { o.ResponseHeaderTimeout = limit }
	t.Run("is a time-out", func(t *testing.T) {
		t.Parallel()
		for name, newRequest := range bodies {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				u, c := startUpstream(t, func(c *rawserver.Conn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\n") }), newClient(t, withLimit)
				_, err := u.do(c, newRequest(t.Context()))
				timeout, ok := err.(net.Error) // as Caddy asks
				if !ok || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				u.WantOpen(t, 0)
			})
		}
	})
	t.Run("begins when the request was sent", func(t *testing.T) {
		t.Parallel()
		u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, withLimit)
		for _, length := range []int{10, 100_000} {
			slow := iotest.OneByteReader(&slowly{strings.NewReader(strings.Repeat("x", length)), 3, limit})
			if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, slow, int64(length))); got != "ok" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
	t.Run("ends with the head", func(t *testing.T) {
		t.Parallel()
		u, c := startUpstream(t, func(c *rawserver.Conn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			time.Sleep(2 * limit)
			c.Say("k")
		}), newClient(t, withLimit)
		if got, err := u.get(t.Context(), c); got != "ok" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("does not begin when the head came before the request was sent", func(t *testing.T) {
		t.Parallel()
		u, c := startUpstream(t, func(c *rawserver.Conn) {
			req := c.Head()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			_, _ = io.Copy(io.Discard, req.Body)
			time.Sleep(2 * limit)
			c.Say("k")
		}), newClient(t, withLimit)
		slow := &slowly{strings.NewReader("body"), 1, limit / 2}
		if got, err := u.do(c, newRequest(t.Context(), http.MethodPost, slow, 4)); got != "ok" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("does not reach the next request", func(t *testing.T) {
		t.Parallel()
		u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, withLimit)
		for end := time.Now().Add(2 * limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if got, err := u.do(c, post(t.Context(), "body")); got != "ok" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if n := u.Accepted.Load(); n != 1 {
			t.Errorf("%d connections were opened", n)
		}
	})
}

// forever is a body without end.
type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

// until is a body that comes to a halt until its request is over.
type until struct {
	ctx   context.Context
	first string
}

func (u *until) Read(p []byte) (int, error) {
	if u.first != "" {
		n := copy(p, u.first)
		u.first = u.first[n:]
		return n, nil
	}
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}

// slowly waits before each of the first reads.
type slowly struct {
	io.Reader
	times int
	wait  time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.times > 0 {
		s.times--
		time.Sleep(s.wait)
	}
	return s.Reader.Read(p)
}

type onClose struct {
	io.Reader
	close func()
}

func (c onClose) Close() error {
	c.close()
	return nil
}

func wantGoroutines(t *testing.T, most int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > most; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Errorf("%d goroutines run, want %d:\n%s", runtime.NumGoroutine(), most, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}
