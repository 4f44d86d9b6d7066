package apicall

import (
	"fmt"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// breakerFailures calls in a row that failed open a breaker, where they are not all of one user.
	breakerFailures = 5

	// breakerCooldown is how long WeChat is left alone then, before one call tries again.
	breakerCooldown = 5 * time.Second

	// trialPause is when to come back while another call tries.
	trialPause = time.Second
)

// State says whether a breaker lets calls through. The numbers are those of the metric breaker_state.
type State int

// The states of a breaker.
const (
	Closed   State = iota // every call is made
	HalfOpen              // one call tries, the others fail at once
	Open                  // every call fails at once
)

func (s State) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// StateChange is what an observer of a breaker learns.
type StateChange struct {
	From, To State

	// The latest failure that counted. It may be an error of package wechat, which has an advice.
	Cause error
}

// Breaker stops the calls of one API, in one account's name, while they would fail for everybody. It opens after five
// failures in a row that wechat.ConcernsEverybody, from two users at least: no single user can close the way for the others.
// Five seconds later one call tries; who it is for changes from one trial to the next, where others call too. A Breaker has
// no goroutines and nothing to close, and may be used by many goroutines at once.
type Breaker struct {
	observe func(StateChange)

	mu         sync.Mutex
	state      State
	generation int // of the state: what began in another says nothing of this one
	failures   int // in a row
	firstUser  string
	several    bool // the failures are not all of firstUser
	last       error
	trialDue   time.Time // while open
	trialUser  string    // of the latest trial
}

// NewBreaker returns a closed breaker. Each change of its state is told to observe, in order; observe must not block, and
// not use the breaker. It may be nil.
func NewBreaker(observe func(StateChange)) *Breaker {
	if observe == nil {
		observe = func(StateChange) {}
	}
	return &Breaker{observe: observe}
}

// State returns the present state.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// BreakerOpenError says that WeChat was not called, because calls before had failed.
type BreakerOpenError struct {
	Last  error         // the latest of those failures
	After time.Duration // when the next call may be made
}

func (e *BreakerOpenError) Error() string {
	return fmt.Sprintf("not asked: WeChat is left alone for %s after %d failures in a row, the last: %v", breakerCooldown, breakerFailures, e.Last)
}

// Unwrap returns the failure after which the breaker opened, so that errors.As finds its code and advice.
func (e *BreakerOpenError) Unwrap() error { return e.Last }

// RetryAfter is how long a client should wait before it tries again.
func (e *BreakerOpenError) RetryAfter() time.Duration { return e.After }

// Ready returns a *BreakerOpenError if no call may be made now.
func (b *Breaker) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.openError()
}

// openError returns a *BreakerOpenError while no call may be made. b.mu is held.
func (b *Breaker) openError() error {
	switch b.state {
	case HalfOpen:
		return &BreakerOpenError{b.last, trialPause}
	case Open:
		if left := time.Until(b.trialDue); left > 0 {
			return &BreakerOpenError{b.last, left}
		}
	}
	return nil
}

// allow returns the generation in which a user's call may be made, or a *BreakerOpenError. done must be told of a call that
// was allowed.
func (b *Breaker) allow(user string) (generation int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.openError(); err != nil {
		return 0, err
	}
	if b.state == Open {
		// Somebody else's call says more than another of the user whose trial has just failed.
		if left := time.Until(b.trialDue.Add(breakerCooldown)); left > 0 && user != "" && user == b.trialUser {
			return 0, &BreakerOpenError{b.last, left}
		}
		b.trialUser = user
		b.enter(HalfOpen)
	}
	return b.generation, nil
}

// done takes account of what became of a user's call.
func (b *Breaker) done(generation int, user string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if generation != b.generation {
		return
	}
	counts := err != nil && wechat.ConcernsEverybody(err)
	if counts {
		b.last = err
	}
	switch {
	case b.state == HalfOpen && err == nil:
		b.failures, b.trialUser = 0, ""
		b.enter(Closed)
	case b.state == HalfOpen && counts:
		b.trialDue = time.Now().Add(breakerCooldown)
		b.enter(Open)
	case b.state == HalfOpen: // this trial says nothing; the next call is another
		b.trialUser = ""
		b.enter(Open)
	case err == nil:
		b.failures = 0
	case counts:
		b.countFailure(user)
	}
}

func (b *Breaker) countFailure(user string) {
	if b.failures == 0 {
		b.firstUser, b.several = user, false
	} else if user != b.firstUser || user == "" {
		b.several = true
	}
	b.failures++
	if b.failures >= breakerFailures && b.several {
		b.trialDue = time.Now().Add(breakerCooldown)
		b.enter(Open)
	}
}

func (b *Breaker) enter(state State) {
	from := b.state
	b.state = state
	b.generation++
	b.observe(StateChange{From: from, To: state, Cause: b.last})
}
