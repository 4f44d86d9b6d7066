package http1

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// startExchange begins an exchange on a connection that nothing comes from.
func startExchange(ctx context.Context, c *Client) *exchange {
	connection := &conn{Conn: fakeConn{closed: func() {}}, to: endpoint{"tcp", "a"}}
	return newExchange(c, connection, newRequest(ctx, http.MethodGet, nil, 0), new(outgoing))
}

func (x *exchange) followsContext() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stop != nil
}

func (w *watch) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.recent) + len(w.older)
}

// wantUnwatched fails if a watch still has exchanges, or looks after them.
func wantUnwatched(t *testing.T, w *watch) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.recent)+len(w.older) > 0 || w.ticking {
		t.Errorf("%d and %d exchanges are watched (%t) when all are over", len(w.recent), len(w.older), w.ticking)
	}
}

func TestContextsAreToldOfExchangesThatLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		short, long := startExchange(ctx, c), startExchange(ctx, c)
		time.Sleep(watchInterval - 1)
		if short.followsContext() || long.followsContext() {
			t.Error("the context was told at once")
		}
		next := startExchange(ctx, c)
		time.Sleep(2 * time.Nanosecond)
		if next.followsContext() {
			t.Error("the context was told of an exchange that had just begun, because of those before it")
		}
		next.finish(false)
		short.finish(false)
		if n := c.watch.size(); n != 1 {
			t.Errorf("%d exchanges are watched while one lasts", n)
		}
		time.Sleep(watchInterval)
		if short.followsContext() || !long.followsContext() {
			t.Error("the context was told of the exchange that was over, or not of the other one")
		}
		late := startExchange(ctx, c)
		time.Sleep(2*watchInterval + 1)
		if !late.followsContext() {
			t.Error("the context was not told of an exchange that began when nothing else was watched")
		}
		late.finish(false)
		long.finish(false)
		time.Sleep(watchInterval)
		wantUnwatched(t, &c.watch)
	})
}

// Whatever begins and ends in whatever order, exchanges end with their contexts, at most two intervals later, and those that were
// over before are left alone.
func TestExchangesEndWithTheirContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, nil)
		random := rand.New(rand.NewPCG(1, 2))
		upTo := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
		cause := errors.New("the client has gone")
		for range 1000 {
			time.Sleep(upTo(time.Millisecond))
			ctx, cancel := context.WithCancelCause(t.Context())
			x := startExchange(ctx, c)
			end, lasts := upTo(50*time.Millisecond), upTo(50*time.Millisecond)
			time.AfterFunc(end, func() { cancel(cause) })
			time.AfterFunc(lasts, func() {
				switch aborted := x.aborted(); {
				case aborted != nil && (aborted != cause || end > lasts):
					t.Errorf("an exchange that lasts for %v, whose context ends after %v, was aborted: %v", lasts, end, aborted)
				case aborted == nil && end+2*watchInterval < lasts:
					t.Errorf("an exchange that lasts for %v was not aborted when its context ended after %v", lasts, end)
				}
				x.finish(false)
			})
		}
		time.Sleep(100 * time.Millisecond)
		wantUnwatched(t, &c.watch)
	})
}

// A deadline that is near is kept as exactly as any.
func TestNearDeadlinesAreFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, nil)
		for _, after := range []time.Duration{-time.Second, 0, time.Millisecond, 2*watchInterval - 1} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			x := startExchange(ctx, c)
			time.Sleep(after)
			synctest.Wait()
			if err := x.aborted(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("with a deadline after %v: %v", after, err)
			}
			x.finish(false)
			cancel()
		}
		wantUnwatched(t, &c.watch)
	})
}

// With a real server, too, and whenever it is that the context ends.
func TestARequestEndsWithItsContext(t *testing.T) {
	u, c := startUpstream(t, func(c *rawserver.Conn) { c.Request() }), newClient(t, nil)
	for _, after := range []time.Duration{0, time.Millisecond, watchInterval, 2 * watchInterval, 5 * watchInterval} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(after, cancel)
		if _, err := u.get(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled after %v: %v", after, err)
		}
		u.WantOpen(t, 0)
	}
}
