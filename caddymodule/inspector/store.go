package inspector

import (
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/headroom"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

const (
	// maxCaptured bounds the bodies that a store keeps, in bytes; the oldest go first.
	maxCaptured = 16 << 20

	// maxKept bounds what the calls themselves take, in bytes: a client chooses how many members an event has, and their names.
	// Few calls reach it, and then fewer than the limit are kept.
	maxKept = 32 << 20

	// maxReaders bounds the pages that may be open at once.
	maxReaders = 32

	// headroomSize is in bytes. The garbage collector looks at every call that is kept, each time it runs. With this it runs less often,
	// which saves a small call 1.5 % of its CPU time (docs/performance.md).
	headroomSize = 4 << 20

	// readerQueue is how many changes a slow page may be behind. Beyond it the page is told to ask for everything again.
	readerQueue = 256
)

// store keeps the latest calls, and tells open pages of each. It lives as long as a config that shows it, over reloads.
type store struct {
	mu       sync.Mutex
	ring     []place // the call of number n is in ring[n % len(ring)]
	newest   uint64  // the highest number of a call so far
	oldest   uint64  // calls below this number are forgotten, and kept no more
	bodiless uint64  // of calls below this number, no bodies are kept
	captured int     // bytes of all captures
	kept     int     // bytes of all else, the ring's own among them
	readers  []*reader
	notes    []note
	stats    timeline
	headroom headroom.Headroom // nobody uses it: that it is there is enough
}

// place is where a call is kept. Its zero value is a free one.
type place struct {
	record  *invocation.Live
	size    int // of the record, in bytes
	capture *invocation.Capture
}

// note is something that happened between calls.
type note struct {
	Seq  uint64    `json:"seq"` // behind the call of this number
	Time time.Time `json:"time"`
	Text string    `json:"text"` // "reloaded" or "cleared"
}

// reader is an open page.
type reader struct {
	events chan event
	behind bool // its queue was full: it must ask for everything again
}

// event is one message of the stream.
type event struct {
	name string
	data []byte
}

func newStore(limit int) *store {
	return &store{ring: make([]place, limit), kept: limit * int(unsafe.Sizeof(place{})), headroom: headroom.New(headroomSize)}
}

// Destruct ends the streams of pages that are still open.
func (s *store) Destruct() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}

// Observe keeps a call. It runs inside of the call, so it does little and never waits for a page.
func (s *store) Observe(r *invocation.Live, capture *invocation.Capture) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place(r.Seq).record != r {
		s.add(r, capture)
	}
	if r.Done {
		s.stats.add(&r.Record)
	}
	if len(s.readers) > 0 {
		s.send("call", view(r, s.captureOf(r)))
	}
}

// captureOf returns what is still kept of a call's bodies: when a call ends, there may be none any more.
func (s *store) captureOf(r *invocation.Live) *invocation.Capture {
	if p := s.place(r.Seq); p.record == r {
		return p.capture
	}
	return nil
}

// add keeps a call that is shown for the first time, unless it is older than all that there is room for.
func (s *store) add(r *invocation.Live, capture *invocation.Capture) {
	s.makeRoom(r.Seq)
	if r.Seq < s.oldest {
		return
	}
	s.put(s.place(r.Seq), place{r, r.Size(), capture})
	s.bodiless = min(s.bodiless, r.Seq)
	s.trim()
}

// makeRoom forgets the calls whose places belong to the numbers below seq, of calls that are not shown yet. Most often there are
// none: numbers are given in their order.
func (s *store) makeRoom(seq uint64) {
	before := uint64(len(s.ring)) - 1
	for n := max(s.newest+1, seq-min(seq, before)); n < seq; n++ {
		s.put(s.place(n), place{})
	}
	s.newest = max(s.newest, seq)
	s.oldest = max(s.oldest, s.newest-min(s.newest, before))
}

// place is where the call of a number is, or would be.
func (s *store) place(seq uint64) *place { return &s.ring[seq%uint64(len(s.ring))] }

// put writes what is kept now to a place.
func (s *store) put(p *place, now place) {
	s.kept += now.size - p.size
	s.captured += sizeOf(now.capture) - sizeOf(p.capture)
	*p = now
}

func sizeOf(c *invocation.Capture) int {
	if c == nil {
		return 0
	}
	return len(c.URI) + len(c.ContentType) + len(c.Received) + len(c.Forwarded)
}

