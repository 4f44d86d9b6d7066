package inspector

import (
	"encoding/json"
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
	limit int

	mu       sync.Mutex
	calls    map[uint64]*invocation.Record // by Seq
	order    []uint64                      // oldest first
	captured int                           // bytes of bodies in calls
	kept     int                           // bytes of all else in them
	notes    []note
	stats    timeline
	readers  map[*reader]bool
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
	return &store{limit: limit, calls: map[uint64]*invocation.Record{}, readers: map[*reader]bool{}}
}

// Destruct ends the streams of pages that are still open.
func (s *store) Destruct() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}

// Observe keeps a call, or what is new of one that is kept. It runs inside of the call, so it does little and never waits
// for a page.
func (s *store) Observe(r *invocation.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.calls[r.Seq]
	switch {
	case known:
		s.captured -= captureSize(before)
		s.kept -= recordSize(before)
	case len(s.order) > 0 && r.Seq < s.order[0] && len(s.order) >= s.limit:
		return // it began before the oldest that is kept
	default:
		s.insert(r.Seq)
	}
	s.calls[r.Seq] = r
	s.captured += captureSize(r)
	s.kept += recordSize(r)
	s.trim()
	if r.Done {
		s.stats.add(r)
	}
	if len(s.readers) > 0 {
		s.send("call", view(r))
	}
}

// insert puts a number into the order. Calls are published when they are forwarded, so they come nearly in order.
func (s *store) insert(seq uint64) {
	at := len(s.order)
	for at > 0 && s.order[at-1] > seq {
		at--
	}
	s.order = slices.Insert(s.order, at, seq)
}

// trim forgets the oldest calls beyond the limit or the bytes they may take, and the oldest bodies beyond theirs.
func (s *store) trim() {
	for len(s.order) > s.limit || s.kept > maxKept && len(s.order) > 1 {
		s.captured -= captureSize(s.calls[s.order[0]])
		s.kept -= recordSize(s.calls[s.order[0]])
		delete(s.calls, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
	for i := 0; s.captured > maxCaptured && i < len(s.order); i++ {
		call := s.calls[s.order[i]]
		if call.Capture == nil {
			continue
		}
		s.captured -= captureSize(call)
		without := *call // others may be reading the record
		without.Capture = nil
		s.calls[s.order[i]] = &without
	}
}

func captureSize(r *invocation.Record) int {
	if r == nil || r.Capture == nil {
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
	all := snapshot{Limit: s.limit, Calls: make([]shown, 0, len(s.order)), Notes: append([]note{}, s.notes...), Timeline: s.stats.recent(time.Now())}
	for _, seq := range s.order {
		all.Calls = append(all.Calls, view(s.calls[seq]))
	}
	return all
}

// call returns a call that is kept, or nil.
func (s *store) call(seq uint64) *invocation.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[seq]
}

// clear forgets all calls.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
	s.order, s.captured, s.kept, s.notes = nil, 0, 0, nil
	s.send("cleared", nil)
}

// noteReload tells pages that the config was reloaded, and ends their streams: they connect again to the new config, so
// that the servers of the old one can shut down.
func (s *store) noteReload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := note{Time: time.Now(), Text: "reloaded"}
	if len(s.order) > 0 {
		n.Seq = s.order[len(s.order)-1]
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
	for seq, call := range s.calls {
		if call.Capture == nil || call.Capture.Again == nil {
			continue
		}
		copied, capture := *call, *call.Capture
		capture.Again = nil
		copied.Capture = &capture
		s.calls[seq] = &copied
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
