package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// What must outlive a config reload: a reloaded config finds its connections, tokens and answers here. Each is keyed by
// a hash of all that shapes it, so that a change of the timeout does not cost a token.
var (
	clients   = caddy.NewUsagePool()
	sources   = caddy.NewUsagePool()
	resolvers = caddy.NewUsagePool()
)

// shared is what accounts of the same settings have in common, over all configs.
type shared struct {
	client   *wechat.Client
	resolver *opendata.Resolver
	voip     *apicall.Caller
	relay    *apicall.Caller
	login    *apicall.Caller
}

// Destruct implements caddy.Destructor.
func (s *shared) Destruct() error {
	s.resolver.Close()
	return nil
}

type pooledClient struct{ *wechat.Client }

func (c pooledClient) Destruct() error {
	c.Close()
	return nil
}

type pooledSource struct{ apicall.TokenSource }

func (s pooledSource) Destruct() error {
	if closer, ok := s.TokenSource.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// loadShared finds, or makes, what this account has in common with configs before and after it.
func (a *Account) loadShared() error {
	client, err := load(a, clients, []any{a.Endpoint}, func() (pooledClient, error) {
		client, err := wechat.New(a.Endpoint, observe)
		if err != nil {
			return pooledClient{}, fmt.Errorf("endpoint: it %w", err)
		}
		return pooledClient{client}, nil
	})
	if err != nil {
		return err
	}
	sourceKey := []any{a.appid, a.Endpoint, a.tokens.CaddyModule().ID, a.tokens.Key()}
	source, err := load(a, sources, sourceKey, func() (pooledSource, error) {
		return pooledSource{a.tokens.Open(a.appid, client.Client)}, nil
	})
	if err != nil {
		return err
	}
	a.shared, err = load(a, resolvers, append(sourceKey, a.Timeout, *a.Retries, *a.Cache, *a.Limit, a.MaxCalls), func() (*shared, error) {
		config := opendata.Config{AppID: a.appid, Timeout: time.Duration(a.Timeout), Observe: countLookup}
		if !a.Cache.Off {
			config.Cache = opendata.NewCache(time.Duration(a.Cache.TTL), a.Cache.Entries)
		}
		if !a.Limit.Off {
			config.Limiter = opendata.NewLimiter(a.Limit.CloudIDs, time.Duration(a.Limit.Window))
		}
		semaphore := apicall.NewSemaphore(a.MaxCalls)
		caller := func(api string, tokens apicall.TokenSource, retries int) *apicall.Caller {
			return apicall.NewCaller(apicall.Config{
				API: api, Tokens: tokens, Retries: retries, Breaker: newBreaker(a.appid, api), Semaphore: semaphore,
			})
		}
		return &shared{
			client:   client.Client,
			resolver: opendata.New(config, client.Client, caller(wechat.APIGetOpenData, source, *a.Retries)),
			voip:     caller(wechat.APIGetVoIPSign, source, *a.Retries),
			relay:    caller(wechat.APIRelay, source, *a.Retries),
			login:    caller(wechat.APIJSCode2Session, nil, 0), // a code is never sent twice
		}, nil
	})
	return err
}

// newBreaker returns a breaker whose state a metric shows.
func newBreaker(appid, api string) *apicall.Breaker {
	gauge := metrics.Breaker.WithLabelValues(appid, api)
	gauge.Set(0)
	return apicall.NewBreaker(func(change apicall.StateChange) { gauge.Set(float64(change.To)) })
}

// load returns the value that a pool has for what shapes it, or a new one, and notes that a must let go of it.
func load[T caddy.Destructor](a *Account, pool *caddy.UsagePool, shape []any, open func() (T, error)) (T, error) {
	written, err := json.Marshal(shape)
	if err != nil {
		var none T
		return none, err
	}
	sum := sha256.Sum256(written) // the shape holds secrets; the key need not
	key := hex.EncodeToString(sum[:])
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return open() })
	if err != nil {
		var none T
		return none, err
	}
	a.closers = append(a.closers, func() { _, _ = pool.Delete(key) })
	return value.(T), nil
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

// retire lets go of all that provision took hold of, as soon as no request needs it. It is called once, also after a
// provisioning that failed.
func (a *Account) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retired = true
	a.closeIfUnused()
}

// closeIfUnused lets go, the last first. a.mu is held.
func (a *Account) closeIfUnused() {
	if !a.retired || a.refs > 0 {
		return
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

// countLookup counts CloudIDs that did not have to be asked for.
func countLookup(found opendata.Lookup) {
	metrics.CacheHits.Add(float64(found.Cached))
	metrics.Coalesced.Add(float64(found.Coalesced))
}

// observe counts a call of WeChat.
func observe(call wechat.Call) {
	metrics.WeChatCalls.WithLabelValues(call.API, wechat.MetricLabel(call.Err)).Inc()
	metrics.CallDuration.WithLabelValues(call.API).Observe(call.Duration.Seconds())
	if call.IDs > 0 {
		metrics.IDsPerCall.Observe(float64(call.IDs))
	}
}
