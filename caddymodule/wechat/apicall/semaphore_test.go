package apicall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// holder makes calls that hold their slots until they are released.
type holder struct {
	*Semaphore
	mu      sync.Mutex
	started []string // the users whose calls have started, in order
	open    map[string][]*party
}

func newHolder(maxCalls int) *holder {
	return &holder{Semaphore: NewSemaphore(maxCalls), open: map[string][]*party{}}
}

// call starts a call of a user, which may have to wait.
func (h *holder) call(ctx context.Context, user string) {
	go func() {
		p, _, err := h.acquire(ctx, context.Background(), "api", user)
		if err != nil {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.started = append(h.started, user)
		h.open[user] = append(h.open[user], p)
	}()
	synctest.Wait()
}

// end ends the oldest call of a user.
func (h *holder) end(user string) {
	h.mu.Lock()
	p := h.open[user][0]
	h.open[user] = h.open[user][1:]
	h.mu.Unlock()
	h.release(p)
	synctest.Wait()
}

func (h *holder) wantStarted(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.started, want) {
		t.Errorf("started %q, want %q", h.started, want)
	}
}

// wantEmpty wants nothing to be left of any call.
func (h *holder) wantEmpty(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	users := h.open
	h.open = nil
	h.mu.Unlock()
	for _, calls := range users {
		for _, p := range calls {
			h.release(p)
		}
	}
	if h.inFlight != 0 || len(h.parties) != 0 || h.turns.Len() != 0 {
		t.Errorf("left behind: %d in flight, %d parties, %d turns", h.inFlight, len(h.parties), h.turns.Len())
	}
}

func TestOneUserHasAnEighthOfTheSlots(t *testing.T) {
	t.Parallel()
	for maxCalls, share := range map[int]int{1: 1, 7: 1, 8: 1, 15: 1, 16: 2, 128: 16, 1000: 125} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			h := newHolder(maxCalls)
			for range share + 3 {
				h.call(ctx, "o1")
			}
			if n := len(h.started); n != share {
				t.Errorf("of %d slots one user has %d, want %d", maxCalls, n, share)
			}
			cancel()
			synctest.Wait()
			h.wantEmpty(t)
		})
	}
}

func TestCallsInNobodysNameHaveAHalfForEachAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(8)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		acquire := func(api string) bool {
			_, _, err := s.acquire(ctx, ctx, api, "")
			return err == nil
		}
		for i := range 4 {
			if !acquire("login") {
				t.Errorf("login %d waits", i+1)
			}
		}
		if acquire("login") {
			t.Error("logins have more than a half")
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !acquire("relay") {
			t.Error("logins hold up another API")
		}
	})
}

func TestThoseWhoWaitTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(2)
		for _, user := range []string{"a", "b", "a", "a", "a", "b", "c", "d"} { // each may have one at a time
			h.call(t.Context(), user)
		}
		h.wantStarted(t, "a", "b")
		h.end("a") // c asked first of those who have none
		h.wantStarted(t, "a", "b", "c")
		h.end("c")
		h.wantStarted(t, "a", "b", "c", "d")
		h.end("b")
		h.wantStarted(t, "a", "b", "c", "d", "a")
		h.end("a")
		h.wantStarted(t, "a", "b", "c", "d", "a", "b")
		h.end("b")
		h.wantStarted(t, "a", "b", "c", "d", "a", "b", "a")
		h.end("a")
		h.wantStarted(t, "a", "b", "c", "d", "a", "b", "a", "a")
		h.end("d")
		h.wantEmpty(t)
	})
}

func TestWhoLeavesTheQueueLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(1)
		h.call(t.Context(), "a")
		left, leave := context.WithCancel(t.Context())
		h.call(left, "b")
		h.call(left, "b")
		h.call(t.Context(), "c")
		leave()
		synctest.Wait()
		h.end("a")
		h.wantStarted(t, "a", "c")
		h.end("c")
		h.call(t.Context(), "d")
		h.wantStarted(t, "a", "c", "d")
		h.wantEmpty(t)
	})
}

// A thousand calls of each of ten users, most of which give up at any moment: no slot is lost, and none is there twice.
func TestNoSlotIsLost(t *testing.T) {
	t.Parallel()
	const maxCalls = 16
	s := NewSemaphore(maxCalls)
	var mu sync.Mutex
	var now, most int
	users := map[string]int{}
	var wg sync.WaitGroup
	for i := range 10_000 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*200*time.Microsecond)
			defer cancel()
			user := strconv.Itoa(i % 10)
			p, _, err := s.acquire(ctx, context.Background(), "api", user)
			if err != nil {
				return
			}
			mu.Lock()
			now++
			users[user]++
			most = max(most, now)
			if users[user] > maxCalls/8 {
				t.Errorf("%d calls of one user", users[user])
			}
			mu.Unlock()
			time.Sleep(50 * time.Microsecond)
			mu.Lock()
			now--
			users[user]--
			mu.Unlock()
			s.release(p)
		})
	}
	wg.Wait()
	if most > maxCalls || s.inFlight != 0 || len(s.parties) != 0 || s.turns.Len() != 0 {
		t.Errorf("%d at once, %d left in flight, %d parties, %d turns", most, s.inFlight, len(s.parties), s.turns.Len())
	}
}

func TestACallWhoseTurnDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := NewCaller(Config{API: "test", Semaphore: NewSemaphore(1)})
		go func() {
			_, _ = Do(t.Context(), caller, Call{User: "o1"}, func(context.Context, string) (int, error) {
				time.Sleep(time.Minute)
				return 0, nil
			})
		}()
		synctest.Wait()
		never := func(context.Context, string) (int, error) {
			t.Error("it was made")
			return 0, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := Do(ctx, caller, Call{User: "o2"}, never)
		if _, ok := errors.AsType[*QueueError](err); !ok || time.Since(start) != 2250*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if wechat.ErrCode(err) != wechat.CodeTimeout || wechat.MetricLabel(err) != "max_calls" || wechat.Advice(err) == "" {
			t.Errorf("%d %s %s", wechat.ErrCode(err), wechat.MetricLabel(err), wechat.Advice(err))
		}
		if after, ok := NotCalled(fmt.Errorf("login: %w", err)); !ok || after != time.Second {
			t.Errorf("try again after %s, %t", after, ok)
		}
		// Somebody who waits no more is not told to raise a limit.
		queue, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := Do(t.Context(), caller, Call{User: "o2", Queue: queue}, never); err != context.Canceled {
			t.Error(err)
		}
		if caller.Breaker.State() != Closed {
			t.Error("what was never asked says nothing of WeChat")
		}
		time.Sleep(time.Hour)
	})
}

func BenchmarkAcquire(b *testing.B) {
	s := NewSemaphore(128)
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := s.acquire(b.Context(), b.Context(), "api", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M")
		if err != nil {
			b.Fatal(err)
		}
		s.release(p)
	}
}
