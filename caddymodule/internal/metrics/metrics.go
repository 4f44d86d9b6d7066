// Package metrics holds the gateway's Prometheus collectors, all named caddy_cloudid_*.
//
// Each account has its own. They live as long as what an account keeps over config reloads, so that the counts go on although Caddy
// gives every config a registry of its own.
package metrics

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "caddy"
	subsystem = "cloudid"
)

// Account has what is counted of one account. It may be used by many goroutines at once.
type Account struct {
	appid string
	made  atomic.Pointer[Counts] // nil until something is counted

	mu       sync.Mutex
	breakers map[string]float64 // the states that are shown, by API
}

// NewAccount returns the metrics of an account; for "", those of requests that name no known account.
func NewAccount(appid string) *Account {
	return &Account{appid: appid}
}

// Counts returns the account's collectors. They are made when something is counted for the first time, since a gateway may have
// hundreds of accounts, most of which are idle.
func (a *Account) Counts() *Counts {
	if counts := a.made.Load(); counts != nil {
		return counts
	}
	a.made.CompareAndSwap(nil, newCounts(a.appid))
	return a.made.Load()
}

// ShowBreaker shows the state of an API's breaker.
func (a *Account) ShowBreaker(api string, state float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.breakers == nil {
		a.breakers = make(map[string]float64)
	}
	a.breakers[api] = state
}

// HideBreaker no longer shows the state of an API's breaker.
func (a *Account) HideBreaker(api string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.breakers, api)
}

// Counts holds the collectors of one account. All have the label appid, which is set already; no label ever holds what a client, a
// function or WeChat may choose freely.
type Counts struct {
	Invocations         Counters
	IDs                 Counters
	WeChatCalls         *prometheus.CounterVec
	CallDuration        *prometheus.HistogramVec
	IDsPerCall          prometheus.Observer
	CacheHits           prometheus.Counter
	Coalesced           prometheus.Counter
	WatermarkMismatches prometheus.Counter
	TokenFetches        *prometheus.CounterVec
	Logins              *prometheus.CounterVec
	LimitHits           *prometheus.CounterVec
	SessionsRejected    *prometheus.CounterVec
	AddedBytes          prometheus.Counter

	appid string
	all   []prometheus.Collector
}

// Counters are counters that one label tells apart, for what every call counts: a counter is found by the label's value alone, where a
// CounterVec hashes all labels and compares them.
type Counters struct {
	vec  *prometheus.CounterVec
	made sync.Map // of prometheus.Counter, by the label's value
}

// With returns the counter of a value of the label. There must be few.
func (c *Counters) With(value string) prometheus.Counter {
	if made, ok := c.made.Load(value); ok {
		return made.(prometheus.Counter)
	}
	counter := c.vec.WithLabelValues(value)
	c.made.Store(value, counter)
	return counter
}

func newCounts(appid string) *Counts {
	c := &Counts{appid: appid}
	c.Invocations.vec = c.counters("invocations_total", "Requests through the cloudid directive, by account and by what became of their event: untouched, resolved, partial, failed, rejected (4xx), upstream_error (5xx), canceled (the client went away).", "outcome")
	c.IDs.vec = c.counters("ids_total", "CloudIDs resolved, for events and for functions, by account and result: ok, a -6010xx code, or other.", "code")
	c.WeChatCalls = c.counters("wechat_calls_total", "Calls of WeChat's API, by account, API and errcode (0: success; timeout, network, response: none came or it could not be read).", "api", "errcode")
	c.CallDuration = c.histograms("wechat_call_duration_seconds", "How long WeChat took to respond, by account and API.", prometheus.ExponentialBuckets(0.005, 2, 11), "api")
	c.IDsPerCall = c.histograms("ids_per_call", "CloudIDs asked for in one call of getopendata, by account.", []float64{1, 2, 3, 4, 5, 10, 20}).WithLabelValues()
	c.CacheHits = c.counter("cache_hits_total", "CloudIDs whose open data was in the cache, by account.")
	c.Coalesced = c.counter("coalesced_ids_total", "CloudIDs that waited for a call under way instead of making one, by account.")
	c.WatermarkMismatches = c.counter("watermark_mismatches_total", "Open data rejected because its watermark names another AppID, by account.")
	c.TokenFetches = c.counters("token_fetches_total", "Access tokens fetched, by account and result: ok or failed.", "result")
	c.Logins = c.counters("logins_total", "Requests through wechat_login, by account and result: ok, an errcode of WeChat, timeout, network, response (it could not be read), not_called (the breaker is open, or max_calls are in flight), code_may_be_used, rejected (it was no login), canceled (the client went away), other.", "result")
	c.LimitHits = c.counters("limit_hits_total", "How often a limit of the account was reached: limit (CloudIDs of one user; explicit ones were rejected, guesses left as they were) or max_calls (a call did not get its turn in time).", "limit")
	c.SessionsRejected = c.counters("sessions_rejected_total", "Requests that wechat_session rejected with 401, by account and reason: missing, several, malformed, account, purpose, signature, expired, unknown_account.", "reason")
	c.AddedBytes = c.counter("added_bytes_total", "Bytes that rewritten bodies are longer than those received, by account.")
	return c
}

// Register has a config's registry show the collectors of the accounts that it is given when the registry is read. One that shows
// accounts already goes on to show those.
func Register(registry prometheus.Registerer, accounts func() []*Account) error {
	err := registry.Register(collector(accounts))
	if _, registered := errors.AsType[prometheus.AlreadyRegisteredError](err); registered {
		return nil
	}
	return err
}

// collector shows the collectors of several accounts, each of which has the same metrics.
type collector func() []*Account

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	to <- breakerState
	for _, one := range newCounts("").all {
		one.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, account := range c() {
		account.collect(to)
	}
}

func (a *Account) collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	breakers := maps.Clone(a.breakers)
	a.mu.Unlock()
	for api, state := range breakers {
		to <- prometheus.MustNewConstMetric(breakerState, prometheus.GaugeValue, state, a.appid, api)
	}
	counts := a.made.Load()
	if counts == nil {
		return
	}
	for _, one := range counts.all {
		one.Collect(to)
	}
}

// breakerState describes the metric that is no count.
var breakerState = prometheus.NewDesc(
	prometheus.BuildFQName(namespace, subsystem, "breaker_state"),
	"Whether WeChat is called: 0 yes, 1 on trial, 2 no, after a run of failures; by API, for each account that runs.",
	withAppID([]string{"api"}), nil)

// counter returns a counter that has no label but appid.
func (c *Counts) counter(name, help string) prometheus.Counter {
	return c.counters(name, help).WithLabelValues()
}

func (c *Counts) counters(name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, withAppID(labels))
	c.all = append(c.all, vec)
	return vec.MustCurryWith(c.label())
}

func (c *Counts) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}, withAppID(labels))
	c.all = append(c.all, vec)
	return vec.MustCurryWith(c.label()).(*prometheus.HistogramVec)
}

func (c *Counts) label() prometheus.Labels { return prometheus.Labels{"appid": c.appid} }

func withAppID(labels []string) []string { return append([]string{"appid"}, labels...) }
