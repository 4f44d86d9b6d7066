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
func (a *Account) loadMetrics() *accountMetrics {
	return load(&a.pooled, "metrics", []any{a.appid, a.Endpoint}, func() *pooled[*accountMetrics] {
		return &pooled[*accountMetrics]{value: &accountMetrics{Account: metrics.NewAccount(a.appid)}}
	})
}

// loadShared finds, or makes, what this account has in common with configs before and after it.
//
// Connections are kept while the endpoint stays what it is; metrics while AppID and endpoint do; tokens, breakers and the counts of
// the status while AppID, endpoint and token source do; cached open data, users' limits and calls in flight while AppID, endpoint
// and the option of that name do.
func (a *Account) loadShared() {
	// Once more, for a request that outlives its config: what it counts in must be held as long as what counts.
	counts := a.loadMetrics()
	up := a.loadUpstream(counts)
	cache, limiter, semaphore := a.loadBounds()
	settings := append(a.upstreamSettings(), a.tunables)
	a.shared = load(&a.pooled, "shared", settings, func() *pooled[*shared] {
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
		return &pooled[*shared]{s, s.resolver.Close}
	})
}

// loadBounds finds, or makes, what the account keeps for its users within bounds: the cache of open data, and the two limits.
func (a *Account) loadBounds() (*opendata.Cache, *opendata.Limiter, *apicall.Semaphore) {
	app, t := []any{a.appid, a.Endpoint}, a.tunables
	cache := load(&a.pooled, "cache", append(app, t.Cache), func() *pooled[*opendata.Cache] {
		if t.Cache.Off {
			return new(pooled[*opendata.Cache])
		}
		return &pooled[*opendata.Cache]{value: opendata.NewCache(t.Cache.TTL, t.Cache.Entries)}
	})
	limiter := load(&a.pooled, "limiter", append(app, t.Limit), func() *pooled[*opendata.Limiter] {
		if t.Limit.Off {
			return new(pooled[*opendata.Limiter])
		}
		return &pooled[*opendata.Limiter]{value: opendata.NewLimiter(t.Limit.CloudIDs, t.Limit.Window)}
	})
	semaphore := load(&a.pooled, "semaphore", append(app, t.MaxCalls), func() *pooled[*apicall.Semaphore] {
		return &pooled[*apicall.Semaphore]{value: apicall.NewSemaphore(t.MaxCalls)}
	})
	return cache, limiter, semaphore
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

func (a *Account) loadUpstream(counts *accountMetrics) *upstream {
	client := load(&a.pooled, "client", []any{a.Endpoint}, func() *pooled[*wechat.Client] {
		client, _ := wechat.New(a.Endpoint, nil) // setEndpoint has checked it
		return &pooled[*wechat.Client]{client, client.Close}
	})
	up := load(&a.pooled, "upstream", a.upstreamSettings(), func() *pooled[*upstream] {
		up := newUpstream(a.appid, client, a.tokens, counts)
		return &pooled[*upstream]{up, up.close}
	})
	if source, ok := up.tokens.(interface{ Reload() }); ok {
		source.Reload()
	}
	return up
}

// acquire returns what a shares with other configs, and keeps it open until the caller calls release. Caddy cleans up a
// config that was replaced while requests that came in by it are under way, and some come to ask WeChat only then.
func (a *Account) acquire() *shared {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired && a.users == 0 {
		a.loadShared()
	}
	a.users++
	return a.shared
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
