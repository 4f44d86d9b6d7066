package sandbox

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid_sandbox", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("cloudid_sandbox", httpcaddyfile.Before, "respond")
}

// parseCaddyfile reads the directive:
//
//	cloudid_sandbox [<matcher>]
func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // consume directive name
	if h.NextArg() {
		return nil, h.Errf("unexpected argument %q: cloudid_sandbox takes a matcher and nothing else", h.Val())
	}
	if h.NextBlock(0) {
		return nil, h.Errf("unknown option %q: cloudid_sandbox has no options", h.Val())
	}
	return new(Handler), nil
}
