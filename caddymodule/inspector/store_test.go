package inspector

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// bodies is a call with so many bytes of bodies.
func bodies(seq uint64, received, forwarded int) *invocation.Record {
	return &invocation.Record{Seq: seq, Capture: &invocation.Capture{Received: make([]byte, received), Forwarded: make([]byte, forwarded)}}
}

// show shows a store a call.
func (s *store) show(r *invocation.Record) {
	live := &invocation.Live{Record: *r}
	live.Capture = nil
	s.Observe(live, r.Capture)
}

// withBodies are the numbers of the calls whose bodies are kept.
func (s *store) withBodies() (list []uint64) {
	for _, call := range s.snapshot().Calls {
		if call.Captured {
			list = append(list, call.Seq)
		}
	}
	return list
}

// size is how many bytes the ring takes with its calls.
func (s *store) size() int {
	size := len(s.ring) * int(unsafe.Sizeof(place{}))
	for _, p := range s.ring {
		if p.record != nil {
			size += p.record.Size()
		}
	}
	return size
}

func TestBodiesOfSixteenMebibytesAreKept(t *testing.T) {
	s := newStore(4)
	s.show(bodies(1, 1<<20, 2<<20))
	s.show(&invocation.Record{Seq: 2})
	s.show(bodies(3, 5<<20, 8<<20))
	if got := s.withBodies(); !slices.Equal(got, []uint64{1, 3}) || s.captured != maxCaptured {
		t.Errorf("%v are kept, %d bytes", got, s.captured)
	}
	shown := s.call(1)
	s.show(bodies(4, 0, 1)) // one byte too many: the oldest bodies go, and no others
	if got := s.withBodies(); !slices.Equal(got, []uint64{3, 4}) || s.captured != 13<<20+1 {
		t.Errorf("%v are kept, %d bytes", got, s.captured)
	}
	if shown.Capture == nil {
		t.Error("a record that others may read was changed")
	}
	s.show(bodies(4, 10, 10)) // takes the place of the same call
	if s.captured != 13<<20+20 {
		t.Errorf("%d bytes", s.captured)
	}
	s.show(&invocation.Record{Seq: 5})
	s.show(&invocation.Record{Seq: 6})
	s.show(&invocation.Record{Seq: 7}) // beyond the limit: the calls 1 to 3 are forgotten
	if got := s.withBodies(); !slices.Equal(got, []uint64{4}) || s.captured != 20 || len(s.snapshot().Calls) != 4 {
		t.Errorf("%v are kept, %d bytes, %d calls", got, s.captured, len(s.snapshot().Calls))
	}
	s.show(&invocation.Record{Seq: 4}) // the call's end, without bodies
	s.show(bodies(8, 9<<20, 0))
	s.show(bodies(9, 9<<20, 0)) // the oldest calls have no bodies that could go
	if got := s.withBodies(); !slices.Equal(got, []uint64{9}) || s.captured != 9<<20 {
		t.Errorf("%v are kept, %d bytes", got, s.captured)
	}
	s.clear()
	if len(s.snapshot().Calls) != 0 || s.captured != 0 || s.call(9) != nil {
		t.Errorf("after clear there are %d calls, %d bytes", len(s.snapshot().Calls), s.captured)
	}
}

// The oldest bodies go first, also those of a call that is shown after younger ones lost theirs.
func TestBodiesOfACallThatIsShownLate(t *testing.T) {
	s := newStore(10)
	for _, seq := range []uint64{1, 3, 4} { // the first two lose their bodies
		s.show(bodies(seq, 9<<20, 0))
	}
	s.show(bodies(2, 5<<20, 0))
	if got := s.withBodies(); !slices.Equal(got, []uint64{2, 4}) {
		t.Errorf("%v are kept", got)
	}
	s.show(bodies(5, 7<<20, 0)) // only those of 2 need go
	if got := s.withBodies(); !slices.Equal(got, []uint64{4, 5}) || s.captured != maxCaptured {
		t.Errorf("%v are kept, %d bytes", got, s.captured)
	}
}

// Calls are numbered when they come, and shown when they were read: of two, the later may be shown first.
func TestCallsStandInTheOrderInWhichTheyCame(t *testing.T) {
	s := newStore(4)
	for _, seq := range []uint64{5, 7, 6, 4} {
		s.show(&invocation.Record{Seq: seq})
	}
	order := func() (list []uint64) {
		for _, call := range s.snapshot().Calls {
			list = append(list, call.Seq)
		}
		return list
	}
	if got := order(); !slices.Equal(got, []uint64{4, 5, 6, 7}) {
		t.Errorf("the order is %v", got)
	}
	s.show(&invocation.Record{Seq: 3}) // older than the oldest that there is room for
	if got := order(); !slices.Equal(got, []uint64{4, 5, 6, 7}) {
		t.Errorf("the order is %v", got)
	}
}

