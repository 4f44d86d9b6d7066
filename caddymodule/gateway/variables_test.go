package gateway_test

import (
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(unchanged{})
	httpcaddyfile.RegisterHandlerDirective("test_unchanged", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return unchanged{}, nil
	})
}

// unchanged is a handler that fails if those behind it change the request's variables.
type unchanged struct{}

func (unchanged) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_unchanged", New: func() caddy.Module { return new(unchanged) }}
}

func (unchanged) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	variables := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	before := maps.Clone(variables)
	if err := next.ServeHTTP(w, r); err != nil {
		return err
	}
	for name, value := range before {
		if variables[name] != value {
			return caddyhttp.Error(http.StatusInternalServerError, errors.New(name+" changed"))
		}
	}
	return nil
}

// Caddy's transport goes on to dial for a client who has gone, and reads the request's variables meanwhile, without a lock. A `cloudid` in
// an error route runs at that moment.
func TestASecondHandlerChangesNoVariables(t *testing.T) {
	t.Parallel()
	g := start(t, setup{site: "route {\n$CLOUDID\ntest_unchanged\ncloudid {\nopenid " + user + "\n}\n}"})
	if got := g.do(call{body: example}); got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}
