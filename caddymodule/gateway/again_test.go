package gateway_test

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// recorder is the response to a request that no client sent.
type recorder struct {
	header http.Header
	status int
}

func newRecorder() *recorder { return &recorder{header: make(http.Header)} }

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (w *recorder) WriteHeader(status int)      { w.status = status }

// sendAgain sends a request through the handler that made a record, in the name of a user, as the inspector does.
func sendAgain(t *testing.T, w http.ResponseWriter, r *http.Request, record *invocation.Record, appid, openid string) {
	t.Helper()
	r = r.WithContext(invocation.WithCaller(r.Context(), invocation.Credentials{AppID: appid, OpenID: openid}))
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	if err := record.Capture.Again(w, r); err != nil {
		t.Fatal(err)
	}
}
