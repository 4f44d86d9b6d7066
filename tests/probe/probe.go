// Package probe is how tests look at what happens beside the answers: at metrics, and in the background.
package probe

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/metrics"
)

// Metric returns what caddy_cloudid_name has come to, summed over those whose label values are all among these: of a
// counter or gauge its value, of a histogram how often it was observed.
func Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "caddy_cloudid_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			matches := true
			for _, label := range m.GetLabel() {
				matches = matches && slices.Contains(labels, label.GetValue())
			}
			if matches {
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
