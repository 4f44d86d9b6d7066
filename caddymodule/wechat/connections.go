package wechat

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	dialTimeout = 5 * time.Second // of TCP, and of TLS

	// maxIdle connections are kept, each for maxIdleTime after its latest call.
	maxIdle     = 128
	maxIdleTime = 50 * time.Second

	// usualHead is what the heads of most answers fit into.
	usualHead = 1 << 10
)

var dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}

// connPool carry calls to one server. Each speaks HTTP/1.1 on the goroutine that makes the call; net/http's own transport
// hands every call over to two other goroutines and back, which takes about as much CPU time as the rest of an exchange.
type connPool struct {
	dial func(ctx context.Context) (net.Conn, error)
	path string // of the endpoint, before that of an API
	head string // of a request, from behind its path and query to its length

	mu     sync.Mutex
	idle   []*persistConn // the latest used last
	expiry *time.Timer    // of the first; nil while there is none
	closed bool           // no more are kept
}

// persistConn carries one call at a time.
type persistConn struct {
	net.Conn
	answer io.LimitedReader // what may still be read of one
	reader *bufio.Reader    // of answer
	used   time.Time        // when it was last given back
}

// newConnPool returns the connections to endpoint. None is opened before it is needed.
func newConnPool(endpoint *url.URL) *connPool {
	dial := dialer.DialContext
	if endpoint.Scheme == "https" {
		dial = (&tls.Dialer{NetDialer: dialer}).DialContext
	}
	address := endpoint.Host
	if endpoint.Port() == "" {
		address = net.JoinHostPort(endpoint.Hostname(), endpoint.Scheme)
	}
	return &connPool{
		dial: func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return dial(ctx, "tcp", address)
		},
		path: endpoint.EscapedPath(),
		head: requestHead(endpoint.Host),
	}
}

func requestHead(host string) string {
	return " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + userAgent + "\r\nContent-Type: application/json\r\nContent-Length: "
}

// post makes a call that may be made twice: a server closes connections when it likes, and only using one shows it. Some say
// 408 as they do so, which is no answer to what they had not read. The connection is kept if the answer's body is read to
// its end.
func (p *connPool) post(ctx context.Context, target string, body []byte) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c := p.get(); c != nil {
		res, err := p.call(ctx, c, target, body)
		if err == nil && res.StatusCode != http.StatusRequestTimeout || ctx.Err() != nil {
			return res, err
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &persistConn{Conn: conn, answer: io.LimitedReader{R: conn}}
	c.reader = bufio.NewReaderSize(&c.answer, usualHead)
	return p.call(ctx, c, target, body)
}

// call makes a call on a connection, which is given back or closed with the answer's body.
func (p *connPool) call(ctx context.Context, c *persistConn, target string, body []byte) (*http.Response, error) {
	giveUp := context.AfterFunc(ctx, func() { _ = c.Close() })
	res, err := p.roundTrip(c, target, body)
	if err != nil {
		giveUp()
		_ = c.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	res.Body = &responseBody{body: res.Body, ctx: ctx, done: func(complete bool) {
		if !giveUp() || !complete || res.Close || !p.put(c) {
			_ = c.Close()
		}
	}}
	return res, nil
}

func (p *connPool) roundTrip(c *persistConn, target string, body []byte) (*http.Response, error) {
	head := "POST " + p.path + target + p.head + strconv.Itoa(len(body)) + "\r\n\r\n"
	if _, err := c.Write(append([]byte(head), body...)); err != nil { // in one piece
		return nil, err
	}
	c.answer.N = maxResponse + 64<<10 // head and all
	for {
		res, err := http.ReadResponse(c.reader, nil)
		if err != nil || res.StatusCode/100 != 1 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
}

// isIdle reports whether nothing has come since the last answer. What a server says unasked, most often that it hangs up,
// must not be taken for the answer to the next call.
func (c *persistConn) isIdle() bool {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return c.reader.Buffered() == 0 && silent(c.Conn)
	}
	if c.reader.Buffered() > 0 || !silent(secure.NetConn()) {
		return false
	}
	// Nothing is on the wire; with its deadline past, a read can only return what TLS has read already.
	if secure.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	n, err := secure.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && secure.SetReadDeadline(time.Time{}) == nil
}

// get returns the connection that was used last, or nil.
func (p *connPool) get() *persistConn {
	for {
		c := p.popIdle()
		if c == nil || c.isIdle() {
			return c
		}
		_ = c.Close()
	}
}

func (p *connPool) popIdle() *persistConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = slices.Delete(p.idle, last, last+1)
	return c
}

// keep keeps a connection for the next call, unless there are enough.
func (p *connPool) put(c *persistConn) bool {
	c.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == maxIdle {
		return false
	}
	p.idle = append(p.idle, c)
	if p.expiry == nil {
		p.expiry = time.AfterFunc(maxIdleTime, p.expire)
	}
	return true
}

// expire closes the connections that were not used for maxIdleTime.
func (p *connPool) expire() {
	p.mu.Lock()
	p.expiry = nil
	now, old := time.Now(), 0
	for ; old < len(p.idle); old++ {
		if left := maxIdleTime - now.Sub(p.idle[old].used); left > 0 {
			p.expiry = time.AfterFunc(left, p.expire)
			break
		}
	}
	ended := slices.Clone(p.idle[:old])
	p.idle = slices.Delete(p.idle, 0, old)
	p.mu.Unlock()
	for _, c := range ended {
		_ = c.Close() // not under the lock: TLS says goodbye first
	}
}

// close closes the connections that no call uses, and lets none be kept from then on.
func (p *connPool) close() {
	p.mu.Lock()
	ended := p.idle
	p.idle, p.closed = nil, true
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.mu.Unlock()
	for _, c := range ended {
		_ = c.Close()
	}
}

// responseBody is an answer's body. When it is closed, its connection is free again.
type responseBody struct {
	body     io.Reader
	ctx      context.Context //nolint:containedctx // of the call that the body is a part of
	complete bool
	done     func(complete bool)
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	switch {
	case err == io.EOF:
		b.complete = true
	case err != nil && b.ctx.Err() != nil:
		err = b.ctx.Err() // which is why the connection was closed
	}
	return n, err
}

func (b *responseBody) Close() error {
	if b.done != nil {
		b.done(b.complete)
		b.done = nil // the connection may be another call's by now
	}
	return nil
}
