package opendata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// ids are n CloudIDs.
func idList(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("27_%03d", i)
	}
	return list
}

// failingWith is a WeChat that fails a whole call for each of the bad ids in it.
func failingWith(code int, bad ...string) *fakeWeChat {
	return &fakeWeChat{response: func(_ context.Context, c call) string {
		for _, id := range c.ids {
			if slices.Contains(bad, id) {
				return errcode(code)
			}
		}
		return good(c.ids...)
	}}
}

// How many calls a list takes when ids in it make whole calls fail.
func TestCallsForAListWithBadIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ids, bad, calls int
		sentence        string
	}{
		{1, 1, 1, "one id is asked for once"},
		{5, 1, 1 + 5, "a few are asked for singly"},
		{10, 1, 1 + 10, "up to ten"},
		{11, 1, 1 + 3 + 4, "more in groups first: three groups, and four ids of one"},
		{100, 1, 1 + 10 + 10, "a hundred in ten groups"},
		{100, 2, 1 + 10 + 20, "two groups of ten are taken apart"},
		{100, 100, 1 + 10 + 100, "at the worst each is asked for"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			ids := idList(test.ids)
			var bad []string
			for i := range test.bad {
				bad = append(bad, ids[i*(test.ids/test.bad)])
			}
			r := newRig(t, failingWith(-601006, bad...))
			result := r.resolve(t, ids...)
			for i, id := range ids {
				want := 0
				if slices.Contains(bad, id) {
					want = -601006
				}
				if result.OpenData[i].Code != want || !strings.Contains(string(result.OpenData[i].JSON), id) {
					t.Errorf("%s: %d %s", id, result.OpenData[i].Code, result.OpenData[i].JSON)
				}
			}
			if n := len(r.wechat.arrived()); n != test.calls || result.Err != nil {
				t.Errorf("%d calls, want %d; %v", n, test.calls, result.Err)
			}
		})
	}
}

func TestIDsAreAskedApartFourAtATime(t *testing.T) {
	t.Parallel()
	lifted := make(chan struct{})
	var now, most atomic.Int32
	r := newRig(t, &fakeWeChat{response: func(ctx context.Context, c call) string {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		if len(c.ids) == 1 {
			select {
			case <-lifted:
			case <-ctx.Done():
			}
		}
		return errcode(40097)
	}})
	done := make(chan opendata.Result)
	go func() { done <- r.resolve(t, idList(40)...) }()
	probe.Eventually(t, "four calls wait", func() bool { return now.Load() == 4 })
	close(lifted)
	if result := <-done; wechat.Code(result.Err) != 40097 {
		t.Error(result.Err)
	}
	if most.Load() != 4 {
		t.Errorf("%d calls at once", most.Load())
	}
}

// What cannot be read costs the id it is about, whatever it is; a page instead of a response is about nobody's id.
func TestAnUnreadableItemCostsItsOwnID(t *testing.T) {
	t.Parallel()
	r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
		if slices.Contains(c.ids, "27_bad") {
			return good(c.ids...) + `"`
		}
		return good(c.ids...)
	}})
	report := make(chan opendata.Exchange, 1)
	result, err := r.Resolve(t.Context(), opendata.Request{
		OpenID: "o1", IDs: []string{"27_a", "27_bad", "27_c"}, Report: func(e opendata.Exchange) { report <- e },
	})
	if err != nil || result.Err != nil {
		t.Error(err, result.Err)
	}
	wantOpenData(t, result, goodJSON("27_a"), errorJSON("27_bad", -601001), goodJSON("27_c"))
	if e := <-report; e.Failed != 1 || wechat.MetricLabel(e.Err) != "response" {
		t.Errorf("reported %+v", e)
	}
	page := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return "<html>" }})
	if _ = page.resolve(t, "27_a", "27_b"); len(page.wechat.arrived()) != 1 {
		t.Errorf("%d calls for a page", len(page.wechat.arrived()))
	}
}

// Nicknames hold what no JSON string may: nobody's call fails for it, and no breaker opens.
func TestAResponseIsMended(t *testing.T) {
	t.Parallel()
	r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
		return `{"errcode":0,"data_list":[{"cloud_id":"27_a","json":"{\"cloudID\":\"27_a\",\"data\":{\"nickName\":\"` + "\n\xf0\x9f" + `\"}}"},` +
			item("27_b", goodJSON("27_b")) + `]}`
	}})
	for i := range 20 {
		result := r.resolveAs(t, fmt.Sprint("o", i), "27_a", "27_b")
		wantOpenData(t, result, `{"cloudID":"27_a","data":{"nickName":"\u000a`+"\uFFFD"+`"}}`, goodJSON("27_b"))
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
}

