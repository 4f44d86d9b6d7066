package inspector

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
	"unsafe"

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

	// readerQueue is how many changes a slow page may be behind. Beyond it the page is told to ask for everything again.
	readerQueue = 256
)

// store keeps the latest calls, and tells open pages of each. It lives as long as a config that shows it, over reloads.
type store struct {
	mu       sync.Mutex
	ring     []entry // the call of number n is in ring[n % len(ring)]
	newest   uint64  // the highest number of a call so far
	oldest   uint64  // calls below this number are forgotten, and kept no more
	captured int     // bytes of bodies in the ring
	kept     int     // bytes of all else, the ring's own among them
	notes    []note
	stats    timeline
	readers  map[*reader]bool
}

// entry is the place of a call. Its zero value is a free one.
type entry struct {
	seq      uint64 // the call's number; 0: there is none
	packed   invocation.Packed
	capture  *invocation.Capture
	captured int // bytes of the capture's bodies
	kept     int // bytes of all else
}

// record returns the call's record, which is the caller's own.
func (e *entry) record() *invocation.Record {
	r := e.packed.Unpack()
	r.Capture = e.capture
	return r
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
	return &store{ring: make([]entry, limit), kept: limit * int(unsafe.Sizeof(entry{})), readers: map[*reader]bool{}}
}

// Destruct ends the streams of pages that are still open.
func (s *store) Destruct() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}

// Observe keeps a copy of a call, or what is new of one that is kept. It runs inside of the call, so it does little and never waits
// for a page.
func (s *store) Observe(r *invocation.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(r.Seq)
	if r.Seq >= s.oldest {
		s.put(r)
		s.trim()
	}
	if r.Done {
		s.stats.add(r)
	}
	if len(s.readers) > 0 {
		s.send("call", view(r))
	}
}

// makeRoom forgets the calls whose places belong to the numbers below seq, of calls that are not shown yet. Most often there are
// none: numbers are given in their order.
func (s *store) makeRoom(seq uint64) {
	before := uint64(len(s.ring)) - 1
	for n := max(s.newest+1, seq-min(seq, before)); n < seq; n++ {
		e := s.place(n)
		e.seq, e.capture = 0, nil // another call is going to use its memory
		s.count(e)
	}
	s.newest = max(s.newest, seq)
	s.oldest = max(s.oldest, s.newest-min(s.newest, before))
}

// place is where the call of a number is, or would be.
func (s *store) place(seq uint64) *entry { return &s.ring[seq%uint64(len(s.ring))] }

// put writes a call to its place. Where that has the call already, as it was when it was forwarded, only what is new is written.
func (s *store) put(r *invocation.Record) {
	e := s.place(r.Seq)
	if e.seq == r.Seq {
		e.packed.End(r)
	} else {
		e.packed.Pack(r)
	}
	e.seq, e.capture = r.Seq, r.Capture
	s.count(e)
}

// free empties a place, with its memory.
func (s *store) free(e *entry) {
	e.seq, e.packed, e.capture = 0, invocation.Packed{}, nil
	s.count(e)
}

// count counts the bytes of a place that was changed.
func (s *store) count(e *entry) {
	captured, kept := 0, e.packed.Size()
	if e.capture != nil {
		captured = len(e.capture.Received) + len(e.capture.Forwarded)
	}
	s.captured += captured - e.captured
	s.kept += kept - e.kept
	e.captured, e.kept = captured, kept
}

// entries are the calls that are kept of these numbers, oldest first.
func (s *store) entries(first, last uint64) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for seq := first; seq <= last; seq++ {
			if e := s.place(seq); e.seq == seq && seq != 0 && !yield(e) {
				return
			}
		}
	}
}

// trim forgets the oldest calls beyond the bytes they may take, and the oldest bodies beyond theirs.
func (s *store) trim() {
	for ; s.kept > maxKept && s.oldest < s.newest; s.oldest++ {
		s.free(s.place(s.oldest))
	}
	if s.captured <= maxCaptured {
		return
	}
	for e := range s.entries(s.oldest, s.newest) {
		e.capture = nil
		s.count(e)
		if s.captured <= maxCaptured {
			return
		}
	}
}

// shown is a call as the page gets it.
type shown struct {
	*invocation.Record
	Captured bool `json:"captured,omitempty"`
}

// view shows a call with all that was looked at in its event, of which a call under way has some in its outline.
func view(r *invocation.Record) shown {
	whole := *r
	whole.Members = r.AllMembers()
	return shown{&whole, r.Capture != nil}
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
		for e := range s.entries(first, min(first+snapshotBatch-1, newest)) {
			all.Calls = append(all.Calls, view(e.record()))
		}
		s.mu.Unlock()
	}
	return all
}

// call returns a copy of a call that is kept, or nil.
func (s *store) call(seq uint64) *invocation.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.place(seq)
	if e.seq != seq || seq == 0 {
		return nil
	}
	return e.record()
}

// clear forgets all calls.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ring {
		s.free(&s.ring[i])
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
	for e := range s.entries(s.oldest, s.newest) {
		n.Seq = e.seq
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
	for e := range s.entries(s.oldest, s.newest) {
		if e.capture == nil {
			continue
		}
		copied := *e.capture // others may be reading it
		copied.Again = nil
		e.capture = &copied
	}
}

func (s *store) disconnect() {
	for r := range maps.Keys(s.readers) {
		close(r.events)
		delete(s.readers, r)
	}
}

// send queues an event for every page. A page that is too far behind misses it, and is told so when it has caught up.
func (s *store) send(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		return
	}
	for r := range s.readers {
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
	s.readers[r] = true
	return r
}

// leave removes a page.
func (s *store) leave(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, r)
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
