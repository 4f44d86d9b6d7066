package inspector

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid_inspector", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("cloudid_inspector", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid_inspector [<matcher>] {
//		calls   <n>
//		capture
//		allow   <cidr>...
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{
		"calls":   directive.Int(&h.Calls, 1, maxCalls, "calls <n>"),
		"capture": directive.Flag(&h.Capture),
		"allow":   directive.Strings(&h.Allow, "allow <cidr>...", allow.Check),
	})
}
