package transport_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
	"github.com/caddy-cloudid/caddy-cloudid/tests/rawserver"
)

// neverAnswered counts the requests that everyKind leaves without a response.
var neverAnswered atomic.Int32

// everyKind responds as the path of a request says, in all the ways that metrics and traces tell from one another.
func everyKind(c *rawserver.Conn) {
	for req := c.Request(); req != nil; req = c.Request() {
		switch req.URL.Path {
		case "/head":
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		case "/none":
			c.Say("HTTP/1.1 204 No Content\r\n\r\n")
		case "/missing":
			c.Say("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nmissing")
		case "/hints":
			c.Say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okResponse)
		case "/chunks":
			c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		case "/garbage":
			c.Say("bye\r\n\r\n")
			return
		case "/half":
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			_ = c.Close()
			return
		case "/never":
			neverAnswered.Add(1)
			return
		case "/late":
			return
		case "/upgrade":
			c.Say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			_, _ = io.CopyN(c, c.Reader, 5)
			_ = c.Close()
			return
		default:
			c.Say(okResponse)
		}
	}
}

// requestEveryKind makes a request of each kind, and waits for its end. With field, a line of a header, it is told from others.
func (s *side) requestEveryKind(field string) {
	s.t.Helper()
	const host = " HTTP/1.1\r\nHost: site\r\n"
	sized := func(path string, size int) string {
		return fmt.Sprintf("POST %s%s%sContent-Length: %d\r\n\r\n%s", path, host, field, size, strings.Repeat("x", size))
	}
	for _, request := range []string{
		"GET /" + host + field + "\r\n", "HEAD /head" + host + field + "\r\n", "DELETE /none" + host + field + "\r\n", "GET /missing" + host + field + "\r\n",
		"GET /hints" + host + field + "\r\n", "GET /chunks" + host + field + "\r\n", "GET /garbage" + host + field + "\r\n", "GET /half" + host + field + "\r\n",
		"GET /late" + host + field + "\r\n", "GET /nobody" + host + field + "\r\n", sized("/", 4), sized("/", 100_000), sized("/", 1_000_000), sized("/missing", 4),
		"POST /" + host + field + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
	} {
		method, _, _ := strings.Cut(request, " ")
		c := s.dial().say(request)
		res := c.response(method)
		for res.StatusCode < 200 {
			res = c.response(method)
		}
		if body, err := io.ReadAll(res.Body); res.StatusCode == http.StatusOK && method != http.MethodHead && string(body) != "ok" && !strings.HasPrefix(request, "GET /half") {
			s.t.Errorf("the response to %.20q is %q, %v", request, body, err)
		}
	}
	upgraded := s.dial().say("GET /upgrade" + host + field + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	upgraded.response(http.MethodGet)
	_, _ = io.Copy(io.Discard, upgraded.say("hello").reader)
	_ = upgraded.Close()
	for _, request := range []string{"GET /never" + host + field + "\r\n", sized("/never", 4)} {
		before := neverAnswered.Load()
		c := s.dial().say(request)
		probe.Eventually(s.t, "the request is there", func() bool { return neverAnswered.Load() > before })
		time.Sleep(20 * time.Millisecond) // net/http has written all of it, and says so
		_ = c.Close()
	}
	probe.Eventually(s.t, "no request is in flight", func() bool {
		for name, value := range s.series() {
			if strings.HasPrefix(name, "caddy_http_requests_in_flight") && value != "0 0" {
				return false
			}
		}
		return true
	})
}

// series returns Caddy's series about requests: of counters and gauges the values, of histograms how much was observed, and of
// those in bytes, which no clock decides, also the sum.
func (s *side) series() map[string]string {
	s.t.Helper()
	families, err := s.caddy.Metrics().Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	found := make(map[string]string)
	for _, family := range families {
		if name := family.GetName(); !strings.HasPrefix(name, "caddy_http_") && !strings.HasPrefix(name, "caddy_reverse_proxy_") {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			value := fmt.Sprint(m.GetCounter().GetValue()+m.GetGauge().GetValue(), m.GetHistogram().GetSampleCount())
			if strings.HasSuffix(family.GetName(), "_bytes") {
				value += fmt.Sprint(" ", m.GetHistogram().GetSampleSum())
			}
			name := family.GetName() + "{" + strings.Join(labels, ",") + "}"
			found[strings.ReplaceAll(name, s.upstream.Address, "upstream")] = value
		}
	}
	return found
}

// observedSetup has an upstream that nobody listens at, and one that is too late.
var observedSetup = setup{
	global: "metrics {\nper_host\n}",
	site: "handle /nobody {\nreverse_proxy 127.0.0.1:1 {\ntransport $TRANSPORT\n}\n}\n" +
		"handle /late {\nreverse_proxy $UPSTREAM {\ntransport $TRANSPORT {\nresponse_header_timeout 200ms\n}\n}\n}",
}

// inTurn runs a test against one transport after the other, and fails where what they return differs. What is observed belongs to
// the process, so these tests do not run in parallel with others.
func inTurn(t *testing.T, s setup, run func(s *side) map[string]string) {
	t.Helper()
	seen := make(map[string]map[string]string)
	bothTransports(t, s, everyKind, func(s *side) {
		seen[s.name] = run(s)
		s.caddy.Stop(s.t)
	})
	all := maps.Clone(seen["http"])
	maps.Copy(all, seen["http1"])
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if seen["http"][name] != seen["http1"][name] {
			t.Errorf("%s:\nwith transport http  %s\nwith transport http1 %s", name, seen["http"][name], seen["http1"][name])
		}
	}
}

