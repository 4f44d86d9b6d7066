package apicall

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// breakerFailures calls in a row that failed open the breaker.
	breakerFailures = 5

	// breakerCooldown is how long WeChat is left alone then, before one call tries again.
	breakerCooldown = 5 * time.Second

	// firstBackoff is the pause before a busy WeChat is asked again; it doubles each time.
	firstBackoff = 100 * time.Millisecond
)

// TokenSource supplies the access tokens of one account.
type TokenSource interface {
	// Token returns a token that WeChat accepts as far as the source knows; "" if the call needs none. It returns when ctx
	// ends, at the latest.
	Token(ctx context.Context) (string, error)

	// Rejected tells the source that WeChat refused this token: the next Token should be another.
	Rejected(token string)
}

// Caller makes calls of one API in one account's name: with its token, again where that helps, and not at all for a while
// after a run of failures.
type Caller struct {
	tokens  TokenSource
	retries int
	breaker *gobreaker.TwoStepCircuitBreaker[any]
	last    atomic.Pointer[error] // the latest failure that counted
}

// NewCaller returns the caller of an API for the account appid. A busy WeChat is asked again at most retries times.
func NewCaller(api, appid string, tokens TokenSource, retries int) *Caller {
	state := metrics.Breaker.WithLabelValues(appid, api)
	state.Set(0)
	return &Caller{
		tokens:  tokens,
		retries: retries,
		breaker: gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
			Timeout:       breakerCooldown,
			ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= breakerFailures },
			IsExcluded:    func(err error) bool { return err != nil && !countsAsFailure(err) },
			OnStateChange: func(_ string, _, to gobreaker.State) { state.Set(float64(to)) },
		}),
	}
}

// BreakerOpenError says that WeChat was not called, because calls before had failed.
type BreakerOpenError struct{ Last error }

func (e *BreakerOpenError) Error() string {
	return fmt.Sprintf("not asked: WeChat is left alone for %s after %d failures in a row, the last: %v", breakerCooldown, breakerFailures, e.Last)
}

// Unwrap makes the error answer for the failure that it repeats.
func (e *BreakerOpenError) Unwrap() error { return e.Last }

// countsAsFailure tells trouble with WeChat, the network or the account from errors that a single user or a single id
// causes: a client must not be able to open the breaker for all others.
func countsAsFailure(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch code := wechat.Code(err); code {
	case 40003, 40097, 44002, 47001:
		return false
	default:
		return !wechat.IsConclusive(code)
	}
}

// Do calls WeChat through fn, which is given the token to use.
func Do[T any](ctx context.Context, c *Caller, fn func(ctx context.Context, token string) (T, error)) (T, error) {
	done, err := c.breaker.Allow()
	if err != nil {
		var none T
		if last := c.last.Load(); last != nil {
			err = *last
		}
		return none, &BreakerOpenError{err}
	}
	result, err := attempt(ctx, c, fn)
	if err != nil && countsAsFailure(err) {
		c.last.Store(&err)
	}
	done(err)
	return result, err
}

func attempt[T any](ctx context.Context, c *Caller, fn func(ctx context.Context, token string) (T, error)) (result T, err error) {
	renewed := false
	for busy := 0; ; {
		var token string
		token, err = c.tokens.Token(ctx)
		if err == nil {
			if result, err = fn(ctx, token); wechat.IsTokenRejected(err) && !renewed {
				renewed = true
				c.tokens.Rejected(token)
				continue
			}
		}
		if !wechat.IsBusy(err) || busy == c.retries || !backoff(ctx, firstBackoff<<busy) {
			return result, err
		}
		busy++
	}
}

// backoff waits for half to the whole of d, so that callers do not come back all at once. It reports false, without
// waiting, where the deadline would leave no time to ask again.
func backoff(ctx context.Context, d time.Duration) bool {
	d = d/2 + rand.N(d/2)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
