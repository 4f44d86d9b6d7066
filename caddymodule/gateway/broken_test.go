package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

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