// places are those of the calls that are kept of these numbers, oldest first.
func (s *store) places(first, last uint64) iter.Seq[*place] {
	return func(yield func(*place) bool) {
		for seq := first; seq <= last; seq++ {
			if p := s.place(seq); p.has(seq) && !yield(p) {
				return
			}
		}
	}
}

// has reports whether the call of a number is kept here.
func (p *place) has(seq uint64) bool { return p.record != nil && p.record.Seq == seq }

// trim forgets the oldest calls beyond the bytes they may take, and the oldest bodies beyond theirs.
func (s *store) trim() {
	for ; s.kept > maxKept && s.oldest < s.newest; s.oldest++ {
		s.put(s.place(s.oldest), place{})
	}
	for s.bodiless = max(s.bodiless, s.oldest); s.captured > maxCaptured && s.bodiless <= s.newest; s.bodiless++ {
		if p := s.place(s.bodiless); p.has(s.bodiless) {
			s.put(p, place{p.record, p.size, nil})
		}
	}
}

// shown is a call as the page gets it.
type shown struct {
	*invocation.Record
	Captured bool `json:"captured,omitempty"`
}

// view is what a call is now.
func view(r *invocation.Live, capture *invocation.Capture) shown {
	now := r.Read()
	now.Capture = capture
	return shown{now, capture != nil}
}

// snapshot is everything that a page shows at first.
type snapshot struct {
	Limit    int      `json:"limit"`
	Capture  bool     `json:"capture"`
	Calls    []shown  `json:"calls"` // oldest first
	Notes    []note   `json:"notes"`
	Timeline []bucket `json:"timeline"`
}

// snapshotBatch is how many calls are copied at once, while those that go on wait.
const snapshotBatch = 100

func (s *store) snapshot() snapshot {
	s.mu.Lock()
	all := snapshot{Limit: len(s.ring), Calls: []shown{}, Notes: append([]note{}, s.notes...), Timeline: s.stats.recent(time.Now())}
	oldest, newest := s.oldest, s.newest
	s.mu.Unlock()
	for first := oldest; first <= newest; first += snapshotBatch {
		s.mu.Lock()
		for p := range s.places(first, min(first+snapshotBatch-1, newest)) {
			all.Calls = append(all.Calls, view(p.record, p.capture))
		}
		s.mu.Unlock()
	}
	return all
}

// call returns a copy of a call that is kept, or nil.
func (s *store) call(seq uint64) *invocation.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.place(seq)
	if !p.has(seq) {
		return nil
	}
	return view(p.record, p.capture).Record
}

// clear forgets all calls.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ring {
		s.put(&s.ring[i], place{})
	}
	s.notes = nil
	s.send("cleared", nil)
}

// noteReload tells pages that the config was reloaded, and ends their streams: they connect again to the new config, so
// that the servers of the old one can shut down.
func (s *store) noteReload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := note{Time: time.Now(), Text: "reloaded"}
	for p := range s.places(s.oldest, s.newest) {
		n.Seq = p.record.Seq
	}
	s.notes = append(s.notes, n)
	s.forgetHandlers()
	if len(s.notes) > 20 {
		s.notes = slices.Delete(s.notes, 0, 1)
	}
	s.disconnect()
}

// forgetHandlers lets go of the handlers of the old config, through which calls could be sent again.
func (s *store) forgetHandlers() {
	for p := range s.places(s.oldest, s.newest) {
		if p.capture == nil {
			continue
		}
		copied := *p.capture // others may be reading it
		copied.Again = nil
		p.capture = &copied
	}
}

func (s *store) disconnect() {
	for _, r := range s.readers {
		close(r.events)
	}
	s.readers = nil
}

// send queues an event for every page. A page that is too far behind misses it, and is told so when it has caught up.
func (s *store) send(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		return
	}
	for _, r := range s.readers {
		select {
		case r.events <- event{name, data}:
		default:
			r.behind = true
		}
	}
}

// read adds a page; nil if too many are open.
func (s *store) read() *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.readers) >= maxReaders {
		return nil
	}
	r := &reader{events: make(chan event, readerQueue)}
	s.readers = append(s.readers, r)
	return r
}

// leave removes a page.
func (s *store) leave(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(other *reader) bool { return other == r })
}

// caughtUp reports, once, that a page missed something and has read all that was queued.
func (s *store) caughtUp(r *reader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	missed := r.behind && len(r.events) == 0
	if missed {
		r.behind = false
	}
	return missed
}

// timelineNow is the timeline for a page.
func (s *store) timelineNow() []bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.recent(time.Now())
}
