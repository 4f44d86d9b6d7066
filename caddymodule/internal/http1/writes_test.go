package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// bodies are requests whose bodies are written in different ways.
var bodies = map[string]func(ctx context.Context) *http.Request{
	"none":             func(ctx context.Context) *http.Request { return newRequest(ctx, http.MethodDelete, nil, 0) },
	"small":            func(ctx context.Context) *http.Request { return post(ctx, "body") },
	"small, in memory": func(ctx context.Context) *http.Request { req, _ := inMemory(ctx, "body", 4); return req },
	"large, in memory": func(ctx context.Context) *http.Request {
		req, _ := inMemory(ctx, strings.Repeat("x", 100<<10), 100<<10)
		return req
	},
	"more than a socket takes": func(ctx context.Context) *http.Request {
		req, _ := inMemory(ctx, strings.Repeat("x", 8<<20), 8<<20)
		return req
	},
	"large, read while it sends": func(ctx context.Context) *http.Request {
		return newRequest(ctx, http.MethodPost, io.LimitReader(forever{}, 8<<20), 8<<20)
	},
}

// brokenDialer dials connections that can be made to fail.
type brokenDialer struct {
	last *brokenConn
}

func (d *brokenDialer) options(o *Options) {
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		d.last = &brokenConn{TCPConn: conn.(*net.TCPConn)}
		return d.last, nil
	}
}

// brokenConn writes so many bytes at most once err is set, and then fails.
type brokenConn struct {
	*net.TCPConn
	err   error
	bytes int
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if c.err == nil {
		return c.TCPConn.Write(p)
	}
	n, _ := c.TCPConn.Write(p[:min(len(p), c.bytes)])
	return n, c.err
}

// onceThenAll responds to one request on the first connection, and to all on the others.
func onceThenAll(c *rawserver.Conn) {
	for c.Request() != nil {
		c.Say(okResponse)
		if c.Number == 1 {
			time.Sleep(200 * time.Millisecond) // whatever comes
			return
		}
	}
}