// What a page is told of a call that ends is what it would find: nothing of its bodies, where they are kept no more.
func TestAPageIsToldWhatIsKeptOfACallThatEnds(t *testing.T) {
	for _, test := range []struct {
		it       string
		meantime func(*store)
		captured bool
	}{
		{"nothing happened", func(*store) {}, true},
		{"all was cleared", (*store).clear, true}, // it is kept anew
		{"the config was reloaded", (*store).noteReload, true},
		{"its bodies had to go", func(s *store) { s.show(bodies(2, maxCaptured, 0)) }, false},
		{"it is forgotten itself", func(s *store) { s.show(&invocation.Record{Seq: 4}) }, false},
		{"it is forgotten, and its place has another with bodies", func(s *store) { s.show(bodies(4, 1, 1)) }, false},
	} {
		s := newStore(3)
		r := &invocation.Live{Record: invocation.Record{Seq: 1}}
		capture := bodies(1, 1, 1).Capture
		s.Observe(r, capture)
		test.meantime(s)
		page := s.read()
		r.Change(func(r *invocation.Record) { r.Done, r.Status = true, 200 })
		s.Observe(r, capture)
		told := string((<-page.events).data)
		if !strings.Contains(told, `"status":200`) || strings.Contains(told, `"captured":true`) != test.captured || slices.Contains(s.withBodies(), 1) != test.captured {
			t.Errorf("%s: a page is told %s, and bodies are kept of %v", test.it, told, s.withBodies())
		}
	}
}

// A number whose call is not shown yet has its place, in which the call of an older number may have been.
func TestTheLatestNumbersAreKept(t *testing.T) {
	for _, test := range []struct {
		it    string
		shown []uint64
		kept  []uint64
	}{
		{"one after the other", []uint64{1, 2, 3, 4, 5}, []uint64{3, 4, 5}},
		{"the first of a process that has served many", []uint64{1 << 40, 1<<40 - 1, 1<<40 + 1}, []uint64{1<<40 - 1, 1 << 40, 1<<40 + 1}},
		{"one still goes on", []uint64{1, 2, 3, 5}, []uint64{3, 5}},
		{"and is shown later", []uint64{1, 2, 3, 5, 4}, []uint64{3, 4, 5}},
		{"and is shown too late", []uint64{1, 2, 3, 5, 6, 7, 4}, []uint64{5, 6, 7}},
		{"many were shown to nobody", []uint64{1, 2, 3, 1000}, []uint64{1000}},
		{"ends in the place where it began", []uint64{1, 2, 3, 2, 1}, []uint64{1, 2, 3}},
		{"ends when its place is another's", []uint64{1, 2, 3, 4, 1}, []uint64{2, 3, 4}},
	} {
		s := newStore(3)
		for _, seq := range test.shown {
			s.show(&invocation.Record{Seq: seq, Path: "/fn"})
		}
		var got []uint64
		for _, call := range s.snapshot().Calls {
			got = append(got, call.Seq)
		}
		if !slices.Equal(got, test.kept) || s.kept != s.size() {
			t.Errorf("%s: %v are kept, %d bytes; want %v, and the ring has %d", test.it, got, s.kept, test.kept, s.size())
		}
		for _, seq := range append(test.shown, 0) {
			if call := s.call(seq); (call != nil) != slices.Contains(test.kept, seq) {
				t.Errorf("%s: the call %d is %+v", test.it, seq, call)
			}
		}
	}
}

// The record is the call's, which goes on; what a page has read of it stays.
func TestAPageReadsACallAsItIsAtThatMoment(t *testing.T) {
	s := newStore(3)
	r := &invocation.Live{Record: invocation.Record{Seq: 1, Status: 1}}
	s.Observe(r, nil)
	read, list := s.call(1), s.snapshot().Calls
	r.Change(func(r *invocation.Record) { r.Status = 2 })
	if s.call(1).Status != 2 || read.Status != 1 || list[0].Status != 1 {
		t.Errorf("now it is %d; read before was %d, and in the list %d", s.call(1).Status, read.Status, list[0].Status)
	}
}

