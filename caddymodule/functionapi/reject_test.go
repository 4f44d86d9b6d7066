package functionapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// A caller whose time is over still reads a response; one that hung up does not.
func TestTheEndOfACallersContext(t *testing.T) {
	late, ok := errors.AsType[*rejection](contextError(context.DeadlineExceeded))
	if !ok || late.status != http.StatusGatewayTimeout || late.code != wechat.CodeTimeout || late.errcode != -1 {
		t.Errorf("a request whose time is over: %+v", late)
	}
	err := contextError(context.Canceled)
	if _, ok := errors.AsType[*rejection](err); ok || httpbody.Status(err) != httpbody.StatusClientClosedRequest {
		t.Errorf("a caller that hung up: %v", err)
	}

	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	full := &Handler{large: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/callFunction", strings.NewReader(strings.Repeat("x", maxBody+1)))
	if _, _, err := full.readBody(r, maxRelayedBody); httpbody.Status(err) != httpbody.StatusClientClosedRequest {
		t.Errorf("a caller that hung up while its large body waited for its turn: %v", err)
	}
}

// An older SDK sends its file back to the gateway in the way that its call came.
func TestWhereUploadsGo(t *testing.T) {
	for _, site := range []string{"http://gateway.example:8080", "https://gateway.example"} {
		r := httptest.NewRequest(http.MethodPost, site+"/admin", http.NoBody)
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
		if url := gjson.GetBytes(uploadElsewhere(r), "data.url").Str; url != site+uploadPath {
			t.Errorf("for a call of %s: %s", site, url)
		}
	}
}
