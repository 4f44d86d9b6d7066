package http1

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// pool keeps connections that are free, the latest used last, and counts those that are open where that is bounded.
type pool struct {
	dial        func(ctx context.Context, to endpoint) (*conn, error)
	maxIdle     int
	maxIdleHost int
	maxPerHost  int
	idleTimeout time.Duration
	keepsNone   bool

	mu     sync.Mutex
	hosts  map[endpoint]*host
	idle   int         // connections of all hosts
	expiry *time.Timer // of the oldest; nil while there is none
	closed bool        // no more are kept
}

type host struct {
	idle    []*conn      // the latest used last
	open    int          // connections, idle or in use, and attempts at one
	waiting []chan *conn // each is given a connection, or nil, which is leave to open one
}

// get returns a connection: a kept one, on which something may have come meanwhile, or a new one.
func (p *pool) get(ctx context.Context, to endpoint) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, err := p.next(ctx, to)
	if c == nil && err == nil {
		return p.open(ctx, to)
	}
	return c, err
}

func (p *pool) open(ctx context.Context, to endpoint) (*conn, error) {
	c, err := p.dial(ctx, to)
	if err == nil {
		return c, nil
	}
	p.free(to)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) { // the dialer's clock was the first to notice
		err = context.DeadlineExceeded
	}
	return nil, err
}

// dialOutside opens a connection that is counted, but not kept, and closes an idle one where there is no room.
func (p *pool) dialOutside(ctx context.Context, to endpoint) (net.Conn, error) {
	for {
		c, err := p.next(ctx, to)
		if err != nil {
			return nil, err
		}
		if c == nil {
			break
		}
		p.discard(c)
	}
	c, err := p.open(ctx, to)
	if err != nil {
		return nil, err
	}
	return &outsideConn{Conn: c.Conn, close: func() { p.discard(c) }}, nil
}

// next returns the idle connection that was used last, or nil, which is leave to open one. Where neither may be, it waits.
func (p *pool) next(ctx context.Context, to endpoint) (*conn, error) {
	p.mu.Lock()
	h := p.host(to)
	if last := len(h.idle) - 1; last >= 0 {
		c := h.idle[last]
		h.idle = slices.Delete(h.idle, last, last+1)
		p.idle--
		p.mu.Unlock()
		return c, nil
	}
	if p.maxPerHost <= 0 || h.open < p.maxPerHost {
		h.open++
		p.mu.Unlock()
		return nil, nil
	}
	turn := make(chan *conn, 1)
	h.waiting = append(h.waiting, turn)
	p.mu.Unlock()
	select {
	case c := <-turn:
		return c, nil
	case <-ctx.Done():
		p.leave(to, turn)
		return nil, context.Cause(ctx)
	}
}

// leave ends the waiting for a turn. One that came in the same moment is passed on.
func (p *pool) leave(to endpoint, turn chan *conn) {
	p.mu.Lock()
	h := p.host(to)
	if i := slices.Index(h.waiting, turn); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if c := <-turn; c != nil {
		p.discard(c)
		return
	}
	p.free(to)
}

// put takes a connection back whose response was read to its end. It is kept, or given to a caller that waits, or closed.
func (p *pool) put(c *conn) {
	c.reused = true
	if p.keepsNone || !p.keep(c) {
		p.discard(c)
	}
}

func (p *pool) keep(c *conn) bool {
	p.mu.Lock()
	h := p.host(c.to)
	if len(h.waiting) > 0 {
		turn := h.waiting[0]
		h.waiting = slices.Delete(h.waiting, 0, 1)
		p.mu.Unlock()
		turn <- c
		return true
	}
	if p.closed || p.maxIdleHost > 0 && len(h.idle) >= p.maxIdleHost {
		p.mu.Unlock()
		return false
	}
	c.idleAt = time.Now()
	h.idle = append(h.idle, c)
	p.idle++
	var surplus *conn
	if p.maxIdle > 0 && p.idle > p.maxIdle {
		surplus = p.oldest()
		p.remove(surplus)
	}
	if p.idleTimeout > 0 && p.expiry == nil {
		p.expiry = time.AfterFunc(p.idleTimeout, p.expire)
	}
	p.mu.Unlock()
	if surplus != nil {
		p.discard(surplus)
	}
	return true
}

// discard closes a connection. It may be called more than once.
func (p *pool) discard(c *conn) {
	if c.gone.CompareAndSwap(false, true) {
		_ = c.Close() // not under the lock: TLS says goodbye first
		p.free(c.to)
	}
}

// free takes note that a connection is closed, or was not opened: somebody else may open one.
func (p *pool) free(to endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(to)
	if len(h.waiting) > 0 {
		h.waiting[0] <- nil
		h.waiting = slices.Delete(h.waiting, 0, 1)
		return
	}
	h.open--
	if h.open == 0 && len(h.idle) == 0 {
		delete(p.hosts, to)
	}
}

// expire closes the connections that were idle for idleTimeout.
func (p *pool) expire() {
	p.mu.Lock()
	p.expiry = nil
	now := time.Now()
	var expired []*conn
	for {
		c := p.oldest()
		if c == nil {
			break
		}
		if left := p.idleTimeout - now.Sub(c.idleAt); left > 0 {
			p.expiry = time.AfterFunc(left, p.expire)
			break
		}
		p.remove(c)
		expired = append(expired, c)
	}
	p.mu.Unlock()
	for _, c := range expired {
		p.discard(c)
	}
}

// close closes the connections that are idle, and lets none be kept from then on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.expiry != nil {
		p.expiry.Stop()
		p.expiry = nil
	}
	var idle []*conn
	for _, h := range p.hosts {
		idle = append(idle, h.idle...)
		h.idle = nil
	}
	p.idle = 0
	p.mu.Unlock()
	for _, c := range idle {
		p.discard(c)
	}
}

func (p *pool) host(to endpoint) *host {
	h := p.hosts[to]
	if h == nil {
		h = new(host)
		if p.hosts == nil {
			p.hosts = make(map[endpoint]*host)
		}
		p.hosts[to] = h
	}
	return h
}

// oldest returns the connection that has been idle for longest, or nil.
func (p *pool) oldest() *conn {
	var oldest *conn
	for _, h := range p.hosts {
		if len(h.idle) > 0 && (oldest == nil || h.idle[0].idleAt.Before(oldest.idleAt)) {
			oldest = h.idle[0]
		}
	}
	return oldest
}

func (p *pool) remove(c *conn) {
	h := p.host(c.to)
	h.idle = slices.DeleteFunc(h.idle, func(other *conn) bool { return other == c })
	p.idle--
}

// outsideConn is a connection that somebody else uses.
type outsideConn struct {
	net.Conn
	close func()
}

// Close closes the connection, once.
func (c *outsideConn) Close() error {
	c.close()
	return nil
}

// CloseWrite ends the sending direction, as upgraded connections do.
func (c *outsideConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
