package invocation

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

type log struct {
	mu   sync.Mutex
	seen []*Record
}

func (l *log) Observe(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r)
}

func TestAFeedShowsRecordsToThoseWhoListen(t *testing.T) {
	var feed Feed
	if listening, _ := feed.Listening(); listening {
		t.Error("somebody listens to a new feed")
	}
	feed.Publish(&Record{}) // to nobody

	var names, bodies log
	cancelNames := feed.Subscribe(&names, 0)
	cancelBodies := feed.Subscribe(&bodies, 100)
	if listening, capture := feed.Listening(); !listening || capture != 100 {
		t.Errorf("listening %t, capture %d; want true and the most that anybody asked for", listening, capture)
	}
	record := &Record{Path: "/fn", Capture: &Capture{OpenID: "o-1"}}
	feed.Publish(record)
	if len(bodies.seen) != 1 || bodies.seen[0] != record {
		t.Errorf("who asked for bodies was shown %v", bodies.seen)
	}
	if len(names.seen) != 1 || names.seen[0].Path != "/fn" || names.seen[0].Capture != nil {
		t.Errorf("who asked for no bodies was shown %v", names.seen)
	}

	cancelBodies()
	cancelBodies() // twice does no harm
	if listening, capture := feed.Listening(); !listening || capture != 0 {
		t.Errorf("listening %t, capture %d after the one who wanted bodies left", listening, capture)
	}
	cancelNames()
	if listening, _ := feed.Listening(); listening {
		t.Error("somebody still listens")
	}
	feed.Publish(record)
	if len(names.seen)+len(bodies.seen) != 2 {
		t.Error("a call was shown to somebody who had left")
	}
}

func TestAFeedIsUsedByManyAtOnce(t *testing.T) {
	var (
		feed Feed
		wg   sync.WaitGroup
		l    log
	)
	for range 8 {
		wg.Go(func() {
			for range 200 {
				cancel := feed.Subscribe(&l, 0)
				feed.Publish(&Record{Seq: NextSeq()})
				cancel()
			}
		})
	}
	wg.Wait()
	if listening, _ := feed.Listening(); listening || len(l.seen) < 8*200 {
		t.Errorf("listening %t, %d calls were shown", listening, len(l.seen))
	}
}

func TestACallerIsAShortHash(t *testing.T) {
	a, b := Caller("o-one"), Caller("o-two")
	if len(a) != 8 || a == b || a != Caller("o-one") || Caller("") != "" {
		t.Errorf("callers are %q, %q and %q", a, b, Caller(""))
	}
}

func TestCapturedBodiesAreNotInARecordsJSON(t *testing.T) {
	text, err := json.Marshal(Record{Capture: &Capture{OpenID: "o-secret", Received: []byte("o-secret")}})
	if err != nil || strings.Contains(string(text), "o-secret") || strings.Contains(string(text), "apture") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for _, r := range Reasons() {
		if r.Text() == "" {
			t.Errorf("%s has none", r)
		}
	}
	for _, s := range AllSkipped() {
		if s.Text() == "" {
			t.Errorf("%s has none", s)
		}
	}
	if len(Reasons()) != len(reasonTexts) || len(AllSkipped()) != len(skippedTexts) {
		t.Error("a reason is missing among all of them")
	}
}
