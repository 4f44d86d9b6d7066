// Package http1 is an HTTP/1.1 client that carries a request on the goroutine that makes it: head and body leave in one write,
// and the response is read where it is used. net/http's Transport hands every request over to two other goroutines and back.
// BenchmarkClient compares the two, client and server together, one request after the other over loopback on one core
// (go test -bench Client -cpu 1, the least of some runs):
//
//	                                   no body    a body of 200 B    of 2 KB    of 100 KB
//	net/http's Transport               22.4 µs    26.2 µs            27.9 µs    51 µs
//	this package                       16.1 µs    19.5 µs            20.4 µs    40 µs
//	this package, the body in memory              17.3 µs            17.5 µs    31 µs
//
// Carries tells which requests it is made for; what else there is belongs to net/http: TLS with ALPN, HTTP/2, forward
// proxies, Upgrade, CONNECT, Expect, trailers and bodies of unknown length.
//
// What a caller can rely on, all of it as with net/http's Transport unless it says otherwise:
//
//   - The request on the wire is the same, byte for byte. A header field or a method that would break out of its line is an
//     error before anything is sent.
//   - A response is read by http.ReadResponse or, where its head is what most are, as that would read it, so the verdict on what a
//     server sends is net/http's. Stricter: a status below 100, 101 (Switching Protocols), which nobody asked for, and a space
//     before a field's colon are errors.
//   - 1xx responses go to httptrace.ClientTrace.Got1xxResponse; no other hook of httptrace is called.
//   - A body in memory (InMemory) leaves together with the head, as far as the connection takes both at once; the rest follows from
//     another goroutine. It can be sent again, unless some of it is still to follow.
//   - Of other bodies, one of up to 64 KiB that can be read within a millisecond leaves together with the head. A larger or slower
//     one is sent as it comes, from another goroutine, while this one reads the response. So a response may come, and is
//     returned, before the request was sent. Its connection is used again only if the request was sent whole by the end of
//     the response.
//   - A response's body is streamed. Reading it to its end frees the connection for the next request; closing it earlier
//     closes the connection. The body of a request is always closed, before or soon after RoundTrip returns; after an error,
//     before.
//   - A connection on which anything came that belongs to no request, were it only its end, is never used again. Before each
//     use the socket is asked; systems where that is not possible (Supported) keep no connections.
//   - A request whose reused connection failed is sent again on another when nothing of it was written, or when it may be made
//     twice (GET, HEAD, OPTIONS, TRACE, or a header field Idempotency-Key or X-Idempotency-Key, which with a nil value is not
//     sent) and no byte of a response came. Different from net/http, a body of up to 64 KiB, which was kept, can always be
//     sent again.
//   - When the request's context ends, so does the connection, at every point: waiting for a connection, dialing, writing,
//     waiting for the response, reading its body. Errors are then context.Cause of the context. In the first 20 ms of a request
//     this may be noticed up to 20 ms late, unless it is a deadline.
package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// defaultMaxResponseHeader is how large the head of a response may be where Options do not say, in bytes.
const defaultMaxResponseHeader = 10 << 20

// Options of a Client. They mean what the fields of http.Transport with similar names mean.
type Options struct {
	// Dial opens connections. Those of a TLS client are done with its handshake. Required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// MaxIdle bounds the idle connections of all hosts, MaxIdlePerHost those of one, and MaxPerHost those of one that are
	// idle or in use: further requests wait. Zero is no bound.
	MaxIdle, MaxIdlePerHost, MaxPerHost int

	// IdleTimeout is how long a connection may be idle. Zero is no bound.
	IdleTimeout time.Duration

	// ResponseHeaderTimeout is how long the head of a response may take, counted from the end of the request. Zero is no bound.
	ResponseHeaderTimeout time.Duration

	// MaxResponseHeader is how large a response's head may be, in bytes; 1xx responses that nobody looks at count.
	// Default: 10 MiB.
	MaxResponseHeader int64

	// ReadBufferSize is the size of each connection's read buffer, in bytes. Default: 4096.
	ReadBufferSize int

	// DisableKeepAlives makes each request say "Connection: close" and use a connection of its own.
	DisableKeepAlives bool

	// DisableCompression keeps the client from asking for gzip, and decoding it, where the request does not name an encoding.
	DisableCompression bool
}

// Client sends requests over connections that it keeps. It may be used by many goroutines at once. CloseIdle ends its life.
type Client struct {
	options Options
	pool    pool
	watch   watch
	readers sync.Pool // of *bufio.Reader; a connection that waits, for a request or the response to one in memory, has none
}

