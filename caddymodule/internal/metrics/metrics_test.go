package metrics

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// shown returns the samples that a scrape of these accounts has, but for zeros: collectors without labels show one from the first count
// on.
func shown(t *testing.T, accounts ...*Account) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry() // which checks that what is collected was described
	if err := Register(registry, func() []*Account { return accounts }); err != nil {
		t.Fatal(err)
	}
	return scrape(registry)
}

func scrape(registry *prometheus.Registry) (samples []string) {
	response := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(response.Body.String()) {
		if !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0\n") {
			samples = append(samples, strings.TrimSuffix(line, "\n"))
		}
	}
	return samples
}

func TestWhatAScrapeShows(t *testing.T) {
	for _, test := range []struct {
		sentence string
		do       func(a *Account)
		want     []string // without caddy_cloudid_
	}{
		{"nothing of an account that is idle", func(*Account) {}, nil},
		{"an invocation", func(a *Account) { a.Counts().Invocations.With("resolved").Inc() }, []string{`invocations_total{appid="wx1",outcome="resolved"} 1`}},
		{"invocations by outcome", func(a *Account) {
			for _, outcome := range []string{"resolved", "failed", "resolved"} {
				a.Counts().Invocations.With(outcome).Inc()
			}
		}, []string{`invocations_total{appid="wx1",outcome="failed"} 1`, `invocations_total{appid="wx1",outcome="resolved"} 2`}},
		{"CloudIDs", func(a *Account) { a.Counts().IDs.With("-601006").Add(3) }, []string{`ids_total{appid="wx1",code="-601006"} 3`}},
		{"a call", func(a *Account) { a.Counts().WeChatCalls.WithLabelValues("getopendata", "0").Inc() }, []string{`wechat_calls_total{api="getopendata",appid="wx1",errcode="0"} 1`}},
		{"how long it took, from 5 ms to 5 s", func(a *Account) { a.Counts().CallDuration.WithLabelValues("getopendata").Observe(0.005) }, []string{
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.005"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.01"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.02"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.04"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.08"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.16"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.32"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="0.64"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="1.28"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="2.56"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="5.12"} 1`,
			`wechat_call_duration_seconds_bucket{api="getopendata",appid="wx1",le="+Inf"} 1`,
			`wechat_call_duration_seconds_sum{api="getopendata",appid="wx1"} 0.005`,
			`wechat_call_duration_seconds_count{api="getopendata",appid="wx1"} 1`,
		}},
		{"how many CloudIDs a call has, up to the five of one event and above", func(a *Account) { a.Counts().IDsPerCall.Observe(1) }, []string{
			`ids_per_call_bucket{appid="wx1",le="1"} 1`,
			`ids_per_call_bucket{appid="wx1",le="2"} 1`,
			`ids_per_call_bucket{appid="wx1",le="3"} 1`,
			`ids_per_call_bucket{appid="wx1",le="4"} 1`,
			`ids_per_call_bucket{appid="wx1",le="5"} 1`,
			`ids_per_call_bucket{appid="wx1",le="10"} 1`,
			`ids_per_call_bucket{appid="wx1",le="20"} 1`,
			`ids_per_call_bucket{appid="wx1",le="+Inf"} 1`,
			`ids_per_call_sum{appid="wx1"} 1`,
			`ids_per_call_count{appid="wx1"} 1`,
		}},
		{"what the cache had", func(a *Account) { a.Counts().CacheHits.Inc() }, []string{`cache_hits_total{appid="wx1"} 1`}},
		{"what was waited for", func(a *Account) { a.Counts().Coalesced.Inc() }, []string{`coalesced_ids_total{appid="wx1"} 1`}},
		{"open data of another app", func(a *Account) { a.Counts().WatermarkMismatches.Inc() }, []string{`watermark_mismatches_total{appid="wx1"} 1`}},
		{"a token", func(a *Account) { a.Counts().TokenFetches.WithLabelValues("ok").Inc() }, []string{`token_fetches_total{appid="wx1",result="ok"} 1`}},
		{"a login", func(a *Account) { a.Counts().Logins.WithLabelValues("ok").Inc() }, []string{`logins_total{appid="wx1",result="ok"} 1`}},
		{"a limit", func(a *Account) { a.Counts().LimitHits.WithLabelValues("max_calls").Inc() }, []string{`limit_hits_total{appid="wx1",limit="max_calls"} 1`}},
		{"a session", func(a *Account) { a.Counts().SessionsRejected.WithLabelValues("expired").Inc() }, []string{`sessions_rejected_total{appid="wx1",reason="expired"} 1`}},
		{"bytes", func(a *Account) { a.Counts().AddedBytes.Add(17) }, []string{`added_bytes_total{appid="wx1"} 17`}},
		{"breakers, and nothing else while nothing is counted", func(a *Account) {
			a.ShowBreaker("getopendata", 1)
			a.ShowBreaker("getopendata", 2)
			a.ShowBreaker("relay", 1)
		}, []string{`breaker_state{api="getopendata",appid="wx1"} 2`, `breaker_state{api="relay",appid="wx1"} 1`}},
		{"no breaker that is hidden", func(a *Account) {
			a.ShowBreaker("getopendata", 2)
			a.ShowBreaker("relay", 1)
			a.HideBreaker("getopendata")
		}, []string{`breaker_state{api="relay",appid="wx1"} 1`}},
	} {
		a := NewAccount("wx1")
		test.do(a)
		var want []string
		for _, sample := range test.want {
			want = append(want, "caddy_cloudid_"+sample)
		}
		if got := shown(t, a, NewAccount("wx2"), NewAccount("")); !slices.Equal(got, want) {
			t.Errorf("%s: it shows\n%s\nwant\n%s", test.sentence, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestAccountsAreShownSideBySide(t *testing.T) {
	var accounts []*Account
	for _, appid := range []string{"", "wx1", "wx2"} {
		a := NewAccount(appid)
		a.Counts().Logins.WithLabelValues("ok").Inc()
		a.ShowBreaker("relay", 1)
		accounts = append(accounts, a)
	}
	want := []string{
		`caddy_cloudid_breaker_state{api="relay",appid=""} 1`, `caddy_cloudid_breaker_state{api="relay",appid="wx1"} 1`, `caddy_cloudid_breaker_state{api="relay",appid="wx2"} 1`,
		`caddy_cloudid_logins_total{appid="",result="ok"} 1`, `caddy_cloudid_logins_total{appid="wx1",result="ok"} 1`, `caddy_cloudid_logins_total{appid="wx2",result="ok"} 1`,
	}
	if got := shown(t, accounts...); !slices.Equal(got, want) {
		t.Errorf("it shows\n%s", strings.Join(got, "\n"))
	}
}

// Whoever counts first makes the collectors; nothing that others count meanwhile is lost.
func TestCountsOfManyGoroutines(t *testing.T) {
	for range 20 {
		a := NewAccount("wx1")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				a.Counts().Invocations.With("resolved").Inc()
				a.ShowBreaker("relay", 1)
				shown(t, a)
			})
		}
		wg.Wait()
		want := []string{`caddy_cloudid_breaker_state{api="relay",appid="wx1"} 1`, `caddy_cloudid_invocations_total{appid="wx1",outcome="resolved"} 8`}
		if got := shown(t, a); !slices.Equal(got, want) {
			t.Fatalf("it shows %v", got)
		}
	}
}

// Every call counts, so the collectors are made once.
func TestCountingOnceMoreMakesNothing(t *testing.T) {
	a := NewAccount("wx1")
	if n := testing.AllocsPerRun(100, func() { a.Counts().CacheHits.Inc() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRegister(t *testing.T) {
	one := NewAccount("wx1")
	one.ShowBreaker("relay", 1)
	for _, test := range []struct {
		sentence string
		before   func(*prometheus.Registry) error
		fails    bool
		want     []string
	}{
		{"a registry of its own", func(*prometheus.Registry) error { return nil }, false, []string{`caddy_cloudid_breaker_state{api="relay",appid="wx1"} 1`}},
		{"one that shows accounts goes on to show those", func(r *prometheus.Registry) error {
			other := NewAccount("wx2")
			other.ShowBreaker("relay", 2)
			return Register(r, func() []*Account { return []*Account{other} })
		}, false, []string{`caddy_cloudid_breaker_state{api="relay",appid="wx2"} 2`}},
		{"one that has a metric of the same name and other labels", func(r *prometheus.Registry) error {
			return r.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "caddy_cloudid_logins_total", Help: "x"}))
		}, true, nil},
	} {
		registry := prometheus.NewRegistry()
		if err := test.before(registry); err != nil {
			t.Fatal(err)
		}
		err := Register(registry, func() []*Account { return []*Account{one} })
		if got := scrape(registry); (err != nil) != test.fails || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, and it shows %v", test.sentence, err, got)
		}
	}
}
