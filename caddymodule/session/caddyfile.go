package session

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("wechat_login", parseLogin)
	httpcaddyfile.RegisterDirectiveOrder("wechat_login", httpcaddyfile.Before, "respond")
	httpcaddyfile.RegisterHandlerDirective("wechat_session", parseSession)
	httpcaddyfile.RegisterDirectiveOrder("wechat_session", httpcaddyfile.After, "basic_auth")
}

func parseLogin(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	login := new(Login)
	return login, login.UnmarshalCaddyfile(h.Dispenser)
}

func parseSession(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	session := new(Session)
	if err := session.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return caddyauth.Authentication{
		ProvidersRaw: caddy.ModuleMap{"wechat": h.JSON(session)},
	}, nil
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	wechat_login [<matcher>] {
//		account <appid>
//		ttl     <duration>
//	}
func (l *Login) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshal(d, map[string]func() error{
		"account": func() error { return appID(d, &l.Account) },
		"ttl":     func() error { return ttl(d, &l.TTL) },
	})
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	wechat_session [<matcher>] {
//		account <appid>
//	}
func (s *Session) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshal(d, map[string]func() error{
		"account": func() error { return appID(d, &s.Account) },
	})
}

// unmarshal reads a directive that takes nothing but a block of options, each at most once.
func unmarshal(d *caddyfile.Dispenser, options map[string]func() error) error {
	d.Next() // the directive's name
	directive := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no arguments but a matcher, not %q; its options go into a block: %[1]s { account <appid> }", directive, d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		read, ok := options[option]
		if !ok {
			allowed := strings.Join(slices.Sorted(maps.Keys(options)), ", ")
			return d.Errf("unknown option %q in %s; allowed: %s", option, directive, allowed)
		}
		if seen[option] {
			return d.Errf("%s is given twice in %s; keep one of them", option, directive)
		}
		seen[option] = true
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func appID(d *caddyfile.Dispenser, to *string) error {
	if !d.AllArgs(to) || *to == "" {
		return d.Errf("account takes exactly one AppID, or a placeholder for it: account <appid>")
	}
	return nil
}

func ttl(d *caddyfile.Dispenser, to *caddy.Duration) error {
	var text string
	if !d.AllArgs(&text) {
		return d.Errf("ttl takes exactly one duration, as in: ttl 2h")
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil || duration < minTTL {
		return d.Errf("ttl: %q is no duration of at least %s; write it as in: ttl 2h", text, minTTL)
	}
	*to = caddy.Duration(duration)
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Login)(nil)
	_ caddyfile.Unmarshaler = (*Session)(nil)
)