// New returns a client. It opens no connection before one is needed.
func New(options Options) *Client {
	if options.MaxResponseHeader <= 0 {
		options.MaxResponseHeader = defaultMaxResponseHeader
	}
	if options.ReadBufferSize <= 0 {
		options.ReadBufferSize = 4 << 10
	}
	c := &Client{options: options}
	c.pool = pool{
		dial:        c.dial,
		maxIdle:     options.MaxIdle,
		maxIdleHost: options.MaxIdlePerHost,
		maxPerHost:  options.MaxPerHost,
		idleTimeout: options.IdleTimeout,
		keepsNone:   options.DisableKeepAlives || options.MaxIdlePerHost < 0 || !Supported,
	}
	return c
}

// Carries reports whether a client can send the request. The others need net/http's Transport.
func Carries(req *http.Request) bool {
	return req.URL != nil && req.Header != nil && req.Method != http.MethodConnect &&
		!req.Close && len(req.TransferEncoding) == 0 && len(req.Trailer) == 0 &&
		(req.ContentLength >= 0 && (req.ContentLength > 0 || req.Body == nil || req.Body == http.NoBody)) &&
		len(req.Header["Connection"]) == 0 && len(req.Header["Upgrade"]) == 0 && len(req.Header["Expect"]) == 0
}

// RoundTrip sends a request that Carries approves of to the server at an address, in the words of net.Dial, and returns the
// response's head. The response's body must be read to its end, or closed.
func (c *Client) RoundTrip(req *http.Request, network, address string) (*http.Response, error) {
	out, err := c.newOutgoing(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer out.release()
	to := endpoint{network, address}
	for {
		conn, err := c.pool.get(req.Context(), to)
		if err != nil {
			out.closeBody()
			return nil, err
		}
		reused := conn.reused
		res, err := newExchange(c, conn, req, out).run()
		stale, ok := errors.AsType[*staleError](err)
		if !ok {
			return res, err
		}
		if !reused || !out.canBeSent() || !stale.nothingWritten && !replayable(req) {
			return nil, stale.error
		}
	}
}

// Dial opens a connection that counts for MaxPerHost until it is closed, for somebody who talks to the same servers. It waits
// as RoundTrip would, and an idle connection to the same address makes room for it.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.pool.dialOutside(ctx, endpoint{network, address})
}

// CloseIdle closes the connections that no request uses; from then on none is kept.
func (c *Client) CloseIdle() { c.pool.close() }

// dial opens a connection. It does so on a goroutine of its own, since it takes a deeper stack than all else that a request does, and
// a stack that has grown stays as large as long as the client of the request is connected: 16 KiB more.
func (c *Client) dial(ctx context.Context, to endpoint) (opened *conn, err error) {
	var dialing sync.WaitGroup
	dialing.Go(func() {
		var raw net.Conn
		if raw, err = c.options.Dial(ctx, to.network, to.address); err == nil {
			opened = newConn(raw, to)
		}
	})
	dialing.Wait()
	return opened, err
}

// reader returns a buffer that reads from a connection.
func (c *Client) reader(conn *conn) *bufio.Reader {
	r, ok := c.readers.Get().(*bufio.Reader)
	if !ok {
		return bufio.NewReaderSize((*source)(conn), c.options.ReadBufferSize)
	}
	r.Reset((*source)(conn))
	return r
}

// putReader takes a connection's buffer back, and reports whether all that was in it had been read. Else it stays.
func (c *Client) putReader(conn *conn) bool {
	r := conn.reader
	if r == nil {
		return true
	}
	if r.Buffered() > 0 {
		return false
	}
	conn.reader = nil
	r.Reset(nil)
	c.readers.Put(r)
	return true
}

// errUnasked is why a connection is not used again.
var errUnasked = errors.New("the server hung up, or sent something that it was not asked for")

// staleError is a failure that may have nothing to do with the request: its connection ended before any response came.
type staleError struct {
	error
	nothingWritten bool
}

// replayable reports whether a request may be made twice, by the rules of net/http.
func replayable(req *http.Request) bool {
	if slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, req.Method) {
		return true
	}
	_, idempotent := req.Header["Idempotency-Key"]
	_, alsoIdempotent := req.Header["X-Idempotency-Key"]
	return idempotent || alsoIdempotent
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// timeoutError says that a server took longer than ResponseHeaderTimeout. It is a net.Error, as net/http's is.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no response within %v of the request (response_header_timeout)", e.after)
}
func (*timeoutError) Timeout() bool        { return true }
func (*timeoutError) Temporary() bool      { return true }
func (*timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
