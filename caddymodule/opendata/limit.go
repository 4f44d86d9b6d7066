package opendata

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// maxLimitedUsers bounds the memory of a Limiter. Beyond it, the users who were quiet longest are forgotten.
const maxLimitedUsers = 1 << 16

// Limiter bounds how many CloudIDs one user may have exchanged in any stretch of a given length. Users are known to it by a
// hash only. It has no goroutines, and may be used by many goroutines at once.
type Limiter struct {
	max  int
	per  time.Duration
	seed maphash.Seed

	mu     sync.Mutex
	users  map[uint64]*list.Element // of *spending
	recent list.List                // of *spending, the latest to spend at the end
}

// spending is what a user spent within the latest stretch, the oldest first.
type spending struct {
	user  uint64
	total int
	parts []part
}

type part struct {
	at time.Time
	n  int
}

// NewLimiter returns a limiter to maxIDs CloudIDs per user and per. Both must be above 0.
func NewLimiter(maxIDs int, per time.Duration) *Limiter {
	return &Limiter{max: maxIDs, per: per, seed: maphash.MakeSeed(), users: make(map[uint64]*list.Element)}
}

// LimitError says that a user may not have as many CloudIDs exchanged at the moment. Nothing was asked of WeChat.
type LimitError struct {
	Max   int           // CloudIDs of one user ...
	Per   time.Duration // ... within this time
	Asked int           // how many were to be exchanged
	After time.Duration // when they may be; Per, if they are more than may ever be at once
}

func (e *LimitError) Error() string {
	if e.NeverAllowed() {
		return fmt.Sprintf("%d CloudIDs at once are more than the account's limit, which is %d for one user in %s", e.Asked, e.Max, e.Per)
	}
	return fmt.Sprintf("this user has had as many CloudIDs exchanged as the account's limit allows: %d in %s; wait, and ask less often", e.Max, e.Per)
}

// NeverAllowed reports whether waiting does not help: more were asked for at once than the limit ever allows.
func (e *LimitError) NeverAllowed() bool { return e.Asked > e.Max }

// MetricLabel names the error in metrics and logs.
func (*LimitError) MetricLabel() string { return "limit" }

// Advice says what the operator should do.
func (*LimitError) Advice() string {
	return "if honest users reach it, raise the account's limit"
}

// RetryAfter is how long a client should wait before it tries again.
func (e *LimitError) RetryAfter() time.Duration { return e.After }

// take spends what a user asks for: must CloudIDs or, with a *LimitError, nothing at all; and of may others as many as are
// left, whose number it returns.
func (l *Limiter) take(user string, must, may int) (granted int, err error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	key := maphash.String(l.seed, user)
	var s *spending
	left := l.max
	if place := l.users[key]; place != nil {
		s = place.Value.(*spending)
		s.forget(now.Add(-l.per))
		left -= s.total
	}
	if must > left {
		return 0, &LimitError{Max: l.max, Per: l.per, Asked: must, After: l.wait(s, must-left, now)}
	}
	granted = min(may, left-must)
	if must+granted > 0 {
		l.spend(key, s, part{now, must + granted})
	}
	return granted, nil
}

func (l *Limiter) spend(key uint64, s *spending, p part) {
	if s == nil {
		s = &spending{user: key}
		l.users[key] = l.recent.PushBack(s)
	}
	l.recent.MoveToBack(l.users[key])
	s.parts = append(s.parts, p)
	s.total += p.n
	if len(l.users) > maxLimitedUsers {
		l.remove(l.recent.Front())
	}
}

// wait returns how long it takes until n more are free.
func (l *Limiter) wait(s *spending, n int, now time.Time) time.Duration {
	if s != nil {
		for _, p := range s.parts {
			if n -= p.n; n <= 0 {
				return p.at.Add(l.per).Sub(now)
			}
		}
	}
	return l.per
}

// refund returns n of what a user took last, because WeChat was not asked after all.
func (l *Limiter) refund(user string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := l.users[maphash.String(l.seed, user)]
	if place == nil {
		return
	}
	s := place.Value.(*spending)
	for n > 0 && len(s.parts) > 0 {
		last := &s.parts[len(s.parts)-1]
		back := min(n, last.n)
		last.n -= back
		s.total -= back
		n -= back
		if last.n == 0 {
			s.parts = s.parts[:len(s.parts)-1]
		}
	}
}

// forget drops the users who spent nothing lately.
func (l *Limiter) forget(now time.Time) {
	for first := l.recent.Front(); first != nil; first = l.recent.Front() {
		parts := first.Value.(*spending).parts
		if len(parts) > 0 && parts[len(parts)-1].at.Add(l.per).After(now) {
			return
		}
		l.remove(first)
	}
}

func (l *Limiter) remove(place *list.Element) {
	delete(l.users, l.recent.Remove(place).(*spending).user)
}

// forget drops what was spent until then.
func (s *spending) forget(then time.Time) {
	old := 0
	for old < len(s.parts) && !s.parts[old].at.After(then) {
		s.total -= s.parts[old].n
		old++
	}
	s.parts = s.parts[old:]
}
