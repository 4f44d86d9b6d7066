package apicall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// Who fails how often before a breaker is open. Letters are users whose calls fail, - is a call that goes well, _ one in
// nobody's name that fails.
func TestWhoOpensABreaker(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		calls, sentence string
		want            State
	}{
		{"aaaaaaaaaaaaaaaaaaaa", "one user alone does not, however often", Closed},
		{"aaaab", "two users do", Open},
		{"abaaa", "in any order", Open},
		{"abab", "four failures are too few", Closed},
		{"aaaaaaaab", "the failures of one wait for those of another", Open},
		{"abab-abab", "a call that goes well ends the run", Closed},
		{"abab-aaaaa", "and who was a part of it is forgotten", Closed},
		{"_____", "calls in nobody's name are not those of one user: logins", Open},
		{"a_aaa", "nor are they of a user", Open},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			b := NewBreaker(nil)
			for _, c := range test.calls {
				user, err := strings.TrimLeft(string(c), "-_"), error(&wechat.NetworkError{})
				if c == '-' {
					err = nil
				}
				generation, rejected := b.allow(user)
				if rejected != nil {
					t.Fatal(rejected)
				}
				b.done(generation, user, err)
			}
			if got := b.State(); got != test.want {
				t.Errorf("it is %s, want %s", got, test.want)
			}
		})
	}
}

// opened returns a breaker that a and b have opened, and what it told its observer.
func opened(t *testing.T) (*Breaker, *[]string) {
	t.Helper()
	told := new([]string)
	b := NewBreaker(func(c StateChange) { *told = append(*told, fmt.Sprintf("%s to %s: %v", c.From, c.To, c.Cause)) })
	for _, user := range []string{"a", "b", "a", "b", "a"} {
		generation, err := b.allow(user)
		if err != nil {
			t.Fatal(err)
		}
		b.done(generation, user, &wechat.NetworkError{API: "x", Timeout: true})
	}
	return b, told
}

func TestABreakerTellsItsObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, told := opened(t)
		time.Sleep(breakerCooldown)
		for _, outcome := range []error{&wechat.ResponseError{API: "x"}, context.Canceled, nil} {
			time.Sleep(breakerCooldown)
			generation, err := b.allow("c")
			if err != nil {
				time.Sleep(breakerCooldown)
				generation, err = b.allow("c")
			}
			if err != nil {
				t.Fatal(err)
			}
			b.done(generation, "c", outcome)
		}
		late, html := (&wechat.NetworkError{API: "x", Timeout: true}).Error(), (&wechat.ResponseError{API: "x"}).Error()
		want := []string{
			"closed to open: " + late,
			"open to half-open: " + late, "half-open to open: " + html,
			"open to half-open: " + html, "half-open to open: " + html,
			"open to half-open: " + html, "half-open to closed: " + html,
		}
		if !slices.Equal(*told, want) {
			t.Errorf("told:\n%s", strings.Join(*told, "\n"))
		}
	})
}

// One user whose calls always fail must not have every trial.
func TestAnotherUserHasTheNextTrial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		time.Sleep(breakerCooldown)
		trial := func(user string, outcome error) (rejected bool, after time.Duration) {
			generation, err := b.allow(user)
			if open, ok := errors.AsType[*BreakerOpenError](err); ok {
				return true, open.RetryAfter()
			}
			b.done(generation, user, outcome)
			return false, 0
		}
		if rejected, _ := trial("hostile", &wechat.NetworkError{}); rejected {
			t.Error("the first trial is anybody's")
		}
		time.Sleep(breakerCooldown)
		if rejected, after := trial("hostile", nil); !rejected || after != breakerCooldown {
			t.Errorf("the same user tries again; rejected: %t, for %s", rejected, after)
		}
		if rejected, _ := trial("honest", nil); rejected || b.State() != Closed {
			t.Errorf("another user's trial: rejected %t, %s", rejected, b.State())
		}
	})
}

// Where only one user calls, there must be trials as well.
func TestALonelyUserHasTrials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		for _, pause := range []time.Duration{breakerCooldown, 2 * breakerCooldown, 2 * breakerCooldown} {
			if pause > breakerCooldown {
				time.Sleep(pause - 1)
				if _, err := b.allow("c"); err == nil {
					t.Errorf("a trial before %s", pause)
				}
				time.Sleep(time.Nanosecond)
			} else {
				time.Sleep(pause)
			}
			generation, err := b.allow("c")
			if err != nil {
				t.Fatal(pause, err)
			}
			b.done(generation, "c", &wechat.NetworkError{})
		}
	})
}

func TestACallThatBeganBeforeSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(nil)
		slow, _ := b.allow("slow")
		for _, user := range []string{"a", "b", "a", "b", "a"} {
			generation, _ := b.allow(user)
			b.done(generation, user, &wechat.NetworkError{})
		}
		b.done(slow, "slow", nil)
		if b.State() != Open {
			t.Error("a call from before closes it")
		}
		time.Sleep(breakerCooldown)
		trial, err := b.allow("c")
		if err != nil {
			t.Fatal(err)
		}
		b.done(slow, "slow", &wechat.NetworkError{})
		if b.State() != HalfOpen {
			t.Error("a call from before ends a trial")
		}
		b.done(trial, "c", nil)
		if b.State() != Closed {
			t.Error("the trial does not close it")
		}
	})
}

// The message names the latest failure that counted, not one that did not.
func TestAnOpenBreakerNamesWhatCounted(t *testing.T) {
	t.Parallel()
	b := NewBreaker(nil)
	for _, user := range []string{"a", "b", "a", "b", "a"} {
		for _, outcome := range []error{&wechat.Error{API: "x", Code: 40003}, &wechat.Error{API: "x", Code: 45009}} {
			generation, err := b.allow(user)
			if err != nil {
				t.Fatal(err)
			}
			b.done(generation, user, outcome)
		}
	}
	err := b.Ready()
	open, ok := errors.AsType[*BreakerOpenError](err)
	if !ok || wechat.Code(open.Last) != 45009 || open.RetryAfter() <= 0 || open.RetryAfter() > breakerCooldown {
		t.Errorf("got %v, after %s", err, open.RetryAfter())
	}
	if after, ok := NotCalled(err); !ok || after <= 0 {
		t.Error("it is not said that nothing was asked")
	}
}

// A trial whose function panics, as a request's goroutine may, is followed by another.
func TestATrialThatPanicsIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := opened(t)
		caller := NewCaller(Config{API: "test", Breaker: b})
		time.Sleep(breakerCooldown)
		func() {
			defer func() { _ = recover() }()
			_, _ = Do(t.Context(), caller, Call{}, func(context.Context, string) (int, error) { panic("fault") })
		}()
		if _, err := Do(t.Context(), caller, Call{}, func(context.Context, string) (int, error) { return 1, nil }); err != nil || b.State() != Closed {
			t.Errorf("%v, %s", err, b.State())
		}
	})
}
