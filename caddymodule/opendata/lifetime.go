package opendata

import (
	"context"
	"sync"
	"time"
)

// lifetime is a context that ends at a deadline, with its parent, and when cancel is called. What that takes, a timer and entries
// with other contexts, is made when somebody waits for the end: most exchanges are over before anybody does.
type lifetime struct {
	parent   context.Context //nolint:containedctx // it is one itself
	deadline time.Time

	// Called when somebody begins to wait for the end; what it returns is called by cancel. nil: nothing is.
	watch func() (stop func() bool)

	mu         sync.Mutex
	err        error           // why it has ended
	waited     context.Context //nolint:containedctx // what is waited for; nil until somebody waits
	stopWaited context.CancelFunc
	stopWatch  func() bool
}

// Deadline implements context.Context.
func (l *lifetime) Deadline() (time.Time, bool) { return l.deadline, true }

// Done implements context.Context.
func (l *lifetime) Done() <-chan struct{} { return l.wait().Done() }

// Value implements context.Context. It holds no values, but package context asks for one of its own when it waits.
func (l *lifetime) Value(key any) any { return l.wait().Value(key) }

// Err implements context.Context.
func (l *lifetime) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
	case l.waited != nil:
		l.err = l.waited.Err()
	case !time.Now().Before(l.deadline):
		l.err = context.DeadlineExceeded
	default:
		l.err = l.parent.Err()
	}
	return l.err
}

// wait returns the context whose end is waited for.
func (l *lifetime) wait() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited != nil {
		return l.waited
	}
	l.waited, l.stopWaited = context.WithDeadline(l.parent, l.deadline)
	if l.err != nil {
		l.stopWaited()
	} else if l.watch != nil {
		l.stopWatch = l.watch()
	}
	return l.waited
}

func (l *lifetime) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited == nil {
		if l.err == nil {
			l.err = context.Canceled
		}
		return
	}
	l.stopWaited()
	if l.stopWatch != nil {
		l.stopWatch()
	}
}
