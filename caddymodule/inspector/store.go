package inspector

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

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
	kept     int     // bytes of all else in it
	notes    []note
	stats    timeline
	readers  map[*reader]bool
}

// entry is the place of a call. Its zero value is a free one.
type entry struct {
	record   invocation.Record
	captured int // bytes of its bodies
	kept     int // bytes of all else
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
	return &store{ring: make([]entry, limit), readers: map[*reader]bool{}}
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
		s.free(s.place(n))
	}
	s.newest = max(s.newest, seq)
	s.oldest = max(s.oldest, s.newest-min(s.newest, before))
}

// place is where the call of a number is, or would be.
func (s *store) place(seq uint64) *entry { return &s.ring[seq%uint64(len(s.ring))] }

func (s *store) free(e *entry) {
	s.captured -= e.captured
	s.kept -= e.kept
	*e = entry{}
}

func (s *store) put(r *invocation.Record) {
	e := s.place(r.Seq)
	s.captured += captureSize(r) - e.captured
	s.kept += recordSize(r) - e.kept
	*e = entry{*r, captureSize(r), recordSize(r)}
}

// entries are the calls that are kept, oldest first.
func (s *store) entries() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for seq := s.oldest; seq <= s.newest; seq++ {
			if e := s.place(seq); e.record.Seq == seq && seq != 0 && !yield(e) {
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
	for e := range s.entries() {
		s.captured -= e.captured
		e.record.Capture, e.captured = nil, 0
		if s.captured <= maxCaptured {
			return
		}
	}
}

func captureSize(r *invocation.Record) int {
	if r.Capture == nil {
		return 0
	}
	return len(r.Capture.Received) + len(r.Capture.Forwarded)
}

// recordSize is about what a record takes without its bodies: what does not depend on the client is estimated.
func recordSize(r *invocation.Record) int {
	const fixed, perMember = 1 << 10, 150
	size := fixed + len(r.Path) + len(r.Host) + len(r.ContentType) + len(r.Error) + len(r.Cause)
	for i := range r.Members {
		size += perMember + len(r.Members[i].Name)
	}
	return size
}

// shown is a call as the page gets it.
type shown struct {
	*invocation.Record
	Captured bool `json:"captured,omitempty"`
}

func view(r *invocation.Record) shown { return shown{r, r.Capture != nil} }

// snapshot is everything that a page shows at first.
type snapshot struct {
	Limit    int      `json:"limit"`
	Capture  bool     `json:"capture"`
	Calls    []shown  `json:"calls"` // oldest first
	Notes    []note   `json:"notes"`
	Timeline []bucket `json:"timeline"`
}

func (s *store) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := snapshot{Limit: len(s.ring), Calls: []shown{}, Notes: append([]note{}, s.notes...), Timeline: s.stats.recent(time.Now())}
	for e := range s.entries() {
		copied := e.record
		all.Calls = append(all.Calls, view(&copied))
	}
	return all
}

// call returns a copy of a call that is kept, or nil.
func (s *store) call(seq uint64) *invocation.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := s.place(seq).record
	if copied.Seq != seq || seq == 0 {
		return nil
	}
	return &copied
}

// clear forgets all calls.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.ring)
	s.captured, s.kept, s.notes = 0, 0, nil
	s.send("cleared", nil)
}

// noteReload tells pages that the config was reloaded, and ends their streams: they connect again to the new config, so
// that the servers of the old one can shut down.
func (s *store) noteReload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := note{Time: time.Now(), Text: "reloaded"}
	for e := range s.entries() {
		n.Seq = e.record.Seq
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
	for e := range s.entries() {
		if e.record.Capture == nil {
			continue
		}
		copied := *e.record.Capture // others may be reading it
		copied.Again = nil
		e.record.Capture = &copied
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
