package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// fetcher stands for whoever gives tokens: t1 at the first fetch, t2 at the second, and so on.
type fetcher struct {
	life  time.Duration
	takes time.Duration
	fails func(n int) error // nil: never

	mu    sync.Mutex
	times []time.Duration // of the fetches, since the beginning
	began time.Time
}

func (f *fetcher) fetch(ctx context.Context) (wechat.Token, error) {
	f.mu.Lock()
	f.times = append(f.times, time.Since(f.began))
	n, takes := len(f.times), f.takes
	f.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return wechat.Token{}, ctx.Err()
	}
	if f.fails != nil {
		if err := f.fails(n); err != nil {
			return wechat.Token{}, err
		}
	}
	return wechat.Token{Value: fmt.Sprint("t", n), Expires: f.life}, nil
}

// fetches returns when tokens were fetched.
func (f *fetcher) fetches() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.times)
}

// withTokenCache runs a test of a token cache in a bubble, whose clock moves when all goroutines sleep.
func withTokenCache(t *testing.T, f *fetcher, test func(t *testing.T, k *tokenCache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if f.life == 0 {
			f.life = 2 * time.Hour
		}
		f.began = time.Now()
		k := newTokenCache("wx1", f.fetch)
		test(t, k)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
}

// want reports a token other than this one.
func want(t *testing.T, k *tokenCache, token string) {
	t.Helper()
	if got, err := k.Token(t.Context()); got != token || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, token)
	}
}

func wantFetches(t *testing.T, f *fetcher, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	if got := f.fetches(); !slices.Equal(got, want) {
		t.Errorf("fetched at %s, want %s", got, want)
	}
}

func TestATokenIsFetchedWhenItIsFirstNeeded(t *testing.T) {
	t.Parallel()
	f := new(fetcher)
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		time.Sleep(time.Hour)
		wantFetches(t, f)
		want(t, k, "t1")
		want(t, k, "t1")
		wantFetches(t, f, time.Hour)
	})
}

func TestATokenIsFetchedOnceHoweverManyWait(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: 2 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { want(t, k, "t1") })
		}
		time.Sleep(time.Second)
		for range 200 { // late, but before it is there
			wg.Go(func() { want(t, k, "t1") })
		}
		wg.Wait()
		wantFetches(t, f, 0)
	})
}

// A token in use is renewed when WeChat has the next one ready, five minutes before its end, but not before half its life.
func TestATokenInUseIsRenewedInTheBackground(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ life, renewed time.Duration }{
		{2 * time.Hour, 115 * time.Minute},
		{time.Hour, 55 * time.Minute},
		{10 * time.Minute, 5 * time.Minute},
		{5 * time.Minute, 150 * time.Second},
		{time.Minute, 30 * time.Second},
	} {
		f := &fetcher{life: test.life, takes: 3 * time.Second}
		withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
			want(t, k, "t1")
			start := time.Now() // the fetch took 3 s, and so does each that follows
			for time.Since(start) < 3*test.renewed {
				asked := time.Now()
				if token, err := k.Token(t.Context()); err != nil || token == "" {
					t.Errorf("life %s: %q, %v", test.life, token, err)
				}
				if waited := time.Since(asked); waited != 0 {
					t.Errorf("life %s: waited %s for a token", test.life, waited)
				}
				time.Sleep(time.Second)
			}
			round := test.renewed + 3*time.Second
			wantFetches(t, f, 0, round, 2*round)
		})
	}
}

func TestWhileATokenIsRenewedTheOldOneIsUsed(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: 9 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		want(t, k, "t1")
		time.Sleep(115*time.Minute + time.Second)
		wantFetches(t, f, 0, 115*time.Minute+9*time.Second)
		start := time.Now()
		want(t, k, "t1")
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %s", took)
		}
		time.Sleep(9 * time.Second)
		want(t, k, "t2")
	})
}

func TestAnIdleAccountCostsNoCalls(t *testing.T) {
	t.Parallel()
	f := new(fetcher)
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		time.Sleep(time.Hour)
		want(t, k, "t1")
		time.Sleep(24 * time.Hour)
		wantFetches(t, f, 0, 115*time.Minute) // once more, since it was used; then never
		want(t, k, "t3")
		time.Sleep(24 * time.Hour)
		wantFetches(t, f, 0, 115*time.Minute, 25*time.Hour)
	})
}

func TestWhoComesBackBeforeTheEndDoesNotWait(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1") // and then nobody asks, so nothing is renewed
		time.Sleep(118 * time.Minute)
		start := time.Now()
		want(t, k, "t1")
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %s", took)
		}
		time.Sleep(2 * time.Second)
		want(t, k, "t2")
		wantFetches(t, f, 0, 118*time.Minute+time.Second)
	})
}

