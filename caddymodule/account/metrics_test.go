package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
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
	second.unload()
	want(third, "after the one with the old secret has gone", "0")
	third.unload()
	want(third, "after the account was removed", "none")
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

// What is about no account that is known is counted too.
func TestMetricsWithoutAnAccount(t *testing.T) {
	t.Parallel()
	p := newProcess()
	c := p.load(t, `{}`)
	c.Metrics(nil).Logins.WithLabelValues("rejected").Inc()
	if got := probe.Sum(t, c.registry, "logins_total", "", "rejected"); got != 1 {
		t.Errorf("%v are counted", got)
	}
	next := p.load(t, `{}`)
	c.unload()
	if got := probe.Sum(t, next.registry, "logins_total", "", "rejected"); got != 1 {
		t.Errorf("after a reload %v are counted", got)
	}
	next.unload()
	p.wantNothingPooled(t)
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
	fields := opened[0].ContextMap()
	if fields["appid"] != appid || fields["api"] != "getopendata" || fields["errcode"] != "48001" || !strings.Contains(fmt.Sprint(fields["advice"]), "may not call this API") {
		t.Errorf("logged %v", fields)
	}
}