// A connection that takes not a byte is none of the server's doing: the request is made on another, whatever its method, unless its
// body was begun to be read.
func TestARequestOfWhichNothingWasWritten(t *testing.T) {
	for name, newRequest := range bodies {
		t.Run(name, func(t *testing.T) {
			dialer := new(brokenDialer)
			u, c := startUpstream(t, onceThenAll), newClient(t, dialer.options)
			if _, err := u.get(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			_ = dialer.last.CloseWrite()
			req, closed := newRequest(t.Context()), new(atomic.Int32)
			if _, ok := req.Body.(*InMemory); !ok && req.Body != nil {
				req.Body = onClose{req.Body, func() { closed.Add(1) }}
			} else {
				closed.Store(1)
			}
			got, err := u.do(c, req)
			if streamed := strings.HasPrefix(name, "large, read"); streamed != errors.Is(err, syscall.EPIPE) || !streamed && got != "ok" {
				t.Errorf("got %q, %v", got, err)
			}
			if closed.Load() != 1 {
				t.Errorf("the body was closed %d times", closed.Load())
			}
		})
	}
}

// Of a request of which a byte was written nobody knows what the server did.
func TestARequestOfWhichAByteWasWritten(t *testing.T) {
	broken := errors.New("the network is down")
	for name, newRequest := range bodies {
		if strings.Contains(name, "memory") && name != "small, in memory" || name == "more than a socket takes" {
			continue // a system call writes some of it, or fails
		}
		t.Run(name, func(t *testing.T) {
			dialer := new(brokenDialer)
			u, c := startUpstream(t, onceThenAll), newClient(t, dialer.options)
			if _, err := u.get(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			dialer.last.err, dialer.last.bytes = broken, 1
			if got, err := u.do(c, newRequest(t.Context())); err != broken {
				t.Errorf("got %q, %v", got, err)
			}
			if n := u.Accepted.Load(); n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// Where a request could not be written to its end, a response that begins soon is taken, however long it is then.
func TestLastWordsMayBeLong(t *testing.T) {
	dialer := new(brokenDialer)
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		c.Request()
		c.Say(okResponse)
		_, _ = c.Reader.Peek(1) // the next request begins
		c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbu")
		time.Sleep(2 * lastWords)
		c.Say("sy")
	}), newClient(t, dialer.options)
	got, err := "", error(nil)
	for tries := 0; got != "busy" && tries < 20; tries++ { // a machine that has no time may not begin within lastWords
		if _, err = u.get(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		dialer.last.err, dialer.last.bytes = errors.New("the network is down"), 10
		got, err = u.do(c, post(t.Context(), "body"))
	}
	if got != "busy" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// A write that took too long is no reason to make the request again, though a GET could be.
func TestAWriteThatTookTooLong(t *testing.T) {
	dialer := new(brokenDialer)
	u, c := startUpstream(t, onceThenAll), newClient(t, dialer.options)
	if _, err := u.get(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	dialer.last.err, dialer.last.bytes = os.ErrDeadlineExceeded, 10
	if got, err := u.get(t.Context(), c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	if n := u.Accepted.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// The error is why an exchange failed, not that its connection was closed then.
func TestAServerThatHangsUpWhileItIsWrittenTo(t *testing.T) {
	for name, newRequest := range bodies {
		t.Run(name, func(t *testing.T) {
			u, c := startUpstream(t, func(c *rawserver.Conn) {
				c.Head()
				_ = c.Conn.(*net.TCPConn).CloseWrite()
				time.Sleep(100 * time.Millisecond) // reads no more, and then the rest
			}), newClient(t, nil)
			if _, err := u.do(c, newRequest(t.Context())); !errors.Is(err, io.EOF) {
				t.Errorf("got %v", err)
			}
			u.WantOpen(t, 0)
		})
	}
}

// afterFuncs is a context that counts who waits for its end.
type afterFuncs struct {
	context.Context
	waiting atomic.Int32
}

func (*afterFuncs) Done() <-chan struct{} { return make(chan struct{}) }

func (a *afterFuncs) AfterFunc(func()) func() bool {
	a.waiting.Add(1)
	return func() bool { a.waiting.Add(-1); return true }
}

// A context may outlive its requests by far: nothing of them is kept with it.
func TestNobodyWaitsForTheEndOfAContextWhenTheResponseIsOver(t *testing.T) {
	ctx := &afterFuncs{Context: t.Context()}
	u, c := startUpstream(t, func(c *rawserver.Conn) {
		for c.Request() != nil {
			for ctx.waiting.Load() == 0 { // the context is told of an exchange that lasts
				time.Sleep(time.Millisecond)
			}
			c.Say(okResponse)
		}
	}), newClient(t, nil)
	for range 3 {
		if got, err := u.get(ctx, c); got != "ok" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if n := ctx.waiting.Load(); n != 0 {
			t.Errorf("%d wait", n)
		}
	}
}

// What comes too late to end an exchange harms nobody who has its connection now.
func TestAnExchangeThatIsOverIsNotAborted(t *testing.T) {
	u, c := startUpstream(t, rawserver.SayEach(okResponse)), newClient(t, nil)
	req := newRequest(t.Context(), http.MethodGet, nil, 0)
	out, err := c.newOutgoing(req)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.pool.get(t.Context(), endpoint{u.Network, u.Address})
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange(c, conn, req, out)
	res, err := x.run()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(res.Body); string(text) != "ok" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if conn.exchange != nil {
		t.Error("a connection that is idle keeps its latest exchange")
	}
	x.abort(errors.New("too late"))
	if got, err := u.get(t.Context(), c); got != "ok" || err != nil {
		t.Errorf("then %q, %v", got, err)
	}
	if n := u.Accepted.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}
