package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
			var lost []string
			for _, kind := range slices.Sorted(maps.Keys(p.pooled())) {
				if p.pooled()[kind] != 1 {
					lost = append(lost, kind)
				}
			}
			if got := strings.Join(lost, " "); got != test.lost {
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
