package functionapi

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid_api", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("cloudid_api", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, account.CheckNamed(h, handler.Account, "")
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid_api [<matcher>] {
//		account   <appid>
//		allow     <cidr>...
//		trust     <cidr>...
//		openapi   <name>...|*
//		relay     <path>...
//		functions <url>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{
		"account":   directive.String(&h.Account, "account <appid>"),
		"allow":     directive.Strings(&h.Allow, "allow <cidr>...", allow.Check),
		"trust":     directive.Strings(&h.Trust, "trust <cidr>...", allow.Check),
		"openapi":   directive.Strings(&h.OpenAPI, "openapi <name>...|*", placeholder.Check(checkOpenAPI).CheckWord),
		"relay":     directive.Strings(&h.Relay, "relay <path>...", placeholder.Check(checkRelay).CheckWord),
		"functions": directive.String(&h.Functions, "functions <url>", placeholder.Check(checkFunctionURL).CheckLoadedWord),
	})
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
