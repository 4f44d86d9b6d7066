package account

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// What was learned of WeChat lives on when a config is reloaded: the new config is loaded before the old one goes.
func TestReloads(t *testing.T) {
	t.Parallel()
	base := `,"secret":"s1"`
	none, again := sandbox.Calls{}, sandbox.Calls{GetOpenData: 1, IDs: 1}
	for _, test := range []struct {
		sentence string
		settings string
		lost     string        // the kinds that are not shared
		calls    sandbox.Calls // of the second config's first request
	}{
		{"an equal config finds everything", base, "", none},
		{"also written in another way", base + `,"timeout":"3s","retries":2,"cache":{"ttl":"1m","entries":10000},"limit":{"cloudids":60,"window":"1m"},"max_calls":128`, "", none},
		{"keys shape none of it", base + `,"keys":["key-k-of-16-bytes"]`, "", none},
		{"a changed timeout costs nothing", base + `,"timeout":"4s"`, "shared", none},
		{"nor does a changed number of retries", base + `,"retries":3`, "shared", none},
		{"nor other limits", base + `,"limit":{"off":true},"max_calls":8`, "limiter semaphore shared", none},
		{"a changed cache costs what it had, and no token", base + `,"cache":{"ttl":"2m"}`, "cache shared", again},
		{"so does none", base + `,"cache":{"off":true}`, "cache shared", again},
		{"the secret moved to its source is the same", `,"token":{"source":"stable","secret":"s1"}`, "", none},
		{"a changed secret is asked for a token of its own, and open data is the same", `,"secret":"s2"`, "shared upstream", none},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			p := newProcess()
			fake, url := startSandbox(t)
			before := p.load(t, app1(url, base))
			if code := before.resolve(t); code != 0 {
				t.Fatal(code)
			}
			fake.Reset()
			after := p.load(t, app1(url, test.settings))
			if got := p.unshared(); got != test.lost {
				t.Errorf("not shared while both are loaded: %q, want %q", got, test.lost)
			}
			before.unload()
			if code := after.resolve(t); code != 0 {
				t.Error(code)
			}
			if got := fake.Calls(); got != test.calls {
				t.Errorf("calls: %+v, want %+v", got, test.calls)
			}
			after.unload()
			p.wantNothingPooled(t)
		})
	}
}

// Settings may come from the environment. What is in force is what it says when the config is loaded, also when the text of the config
// is the same.
func TestSettingsByPlaceholder(t *testing.T) {
	const settings = `,"secret":"s1","timeout":"{env.A_TIMEOUT}","retries":"{env.A_RETRIES}","cache":{"ttl":"{env.A_TTL}","entries":"{env.A_ENTRIES}"},"limit":{"cloudids":"{env.A_LIMIT}","window":"{env.A_WINDOW}"},"max_calls":"{env.A_CALLS}"`
	first := map[string]string{"A_TIMEOUT": "2s", "A_RETRIES": "0", "A_TTL": "30s", "A_ENTRIES": "7", "A_LIMIT": "8", "A_WINDOW": "1h", "A_CALLS": "9"}
	want := tunables{2 * time.Second, 0, cacheBounds{false, 30 * time.Second, 7}, limitBounds{false, 8, time.Hour}, 9}
	for _, test := range []struct {
		sentence string
		changed  map[string]string
		lost     string
		want     func(*tunables)
	}{
		{"the same values", nil, "", func(*tunables) {}},
		{"another timeout", map[string]string{"A_TIMEOUT": "1m"}, "shared", func(t *tunables) { t.Timeout = time.Minute }},
		{"other retries", map[string]string{"A_RETRIES": "3"}, "shared", func(t *tunables) { t.Retries = 3 }},
		{"another cache", map[string]string{"A_TTL": "1d", "A_ENTRIES": "1"}, "cache shared", func(t *tunables) { t.Cache = cacheBounds{false, 24 * time.Hour, 1} }},
		{"no cache", map[string]string{"A_TTL": "off"}, "cache shared", func(t *tunables) { t.Cache = cacheBounds{Off: true} }},
		{"another limit", map[string]string{"A_LIMIT": "1", "A_WINDOW": "1s"}, "limiter shared", func(t *tunables) { t.Limit = limitBounds{false, 1, time.Second} }},
		{"no limit", map[string]string{"A_LIMIT": "off"}, "limiter shared", func(t *tunables) { t.Limit = limitBounds{Off: true} }},
		{"other calls in flight", map[string]string{"A_CALLS": "10"}, "semaphore shared", func(t *tunables) { t.MaxCalls = 10 }},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			p := newProcess()
			_, url := startSandbox(t)
			for name, value := range first {
				t.Setenv(name, value)
			}
			before := p.load(t, app1(url, settings))
			if got := before.only(t).tunables; got != want {
				t.Errorf("in force is %+v, want %+v", got, want)
			}
			for name, value := range test.changed {
				t.Setenv(name, value)
			}
			after := p.load(t, app1(url, settings))
			wanted := want
			test.want(&wanted)
			if got := after.only(t).tunables; got != wanted {
				t.Errorf("then it is %+v, want %+v", got, wanted)
			}
			if got := p.unshared(); got != test.lost {
				t.Errorf("not shared while both are loaded: %q, want %q", got, test.lost)
			}
			before.unload()
			after.unload()
			p.wantNothingPooled(t)
		})
	}
}