func TestWhoComesBackBeforeTheEndDoesNotMakeManyAsk(t *testing.T) {
	t.Parallel()
	f := &fetcher{fails: func(n int) error {
		if n > 1 {
			return errors.New("not now")
		}
		return nil
	}}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		time.Sleep(118 * time.Minute)
		for range 50 { // a second
			want(t, k, "t1")
			time.Sleep(20 * time.Millisecond)
		}
		wantFetches(t, f, 0, 118*time.Minute)
		time.Sleep(20 * time.Second)
		wantFetches(t, f, 0, 118*time.Minute, 118*time.Minute+20*time.Second)
	})
}

func TestARenewalThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := &fetcher{fails: func(n int) error {
		if n >= 2 && n <= 4 {
			return errors.New("not now")
		}
		return nil
	}}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		for range 1199 { // until just before its end, each 6 s
			time.Sleep(6 * time.Second)
			synctest.Wait()
			if token, err := k.Token(t.Context()); err != nil || token != "t1" && token != "t5" {
				t.Fatalf("a renewal that failed must cost nobody anything: %q, %v", token, err)
			}
		}
		renewal := 115 * time.Minute
		wantFetches(t, f, 0, renewal, renewal+20*time.Second, renewal+40*time.Second, renewal+time.Minute)
		want(t, k, "t5")
	})
}

func TestWhereRenewalsGoOnFailingTheTokenIsUsedToItsEnd(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	f := &fetcher{fails: func(n int) error {
		if n > 1 {
			return down
		}
		return nil
	}}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		want(t, k, "t1")
		time.Sleep(2*time.Hour - time.Nanosecond)
		want(t, k, "t1")
		before := len(f.fetches())
		if before > 17 {
			t.Errorf("%d fetches in the last five minutes", before-1)
		}
		time.Sleep(2 * time.Nanosecond)
		if token, err := k.Token(t.Context()); !errors.Is(err, down) {
			t.Errorf("behind the end: %q, %v", token, err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := len(f.fetches()) - before; n > 2 {
			t.Errorf("%d fetches that nobody asked for", n)
		}
	})
}

func TestAFetchThatFailedIsNotRemembered(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: time.Second, fails: func(n int) error {
		if n == 1 {
			return &wechat.Error{API: wechat.APIStableToken, Code: 40125}
		}
		return nil
	}}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := k.Token(t.Context()); wechat.Code(err) != 40125 {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		want(t, k, "t2")
		wantFetches(t, f, 0, time.Second)
	})
}

func TestARejectedTokenIsDroppedAndNoOther(t *testing.T) {
	t.Parallel()
	f := new(fetcher)
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		k.Rejected("t0")
		want(t, k, "t1")
		k.Rejected("t0")
		k.Rejected("")
		want(t, k, "t1")
		k.Rejected("t1")
		want(t, k, "t2")
		for range 100 { // all those whose calls were under way with the old one
			k.Rejected("t1")
			want(t, k, "t2")
		}
		wantFetches(t, f, 0, 0)
	})
}

// Nothing is renewed where there is no token any more.
func TestAFetchThatFailsAfterARejectionIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: time.Second, fails: func(n int) error {
		if n == 2 {
			return &wechat.Error{API: wechat.APIStableToken, Code: 40125}
		}
		return nil
	}}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		k.Rejected("t1")
		if _, err := k.Token(t.Context()); wechat.Code(err) != 40125 {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		wantFetches(t, f, 0, time.Second)
	})
}

func TestManyRejectionsOfOneTokenAreOneFetch(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				k.Rejected("t1")
				want(t, k, "t2")
			})
		}
		wg.Wait()
		wantFetches(t, f, 0, time.Second)
	})
}

func TestARejectionDuringARenewalDoesNotFetchTwice(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: 5 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		want(t, k, "t1")
		time.Sleep(115*time.Minute + time.Second) // the renewal is under way
		k.Rejected("t1")
		want(t, k, "t2")
		wantFetches(t, f, 0, 115*time.Minute+5*time.Second)
	})
}

func TestWhoWaitsHasADeadlineOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: 5 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := k.Token(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if !wechat.IsTimeout(err) || wechat.Advice(err) == "" || wechat.MetricLabel(err) != "timeout" {
			t.Errorf("an operator is told %q, %q", err, wechat.Advice(err))
		}
		time.Sleep(f.takes)
		want(t, k, "t1") // what he had asked for was fetched all the same
		wantFetches(t, f, 0)
	})
}

func TestAFetchEndsSomeTime(t *testing.T) {
	t.Parallel()
	f := &fetcher{takes: 24 * time.Hour}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		if _, err := k.Token(t.Context()); !wechat.IsTimeout(err) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(f.began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestATokensTimeRunsFromBeforeItWasGiven(t *testing.T) {
	t.Parallel()
	f := &fetcher{life: 10 * time.Second, takes: 8 * time.Second}
	withTokenCache(t, f, func(t *testing.T, k *tokenCache) {
		want(t, k, "t1")
		time.Sleep(3 * time.Second)
		want(t, k, "t2")
	})
}