// What Caddy counts of requests is the same.
func TestMetrics(t *testing.T) {
	for _, site := range []string{"", "held_body\n"} {
		t.Run(site, func(t *testing.T) {
			s := observedSetup
			s.site = site + s.site
			inTurn(t, s, func(s *side) map[string]string {
				s.requestEveryKind("")
				all := s.series()
				maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, "caddy_reverse_proxy_") })
				for _, code := range []string{"101", "200", "204", "404", "499", "502", "504"} {
					if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(name string) bool {
						return strings.HasPrefix(name, "caddy_http_request_size_bytes") && strings.Contains(name, "code="+code+",")
					}) {
						s.t.Errorf("no request with %s is counted in %v", code, slices.Sorted(maps.Keys(all)))
					}
				}
				return all
			})
		})
	}
}

// caddy_reverse_proxy_upstreams_healthy is set when a config is loaded, and every ten seconds, after which it has the upstreams of the
// last reverse_proxy that was set up.
func TestTheMetricOfHealthyUpstreams(t *testing.T) {
	bothTransports(t, setup{proxy: "fail_duration 1m"}, func(c *rawserver.Conn) { c.Request(); _ = c.Close() }, func(s *side) {
		const series = "caddy_reverse_proxy_upstreams_healthy{upstream=upstream}"
		probe.Eventually(s.t, "the upstream is healthy", func() bool { return s.series()[series] == "1 0" })
		s.dial().say(get("/")).wantResponse(http.StatusBadGateway, "")
		s.caddyfile += "\n# another configuration\n"
		s.caddy.Reload(s.t, s.caddyfile)
		probe.Eventually(s.t, "the upstream is not healthy", func() bool { return s.series()[series] == "0 0" })
	})
}

// spans is an exporter of OpenTelemetry that keeps what it is given.
var spans spanExporter

type spanExporter struct {
	mu   sync.Mutex
	kept []sdktrace.ReadOnlySpan
}

func init() {
	autoexport.RegisterSpanExporter("kept", func(context.Context) (sdktrace.SpanExporter, error) { return &spans, nil })
}

func (e *spanExporter) ExportSpans(_ context.Context, ended []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, ended...)
	return nil
}

