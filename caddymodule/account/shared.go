package account

import (
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// shared is what an account has in common with the accounts of the same settings in configs before and after it.
type shared struct {
	*upstream
	cache    *opendata.Cache // nil: off
	resolver *opendata.Resolver
	voip     *apicall.Caller
	relay    *apicall.Caller
	login    *apicall.Caller
}

// loadMetrics finds, or makes, the account's collectors.
func (a *Account) loadMetrics() (*accountMetrics, error) {
	return load(&a.pooled, "metrics", []any{a.appid, a.Endpoint}, func() (*pooled[*accountMetrics], error) {
		return &pooled[*accountMetrics]{value: &accountMetrics{Account: metrics.NewAccount(a.appid)}}, nil
	})
}

// loadShared finds, or makes, what this account has in common with configs before and after it.
//
// Connections are kept while the endpoint stays what it is; metrics while AppID and endpoint do; tokens, breakers and the counts of
// the status while AppID, endpoint and token source do; cached open data, users' limits and calls in flight while AppID, endpoint
// and the option of that name do.
func (a *Account) loadShared() error {
	// Once more, for a request that outlives its config: what it counts in must be held as long as what counts.
	counts, err := a.loadMetrics()
	if err != nil {
		return err
	}
	up, err := a.loadUpstream(counts)
	if err != nil {
		return err
	}
	cache, limiter, semaphore, err := a.loadBounds()
	if err != nil {
		return err
	}
	settings := append(a.upstreamSettings(), a.tunables)
	a.shared, err = load(&a.pooled, "shared", settings, func() (*pooled[*shared], error) {
		s := &shared{
			upstream: up,
			cache:    cache,
			resolver: opendata.New(opendata.Config{
				AppID: a.appid, Timeout: a.tunables.Timeout, Cache: cache, Limiter: limiter, Observe: counts.countLookup,
			}, up.client, a.newCaller(wechat.APIGetOpenData, up, semaphore)),
			voip:  a.newCaller(wechat.APIGetVoIPSign, up, semaphore),
			relay: a.newCaller(wechat.APIRelay, up, semaphore),
			login: a.newCaller(wechat.APIJSCode2Session, up, semaphore),
		}
		return &pooled[*shared]{s, s.resolver.Close}, nil
	})
	return err
}

// loadBounds finds, or makes, what the account keeps for its users within bounds: the cache of open data, and the two limits.
func (a *Account) loadBounds() (cache *opendata.Cache, limiter *opendata.Limiter, semaphore *apicall.Semaphore, err error) {
	app := []any{a.appid, a.Endpoint}
	cache, err = load(&a.pooled, "cache", append(app, a.tunables.Cache), func() (*pooled[*opendata.Cache], error) {
		if a.tunables.Cache.Off {
			return &pooled[*opendata.Cache]{}, nil
		}
		return &pooled[*opendata.Cache]{value: opendata.NewCache(a.tunables.Cache.TTL, a.tunables.Cache.Entries)}, nil
	})
	if err != nil {
		return nil, nil, nil, err
	}
	limiter, err = load(&a.pooled, "limiter", append(app, a.tunables.Limit), func() (*pooled[*opendata.Limiter], error) {
		if a.tunables.Limit.Off {
			return &pooled[*opendata.Limiter]{}, nil
		}
		return &pooled[*opendata.Limiter]{value: opendata.NewLimiter(a.tunables.Limit.CloudIDs, a.tunables.Limit.Window)}, nil
	})
	if err != nil {
		return nil, nil, nil, err
	}
	semaphore, err = load(&a.pooled, "semaphore", append(app, a.tunables.MaxCalls), func() (*pooled[*apicall.Semaphore], error) {
		return &pooled[*apicall.Semaphore]{value: apicall.NewSemaphore(a.tunables.MaxCalls)}, nil
	})
	return cache, limiter, semaphore, err
}

// newCaller returns what makes the calls of one API.
func (a *Account) newCaller(api string, up *upstream, semaphore *apicall.Semaphore) *apicall.Caller {
	config := apicall.Config{API: api, Tokens: up.tokens, Retries: a.tunables.Retries, Breaker: up.breakers[api].Breaker, Semaphore: semaphore}
	if api == wechat.APIJSCode2Session {
		config.Tokens, config.Retries = nil, 0 // a code is never sent twice
	}
	return apicall.NewCaller(config)
}

func (a *Account) upstreamSettings() []any {
	return []any{a.appid, a.Endpoint, a.tokens.CaddyModule().ID, a.tokens.Key()}
}

func (a *Account) loadUpstream(counts *accountMetrics) (*upstream, error) {
	client, err := load(&a.pooled, "client", []any{a.Endpoint}, func() (*pooled[*wechat.Client], error) {
		client, err := wechat.New(a.Endpoint, nil)
		if err != nil {
			return nil, err
		}
		return &pooled[*wechat.Client]{client, client.Close}, nil
	})
	if err != nil {
		return nil, err
	}
	up, err := load(&a.pooled, "upstream", a.upstreamSettings(), func() (*pooled[*upstream], error) {
		up := newUpstream(a.appid, client, a.tokens, counts)
		return &pooled[*upstream]{up, up.close}, nil
	})
	if err != nil {
		return nil, err
	}
	if source, ok := up.tokens.(interface{ Reload() }); ok {
		source.Reload()
	}
	return up, nil
}

// acquire returns what a shares with other configs, and keeps it open until the caller calls release. Caddy cleans up a
// config that was replaced while requests that came in by it are under way, and some come to ask WeChat only then.
func (a *Account) acquire() (*shared, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired && a.users == 0 {
		if err := a.loadShared(); err != nil {
			return nil, err
		}
	}
	a.users++
	return a.shared, nil
}

func (a *Account) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users--
	a.closeIfUnused()
}

// retire releases all that provision loaded, as soon as no request needs it. It is called once, also after a provisioning
// that failed.
func (a *Account) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retired = true
	a.closeIfUnused()
}

// closeIfUnused releases what was loaded. a.mu is held.
func (a *Account) closeIfUnused() {
	if !a.retired || a.users > 0 {
		return
	}
	a.pooled.release()
}
