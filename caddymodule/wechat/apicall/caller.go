// Package apicall makes calls of WeChat's APIs in one account's name: when their turn has come, with the account's token,
// again where that helps, and not at all for a while after failures that everybody would meet.
package apicall

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// firstBackoff is the pause before a busy WeChat is asked again; it doubles each time.
const firstBackoff = 100 * time.Millisecond

// TokenSource supplies the access tokens of one account.
type TokenSource interface {
	// Token returns a token that WeChat accepts as far as the source knows; "" if the call needs none. It returns when ctx
	// ends, at the latest.
	Token(ctx context.Context) (string, error)

	// Rejected tells the source that WeChat rejected this token: the next Token should be another.
	Rejected(token string)
}

// Config is what a Caller is made of.
type Config struct {
	// The API, as package wechat names it. Calls in nobody's name share their slots by API.
	API string

	// Where tokens come from. nil: the calls need none, as logins do.
	Tokens TokenSource

	// How often a busy WeChat is asked again. Default: never.
	Retries int

	// What stops calls that would fail for everybody. It may outlive the Caller, and be passed to the next one for the same
	// API and account. nil: one of its own, which nobody observes.
	Breaker *Breaker

	// What bounds the account's calls in flight; one for all APIs. nil: one of its own, with DefaultMaxCalls.
	Semaphore *Semaphore
}

// Caller makes calls of one API in one account's name. It has nothing to close, and may be used by many goroutines at once.
type Caller struct{ Config }

// NewCaller returns a caller.
func NewCaller(config Config) *Caller {
	if config.Breaker == nil {
		config.Breaker = NewBreaker(nil)
	}
	if config.Semaphore == nil {
		config.Semaphore = NewSemaphore(DefaultMaxCalls)
	}
	return &Caller{config}
}

// Call says in whose name a call is made.
type Call struct {
	// The openid of the user. "": the call is in nobody's name, as logins are, and what timers of functions ask.
	User string

	// Ends when nobody waits for the call any more, which then leaves the queue. A call that was sent goes on. nil: the
	// context of the call.
	Queue context.Context //nolint:containedctx // a second lifetime, of the wait before the call
}

// Do calls WeChat through fn, which is given the token to use and may be called several times. Beside the errors of fn and
// of the TokenSource it returns a *QueueError when the turn of the call did not come within three quarters of the time until
// the deadline of ctx, and a *BreakerOpenError when WeChat is not called at the moment.
func Do[T any](ctx context.Context, c *Caller, call Call, fn func(ctx context.Context, token string) (T, error)) (result T, err error) {
	if call.Queue == nil {
		call.Queue = ctx
	}
	if err := c.Breaker.Ready(); err != nil { // not to be told so behind a queue
		return result, err
	}
	p, queued, err := c.Semaphore.acquire(call.Queue, ctx, c.API, call.User)
	if err != nil {
		return result, err
	}
	defer c.Semaphore.release(p)
	generation, err := c.Breaker.allow(call.User)
	if err != nil {
		return result, err
	}
	var granted time.Time
	if queued > 0 {
		granted = time.Now()
	}
	err = context.Canceled // what the breaker is told if fn panics, so that it does not wait for this trial for ever
	defer func() {
		told := err
		if queued > 0 && wechat.IsTimeout(err) && queued > time.Since(granted) {
			told = context.Canceled // more of the time went by in the queue, which says nothing of WeChat
		}
		c.Breaker.done(generation, call.User, told)
	}()
	result, err = attempt(ctx, c, &call, fn)
	return result, err
}

// NotCalled reports whether err says that WeChat was not called, and if so, when to try again: a login code, say, is still
// good then.
func NotCalled(err error) (retryAfter time.Duration, notCalled bool) {
	waiting, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0, false
	}
	return waiting.RetryAfter(), true
}

func attempt[T any](ctx context.Context, c *Caller, call *Call, fn func(ctx context.Context, token string) (T, error)) (result T, err error) {
	renewed := false
	for busy := 0; ; {
		var token string
		err = nil
		if c.Tokens != nil {
			if token, err = c.Tokens.Token(call.Queue); err != nil {
				call.User = "" // no user is at fault: there is no token for any of them
			}
		}
		if err == nil {
			if result, err = fn(ctx, token); c.Tokens != nil && wechat.IsTokenRejected(err) && !renewed {
				renewed = true
				c.Tokens.Rejected(token)
				continue
			}
		}
		if !wechat.IsBusy(err) || busy == c.Retries || !backoff(ctx, firstBackoff<<busy) {
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
