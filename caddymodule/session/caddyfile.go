package session

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/directive"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("wechat_login", parseLogin)
	// Before authentication, so that it also works in a site whose every request needs a session.
	httpcaddyfile.RegisterDirectiveOrder("wechat_login", httpcaddyfile.After, "try_files")
	httpcaddyfile.RegisterHandlerDirective("wechat_session", parseSession)
	httpcaddyfile.RegisterDirectiveOrder("wechat_session", httpcaddyfile.After, "basic_auth")
}

// accountOfHost is an example of a placeholder that names an account before anybody knows the user.
const accountOfHost = "{http.request.host.labels.2}"

func parseLogin(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	login := new(Login)
	if err := login.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return login, account.CheckNamed(h, login.Account, accountOfHost)
}

func parseSession(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	session := new(Session)
	if err := session.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return caddyauth.Authentication{
		ProvidersRaw: caddy.ModuleMap{"wechat": h.JSON(session)},
	}, account.CheckNamed(h, session.Account, accountOfHost)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	wechat_login [<matcher>] {
//		account <appid>
//		ttl     <duration>
//		session_key
//	}
func (l *Login) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{
		"account":     directive.String(&l.Account, "account <appid>"),
		"ttl":         directive.Duration(&l.TTL, minTTL, "ttl <duration>"),
		"session_key": directive.Flag(&l.SessionKey),
	})
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	wechat_session [<matcher>] {
//		account <appid>
//	}
func (s *Session) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Parse(d, directive.Options{
		"account": directive.String(&s.Account, "account <appid>"),
	})
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Login)(nil)
	_ caddyfile.Unmarshaler = (*Session)(nil)
)
