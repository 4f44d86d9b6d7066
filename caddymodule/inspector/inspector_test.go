package inspector_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

func TestTheLatestCallsAreKept(t *testing.T) {
	r := start(t, "calls 3")
	for i := range 5 {
		r.publish(invocation.Record{Path: fmt.Sprint("/", i), Done: true})
	}
	var paths []string
	for _, call := range r.calls() {
		paths = append(paths, call.Path)
	}
	if got := strings.Join(paths, " "); got != "/2 /3 /4" {
		t.Errorf("kept are %s", got)
	}
}

func TestHowManyAreKeptMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("INSPECTOR_TEST_CALLS", "2")
	r := start(t, "calls {env.INSPECTOR_TEST_CALLS}")
	for range 3 {
		r.publish(invocation.Record{Path: "/fn", Done: true})
	}
	if n := len(r.calls()); n != 2 {
		t.Errorf("%d calls are kept", n)
	}
}

func TestCallsThatEndLateKeepTheirPlace(t *testing.T) {
	r := start(t, "calls 2")
	slow := r.publish(invocation.Record{Path: "/slow"})
	r.publish(invocation.Record{Path: "/a", Done: true})
	r.publish(invocation.Record{Path: "/b", Done: true})
	r.publish(invocation.Record{Seq: slow, Path: "/slow", Done: true}) // pushed out already
	if calls := r.calls(); len(calls) != 2 || calls[0].Path != "/a" || calls[1].Path != "/b" {
		t.Errorf("%+v", calls)
	}
}

func TestBodiesAreKeptOnlyWithCaptureAndWithinBounds(t *testing.T) {
	body := &invocation.Capture{URI: "/fn?x=1", Received: []byte(`{"a":1}`), Forwarded: []byte(`{"a":2}`)}
	t.Run("without capture there are none", func(t *testing.T) {
		r := start(t, "")
		seq := r.publish(invocation.Record{Done: true, Capture: body})
		if status, _, text := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", seq)); status != http.StatusNotFound {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("with it they are", func(t *testing.T) {
		r := start(t, "capture")
		seq := r.publish(invocation.Record{Done: true, Capture: body})
		if status, _, text := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", seq)); status != http.StatusOK || !strings.Contains(text, `"forwarded":"{\"a\":2}"`) {
			t.Errorf("%d %s", status, text)
		}
		if _, _, text := r.request(http.MethodGet, "/calls.json"); strings.Contains(text, `{\"a\"`) || !strings.Contains(text, `"captured":true`) {
			t.Error("the list must say that there are bodies, and not show them")
		}
	})
	t.Run("the oldest bodies go when there are too many bytes", func(t *testing.T) {
		r := start(t, "capture")
		first := r.publish(invocation.Record{Done: true, Capture: &invocation.Capture{Received: make([]byte, 9<<20)}})
		second := r.publish(invocation.Record{Done: true, Capture: &invocation.Capture{Received: make([]byte, 9<<20)}})
		if status, _, _ := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", first)); status != http.StatusNotFound {
			t.Errorf("the first: %d", status)
		}
		if status, _, _ := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", second)); status != http.StatusOK {
			t.Errorf("the second: %d", status)
		}
		if len(r.calls()) != 2 {
			t.Error("the calls themselves stay")
		}
	})
}

// A client that sends long names in great number gets fewer calls kept, not more memory.
func TestHowMuchMemoryCallsTakeIsNotTheClientsChoice(t *testing.T) {
	r := start(t, "calls 10000")
	members := make([]invocation.Member, invocation.MaxMembers)
	for i := range members {
		members[i] = invocation.Member{Name: strings.Repeat("x", invocation.MaxName), Result: invocation.Kept}
	}
	for range 2000 { // some 27 KB each
		seq := r.publish(invocation.Record{Path: "/large", Members: members})
		r.publish(invocation.Record{Seq: seq, Path: "/large", Members: members, Done: true})
	}
	if kept := len(r.calls()); kept < 1000 || kept > 1250 {
		t.Errorf("%d calls with very many members are kept", kept)
	}
	for range 5000 {
		r.publish(invocation.Record{Path: "/small", Done: true})
	}
	if kept := len(r.calls()); kept < 5000 {
		t.Errorf("%d small calls are kept", kept)
	}
}

func TestTimelineCountsWhatIsNoLongerKept(t *testing.T) {
	r := start(t, "calls 1")
	for range 10 {
		r.publish(invocation.Record{Done: true, Outcome: invocation.Resolved, Timing: invocation.Timing{Total: 3 * time.Millisecond}})
	}
	_, _, body := r.request(http.MethodGet, "/calls.json")
	var all struct {
		Timeline []struct {
			Outcomes map[string]int `json:"outcomes"`
			Half     int            `json:"p50_ms"`
		} `json:"timeline"`
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, b := range all.Timeline {
		sum += b.Outcomes["resolved"]
		if b.Half != 4 {
			t.Errorf("half of calls of 3 ms ended within %d ms", b.Half)
		}
	}
	if sum != 10 {
		t.Errorf("%d calls are counted", sum)
	}
}
