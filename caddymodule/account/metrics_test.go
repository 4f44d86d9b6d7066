package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// shownState returns what a config's metrics say of the account's breaker, or none.
func (c config) shownState(t *testing.T) string {
	t.Helper()
	families, err := c.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "caddy_cloudid_breaker_state" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := fmt.Sprint(m.GetLabel())
			if strings.Contains(labels, wechat.APIGetOpenData) && strings.Contains(labels, appid) {
				return fmt.Sprint(m.GetGauge().GetValue())
			}
		}
	}
	return "none"
}

// openBreaker makes calls fail until the breaker of getopendata is open.
func openBreaker(t *testing.T, c config, fake *sandbox.Server) {
	t.Helper()
	if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 48001, Times: 5}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := c.only(t).Resolve(t.Context(), fmt.Sprint("user-", i), []string{steps}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if state := c.only(t).shared.breakers[wechat.APIGetOpenData].State().String(); state != "open" {
		t.Fatalf("the breaker is %s", state)
	}
}

// The metric is about accounts that run, not about configs that are only looked at, or were replaced.
func TestTheMetricOfTheBreaker(t *testing.T) {
	t.Parallel()
	p := newProcess()
	want := func(c config, when, state string) {
		t.Helper()
		if got := c.shownState(t); got != state {
			t.Errorf("%s: the metric says %s, want %s", when, got, state)
		}
	}
	fake, url := startSandbox(t)
	first := p.load(t, app1(url, `,"secret":"s1"`))
	want(first, "once it runs", "0")
	openBreaker(t, first, fake)
	want(first, "once it is open", "2")

	for _, settings := range []string{`,"secret":"s1"`, `,"secret":"s2"`} {
		looked, err := p.provision(app1(url, settings)) // and never started
		if err != nil {
			t.Fatal(err)
		}
		want(first, "while another config is looked at", "2")
		looked.unload()
		want(first, "after that was rejected", "2")
		want(looked, "in its own registry, which Caddy's admin endpoint goes on showing", "2")
	}

	second := p.load(t, app1(url, `,"secret":"s1","timeout":"4s"`))
	want(second, "once an equal account runs", "2")
	first.unload()
	want(second, "after the old one has gone", "2")

	third := p.load(t, app1(url, `,"secret":"s2"`))
	want(third, "once one with another secret runs", "0")
	third.unload()
	want(second, "after that failed to start", "2")
	third = p.load(t, app1(url, `,"secret":"s2"`))
	second.only(t).shared.breakers[wechat.APIGetOpenData].changed(apicall.StateChange{From: apicall.HalfOpen, To: apicall.Open})
	want(third, "when the breaker of the old secret changes", "0")
	second.unload()
	want(third, "after the one with the old secret has gone", "0")
	third.unload()
	want(third, "after the account was removed", "none")
	third.only(t).shared.breakers[wechat.APIGetOpenData].changed(apicall.StateChange{From: apicall.Closed, To: apicall.Open, Cause: errors.New("down")})
	want(third, "when a late request of it opens its breaker", "none")
}

// A counter goes on where it stopped while some config has the account, and an account that comes back begins anew.
func TestCountsOverReloads(t *testing.T) {
	t.Parallel()
	p := newProcess()
	_, url := startSandbox(t)
	want := func(c config, when string, calls float64) {
		t.Helper()
		if got := probe.Sum(t, c.registry, "wechat_calls_total", appid, wechat.APIGetOpenData, "0"); got != calls {
			t.Errorf("%s: %v calls are counted, want %v", when, got, calls)
		}
	}
	first := p.load(t, app1(url, `,"secret":"s1","cache":{"off":true}`))
	first.resolve(t)
	want(first, "after the first call", 1)
	second := p.load(t, app1(url, `,"secret":"s2","cache":{"off":true}`))
	want(second, "after a reload with another secret", 1)
	second.resolve(t)
	first.unload()
	want(second, "after the old config has gone", 2)
	if _, err := p.provision(app1(url, `,"secret":"wx3d289323f5900f8e"`)); err == nil {
		t.Error("an AppID in the place of the secret is loaded")
	}
	want(second, "after a config that was rejected", 2)
	second.unload()
	third := p.load(t, app1(url, `,"secret":"s1"`))
	want(third, "after a while without the account", 0)
	third.unload()
	p.wantNothingPooled(t)
}

