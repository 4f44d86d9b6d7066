package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/transport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// A response that breaks off ends its call as any other does: it is in the inspector, and in the log.
func TestAResponseThatBreaksOff(t *testing.T) {
	t.Parallel()
	half := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, transport := range []string{"http", "http1"} {
		t.Run(transport, func(t *testing.T) {
			g := start(t, setup{level: "DEBUG", upstream: half, site: "$CLOUDID\nreverse_proxy $UPSTREAM {\ntransport " + transport + "\n}"})
			seen := observe(g, 0)
			res, err := g.client.Do(call{body: example}.request(t.Context(), g.url))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("the client got %q, and takes it for the whole", body)
			}
			records := seen.take(t, 2)
			if last := records[1]; !last.Done || last.Status != http.StatusOK || last.Sizes.Response != 4 || !strings.Contains(last.Cause, "broke off") {
				t.Errorf("the record is %+v", last)
			}
			probe.Eventually(t, "the log says so", func() bool { return len(g.log.Lines(t, `"invocation"`, "broke off")) == 1 })
		})
	}
}

// Who looks at a call that got no response is told why, in a text that no client can make long.
func TestWhyACallGotNoResponse(t *testing.T) {
	t.Parallel()
	const proxy = "$CLOUDID\nreverse_proxy $UPSTREAM"
	for _, test := range []struct {
		it, site string
		function http.HandlerFunc
		status   int
		cause    string // a part of it; "": there is none
	}{
		{"the function responds with an error", proxy, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 502, ""},
		{"nothing listens", "$CLOUDID\nreverse_proxy 127.0.0.1:1", nil, 502, "the function cannot be reached: dial tcp 127.0.0.1:1: "},
		{"the client chooses what is dialed", "$CLOUDID\nreverse_proxy {http.request.header.X-Dial}:80", nil, 502, "the function cannot be reached: "},
		{"the function breaks down", proxy, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, "it may have crashed"},
		{
			"the function is slow", "$CLOUDID\nreverse_proxy $UPSTREAM {\ntransport http {\nresponse_header_timeout 10ms\n}\n}",
			func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}, 504, "did not respond in time",
		},
		{"a handler in between rejects it", "route {\n$CLOUDID\nerror no 403\n}", nil, 403, "a handler behind cloudid rejected the call"},
		{"a handler in between fails", "route {\n$CLOUDID\nerror no 500\n}", nil, 500, "or a handler in front of it, failed"},
	} {
		t.Run(test.it, func(t *testing.T) {
			s := setup{level: "DEBUG", site: test.site}
			if test.function != nil {
				s.upstream = test.function
			}
			g := start(t, s)
			seen := observe(g, 0)
			got := g.do(call{header: map[string]string{"X-Dial": strings.Repeat("x", 9000)}, body: example})
			last := seen.take(t, 2)[1]
			if got.status != test.status || last.Status != test.status || !last.Done || last.Timing.Function <= 0 {
				t.Errorf("status %d, and the record is %+v", got.status, last)
			}
			if !strings.Contains(last.Cause, test.cause) || (test.cause == "") != (last.Cause == "") || len(last.Cause) > 2*invocation.MaxName {
				t.Errorf("the cause is %q", last.Cause)
			}
			probe.Eventually(t, "the log says the same", func() bool { return len(g.logLines(`"invocation"`)) == 1 })
			if line := g.logLines(`"invocation"`)[0]; strings.Contains(line, `"cause":`) != (test.cause != "") || !strings.Contains(line, test.cause) {
				t.Errorf("the log says %s", line)
			}
		})
	}
}
