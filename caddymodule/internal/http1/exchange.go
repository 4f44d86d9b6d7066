package http1

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"
)

// lastWords is how long a response is waited for on a connection that could not be written to.
const lastWords = 50 * time.Millisecond

// exchange is a request and its response on one connection. It owns the connection from get to finish.
type exchange struct {
	client *Client
	conn   *conn
	req    *http.Request
	out    *outgoing

	written  int   // bytes of the request, before another goroutine wrote any
	writeErr error // of the turn at the socket
	turned   bool  // that has begun
	awaitErr error // of waiting in that turn for the response
	place    place // in the client's watch
	body     body  // of the response

	mu       sync.Mutex
	stop     func() bool // ends the waiting for the context's end; nil: it is not waited for, or not yet
	cause    error       // why the connection was closed while it was in use
	headRead bool
	finished bool
	timer    *time.Timer // of ResponseHeaderTimeout
}

// newExchange begins to send a request on a connection.
func newExchange(c *Client, conn *conn, req *http.Request, out *outgoing) *exchange {
	x := &out.first
	if x.out != nil { // it was sent before, by an exchange that somebody may still want to end
		x = new(exchange)
	}
	x.client, x.conn, x.req, x.out = c, conn, req, out
	conn.exchange = x
	c.watch.add(x)
	return x
}

// followContext makes the exchange end when its context does, also if that was before.
func (x *exchange) followContext() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.finished {
		ctx := x.req.Context()
		x.stop = context.AfterFunc(ctx, func() { x.abort(context.Cause(ctx)) })
	}
}

// run sends the request and reads the response's head.
func (x *exchange) run() (*http.Response, error) {
	writeErr := x.out.send(x)
	if _, ok := errors.AsType[*bodyError](writeErr); ok {
		return nil, x.unused(writeErr)
	}
	if writeErr != nil {
		if x.written == 0 {
			return nil, x.fail(&staleError{writeErr, true})
		}
		if errors.Is(writeErr, os.ErrDeadlineExceeded) {
			return nil, x.fail(writeErr)
		}
		// Many a server says why it does not read on.
		_ = x.conn.SetReadDeadline(time.Now().Add(lastWords))
	}
	res, err := x.readHead()
	if err != nil {
		if writeErr != nil {
			err = &staleError{writeErr, false}
		}
		return nil, x.fail(err)
	}
	x.begin(res, writeErr == nil)
	return res, nil
}

// readHead reads the head of the final response.
func (x *exchange) readHead() (*http.Response, error) {
	c := x.conn
	c.limit = x.client.options.MaxResponseHeader
	if x.awaitErr != nil {
		return nil, &staleError{x.awaitErr, false}
	}
	c.reader = x.client.reader(c)
	if _, err := c.reader.Peek(1); err != nil {
		return nil, &staleError{err, false}
	}
	if res := readUsual(c.reader, x.req); res != nil {
		return res, nil
	}
	for {
		res, err := http.ReadResponse(c.reader, x.req)
		switch {
		case err != nil && c.limit <= 0:
			return nil, fmt.Errorf("the response's head is larger than %d bytes", x.client.options.MaxResponseHeader)
		case err != nil:
			return nil, fmt.Errorf("reading the response's head: %w", err)
		case res.StatusCode < 100:
			return nil, fmt.Errorf("the response has the status %03d", res.StatusCode)
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("the response switches protocols, which was not asked for")
		case hasSpacedName(res.Header):
			return nil, errors.New("the response has a field with a space before its colon")
		case res.StatusCode >= 200:
			return res, nil
		}
		trace := httptrace.ContextClientTrace(x.req.Context())
		if trace == nil || trace.Got1xxResponse == nil {
			continue
		}
		if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
		c.limit = x.client.options.MaxResponseHeader // the caller that takes them counts them
	}
}

// hasSpacedName reports whether a field's name ends with a space. To net/http it is a field of another name; to others it may be
// the one that says where the response ends.
func hasSpacedName(header http.Header) bool {
	for name := range header {
		if strings.HasSuffix(name, " ") {
			return true
		}
	}
	return false
}

// begin prepares the response's body, whose end frees the connection. If there is none, it is free at once.
func (x *exchange) begin(res *http.Response, written bool) {
	if x.client.options.ResponseHeaderTimeout > 0 {
		x.stopTimer()
	}
	x.conn.limit = math.MaxInt64
	if !written {
		_ = x.conn.SetReadDeadline(time.Time{})
	}
	keep := !res.Close && res.ProtoMajor == 1
	if res.Body == http.NoBody {
		x.finish(keep)
		return
	}
	x.body.exchange, x.body.src, x.body.left, x.body.keep = x, res.Body, res.ContentLength, keep
	res.Body = &x.body
	if x.out.askedGzip && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		res.Body = &gzipBody{body: &x.body}
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength = -1
		res.Uncompressed = true
	}
}

// sent is told that the whole request was written. From now on the response may take as long as ResponseHeaderTimeout says.
func (x *exchange) sent() {
	limit := x.client.options.ResponseHeaderTimeout
	if limit <= 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.headRead || x.finished || x.cause != nil {
		return
	}
	x.timer = time.AfterFunc(limit, func() {
		x.mu.Lock()
		late := !x.headRead
		x.mu.Unlock()
		if late {
			x.abort(&timeoutError{limit})
		}
	})
}

// stopTimer is told that the response's head was read.
func (x *exchange) stopTimer() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headRead = true
	if x.timer != nil {
		x.timer.Stop()
	}
}

// abort ends the exchange, whatever it waits for, unless it is over.
func (x *exchange) abort(cause error) {
	x.mu.Lock()
	if x.finished || x.cause != nil {
		x.mu.Unlock()
		return
	}
	x.cause = cause
	x.mu.Unlock()
	x.client.pool.discard(x.conn)
}

// fail ends an exchange that brought no response, and returns the reason.
func (x *exchange) fail(err error) error {
	x.finish(false)
	x.out.wait()
	return x.reason(err)
}

// unused ends an exchange before anything was sent: the connection is as good as it was.
func (x *exchange) unused(err error) error {
	x.over(true)
	return x.reason(err)
}

// reason returns why an exchange failed, which is not always the error that was met first: the end of the context, or the
// error of a body, closes the connection.
func (x *exchange) reason(err error) error {
	ctx := x.req.Context()
	cause := x.aborted()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case cause != nil:
		err = cause
	case x.out.failure() != nil && !errors.Is(x.out.failure(), net.ErrClosed): // which this side did, for another reason
		err = x.out.failure()
	}
	if failed, ok := errors.AsType[*bodyError](err); ok {
		return failed.error
	}
	return err
}

// finish gives the connection back if the response was read to its end, and the request written to its own.
func (x *exchange) finish(keep bool) { x.over(keep && x.out.wasWritten()) }

func (x *exchange) over(keep bool) {
	x.mu.Lock()
	if x.finished {
		x.mu.Unlock()
		return
	}
	x.finished = true
	keep = keep && x.cause == nil
	if x.timer != nil {
		x.timer.Stop()
	}
	if x.stop != nil {
		x.stop()
	}
	x.mu.Unlock()
	x.client.watch.remove(x)
	x.conn.exchange = nil
	if keep && x.client.putReader(x.conn) {
		x.client.pool.put(x.conn)
		return
	}
	x.client.pool.discard(x.conn)
}

// aborted returns why the connection was closed while it was in use, or nil.
func (x *exchange) aborted() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cause
}
