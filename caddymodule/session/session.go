package session

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

func init() {
	caddy.RegisterModule(new(Session))
}

// Session lets in users of a mini program who show a session token that `wechat_login` gave them, in the one
// Authorization field of the request: "Authorization: Bearer <token>". It sets {http.auth.user.id} to the openid,
// {http.auth.user.appid} to the AppID, and {http.auth.user.unionid} to the unionid, or to nothing if there is none.
// Everybody else gets 401. Only session tokens of this account count, signed with one of its keys, before their end.
//
// The Authorization header of a request that it lets in is deleted. A function learns who calls from what `cloudid` tells
// it, and acts for the user with the invocation token it is given; with the session token, it or its logs could go on
// acting as the user elsewhere for as long as the session lasts. So wherever several `wechat_session` lie in the way of a
// request, the second finds no token any more: give them matchers that do not overlap.
//
// Caddy's access logs have a field user_id, which holds {http.auth.user.id}, the openid; take it out with a log filter
// where access logs must not hold openids.
type Session struct {
	// The AppID of the account whose sessions count. It may hold placeholders, such as {http.request.host.labels.2},
	// which are replaced for each request; where the account is unknown, nobody is let in. Default: the only account
	// there is.
	Account string `json:"account,omitempty"`

	account account.Ref
}

// CaddyModule returns the Caddy module information.
func (*Session) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.wechat", New: func() caddy.Module { return new(Session) }}
}

// Provision finds the account, if it is the same for all requests, and checks that it has a key to verify with.
func (s *Session) Provision(ctx caddy.Context) (err error) {
	if s.account, err = account.NewRef(ctx, s.Account); err != nil {
		return err
	}
	if fixed := s.account.Fixed(); fixed != nil {
		_, err = fixed.UserTokens()
	}
	return err
}

// Authenticate returns whom the request's session token speaks of. The error is not the client's, but the config's.
func (s *Session) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	token, sent := bearerToken(r.Header)
	if !sent {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return caddyauth.User{}, false, nil
	}
	user, ok, err := s.verify(r, token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return caddyauth.User{}, false, err
	}
	r.Header.Del("Authorization")
	return user, true, nil
}

func (s *Session) verify(r *http.Request, token string) (caddyauth.User, bool, error) {
	found, ok := s.account.Resolve(replacerOf(r))
	if !ok {
		return caddyauth.User{}, false, nil
	}
	keys, err := found.UserTokens()
	if err != nil {
		return caddyauth.User{}, false, err
	}
	user, err := keys.Verify(usertoken.Session, token)
	if err != nil {
		return caddyauth.User{}, false, nil //nolint:nilerr // a bad token is no technical fault
	}
	return caddyauth.User{
		ID:       user.OpenID,
		Metadata: map[string]string{"appid": found.AppID(), "unionid": user.UnionID},
	}, true, nil
}

func replacerOf(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// bearerToken returns the token of the only Authorization field. Where there are several, those who look at the first and
// those who look at the last would see different users: then the token is "", which verifies as nothing.
func bearerToken(header http.Header) (token string, sent bool) {
	fields := header.Values("Authorization")
	for _, field := range fields {
		scheme, rest, _ := strings.Cut(field, " ")
		if strings.EqualFold(scheme, "Bearer") {
			token, sent = strings.TrimLeft(rest, " "), true
		}
	}
	if len(fields) > 1 {
		token = ""
	}
	return token, sent
}

// Interface guards
var (
	_ caddy.Provisioner       = (*Session)(nil)
	_ caddyauth.Authenticator = (*Session)(nil)
)
