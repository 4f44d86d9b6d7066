package apicall

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// noTokens is a source that has none.
type noTokens struct{ err error }

func (n noTokens) Token(context.Context) (string, error) { return "", n.err }
func (noTokens) Rejected(string)                         {}

// do makes a call of a user that ends with err.
func do(t *testing.T, caller *Caller, user string, err error) error {
	t.Helper()
	_, got := Do(t.Context(), caller, Call{User: user}, func(context.Context, string) (int, error) { return 0, err })
	return got
}

func isOpen(err error) bool {
	_, open := errors.AsType[*BreakerOpenError](err)
	return open
}

// Without a token nobody can call, whoever it is that finds out. So WeChat is not asked for one again and again.
func TestATokenThatIsNotThereIsNobodysFailure(t *testing.T) {
	t.Parallel()
	wrongSecret := &wechat.Error{API: wechat.APIStableToken, Code: 40125}
	caller := NewCaller(Config{API: "test", Tokens: noTokens{wrongSecret}})
	for range 5 {
		if err := do(t, caller, "one", nil); !errors.Is(err, wrongSecret) || isOpen(err) {
			t.Fatal(err)
		}
	}
	if err := do(t, caller, "one", nil); !isOpen(err) {
		t.Errorf("after five fetches: %v", err)
	}
	withToken := NewCaller(Config{API: "test", Tokens: noTokens{}})
	for range 20 {
		if err := do(t, withToken, "one", &wechat.NetworkError{}); isOpen(err) {
			t.Fatal("one user whose calls fail opened the breaker")
		}
	}
}

// A breaker that is open answers at once, and not behind the calls that wait for WeChat.
func TestAnOpenBreakerFailsBeforeTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		caller := NewCaller(Config{API: "test", Breaker: b, Semaphore: NewSemaphore(1)})
		p, _, err := caller.Semaphore.acquire(t.Context(), t.Context(), "other", "x")
		if err != nil {
			t.Fatal(err)
		}
		defer caller.Semaphore.release(p)
		start := time.Now()
		if err := do(t, caller, "c", nil); !isOpen(err) || time.Since(start) != 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// Calls that wait for their turn are not made when the breaker opens meanwhile.
func TestCallsInTheQueueLearnThatTheBreakerIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(nil)
		caller := NewCaller(Config{API: "test", Breaker: b, Semaphore: NewSemaphore(1)})
		p, _, err := caller.Semaphore.acquire(t.Context(), t.Context(), "other", "x")
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan error)
		go func() {
			_, err := Do(t.Context(), caller, Call{User: "c"}, func(context.Context, string) (int, error) {
				t.Error("it was made")
				return 0, nil
			})
			result <- err
		}()
		synctest.Wait()
		for _, user := range []string{"a", "b", "a", "b", "a"} {
			generation, _ := b.allow(user)
			b.done(generation, user, &wechat.NetworkError{})
		}
		caller.Semaphore.release(p)
		if err := <-result; !isOpen(err) {
			t.Error(err)
		}
		if caller.Semaphore.inFlight != 0 {
			t.Error("the slot was not given back")
		}
	})
}

func TestABreakerThatClosedCountsFromTheBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		caller := NewCaller(Config{API: "test", Breaker: b})
		time.Sleep(breakerCooldown)
		if err := do(t, caller, "a", nil); err != nil {
			t.Fatal(err)
		}
		for i, user := range []string{"a", "b", "a", "b", "a"} {
			if b.State() != Closed {
				t.Errorf("open after %d failures", i)
			}
			_ = do(t, caller, user, &wechat.NetworkError{})
		}
		if b.State() != Open {
			t.Error("five failures do not open it again")
		}
	})
}

func TestTheBreakerLeavesWeChatAloneForFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		caller := NewCaller(Config{API: "test", Breaker: b})
		time.Sleep(5*time.Second - 1)
		if err := do(t, caller, "c", nil); !isOpen(err) {
			t.Error("too early: ", err)
		}
		time.Sleep(time.Nanosecond)
		if err := do(t, caller, "c", nil); err != nil {
			t.Error("too late: ", err)
		}
	})
}

func TestOnlySomeErrorsSayThatWeChatWasNotCalled(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), context.DeadlineExceeded, &wechat.NetworkError{}, &wechat.Error{Code: -1}} {
		if after, ok := NotCalled(err); ok || after != 0 {
			t.Errorf("%v: %s", err, after)
		}
	}
}

func TestTheDefaultsOfACaller(t *testing.T) {
	t.Parallel()
	caller := NewCaller(Config{API: "test"})
	if caller.Semaphore.max != 128 || caller.Breaker.State() != Closed {
		t.Errorf("%d calls, %s", caller.Semaphore.max, caller.Breaker.State())
	}
	if err := do(t, NewCaller(Config{API: "test", Semaphore: NewSemaphore(0)}), "a", nil); err != nil {
		t.Error("of no slots there is one: ", err)
	}
}

// Where more wait than can be served, those whose turn comes have time for their call, and the breaker stays closed: it is not
// WeChat that is slow.
func TestTooManyCallersAreServedAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := NewCaller(Config{API: "test", Semaphore: NewSemaphore(8)}) // of which 4 for calls in nobody's name
		served, queued, late := 0, 0, 0
		results := make(chan error, 100)
		for range 100 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_, err := Do(ctx, caller, Call{}, func(ctx context.Context, _ string) (int, error) {
					select {
					case <-time.After(300 * time.Millisecond):
						return 1, nil
					case <-ctx.Done():
						return 0, &wechat.NetworkError{Timeout: true}
					}
				})
				results <- err
			}()
		}
		for range 100 {
			switch err := <-results; {
			case err == nil:
				served++
			case wechat.MetricLabel(err) == "max_calls":
				queued++
			default:
				late++
			}
		}
		// Turns come at 0, 0.3, 0.6, 0.9, 1.2 and 1.5 s, the end of the queue.
		if served < 20 || queued != 100-served || late != 0 || caller.Breaker.State() != Closed {
			t.Errorf("%d served, %d not called, %d late; %s", served, queued, late, caller.Breaker.State())
		}
	})
}

// A time-out says something of WeChat only if the call had most of the time.
func TestATimeoutBecauseOfTheQueueDoesNotCount(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]State{900 * time.Millisecond: Open, 1100 * time.Millisecond: Closed} {
		synctest.Test(t, func(t *testing.T) {
			caller := NewCaller(Config{API: "test", Semaphore: NewSemaphore(2)})
			for range 5 {
				p, _, err := caller.Semaphore.acquire(t.Context(), t.Context(), "test", "")
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(waited, func() { caller.Semaphore.release(p) })
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err = Do(ctx, caller, Call{}, func(ctx context.Context, _ string) (int, error) {
					<-ctx.Done()
					return 0, &wechat.NetworkError{Timeout: true}
				})
				cancel()
				if !wechat.IsTimeout(err) {
					t.Fatal(err)
				}
			}
			if got := caller.Breaker.State(); got != want {
				t.Errorf("after waiting for %s of 2s: %s, want %s", waited, got, want)
			}
		})
	}
}

// BenchmarkDo makes a call that takes no time: its turn, its token, the breaker.
func BenchmarkDo(b *testing.B) {
	caller := NewCaller(Config{API: "test", Tokens: noTokens{}})
	call := Call{User: "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"}
	b.ReportAllocs()
	for b.Loop() {
		_, err := Do(b.Context(), caller, call, func(context.Context, string) (int, error) { return 0, nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
