package account

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// pool has what must outlive a config reload: the accounts of a reloaded config find their connections, tokens, breakers and open
// data here. Each is keyed by the settings that shape it and by no others, so that a changed timeout costs nothing else.
var pool = caddy.NewUsagePool()

// poolKey is the key of a value in pool.
type poolKey struct {
	kind string
	hash [sha256.Size]byte // of the settings, which may be secrets
}

// pooled is a value in pool.
type pooled[T any] struct {
	value T
	close func() // nil: there is nothing to close
}

// Destruct implements caddy.Destructor.
func (p *pooled[T]) Destruct() error {
	if p.close != nil {
		p.close()
	}
	return nil
}

// load returns the value that pool has for some settings, or a new one, and notes that a has to release it.
func load[T any](a *Account, kind string, settings []any, open func() (*pooled[T], error)) (T, error) {
	var none T
	encoded, err := json.Marshal(settings)
	if err != nil {
		return none, err
	}
	key := poolKey{kind, sha256.Sum256(encoded)}
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return open() })
	if err != nil {
		return none, err
	}
	a.closers = append(a.closers, func() { _, _ = pool.Delete(key) })
	return value.(*pooled[T]).value, nil
}

// shared is what an account has in common with the accounts of the same settings in configs before and after it.
type shared struct {
	*upstream
	cache    *opendata.Cache // nil: off
	resolver *opendata.Resolver
	voip     *apicall.Caller
	relay    *apicall.Caller
	login    *apicall.Caller
}

// loadShared finds, or makes, what this account has in common with configs before and after it.
//
// Connections are kept while the endpoint stays what it is; tokens, breakers and the counts of the status while AppID, endpoint
// and token source do; cached open data, users' limits and calls in flight while AppID, endpoint and the option of that name do.
func (a *Account) loadShared() error {
	up, err := a.loadUpstream()
	if err != nil {
		return err
	}
	app := []any{a.appid, a.Endpoint}
	cache, err := load(a, "cache", append(app, a.Cache), func() (*pooled[*opendata.Cache], error) {
		if a.Cache.Off {
			return &pooled[*opendata.Cache]{}, nil
		}
		return &pooled[*opendata.Cache]{value: opendata.NewCache(time.Duration(a.Cache.TTL), a.Cache.Entries)}, nil
	})
	if err != nil {
		return err
	}
	limiter, err := load(a, "limiter", append(app, a.Limit), func() (*pooled[*opendata.Limiter], error) {
		if a.Limit.Off {
			return &pooled[*opendata.Limiter]{}, nil
		}
		return &pooled[*opendata.Limiter]{value: opendata.NewLimiter(a.Limit.CloudIDs, time.Duration(a.Limit.Window))}, nil
	})
	if err != nil {
		return err
	}
	semaphore, err := load(a, "semaphore", append(app, a.MaxCalls), func() (*pooled[*apicall.Semaphore], error) {
		return &pooled[*apicall.Semaphore]{value: apicall.NewSemaphore(a.MaxCalls)}, nil
	})
	if err != nil {
		return err
	}
	settings := append(a.upstreamSettings(), a.Timeout, *a.Retries, a.Cache, a.Limit, a.MaxCalls)
	a.shared, err = load(a, "shared", settings, func() (*pooled[*shared], error) {
		caller := func(api string) *apicall.Caller {
			config := apicall.Config{API: api, Tokens: up.tokens, Retries: *a.Retries, Breaker: up.breakers[api].Breaker, Semaphore: semaphore}
			if api == wechat.APIJSCode2Session {
				config.Tokens, config.Retries = nil, 0 // a code is never sent twice
			}
			return apicall.NewCaller(config)
		}
		s := &shared{
			upstream: up,
			cache:    cache,
			resolver: opendata.New(opendata.Config{
				AppID: a.appid, Timeout: time.Duration(a.Timeout), Cache: cache, Limiter: limiter, Observe: countLookups(a.appid),
			}, up.client, caller(wechat.APIGetOpenData)),
			voip:  caller(wechat.APIGetVoIPSign),
			relay: caller(wechat.APIRelay),
			login: caller(wechat.APIJSCode2Session),
		}
		return &pooled[*shared]{s, s.resolver.Close}, nil
	})
	return err
}

func (a *Account) upstreamSettings() []any {
	return []any{a.appid, a.Endpoint, a.tokens.CaddyModule().ID, a.tokens.Key()}
}

func (a *Account) loadUpstream() (*upstream, error) {
	client, err := load(a, "client", []any{a.Endpoint}, func() (*pooled[*wechat.Client], error) {
		client, err := wechat.New(a.Endpoint, nil)
		if err != nil {
			return nil, err
		}
		return &pooled[*wechat.Client]{client, client.Close}, nil
	})
	if err != nil {
		return nil, err
	}
	up, err := load(a, "upstream", a.upstreamSettings(), func() (*pooled[*upstream], error) {
		up := newUpstream(a.appid, client, a.tokens)
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

// countLookups counts CloudIDs of an account that did not have to be asked for.
func countLookups(appid string) func(opendata.Lookup) {
	return func(found opendata.Lookup) {
		metrics.CacheHits.WithLabelValues(appid).Add(float64(found.Cached))
		metrics.Coalesced.WithLabelValues(appid).Add(float64(found.Coalesced))
		if found.Limited > 0 {
			metrics.LimitHits.WithLabelValues(appid, "limit").Inc()
		}
	}
}

// acquire returns what a shares with other configs, and keeps it open until the caller is done with it. Caddy cleans up a
// config that was replaced while requests that came in by it are under way, and some come to ask WeChat only then.
func (a *Account) acquire() (held *shared, done func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired && a.refs == 0 {
		if err := a.loadShared(); err != nil {
			return nil, nil, err
		}
	}
	a.refs++
	return a.shared, a.releaseShared, nil
}

func (a *Account) releaseShared() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refs--
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

// closeIfUnused releases what was loaded, the last first. a.mu is held.
func (a *Account) closeIfUnused() {
	if !a.retired || a.refs > 0 {
		return
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}