func TestAccountsDoNotShareTokens(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, fmt.Sprintf(`{"accounts":{"wx1":{"secret":"s","endpoint":%q},"wx2":{"secret":"s","endpoint":%q}}}`, url, url))
	for appid, account := range c.Accounts {
		if _, err := account.Resolve(t.Context(), "o1", []string{steps}, nil); err != nil {
			t.Error(appid, err)
		}
	}
	if n := fake.Calls(); n.StableToken != 2 || n.GetOpenData != 2 {
		t.Errorf("calls %+v", n)
	}
	if n := p.pooled(); n["client"] != 1 || n["upstream"] != 2 || n["shared"] != 2 {
		t.Errorf("in the pool are %v", n)
	}
	c.unload()
	p.wantNothingPooled(t)
}

func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	json := app1(url, `,"secret":"s","cache":{"off":true},"limit":{"off":true}`)
	current := p.load(t, json)
	for range 20 {
		var wg sync.WaitGroup
		old := current
		for range 20 {
			wg.Go(func() {
				for range 5 {
					if code := old.resolve(t); code != 0 {
						t.Errorf("code %d", code)
					}
				}
			})
		}
		current = p.load(t, json)
		old.unload() // while its requests are under way, as Caddy does
		wg.Wait()
	}
	current.unload()
	if n := fake.Calls().StableToken; n != 1 {
		t.Errorf("%d tokens fetched", n)
	}
	probe.Eventually(t, "everything is let go", func() bool { return len(p.pooled()) == 0 })
}

// A request may come to ask WeChat only when its config is gone already.
func TestRequestsOutliveTheirConfig(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, app1(url, `,"secret":"s","cache":{"off":true},"limit":{"off":true}`))
	if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var early sync.WaitGroup
	early.Go(func() {
		if code := c.resolve(t); code != 0 {
			t.Errorf("code %d for a request under way", code)
		}
	})
	probe.Eventually(t, "a call under way", func() bool { return fake.Calls().GetOpenData == 1 })
	c.unload()
	early.Wait()
	probe.Eventually(t, "what it held is let go", func() bool { return len(p.pooled()) == 0 })

	var late sync.WaitGroup
	for range 20 {
		late.Go(func() {
			if code := c.resolve(t); code != 0 {
				t.Errorf("code %d for a request that came late", code)
			}
			if token, err := c.only(t).InvocationToken(usertoken.User{OpenID: "o1"}); err != nil || token == "" {
				t.Errorf("its invocation token is %q, %v", token, err)
			}
		})
	}
	late.Wait()
	probe.Eventually(t, "what they held is let go", func() bool { return len(p.pooled()) == 0 })
}