func TestACallIsKeptWithoutAllocations(t *testing.T) {
	s := newStore(2)
	r := new(invocation.Live)
	call := func() {
		r.Seq++
		r.Done = false
		s.Observe(r, nil)
		r.Done = true
		s.Observe(r, nil)
	}
	if allocations := testing.AllocsPerRun(100, call); allocations != 0 {
		t.Errorf("it takes %v", allocations)
	}
}

func TestAListOfManyCallsIsWhole(t *testing.T) {
	for _, n := range []int{1, snapshotBatch - 1, snapshotBatch, snapshotBatch + 1, 3*snapshotBatch + 7} {
		s := newStore(n)
		for seq := range uint64(2 * n) {
			s.show(&invocation.Record{Seq: seq + 1})
		}
		list := s.snapshot().Calls
		for i, call := range list {
			if call.Seq != uint64(n+i+1) {
				t.Fatalf("the call %d of %d is %d", i, n, call.Seq)
			}
		}
		if len(list) != n {
			t.Errorf("of %d calls %d are listed", n, len(list))
		}
	}
}

func TestReloadsAreNoted(t *testing.T) {
	s := newStore(10)
	s.noteReload()
	original := bodies(3, 1, 1)
	original.Capture.Again = func(http.ResponseWriter, *http.Request) error { return nil }
	s.show(&invocation.Record{Seq: 1})
	s.show(original)
	s.show(bodies(4, 1, 1))
	s.noteReload()
	notes := s.snapshot().Notes
	if len(notes) != 2 || notes[0].Seq != 0 || notes[1].Seq != 4 || notes[1].Text != "reloaded" || notes[1].Time.IsZero() {
		t.Errorf("the notes are %+v", notes)
	}
	if got := s.withBodies(); !slices.Equal(got, []uint64{3, 4}) || s.call(3).Capture.Again != nil || original.Capture.Again == nil {
		t.Error("a call must keep its bodies, but not the handlers of the old config; and the record that others may read must not change")
	}
	for range 30 {
		s.noteReload()
	}
	if n := len(s.snapshot().Notes); n != 20 {
		t.Errorf("%d notes are kept, want the latest 20", n)
	}
}

func TestAPageThatIsBehindIsToldOnceItHasCaughtUp(t *testing.T) {
	s := newStore(10)
	page := s.read()
	for i := range readerQueue {
		s.show(&invocation.Record{Seq: uint64(i + 1)})
	}
	if s.caughtUp(page) || page.behind {
		t.Error("a page whose queue is just full missed nothing")
	}
	s.show(&invocation.Record{Seq: readerQueue + 1})
	for range readerQueue {
		if s.caughtUp(page) {
			t.Fatal("it has not caught up yet")
		}
		<-page.events
	}
	if !s.caughtUp(page) || s.caughtUp(page) {
		t.Error("it must be told, and once")
	}
}

func TestAPageThatLeavesMakesRoomForAnother(t *testing.T) {
	s := newStore(10)
	var last *reader
	for range maxReaders {
		last = s.read()
	}
	if last == nil || s.read() != nil {
		t.Errorf("there is room for %d pages, and no more", maxReaders)
	}
	s.leave(last)
	next := s.read()
	if next == nil {
		t.Fatal("a page left, and there is no room for another")
	}
	_ = s.Destruct()
	if len(s.readers) != 0 {
		t.Error("pages are open after the end")
	}
	select {
	case _, open := <-next.events:
		if open {
			t.Error("a page is told something at the end")
		}
	default:
		t.Error("a page is not told of the end")
	}
}

func calls(t *timeline, n int, outcome invocation.Outcome, total time.Duration) {
	for range n {
		t.add(&invocation.Record{Time: time.Now().Add(-total), Outcome: outcome, Timing: invocation.Timing{Total: total}})
	}
}

