package invocation

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Observer is shown the calls of a Feed. Observe is called on the goroutine of the request: it must return at once, and keep nothing of
// the request waiting. It may keep the record, which others are shown too, and must not change it; afterwards it reads it by Read. The
// bodies are nil for who did not ask for any. A call that was shown when it was forwarded is shown again, by the same record, when it ends.
type Observer interface {
	Observe(*Live, *Capture)
}

// Feed shows calls to those who subscribed. Its zero value is ready; it is used by many goroutines at once. Where nobody
// listens it costs a call one atomic load.
type Feed struct {
	mu          sync.Mutex
	subscribers atomic.Pointer[[]*subscriber] // replaced as a whole, under mu; nil: none
}

type subscriber struct {
	Observer
	capture int
}

// sequence numbers the calls of the process.
var sequence atomic.Uint64

// Subscribe has o shown every call from now on, until cancel is called, with up to capture bytes of each body; 0 for no bodies.
// After cancel has returned, a call that was being shown at that moment may still arrive.
func (f *Feed) Subscribe(o Observer, capture int) (cancel func()) {
	added := &subscriber{o, capture}
	f.replace(func(all []*subscriber) []*subscriber { return append(all, added) })
	return func() {
		f.replace(func(all []*subscriber) []*subscriber {
			return slices.DeleteFunc(all, func(s *subscriber) bool { return s == added })
		})
	}
}

func (f *Feed) replace(change func([]*subscriber) []*subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := change(slices.Clone(f.all()))
	if len(changed) == 0 {
		f.subscribers.Store(nil)
		return
	}
	f.subscribers.Store(&changed)
}

func (f *Feed) all() []*subscriber {
	if all := f.subscribers.Load(); all != nil {
		return *all
	}
	return nil
}

// Listening reports whether anybody listens, and up to how many bytes of each body somebody wants to see.
func (f *Feed) Listening() (listening bool, capture int) {
	all := f.subscribers.Load()
	if all == nil {
		return false, 0
	}
	for _, s := range *all {
		capture = max(capture, s.capture)
	}
	return true, capture
}

// Publish shows a record to all who listen, and the bodies to those who asked for bodies. Afterwards the record is changed by Change
// alone, and the bodies not at all.
func (f *Feed) Publish(l *Live, bodies *Capture) {
	for _, s := range f.all() {
		if s.capture > 0 {
			s.Observe(l, bodies)
		} else {
			s.Observe(l, nil)
		}
	}
}

// NextSeq returns a number for a record that is going to be published.
func NextSeq() uint64 { return sequence.Add(1) }
