package functionapi

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("cloudid_api", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("cloudid_api", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	cloudid_api [<matcher>] {
//		account <appid>
//		trust   <cidr>...
//		relay   <path>...
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("cloudid_api takes a matcher and a block, not %q", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice in one cloudid_api", option)
		}
		seen[option] = true
		if err := h.unmarshalOption(d, option); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "account":
		if !d.AllArgs(&h.Account) || h.Account == "" {
			return d.Errf("account takes just an AppID: account <appid>")
		}
	case "trust":
		if h.Trust = d.RemainingArgs(); len(h.Trust) == 0 {
			return d.Errf("trust takes at least one address or range: trust <cidr>...")
		}
		for _, text := range h.Trust {
			if _, err := parsePrefix(text); err != nil {
				return d.WrapErr(err)
			}
		}
	case "relay":
		if h.Relay = d.RemainingArgs(); len(h.Relay) == 0 {
			return d.Errf("relay takes at least one path: relay <path>...")
		}
		for _, path := range h.Relay {
			if err := checkRelay(path); err != nil {
				return d.WrapErr(err)
			}
		}
	default:
		return d.Errf("unknown option %q in cloudid_api; allowed are: account, trust, relay", option)
	}
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
