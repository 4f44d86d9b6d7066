package account

import (
	"context"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

func init() {
	caddy.RegisterModule(new(StableToken))
	caddy.RegisterModule(new(StaticToken))
	caddy.RegisterModule(new(ServiceToken))
	caddy.RegisterModule(new(NoToken))
}

// tokenNamespace is where sources of tokens are registered.
const tokenNamespace = "cloudid.tokens"

// TokenModule is what a guest module in the namespace cloudid.tokens implements: where an account's access tokens come
// from. In a Caddyfile it is named by the word behind `token`, and reads the rest as a caddyfile.Unmarshaler.
type TokenModule interface {
	caddy.Module

	// Key returns all of the module's configuration that shapes its source, secrets included. It is only hashed: sources
	// with equal keys are one, which survives config reloads.
	Key() string

	// Open returns the source of tokens for the account appid, which calls WeChat by client. If it is an io.Closer, it is
	// closed when no config uses it any more. If it has a method Reload(), that is called whenever a config with an equal Key is
	// loaded. Open must make no calls.
	Open(appid string, client *wechat.Client) apicall.TokenSource
}

// StableToken fetches the account's access token from WeChat's stable_token API, in normal mode, in which every node is
// given the same token. It is fetched when first needed and renewed before its end, in the background.
type StableToken struct {
	// The secret of the AppID. Placeholders such as {env.WECHAT_SECRET} and {file./run/secrets/wechat} are replaced when
	// the config is loaded.
	Secret string `json:"secret,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*StableToken) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid.tokens.stable", New: func() caddy.Module { return new(StableToken) }}
}

// Provision resolves the secret.
func (s *StableToken) Provision(caddy.Context) (err error) {
	s.Secret, err = placeholder.Secret("token stable", s.Secret, checkSecret)
	return err
}

// UnmarshalCaddyfile reads `stable <secret>`.
func (s *StableToken) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return oneArgument(d, &s.Secret, checkSecret)
}

// Key implements TokenModule.
func (s *StableToken) Key() string { return s.Secret }

// Open implements TokenModule.
func (s *StableToken) Open(appid string, client *wechat.Client) apicall.TokenSource {
	secret := s.Secret
	return newTokenCache(appid, func(ctx context.Context) (wechat.Token, error) {
		return client.StableToken(ctx, appid, secret)
	})
}

// ServiceToken fetches the account's access token from a service that the team runs, which answers GET with
// {"access_token":"…","expires_in":seconds}. It is fetched when first needed and renewed before its end.
type ServiceToken struct {
	// The service's URL. Placeholders are replaced when the config is loaded.
	URL string `json:"url,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*ServiceToken) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid.tokens.service", New: func() caddy.Module { return new(ServiceToken) }}
}

// Provision resolves the URL.
func (s *ServiceToken) Provision(caddy.Context) (err error) {
	s.URL, err = placeholder.Secret("token service", s.URL, wechat.CheckURL)
	return err
}

// UnmarshalCaddyfile reads `service <url>`.
func (s *ServiceToken) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return oneArgument(d, &s.URL, wechat.CheckURL)
}

// Key implements TokenModule.
func (s *ServiceToken) Key() string { return s.URL }

// Open implements TokenModule.
func (s *ServiceToken) Open(appid string, client *wechat.Client) apicall.TokenSource {
	url := s.URL
	return newTokenCache(appid, func(ctx context.Context) (wechat.Token, error) {
		return client.ServiceToken(ctx, url)
	})
}

// StaticToken is a fixed access token. One that comes from a file, as in {file./run/secrets/token}, is read again when
// WeChat rejects it.
type StaticToken struct {
	// The access token, usually a placeholder.
	Token string `json:"token,omitempty"`

	resolved string
}

// CaddyModule returns the Caddy module information.
func (*StaticToken) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid.tokens.static", New: func() caddy.Module { return new(StaticToken) }}
}

// Provision resolves the token.
func (s *StaticToken) Provision(caddy.Context) (err error) {
	s.resolved, err = placeholder.Secret("token static", s.Token)
	return err
}

// UnmarshalCaddyfile reads `static <token>`.
func (s *StaticToken) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return oneArgument(d, &s.Token)
}

// Key implements TokenModule. What the placeholder stands for is not in it: a token that was read again is no other source, and
// costs nothing that was learned of WeChat.
func (s *StaticToken) Key() string { return s.Token }

// Open implements TokenModule.
func (s *StaticToken) Open(string, *wechat.Client) apicall.TokenSource {
	return &staticSource{configured: s.Token, token: s.resolved}
}

type staticSource struct {
	configured string // as in the config, where it may be a placeholder

	mu    sync.Mutex
	token string
}

func (s *staticSource) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, nil
}

// Rejected reads the token's file again.
func (s *staticSource) Rejected(string) { s.Reload() }

// Reload reads the token's file again, for a config that is loaded. If that cannot be read now, the old token stays: WeChat's rejection of
// it says more than we could.
func (s *staticSource) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh, err := placeholder.Secret("token static", s.configured); err == nil {
		s.token = fresh
	}
}

// NoToken sends no access token: WeChat Cloud Run's open-interface service adds it.
type NoToken struct{}

// CaddyModule returns the Caddy module information.
func (*NoToken) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid.tokens.none", New: func() caddy.Module { return new(NoToken) }}
}

// UnmarshalCaddyfile reads `none`.
func (*NoToken) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if d.NextArg() {
		return d.Errf("token none takes no argument")
	}
	return noBlock(d, "none")
}

// Key implements TokenModule.
func (*NoToken) Key() string { return "" }

// Open implements TokenModule.
func (*NoToken) Open(string, *wechat.Client) apicall.TokenSource { return noSource{} }

type noSource struct{}

func (noSource) Token(context.Context) (string, error) { return "", nil }
func (noSource) Rejected(string)                       {}

// oneArgument reads `<name> <argument>`. Its errors do not repeat the argument, which may be a secret.
func oneArgument(d *caddyfile.Dispenser, to *string, checks ...placeholder.Check) error {
	d.Next() // the module's name
	name := d.Val()
	if !d.AllArgs(to) || *to == "" {
		return d.Errf("token %s takes exactly one argument", name)
	}
	for _, check := range checks {
		if err := check.CheckSecretWord(*to); err != nil {
			return d.Errf("token %s: %v", name, err)
		}
	}
	return noBlock(d, name)
}

// noBlock rejects a block, which would otherwise be ignored.
func noBlock(d *caddyfile.Dispenser, name string) error {
	if d.NextBlock(0) {
		return d.Errf("token %s takes no block", name)
	}
	return nil
}

// Interface guards
var (
	_ TokenModule           = (*StableToken)(nil)
	_ TokenModule           = (*ServiceToken)(nil)
	_ TokenModule           = (*StaticToken)(nil)
	_ TokenModule           = (*NoToken)(nil)
	_ caddyfile.Unmarshaler = (*StableToken)(nil)
	_ caddyfile.Unmarshaler = (*ServiceToken)(nil)
	_ caddyfile.Unmarshaler = (*StaticToken)(nil)
	_ caddyfile.Unmarshaler = (*NoToken)(nil)
)
