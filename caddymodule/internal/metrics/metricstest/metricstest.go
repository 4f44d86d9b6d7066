// Package metricstest lets tests read the collectors of package metrics without a running Caddy.
package metricstest

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// Value returns the value of caddy_cloudid_name, summed over the series that have all of these label values.
func Value(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	return probe.Sum(t, registry, name, labels...)
}