// Every id that got no word of WeChat is reported, with its cause, also where its siblings were answered.
func TestWhatFailedIsReported(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		response func(ctx context.Context, c call) string
		failed   int
		labels   string // of the causes
	}{
		{"a list is taken apart, and one of it meets a quota", func(_ context.Context, c call) string {
			switch {
			case len(c.ids) > 1:
				return errcode(-601006)
			case c.ids[0] == "27_000":
				return errcode(45009)
			}
			return good(c.ids...)
		}, 1, "45009"},
		{"one meets a quota, one the network, one is answered", func(_ context.Context, c call) string {
			switch {
			case len(c.ids) > 1:
				return errcode(-601006)
			case c.ids[0] == "27_000":
				return errcode(45009)
			case c.ids[0] == "27_001":
				return ""
			}
			return good(c.ids...)
		}, 2, "45009 network"},
		{"a cause is there once, however many meet it", func(_ context.Context, c call) string {
			if len(c.ids) > 1 || c.ids[0] < "27_002" {
				return errcode(40097)
			}
			return good(c.ids...)
		}, 2, "40097"},
		{"an item has an error that is not about its id", func(_ context.Context, c call) string {
			return `{"errcode":0,"data_list":[` + item("27_000", errorJSON("27_000", -601003)) + `,` + item("27_001", goodJSON("27_001")) + `]}`
		}, 2, "-601003 -601001"}, // and the third is missing
		{"WeChat's word on an id is no failure", func(_ context.Context, c call) string {
			var items []string
			for i, id := range c.ids {
				items = append(items, item(id, errorJSON(id, -601005-i)))
			}
			return `{"errcode":0,"data_list":[` + strings.Join(items, ",") + `]}`
		}, 0, ""},
		{"nor is it where a list was taken apart", func(context.Context, call) string { return errcode(-601006) }, 0, ""},
		{"a call that fails as a whole", func(context.Context, call) string { return errcode(48001) }, 3, "48001"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &fakeWeChat{response: test.response})
			report := make(chan opendata.Exchange, 1)
			_, err := r.Resolve(t.Context(), opendata.Request{OpenID: "o1", IDs: idList(3), Report: func(e opendata.Exchange) { report <- e }})
			if err != nil {
				t.Fatal(err)
			}
			got := <-report
			if labels := strings.Join(labelsOf(got.Err), " "); got.IDs != 3 || got.Failed != test.failed || labels != test.labels {
				t.Errorf("reported %d of %d failed, %q: %v", got.Failed, got.IDs, labels, got.Err)
			}
		})
	}
}

func labelsOf(err error) (labels []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			labels = append(labels, wechat.MetricLabel(one))
		}
	}
	return labels
}

// One openid that is none fails alike whether it is asked for apart, and is not kept then either.
func TestAFailureThatLooksConclusiveIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
		if len(c.ids) > 1 {
			return errcode(40097)
		}
		return errcode(40003) // -601007 to the function, but about the openid
	}})
	for range 2 {
		result := r.resolve(t, "27_a", "27_b")
		if result.Cached != 0 || wechat.Code(result.Err) != 40003 || result.OpenData[0].Code != -601007 {
			t.Errorf("%+v", result)
		}
	}
}

// A list whose request has gone is not taken apart for nobody.
func TestAnAbandonedListIsNotTakenApart(t *testing.T) {
	t.Parallel()
	lifted := make(chan struct{})
	r := newRig(t, &fakeWeChat{response: func(ctx context.Context, c call) string {
		select {
		case <-lifted:
		case <-ctx.Done():
		}
		return errcode(40097)
	}})
	ctx, leave := context.WithCancel(t.Context())
	report := make(chan opendata.Exchange, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := r.Resolve(ctx, opendata.Request{OpenID: "o1", IDs: idList(5), Report: func(e opendata.Exchange) { report <- e }})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	probe.Eventually(t, "the call is under way", func() bool { return len(r.wechat.arrived()) == 1 })
	leave()
	probe.Eventually(t, "nobody waits any more", func() bool { return r.Waiting() == 0 })
	close(lifted)
	wg.Wait()
	if e := <-report; !errors.Is(e.Err, context.Canceled) || e.Failed != 5 {
		t.Errorf("reported %+v", e)
	}
	if n := len(r.wechat.arrived()); n != 1 {
		t.Errorf("%d calls", n)
	}
}
