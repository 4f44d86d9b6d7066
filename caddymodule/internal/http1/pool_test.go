package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// fakeConn is a connection of which only the end matters.
type fakeConn struct {
	net.Conn
	closed func()
}

func (c fakeConn) Close() error {
	c.closed()
	return nil
}

// testPool is a pool that opens fakes and counts them.
type testPool struct {
	pool
	mu           sync.Mutex
	opened, open int
}

func newTestPool(change func(*pool)) *testPool {
	p := new(testPool)
	p.pool = pool{
		dial: func(_ context.Context, to endpoint) (*conn, error) {
			p.count(1)
			return &conn{Conn: fakeConn{closed: func() { p.count(-1) }}, to: to}, nil
		},
	}
	if change != nil {
		change(&p.pool)
	}
	return p
}

func (p *testPool) count(change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += change
	p.opened += max(0, change)
}

func (p *testPool) want(t *testing.T, when string, opened, open int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened != opened || p.open != open {
		t.Errorf("%s: %d connections were opened and %d are open, want %d and %d", when, p.opened, p.open, opened, open)
	}
}

func (p *testPool) timer() *time.Timer {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	return p.expiry
}

func (p *testPool) take(t *testing.T, host string) *conn {
	t.Helper()
	c, err := p.get(t.Context(), endpoint{"tcp", host})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// takeAll takes so many connections to a host at once.
func (p *testPool) takeAll(t *testing.T, host string, n int) []*conn {
	t.Helper()
	var taken []*conn
	for range n {
		taken = append(taken, p.take(t, host))
	}
	return taken
}

func TestTheLatestUsedConnectionIsUsedFirst(t *testing.T) {
	p := newTestPool(nil)
	taken := p.takeAll(t, "a", 3)
	for _, c := range taken {
		p.put(c)
	}
	if p.take(t, "a") != taken[2] || p.take(t, "a") != taken[1] || p.take(t, "b") == taken[0] {
		t.Error("another one was used")
	}
	p.want(t, "in the end", 4, 4)
}

func TestSurplusConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(func(p *pool) { p.maxIdleHost, p.maxIdle = 128, 200 })
		a, b := p.takeAll(t, "a", 130), p.takeAll(t, "b", 100)
		for _, c := range a {
			p.put(c)
			time.Sleep(time.Millisecond)
		}
		p.want(t, "of one host 128 are kept", 230, 228)
		for _, c := range b {
			p.put(c)
		}
		p.want(t, "of all hosts 200 are kept", 230, 200)
		if len(p.hosts[endpoint{"tcp", "a"}].idle) != 100 || p.take(t, "a") != a[127] {
			t.Error("those that were idle for longest had to go first")
		}
	})
}

func TestConnectionsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(func(p *pool) { p.idleTimeout = time.Minute })
		for _, c := range append(p.takeAll(t, "a", 3), p.takeAll(t, "b", 2)...) {
			p.put(c)
			if p.timer() == nil {
				t.Fatal("no timer was set")
			}
		}
		timer := p.timer()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		p.put(p.take(t, "a"))
		if p.timer() != timer {
			t.Error("another timer was set")
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		p.want(t, "when all but one are old", 5, 1)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		p.want(t, "when all are", 5, 0)
		if p.timer() != nil || len(p.hosts) != 0 || p.idle != 0 {
			t.Errorf("a timer (%v), one of %d hosts, or one of %d connections is left", p.expiry, len(p.hosts), p.idle)
		}
		p.put(p.take(t, "a"))
		p.want(t, "when one was needed again", 6, 1)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		p.want(t, "and is old, too", 6, 0)
	})
}

func TestNoneIsKeptAfterTheEnd(t *testing.T) {
	p := newTestPool(func(p *pool) { p.idleTimeout = time.Hour })
	used := p.take(t, "a")
	p.put(p.take(t, "a"))
	timer := p.timer()
	p.close()
	p.want(t, "after the end", 2, 1)
	if timer.Stop() {
		t.Error("the timer runs on")
	}
	p.put(used)
	p.put(p.take(t, "a"))
	p.want(t, "and what was in use", 3, 0)
	if p.timer() != nil {
		t.Error("a timer was set")
	}
	p.close() // may be called again
}

func TestMaxPerHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(func(p *pool) { p.maxPerHost, p.maxIdleHost = 2, 1 })
		used := p.takeAll(t, "a", 2)
		p.take(t, "b")
		got := make(chan *conn, 3)
		for range 3 {
			go func() { got <- p.take(t, "a") }()
			synctest.Wait()
		}
		if p.want(t, "while three wait", 3, 3); len(got) != 0 {
			t.Fatal("a third connection was had")
		}
		p.put(used[0])
		if c := <-got; c != used[0] {
			t.Error("the first had to get the one that was free")
		}
		p.discard(used[1])
		p.discard(used[1]) // makes room once
		<-got
		synctest.Wait()
		if p.want(t, "when one was closed", 4, 3); len(got) != 0 {
			t.Error("two got its room")
		}
		p.discard(used[0])
		<-got
		p.want(t, "in the end", 5, 3)
	})
}

func TestWaitingForAConnectionCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(func(p *pool) { p.maxPerHost = 1 })
		used := p.take(t, "a")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() {
			_, err := p.get(ctx, endpoint{"tcp", "a"})
			done <- err
		}()
		synctest.Wait()
		cause := errors.New("enough")
		cancel(cause)
		if err := <-done; err != cause {
			t.Errorf("got %v", err)
		}
		p.put(used)
		if p.take(t, "a") != used {
			t.Error("the place was lost")
		}
	})
}

// Whoever gives up in the moment in which its turn comes passes that on.
func TestATurnThatComesTooLateIsPassedOn(t *testing.T) {
	for name, free := range map[string]func(p *testPool, c *conn){
		"a connection":     func(p *testPool, c *conn) { p.put(c) },
		"leave to open it": func(p *testPool, c *conn) { p.discard(c) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPool(func(p *pool) { p.maxPerHost = 1 })
			used, to := p.take(t, "a"), endpoint{"tcp", "a"}
			turn := make(chan *conn, 1)
			p.host(to).waiting = append(p.host(to).waiting, turn)
			free(p, used)
			p.leave(to, turn)
			p.discard(p.take(t, "a"))
			if p.want(t, "in the end", 2, 0); len(p.hosts) != 0 {
				t.Error("something is still counted")
			}
		})
	}
}

func TestADialThatFailedMakesRoom(t *testing.T) {
	p := newTestPool(func(p *pool) { p.maxPerHost = 1 })
	dial, refused := p.dial, errors.New("refused")
	p.dial = func(context.Context, endpoint) (*conn, error) { return nil, refused }
	for range 3 {
		if _, err := p.get(t.Context(), endpoint{"tcp", "a"}); err != refused {
			t.Errorf("got %v", err)
		}
	}
	if len(p.hosts) != 0 {
		t.Error("a host is remembered for nothing")
	}
	p.dial = dial
	p.take(t, "a")
}

// Somebody else who talks to the same server, by its own means, shares the bound.
func TestConnectionsOutsideCount(t *testing.T) {
	p := newTestPool(func(p *pool) { p.maxPerHost = 1 })
	p.put(p.take(t, "a"))
	outside, err := p.dialOutside(t.Context(), endpoint{"tcp", "a"})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "the idle one made room", 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.get(ctx, endpoint{"tcp", "a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if another, err := p.dialOutside(ctx, endpoint{"tcp", "a"}); another != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another one outside: %v", err)
	}
	_, _ = outside.Close(), outside.Close()

	dial, refused := p.dial, errors.New("refused")
	p.dial = func(context.Context, endpoint) (*conn, error) { return nil, refused }
	if failed, err := p.dialOutside(t.Context(), endpoint{"tcp", "a"}); failed != nil || err != refused {
		t.Errorf("one that cannot be opened: %v", err)
	}
	p.dial = dial
	p.take(t, "a")
	p.want(t, "in the end", 3, 1)
}

// Whoever has a connection of its own may end its sending direction alone, where the connection has one.
func TestAConnectionOutsideIsClosedByHalves(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) { _, _ = io.Copy(c.Conn, c.Conn) }), newClient(t, nil)
	outside, err := c.Dial(t.Context(), u.Network, u.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	_, _ = io.WriteString(outside, "to the end")
	endWriting(outside)
	if got, err := io.ReadAll(outside); string(got) != "to the end" || err != nil {
		t.Errorf("what was sent came back as %q, %v", got, err)
	}
	if err := (&outsideConn{Conn: fakeConn{}}).CloseWrite(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("one without directions: %v", err)
	}
}

// Only what is its socket, and nothing besides, is written to and waited for in one turn.
func TestWhichConnectionsArePlain(t *testing.T) {
	u := startUpstream(t, func(*rawserver.Conn) {})
	raw, err := net.Dial(u.Network, u.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for it, test := range map[string]struct {
		conn  net.Conn
		plain bool
	}{
		"a TCP connection":                       {raw, Supported},
		"one that somebody has put something on": {&writes{Conn: raw}, false},
		"one with TLS":                           {tls.Client(raw, nil), false},
		"one that has no socket":                 {fakeConn{}, false},
		"a TCP connection that was never opened": {new(net.TCPConn), false},
	} {
		if plain := newConn(test.conn, endpoint{}).plain; plain != test.plain {
			t.Errorf("%s is plain: %t", it, plain)
		}
	}
}

func TestNothingIsOpenedForARequestThatIsOver(t *testing.T) {
	p := newTestPool(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.get(ctx, endpoint{"tcp", "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.want(t, "in the end", 0, 0)
}
