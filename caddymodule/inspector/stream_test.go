package inspector_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

func TestACallIsShownWhenItIsForwardedAndWhenItEnds(t *testing.T) {
	r := start(t, "")
	next, _ := r.stream()
	seq := r.publish(invocation.Record{Path: "/fn"})
	if first := next("call"); !strings.Contains(first, `"done":false`) {
		t.Error(first)
	}
	r.publish(invocation.Record{Seq: seq, Path: "/fn", Done: true, Status: 200, Outcome: invocation.Resolved})
	if second := next("call"); !strings.Contains(second, `"status":200`) {
		t.Error(second)
	}
	if calls := r.calls(); len(calls) != 1 || !calls[0].Done {
		t.Errorf("%+v", calls)
	}
}

func TestAPageIsToldOfMembersThatDeclareNothing(t *testing.T) {
	r := start(t, "")
	next, _ := r.stream()
	call := invocation.Record{Path: "/fn"}
	call.Outline.Add(&invocation.Member{Name: "note", Result: invocation.Kept})
	r.publish(call)
	if told := next("call"); !strings.Contains(told, `"name":"note"`) {
		t.Error(told)
	}
}

func TestAReloadKeepsTheCallsAndEndsTheStreams(t *testing.T) {
	r := start(t, "")
	r.publish(invocation.Record{Path: "/before", Done: true})
	_, closed := r.stream()
	done := make(chan struct{})
	go func() { caddyrig.Reload(t, r.caddyfile("calls 200")); close(done) }() // the same by other words
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the reload waits for an open page")
	}
	closed()
	if calls := r.calls(); len(calls) != 1 || calls[0].Path != "/before" {
		t.Errorf("%+v", calls)
	}
	if _, _, body := r.request(http.MethodGet, "/calls.json"); !strings.Contains(body, `"text":"reloaded"`) {
		t.Error("the page is not told that the config was reloaded")
	}
	r.publish(invocation.Record{Path: "/after", Done: true})
	if len(r.calls()) != 2 {
		t.Error("calls of the new config do not appear")
	}
}

func TestAConfigWithoutAnInspectorDoesNotWaitForOpenPages(t *testing.T) {
	r := start(t, "")
	_, closed := r.stream()
	done := make(chan error)
	go func() { done <- caddy.Load([]byte(`{"admin":{"disabled":true}}`), true) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reload waits for an open page")
	}
	closed()
}

func TestAPageThatDoesNotReadSlowsNobody(t *testing.T) {
	r := start(t, "")
	next, _ := r.stream() // read below, after the calls
	for range 3000 {      // more than all buffers on the way hold; were a call to wait for the page, this would never end
		r.publish(invocation.Record{Path: "/" + strings.Repeat("x", 8000), Done: true})
	}
	next("missed")
}

func TestParallelCallsAndPages(t *testing.T) {
	r := start(t, "calls 50\ncapture")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				seq := r.publish(invocation.Record{Path: "/fn", Capture: &invocation.Capture{Received: []byte("{}")}})
				r.publish(invocation.Record{Seq: seq, Path: "/fn", Done: true})
			}
		})
		wg.Go(func() {
			for range 20 {
				r.calls()
				r.request(http.MethodPost, "/clear")
			}
		})
	}
	wg.Wait()
	if calls := r.calls(); len(calls) > 50 {
		t.Errorf("%d calls are kept", len(calls))
	}
}

func TestMaxReaders(t *testing.T) {
	r := start(t, "")
	for range 32 {
		r.stream()
	}
	if status, header, _ := r.request(http.MethodGet, "/events"); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("the 33rd page: %d", status)
	}
}
