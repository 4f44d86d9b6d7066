// Package metrics holds the gateway's Prometheus collectors, all named caddy_cloudid_*. There is one set a process: the
// counts go on over config reloads, although Caddy gives every config a registry of its own.
package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "caddy"
	subsystem = "cloudid"
)

// The collectors. No label ever holds what a client, a function or WeChat may choose freely.
var (
	Invocations         = newCounterVec("invocations_total", "Requests through the cloudid directive, by account and by what became of their event: untouched, resolved, partial, failed, rejected (4xx), upstream_error (5xx), canceled (the client went away).", "appid", "outcome")
	IDs                 = newCounterVec("ids_total", "CloudIDs resolved, for events and for functions, by account and result: ok, a -6010xx code, or other.", "appid", "code")
	WeChatCalls         = newCounterVec("wechat_calls_total", "Calls of WeChat's API, by account, API and errcode (0: success; timeout, network, response: none came or it could not be read).", "appid", "api", "errcode")
	CallDuration        = newHistogramVec("wechat_call_duration_seconds", "How long WeChat took to respond, by account and API.", prometheus.ExponentialBuckets(0.005, 2, 11), "appid", "api")
	IDsPerCall          = newHistogramVec("ids_per_call", "CloudIDs asked for in one call of getopendata, by account.", []float64{1, 2, 3, 4, 5, 10, 20}, "appid")
	CacheHits           = newCounterVec("cache_hits_total", "CloudIDs whose open data was in the cache, by account.", "appid")
	Coalesced           = newCounterVec("coalesced_ids_total", "CloudIDs that waited for a call under way instead of making one, by account.", "appid")
	WatermarkMismatches = newCounterVec("watermark_mismatches_total", "Open data rejected because its watermark names another AppID, by account.", "appid")
	TokenFetches        = newCounterVec("token_fetches_total", "Access tokens fetched, by account and result: ok or failed.", "appid", "result")
	Breaker             = newGaugeVec("breaker_state", "Whether WeChat is called: 0 yes, 1 on trial, 2 no, after a run of failures; by API, for each account that runs.", "appid", "api")
	Logins              = newCounterVec("logins_total", "Requests through wechat_login, by account and result: ok, an errcode of WeChat, timeout, network, response (it could not be read), not_called (the breaker is open, or max_calls are in flight), code_may_be_used, rejected (it was no login), canceled (the client went away), other.", "appid", "result")
	LimitHits           = newCounterVec("limit_hits_total", "How often a limit of the account was reached: limit (CloudIDs of one user; explicit ones were rejected, guesses left as they were) or max_calls (a call did not get its turn in time).", "appid", "limit")
	SessionsRejected    = newCounterVec("sessions_rejected_total", "Requests that wechat_session rejected with 401, by account and reason: missing, several, malformed, account, purpose, signature, expired, unknown_account.", "appid", "reason")
	AddedBytes          = newCounterVec("added_bytes_total", "Bytes that rewritten bodies are longer than those received, by account.", "appid")
)

var all []prometheus.Collector

// Register adds the collectors to a config's registry. Modules of one config may all call it.
func Register(registry *prometheus.Registry) error {
	for _, collector := range all {
		if err := registry.Register(collector); err != nil {
			if _, known := errors.AsType[prometheus.AlreadyRegisteredError](err); !known {
				return err
			}
		}
	}
	return nil
}

func register[C prometheus.Collector](collector C) C {
	all = append(all, collector)
	return collector
}

func newCounterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return register(prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels))
}

func newGaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return register(prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels))
}

func newHistogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return register(prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}, labels))
}
