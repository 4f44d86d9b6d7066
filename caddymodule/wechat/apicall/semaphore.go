package apicall

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// DefaultMaxCalls is how many calls of one account are in flight at once, unless its configuration says otherwise.
const DefaultMaxCalls = 128

// Semaphore bounds how many calls of one account are in flight, over all APIs. Callers beyond the bound wait, and the users
// among them take turns: one who makes a thousand calls at once holds up nobody but themselves. A Semaphore has no
// goroutines and nothing to close, and may be used by many goroutines at once.
type Semaphore struct {
	max int

	mu       sync.Mutex
	inFlight int
	parties  map[string]*party // those with a call in flight or waiting
	turns    list.List         // of *party: those whose next call could start if a slot were free, the next in turn first
}

// party is somebody whose calls share a part of the slots: a user, or all the calls of an API that belong to no user.
type party struct {
	key      string
	share    int
	inFlight int
	waiting  list.List     // of chan struct{}, which is closed when the slot is there
	turn     *list.Element // in turns; nil: not there
}

// NewSemaphore returns a semaphore for at most maxCalls calls in flight. One user may have an eighth of them, and the calls
// of one API that belong to no user, such as logins, a half; at least one each.
func NewSemaphore(maxCalls int) *Semaphore {
	return &Semaphore{max: max(1, maxCalls), parties: make(map[string]*party)}
}

// QueueError says that WeChat was not called, because too many calls of the account were in flight until the time for this
// one was over. ErrCode translates it as it does a time-out.
type QueueError struct {
	Max   int // how many calls may be in flight
	cause error
}

func (e *QueueError) Error() string {
	return fmt.Sprintf("not asked: the turn of this call did not come in time, with at most %d calls in flight and an eighth of them for one user", e.Max)
}

// Unwrap returns the error of the context that ended.
func (e *QueueError) Unwrap() error { return e.cause }

// MetricLabel names the error in metrics and logs.
func (*QueueError) MetricLabel() string { return "max_calls" }

// Advice says what the operator should do.
func (*QueueError) Advice() string {
	return "if one user floods this gateway, limit requests in front of it; if WeChat is slow or there are many users, raise the account's max_calls"
}

// RetryAfter is how long a client should wait before it tries again.
func (*QueueError) RetryAfter() time.Duration { return time.Second }

// acquire waits for a slot until queue ends, or three quarters of the time until the deadline of call are over. It returns how
// long it has waited, and for whom, which release must be told. A call in nobody's name (user is "") shares its slots with those
// of the same API.
func (s *Semaphore) acquire(queue, call context.Context, api, user string) (p *party, waited time.Duration, err error) {
	s.mu.Lock()
	p = s.party(api, user)
	if s.inFlight < s.max && p.inFlight < p.share { // then nobody who could start waits
		s.start(p)
		s.mu.Unlock()
		return p, 0, nil
	}
	granted := make(chan struct{})
	place := p.waiting.PushBack(granted)
	s.updateTurn(p)
	s.mu.Unlock()

	start := time.Now()
	if end := queueEnd(call); !end.IsZero() {
		var cancel context.CancelFunc
		queue, cancel = context.WithDeadline(queue, end)
		defer cancel()
	}
	select {
	case <-granted:
		return p, time.Since(start), nil
	case <-queue.Done():
		s.leave(p, place, granted)
		cause := queue.Err()
		if errors.Is(cause, context.Canceled) {
			return nil, 0, cause // nobody waits for this call any more
		}
		return nil, 0, &QueueError{Max: s.max, cause: cause}
	}
}

// queueEnd is when a call with this context has waited long enough for its turn, after three quarters of its time: one that
// began with hardly any time left would fail all the same, and a login would use up its code. So, however many wait, those
// whose turn comes are served. It is the zero time if there is no end.
func queueEnd(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return deadline.Add(-time.Until(deadline) / 4)
}

// party returns the party of a call. s.mu is held.
func (s *Semaphore) party(api, user string) *party {
	key, part := user, 8
	if user == "" {
		key, part = "\x00"+api, 2 // no openid has such a name
	}
	p := s.parties[key]
	if p == nil {
		p = &party{key: key, share: max(1, s.max/part)}
		s.parties[key] = p
	}
	return p
}

func (s *Semaphore) start(p *party) {
	s.inFlight++
	p.inFlight++
}

func (s *Semaphore) release(p *party) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	p.inFlight--
	s.updateTurn(p)
	s.grant()
}

// leave takes a call that waits no longer out of the queue, or gives the slot back that it was granted at that moment.
func (s *Semaphore) leave(p *party, place *list.Element, granted <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-granted:
		s.inFlight--
		p.inFlight--
	default:
		p.waiting.Remove(place)
	}
	s.updateTurn(p)
	s.grant()
}

// grant gives free slots to those who wait for one, a call to each party in turn. s.mu is held.
func (s *Semaphore) grant() {
	for s.inFlight < s.max && s.turns.Len() > 0 {
		p := s.turns.Remove(s.turns.Front()).(*party)
		p.turn = nil
		close(p.waiting.Remove(p.waiting.Front()).(chan struct{}))
		s.start(p)
		s.updateTurn(p)
	}
}

// updateTurn puts a party into the line, takes it out, or forgets it, as its calls require. s.mu is held.
func (s *Semaphore) updateTurn(p *party) {
	switch mayStart := p.waiting.Len() > 0 && p.inFlight < p.share; {
	case mayStart && p.turn == nil:
		p.turn = s.turns.PushBack(p)
	case !mayStart && p.turn != nil:
		s.turns.Remove(p.turn)
		p.turn = nil
	}
	if p.inFlight == 0 && p.waiting.Len() == 0 {
		delete(s.parties, p.key)
	}
}
