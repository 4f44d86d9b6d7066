package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// What reverse_proxy does not turn into an Upgrade goes on as a request with the client's body.
func TestExtendedConnect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		it       string
		major    int
		proto    string
		protocol string // the pseudo header of HTTP/2
		status   int
	}{
		{"a plain CONNECT of HTTP/1.1", 1, "HTTP/1.1", "", 501},
		{"a header of HTTP/1.1 that looks like the pseudo header", 1, "HTTP/1.1", "websocket", 501},
		{"a plain CONNECT of HTTP/2", 2, "HTTP/2.0", "", 501},
		{"a WebSocket by HTTP/2", 2, "HTTP/2.0", "websocket", 0},
		{"another protocol by HTTP/2", 2, "HTTP/2.0", "json", 501},
		{"a WebSocket by HTTP/2 in another spelling", 2, "HTTP/2.0", "WebSocket", 501},
		{"what is a WebSocket only to HTTP/3", 2, "websocket", "", 501},
		{"a plain CONNECT of HTTP/3", 3, "HTTP/3.0", "", 501},
		{"a WebSocket by HTTP/3", 3, "websocket", "", 0},
		{"another protocol by HTTP/3", 3, "webtransport", "", 501},
		{"what is a WebSocket only to HTTP/2", 3, "HTTP/3.0", "websocket", 501},
	} {
		t.Run(c.it, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodConnect, "/fn", http.NoBody)
			r.ProtoMajor, r.Proto = c.major, c.proto
			if c.protocol != "" {
				r.Header[":protocol"] = []string{c.protocol}
			}
			for _, guarded := range []bool{true, false} {
				want := c.status
				if !guarded {
					want = 0
				}
				err := (&Handler{guarded: guarded}).checkConnect(r, &call{record: new(invocation.Live)})
				if err == nil && want != 0 || err != nil && httpbody.Status(err) != want {
					t.Errorf("guarded %t: %v, want status %d", guarded, err, want)
				}
			}
		})
	}
}
