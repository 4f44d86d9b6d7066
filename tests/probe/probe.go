// Package probe is how tests look at what happens beside the responses: at metrics, and in the background.
package probe

import (
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Metric returns the value of caddy_cloudid_name in the Caddy that runs in this process, as Sum does.
func Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	ctx := caddy.ActiveContext()
	return Sum(t, ctx.GetMetricsRegistry(), name, labels...)
}

// Sum returns the value of caddy_cloudid_name, summed over the series that have all of these label values: of a counter
// or gauge its value, of a histogram the number of observations.
func Sum(t testing.TB, metrics prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "caddy_cloudid_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			var values []string
			for _, label := range m.GetLabel() {
				values = append(values, label.GetValue())
			}
			if !slices.ContainsFunc(labels, func(label string) bool { return !slices.Contains(values, label) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// Eventually polls until done, and fails the test when that takes too long.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