func (*spanExporter) Shutdown(context.Context) error { return nil }

// take returns the spans since it was last asked.
func (e *spanExporter) take() []sdktrace.ReadOnlySpan {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := e.kept
	e.kept = nil
	return kept
}

// describe says all of a span that chance does not decide.
func describe(span sdktrace.ReadOnlySpan) string {
	var attributes []string
	for _, a := range span.Attributes() {
		if !strings.HasSuffix(string(a.Key), ".port") {
			attributes = append(attributes, string(a.Key)+"="+a.Value.String())
		}
	}
	slices.Sort(attributes)
	var events []string
	for _, e := range span.Events() {
		events = append(events, fmt.Sprint(e.Name, e.Attributes))
	}
	return fmt.Sprintln(span.Name(), span.SpanKind(), span.Parent().SpanID(), span.Status(), events, attributes)
}

func attributeOf(span sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, a := range span.Attributes() {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// Behind `tracing`, the upstream is told of the span, whose parent is the client's, and the spans are the same.
func TestTracing(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "kept")
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	const field = "Traceparent: 00-" + traceID + "-b7ad6b7169203331-01\r\nTracestate: a=b\r\nBaggage: c=d\r\n"
	for _, site := range []string{"tracing {\nspan name-of-the-span\n}\n", "route {\nheld_body\ntracing\n}\n"} {
		t.Run(site, func(t *testing.T) {
			s := observedSetup
			s.site = site + s.site
			inTurn(t, s, func(s *side) map[string]string {
				_ = spans.take()
				s.requestEveryKind(field)
				s.caddy.Stop(s.t)
				all := make(map[string]string)
				for _, span := range spans.take() {
					kind := attributeOf(span, "http.request.method") + " " + attributeOf(span, "url.path") + " " + attributeOf(span, "http.request.body.size")
					all[kind] += describe(span)
					if got := span.SpanContext().TraceID().String(); got != traceID {
						s.t.Errorf("the span of %s is of the trace %s", kind, got)
					}
				}
				if len(all) < 15 {
					s.t.Errorf("there are spans of %v", slices.Sorted(maps.Keys(all)))
				}
				return all
			})
		})
	}
}

// The upstream receives the identity of the span, and what else belongs to the trace, whoever began it.
func TestTraceContextReachesTheUpstream(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "kept")
	received := make(chan http.Header, 1)
	for _, site := range []string{"tracing", "tracing\nheld_body"} {
		for _, sent := range []string{"", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=b\r\nBaggage: c=d\r\n"} {
			t.Run(site+" "+sent, func(t *testing.T) {
				bothTransports(t, setup{site: site}, func(c *rawserver.Conn) {
					for req := c.Request(); req != nil; req = c.Request() {
						received <- req.Header
						c.Say(okResponse)
					}
				}, func(s *side) {
					_ = spans.take()
					c := s.dial()
					var got []http.Header
					for _, size := range []int{4, 100_000, 1_000_000} {
						c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: site\r\n%sContent-Length: %d\r\n\r\n%s", sent, size, strings.Repeat("x", size))).wantResponse(http.StatusOK, "ok")
						got = append(got, <-received)
					}
					s.caddy.Stop(s.t)
					ended := spans.take()
					if len(ended) != len(got) {
						t.Fatalf("%d spans of %d requests", len(ended), len(got))
					}
					for i, header := range got {
						span := ended[i].SpanContext()
						if want := fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID()); header.Get("Traceparent") != want {
							s.t.Errorf("the upstream was told %q, want %q", header["Traceparent"], want)
						}
						if sent != "" && (ended[i].Parent().SpanID().String() != "b7ad6b7169203331" || header.Get("Tracestate") != "a=b" || header.Get("Baggage") != "c=d") {
							s.t.Errorf("the parent is %s; the upstream was told %v", ended[i].Parent().SpanID(), header)
						}
					}
				})
			})
		}
	}
}
