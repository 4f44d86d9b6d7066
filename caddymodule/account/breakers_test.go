package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// shownState returns what the metric says of an account's breaker, or none.
func shownState(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
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
	want := func(t *testing.T, when, state string) {
		t.Helper()
		if got := shownState(t); got != state {
			t.Errorf("%s: the metric says %s, want %s", when, got, state)
		}
	}
	fake, url := startSandbox(t)
	want(t, "before there is an account", "none")
	first := load1(t, app1(url, `,"secret":"s1"`))
	want(t, "once it runs", "0")
	openBreaker(t, first, fake)
	want(t, "once it is open", "2")

	base, err := emptyCaddy()
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{`,"secret":"s1"`, `,"secret":"s2"`} { // provisioned, never started
		ctx, cancel := caddy.NewContext(base)
		if _, err := ctx.LoadModuleByID("cloudid", []byte(app1(url, settings))); err != nil {
			t.Fatal(err)
		}
		want(t, "while a config is looked at", "2")
		cancel()
		want(t, "after it was refused", "2")
	}

	second := load1(t, app1(url, `,"secret":"s1","timeout":"4s"`))
	want(t, "once an equal account runs", "2")
	first.unload()
	want(t, "after the old one has gone", "2")

	third := load1(t, app1(url, `,"secret":"s2"`))
	want(t, "once one with another secret runs", "0")
	third.unload()
	want(t, "after that failed to start", "2")
	third = load1(t, app1(url, `,"secret":"s2"`))
	second.unload()
	want(t, "after the one with the old secret has gone", "0")
	third.unload()
	want(t, "after the account was removed", "none")
}

// One line when it opens, one when it closes, in the log of the config that runs.
func TestTheLogLinesOfTheBreaker(t *testing.T) {
	fake, url := startSandbox(t)
	first := load1(t, app1(url, `,"secret":"s"`))
	openBreaker(t, first, fake)
	second := load1(t, app1(url, `,"secret":"s"`))
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
