package account

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// accountMetrics are an account's metrics. They are in the pool, so that a config counts on where the one before it stopped.
type accountMetrics struct {
	*metrics.Account

	mu      sync.Mutex
	running []runningBreaker // of the configs that run, in the order in which they were started
}

// Metrics returns the collectors of one of the accounts, or for nil those of requests that are about no account that is known.
func (a *App) Metrics(one *Account) *metrics.Counts {
	if one == nil {
		return a.unknown.Counts()
	}
	return one.metrics.Counts()
}

// showMetrics shows the collectors of all accounts in the config's registry. That of a config with an admin endpoint shows them already
// (see AdminAPI).
func (a *App) showMetrics(registry prometheus.Registerer) error {
	var endpoints []string
	for _, one := range a.Accounts {
		a.metrics, endpoints = append(a.metrics, one.metrics.Account), append(endpoints, one.Endpoint)
	}
	slices.Sort(endpoints)
	a.unknown = load(&a.pooled, "metrics without an account", []any{slices.Compact(endpoints)}, func() *pooled[*metrics.Account] {
		return &pooled[*metrics.Account]{value: metrics.NewAccount("")}
	})
	a.metrics = append(a.metrics, a.unknown)
	return metrics.Register(registry, func() []*metrics.Account { return a.metrics })
}

// open returns the account's source of access tokens, whose fetches are counted.
func (m *accountMetrics) open(tokens TokenModule, appid string, client *wechat.Client) apicall.TokenSource {
	source := tokens.Open(appid, client)
	if cache, ok := source.(*tokenCache); ok {
		cache.observer = m.countFetch
	}
	return source
}

// countFetch counts an access token that was fetched, or could not be.
func (m *accountMetrics) countFetch(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.Counts().TokenFetches.WithLabelValues(result).Inc()
}

// countLookup counts CloudIDs that did not have to be asked for.
func (m *accountMetrics) countLookup(found opendata.Lookup) {
	m.Counts().CacheHits.Add(float64(found.Cached))
	m.Counts().Coalesced.Add(float64(found.Coalesced))
	if found.Limited > 0 {
		m.Counts().LimitHits.WithLabelValues("limit").Inc()
	}
}
