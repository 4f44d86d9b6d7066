package sandbox

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid_sandbox", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("cloudid_sandbox", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid_sandbox [<matcher>] {
//		allow <cidr>...
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{"allow": directive.Strings(&h.Allow, "allow <cidr>...", allow.Check)})
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