// What is about no account that is known is counted too, and goes on over reloads while there are accounts at the same endpoints.
func TestMetricsWithoutAnAccount(t *testing.T) {
	t.Parallel()
	for _, accounts := range []string{
		``,
		`"wx1":{"secret":"s","endpoint":"http://127.0.0.1:1"},"wx2":{"secret":"s","endpoint":"http://127.0.0.1:2"},"wx3":{"secret":"s","endpoint":"http://127.0.0.1:3"},"wx4":{"secret":"s","endpoint":"http://127.0.0.1:1"}`,
	} {
		p := newProcess()
		c := p.load(t, `{"accounts":{`+accounts+`}}`)
		c.Metrics(nil).Logins.WithLabelValues("rejected").Inc()
		for range 5 {
			next := p.load(t, `{"accounts":{`+accounts+`}}`)
			c.unload()
			c = next
			if got := probe.Sum(t, c.registry, "logins_total", "", "rejected"); got != 1 {
				t.Errorf("after a reload %v are counted", got)
			}
		}
		c.unload()
		p.wantNothingPooled(t)
	}
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	_, url := startSandbox(t)
	failed := errors.New("failed")
	for _, test := range []struct {
		sentence string
		do       func(*Account)
		metric   string
		labels   []string
		want     float64
	}{
		{"a user's limit", func(a *Account) { _, _ = a.Resolve(t.Context(), "o1", []string{"27_a", "27_b"}, nil) }, "limit_hits_total", []string{"limit"}, 1},
		{"none without one", func(a *Account) { _, _ = a.Resolve(t.Context(), "o1", []string{steps}, nil) }, "limit_hits_total", nil, 0},
		{"guesses beyond it", func(a *Account) { a.metrics.countLookup(opendata.Lookup{Limited: 2}) }, "limit_hits_total", []string{"limit"}, 1},
		{"a call that did not get its turn", func(a *Account) { a.logFailure("", new(apicall.QueueError)) }, "limit_hits_total", []string{"max_calls"}, 1},
		{"no other failure", func(a *Account) { a.logFailure("", failed) }, "limit_hits_total", nil, 0},
		{"what the cache had", func(a *Account) { a.metrics.countLookup(opendata.Lookup{Cached: 2}) }, "cache_hits_total", nil, 2},
		{"what was waited for", func(a *Account) { a.metrics.countLookup(opendata.Lookup{Coalesced: 2}) }, "coalesced_ids_total", nil, 2},
		{"nothing limited", func(a *Account) { a.metrics.countLookup(opendata.Lookup{Cached: 2}) }, "limit_hits_total", nil, 0},
		{"open data of another app", func(a *Account) { a.logExchange(opendata.Exchange{Mismatched: 2}) }, "watermark_mismatches_total", nil, 2},
		{"a token that was fetched", func(a *Account) { a.metrics.countFetch(nil) }, "token_fetches_total", []string{"ok"}, 1},
		{"one that was not", func(a *Account) { a.metrics.countFetch(failed) }, "token_fetches_total", []string{"failed"}, 1},
	} {
		c := load1(t, app1(url, `,"secret":"s","limit":{"cloudids":1}`))
		test.do(c.only(t))
		if got := probe.Sum(t, c.registry, test.metric, append(test.labels, appid)...); got != test.want {
			t.Errorf("%s: %s is %v, want %v", test.sentence, test.metric, got, test.want)
		}
		c.unload()
	}
}

// One line when it opens, one when it closes, in the log of the config that runs.
func TestTheLogLinesOfTheBreaker(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	first := p.load(t, app1(url, `,"secret":"s"`))
	openBreaker(t, first, fake)
	second := p.load(t, app1(url, `,"secret":"s"`))
	first.unload()
	logs := observed(second.only(t))
	defer second.unload()
	time.Sleep(5100 * time.Millisecond)
	if code := second.resolve(t); code != 0 {
		t.Fatal(code)
	}
	if n := logs.FilterMessageSnippet("breaker closed").Len(); n != 1 || logs.Len() != 1 {
		t.Errorf("logged %v", logs.All())
	}
	openBreaker(t, second, fake)
	opened := logs.FilterMessageSnippet("breaker opened").All()
	if len(opened) != 1 {
		t.Fatalf("logged %v", logs.All())
	}
	lines := logs.Len()
	for _, change := range []apicall.StateChange{{From: apicall.Open, To: apicall.HalfOpen}, {From: apicall.HalfOpen, To: apicall.Open}} {
		if second.only(t).shared.breakers[wechat.APIGetOpenData].changed(change); logs.Len() != lines {
			t.Errorf("a trial, or one that fails, is no news: %v", logs.All())
		}
	}
	fields := opened[0].ContextMap()
	if fields["appid"] != appid || fields["api"] != "getopendata" || fields["errcode"] != "48001" || !strings.Contains(fmt.Sprint(fields["advice"]), "may not call this API") {
		t.Errorf("logged %v", fields)
	}
}
