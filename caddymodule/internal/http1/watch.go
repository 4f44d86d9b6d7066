package http1

import (
	"sync"
	"time"
)

// watchInterval is how long an exchange lasts at least before its context is told of it.
const watchInterval = 10 * time.Millisecond

// watch ends exchanges when their contexts end. To tell a context of an exchange, and to take that back, takes 2 µs and half a
// kilobyte, so it is done only for exchanges that have lasted for one or two intervals. Most have not: their contexts end
// after them, or are looked at when the interval is over. One that is over is dropped at once: kept until then, all that it refers to
// would be marked by the garbage collection, which takes another 2 µs.
type watch struct {
	mu      sync.Mutex
	recent  []*exchange // began after the last tick
	older   []*exchange // were there already
	ticking bool
}

// place is where a watch has an exchange. It is guarded by the watch's mutex.
type place struct {
	list  *[]*exchange // nil: it is not there any more
	index int
}

func (w *watch) add(x *exchange) {
	if deadline, ok := x.req.Context().Deadline(); ok && time.Until(deadline) < 2*watchInterval {
		x.followContext()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	x.place = place{&w.recent, len(w.recent)}
	w.recent = append(w.recent, x)
	if !w.ticking {
		w.ticking = true
		time.AfterFunc(watchInterval, w.tick)
	}
}

func (w *watch) remove(x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.place.list == nil {
		return
	}
	list, last := *x.place.list, len(*x.place.list)-1
	list[x.place.index] = list[last]
	list[x.place.index].place.index = x.place.index
	list[last] = nil
	*x.place.list = list[:last]
	x.place.list = nil
}

// tick tells contexts of the exchanges that were there at the last one.
func (w *watch) tick() {
	w.mu.Lock()
	due := w.older
	w.older, w.recent = w.recent, nil
	for _, x := range due {
		x.place.list = nil
	}
	for _, x := range w.older {
		x.place.list = &w.older
	}
	w.ticking = len(w.older) > 0
	if w.ticking {
		time.AfterFunc(watchInterval, w.tick)
	}
	w.mu.Unlock()
	for _, x := range due {
		x.followContext()
	}
}