func TestDurationsOfTheTimeline(t *testing.T) {
	for _, test := range []struct {
		it               string
		short, long      int
		of, andOf        time.Duration
		half, ninetyFive int
	}{
		{"one call of no time", 1, 0, 0, 0, 1, 1},
		{"of less than none, after a clock was set", 1, 0, -time.Hour, 0, 1, 1},
		{"of a millisecond", 1, 0, time.Millisecond, 0, 2, 2},
		{"of three", 1, 0, 3 * time.Millisecond, 0, 4, 4},
		{"of four", 1, 0, 4 * time.Millisecond, 0, 8, 8},
		{"of days", 1, 0, 99 * time.Hour, 0, 1 << 23, 1 << 23},
		{"half and half", 50, 50, time.Millisecond, 100 * time.Millisecond, 2, 128},
		{"less than half are short", 49, 51, time.Millisecond, 100 * time.Millisecond, 128, 128},
		{"95 of 100 are short", 95, 5, time.Millisecond, time.Second, 2, 2},
		{"94 of 100 are", 94, 6, time.Millisecond, time.Second, 2, 1024},
	} {
		var line timeline
		calls(&line, test.short, invocation.Resolved, test.of)
		calls(&line, test.long, invocation.Resolved, test.andOf)
		sum := 0
		recent := line.recent(time.Now())
		for _, b := range recent {
			sum += b.Outcomes["resolved"]
		}
		if sum != test.short+test.long {
			t.Errorf("%s: %d calls are counted", test.it, sum)
		}
		if b := recent[0]; len(recent) == 1 && (b.Half != test.half || b.NinetyFive != test.ninetyFive) {
			t.Errorf("%s: half within %d ms, 95 of 100 within %d; want %d and %d", test.it, b.Half, b.NinetyFive, test.half, test.ninetyFive)
		}
	}
	if b := new(bucket); b.quantile(50) != 0 {
		t.Error("no calls take time")
	}
}

func TestTheTimelineIsOfTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line timeline
		began := time.Now().Truncate(bucketWidth)
		time.Sleep(time.Until(began.Add(bucketWidth)))
		began = time.Now()
		calls(&line, 2, invocation.Resolved, time.Millisecond)
		time.Sleep(4 * time.Second)
		calls(&line, 1, invocation.ClientError, time.Millisecond)
		time.Sleep(time.Second)
		calls(&line, 1, invocation.Resolved, time.Second)
		recent := line.recent(time.Now())
		if len(recent) != 2 || recent[0].Start != began.Unix() || recent[1].Start != began.Unix()+5 || recent[0].Outcomes["resolved"] != 2 ||
			recent[0].Outcomes["rejected"] != 1 || recent[1].Outcomes["resolved"] != 1 || recent[1].Half != 1024 {
			t.Errorf("the timeline is %+v", recent)
		}
		recent[0].Outcomes["resolved"] = 77 // is the caller's
		time.Sleep(time.Until(began.Add(10*time.Minute - time.Second)))
		if recent := line.recent(time.Now()); len(recent) != 2 || recent[0].Outcomes["resolved"] != 2 {
			t.Errorf("just before ten minutes have passed it is %+v", recent)
		}
		time.Sleep(time.Second)
		if recent := line.recent(time.Now()); len(recent) != 1 || recent[0].Start != began.Unix()+5 {
			t.Errorf("after ten minutes it is %+v", recent)
		}
		calls(&line, 1, invocation.Resolved, time.Millisecond) // in the place of the first
		if recent := line.recent(time.Now()); len(recent) != 2 || recent[1].Outcomes["resolved"] != 1 || recent[1].Outcomes["rejected"] != 0 {
			t.Errorf("then it is %+v", recent)
		}
	})
}

func TestAStreamIsToldTheTimelineAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := newStore(10)
		page := kept.read()
		w := httptest.NewRecorder()
		s := &stream{w: w, control: http.NewResponseController(w)}
		said := func() string {
			defer w.Body.Reset()
			return w.Body.String()
		}
		tick := func() string {
			if err := s.tick(kept, page); err != nil {
				t.Error(err)
			}
			return said()
		}
		if got := tick(); got != "event: timeline\ndata: []\n\n" || !w.Flushed {
			t.Errorf("at first it is told %q", got)
		}
		time.Sleep(bucketWidth - 1)
		if got := tick(); got != "" {
			t.Errorf("soon after %q", got)
		}
		page.behind = true
		if got := tick(); got != "event: missed\ndata: {}\n\n" {
			t.Errorf("when it had missed something %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := tick(); !strings.HasPrefix(got, "event: timeline\n") {
			t.Errorf("after %s %q", bucketWidth, got)
		}
	})
}

func TestWhatIsASandboxOfThisMachine(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://localhost:9080": true, "http://127.9.9.9": true, "http://[::1]:1/prefix": true,
		"https://api.weixin.qq.com": false, "http://10.0.0.1": false, "http://localhost.example": false, "": false, "http://[": false,
	} {
		if got := isLoopback(endpoint); got != want {
			t.Errorf("%q: %t", endpoint, got)
		}
	}
}
