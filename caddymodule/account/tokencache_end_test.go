package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseStopsAll(t *testing.T) {
	t.Parallel()
	t.Run("renewals", func(t *testing.T) {
		f := new(fetcher)
		withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
			want(t, k, "t1")
			want(t, k, "t1")
			_ = k.Close()
			time.Sleep(24 * time.Hour)
			wantFetches(t, f, 0)
		})
	})
	t.Run("fetches under way, and those who wait for them", func(t *testing.T) {
		f := &fetcher{takes: 5 * time.Second}
		withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
			told := make(chan error)
			go func() {
				_, err := k.Token(t.Context())
				told <- err
			}()
			synctest.Wait()
			_ = k.Close()
			if err := <-told; err == nil || time.Since(f.began) != 0 {
				t.Errorf("%v after %s", err, time.Since(f.began))
			}
		})
	})
	t.Run("fetches that are asked for afterwards", func(t *testing.T) {
		f := new(fetcher)
		withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
			_ = k.Close()
			if _, err := k.Token(t.Context()); err == nil {
				t.Error("no error")
			}
			wantFetches(t, f)
		})
	})
	t.Run("a token that is used afterwards is not renewed", func(t *testing.T) {
		f := new(fetcher)
		withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
			want(t, k, "t1")
			time.Sleep(118 * time.Minute)
			_ = k.Close()
			_, _ = k.Token(t.Context())
			k.Rejected("t1")
			_, _ = k.Token(t.Context())
			wantFetches(t, f, 0)
		})
	})
}

func TestAFetchThatGetsNoResponseCostsOneDeadline(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: time.Hour}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		const timeout = 3 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		if _, err := k.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		f.mu.Lock()
		f.takes = time.Second
		f.mu.Unlock()
		want(t, k, "t2")
		if got := f.fetches(); len(got) != 2 || got[1] != timeout {
			t.Errorf("fetched at %v, want the second fetch right after the first waiter's deadline", got)
		}
	})
}

// A fetch that was given up may end after the one that took its place, with an older token.
// Who goes away, and who gave up a fetch that others have given up before, take nothing from a fetch that others wait for.
func TestWhoGoesAwayStopsNoFetch(t *testing.T) {
	f := &fetcher{takes: 5 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		ask := func(ctx context.Context, wants error) {
			go func() {
				if _, err := k.Token(ctx); !errors.Is(err, wants) {
					t.Errorf("got %v, want %v", err, wants)
				}
			}()
			time.Sleep(time.Second)
		}
		deadline := func(d time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			t.Cleanup(cancel)
			return ctx
		}
		canceled, goAway := context.WithCancel(t.Context())
		ask(canceled, context.Canceled)
		goAway()
		ask(deadline(1500*time.Millisecond), context.DeadlineExceeded) // of the first fetch, at 2.5 s
		ask(t.Context(), nil)                                          // of the first fetch
		wantFetches(t, f, 0)
		ask(deadline(1500*time.Millisecond), context.DeadlineExceeded) // of the second, at 4.5 s
		wantFetches(t, f, 0, 3*time.Second)
		time.Sleep(4 * time.Second)
	})
	f = &fetcher{takes: 5 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		for _, after := range []time.Duration{time.Second, 3 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			t.Cleanup(cancel)
			go func() { _, _ = k.Token(ctx) }()
		}
		time.Sleep(2 * time.Second)
		go want(t, k, "t2")
		time.Sleep(2 * time.Second) // the other one has given up the first fetch too
		go want(t, k, "t2")
		time.Sleep(4 * time.Second)
		wantFetches(t, f, 0, 2*time.Second)
	})
}

func TestALateTokenReplacesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		first    time.Duration // how long the first fetch takes
		second   time.Duration
		want     string
	}{
		{"the abandoned fetch ends last", 9 * time.Second, time.Second, "t2"},
		{"the abandoned fetch ends first", 4 * time.Second, 3 * time.Second, "t2"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			f := &fetcher{life: 2 * time.Hour, takes: test.first}
			withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if _, err := k.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				f.mu.Lock()
				f.takes = test.second
				f.mu.Unlock()
				want(t, k, "t2")
				time.Sleep(10 * time.Second)
				want(t, k, test.want)
				fetched, expires := k.times()
				if fetched.Sub(f.began) != 3*time.Second || expires.Sub(fetched) != 2*time.Hour {
					t.Errorf("fetched %s after the beginning, for %s", fetched.Sub(f.began), expires.Sub(fetched))
				}
			})
		})
	}
}

func TestTimesOfAToken(t *testing.T) {
	t.Parallel()
	withTokenCache(t, &fetcher{life: time.Hour}, func(t *testing.T, k *tokenCache) {
		none := func(when string) {
			t.Helper()
			if fetched, expires := k.times(); !fetched.IsZero() || !expires.IsZero() {
				t.Errorf("%s: %s, %s", when, fetched, expires)
			}
		}
		none("before there is a token")
		want(t, k, "t1")
		if fetched, expires := k.times(); !fetched.Equal(time.Now()) || expires.Sub(fetched) != time.Hour {
			t.Errorf("%s, %s", fetched, expires)
		}
		k.Rejected("t1")
		none("after it was rejected")
		want(t, k, "t2")
		time.Sleep(time.Hour)
		none("after it has expired")
	})
}
