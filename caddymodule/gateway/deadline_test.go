package gateway_test

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(deadline{})
	httpcaddyfile.RegisterHandlerDirective("test_deadline", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		h.NextArg()
		after, err := time.ParseDuration(h.Val())
		return deadline{After: after}, err
	})
}

// deadline is a handler that gives those behind it only so much time.
type deadline struct{ After time.Duration }

func (deadline) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_deadline", New: func() caddy.Module { return new(deadline) }}
}

func (d deadline) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, cancel := context.WithTimeout(r.Context(), d.After)
	defer cancel()
	return next.ServeHTTP(w, r.WithContext(ctx))
}
