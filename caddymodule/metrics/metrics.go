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
	Invocations = counters("invocations_total", "Requests through the cloudid directive, by what became of their event.", "outcome")
	IDs         = counters("ids_total", "CloudIDs answered, to events and to functions, by the result: ok, a -6010xx code, or other.", "code")
	WeChatCalls = counters("wechat_calls_total", "Calls of WeChat's API, by API and errcode (0: success; timeout, network, answer: none came or it could not be read).", "api", "errcode")
	Duration    = histograms("wechat_call_duration_seconds", "How long WeChat took to answer.", prometheus.ExponentialBuckets(0.005, 2, 11), "api")
	IDsPerCall  = histogram("ids_per_call", "CloudIDs asked for in one call of getopendata.", []float64{1, 2, 3, 4, 5, 10, 20})
	CacheHits   = counter("cache_hits_total", "CloudIDs answered from the cache.")
	Coalesced   = counter("coalesced_ids_total", "CloudIDs that waited for a call under way instead of making one.")
	Mismatches  = counter("watermark_mismatches_total", "Answers refused because their watermark names another AppID.")
	TokenFetch  = counters("token_fetches_total", "Access tokens fetched, by account and result: ok or failed.", "appid", "result")
	Breaker     = gauges("breaker_state", "Whether WeChat is called: 0 yes, 1 on trial, 2 no, after a run of failures.", "appid", "api")
	BytesAdded  = counter("added_bytes_total", "Bytes that rewritten bodies are longer than those received.")
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

func keep[C prometheus.Collector](collector C) C {
	all = append(all, collector)
	return collector
}

func counter(name, help string) prometheus.Counter {
	return keep(prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}))
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return keep(prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels))
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return keep(prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels))
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return keep(prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}))
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return keep(prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}, labels))
}
