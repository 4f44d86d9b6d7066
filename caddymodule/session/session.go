package session

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/callerheaders"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

func init() {
	caddy.RegisterModule(new(Session))
}

// Session lets in users of a mini program who send a session token of `wechat_login`, in the one Authorization field of the
// request: "Authorization: Bearer <token>". It sets {http.auth.user.id} to the openid, {http.auth.user.appid} to the AppID, and
// {http.auth.user.unionid} to the unionid, or to nothing if there is none. Everybody else gets 401. Only session tokens of this
// account count, signed with one of its keys, until they expire. Why a token does not count is logged at DEBUG, and counted.
//
// An OPTIONS request without an Authorization field passes, in nobody's name: browsers ask so, without credentials, whether a
// page of another origin may call (CORS). What answers it, such as `header` and `respond`, belongs behind this directive.
//
// The headers by which a function learns who calls (X-WX-*, X-CloudID-*, X-Functions-Extended-Context) are removed from every
// request, also from one that is rejected, since an error page may be proxied.
//
// The Authorization header of a request that is let in is removed. A function learns who calls from what `cloudid` tells it, and
// acts for the user with the invocation token that it is given; with the session token, it or its logs could go on acting as the
// user elsewhere until that expires. So if a request passes several `wechat_session`, the second finds no token any more: give
// them matchers that do not overlap.
//
// Caddy's access logs have a field user_id, which holds {http.auth.user.id}, the openid; remove it with a log filter
// where access logs must not hold openids.
type Session struct {
	// The AppID of the account whose sessions count. It may hold placeholders, such as {http.request.host.labels.2},
	// which are replaced for each request; where the account is unknown, nobody is let in. Default: the only account
	// there is.
	Account string `json:"account,omitempty"`

	account account.Ref
	logger  *zap.Logger
	streak  streak // of tokens that no login here has issued
}

// CaddyModule returns the Caddy module information.
func (*Session) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.wechat", New: func() caddy.Module { return new(Session) }}
}

// Provision finds the account, if it is the same for all requests, and checks that it has a key to verify with.
func (s *Session) Provision(ctx caddy.Context) (err error) {
	s.logger = ctx.Logger()
	if s.account, err = account.NewRef(ctx, s.Account); err != nil {
		return err
	}
	if fixed := s.account.Fixed(); fixed != nil {
		_, err = fixed.UserTokens()
	}
	return err
}

// Authenticate returns the user whom the request's session token names. The error is not the client's, but the config's.
func (s *Session) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	callerheaders.Strip(r)
	callerheaders.StripTrailers(r)
	fields := r.Header.Values("Authorization")
	if r.Method == http.MethodOptions && len(fields) == 0 {
		return caddyauth.User{Metadata: map[string]string{"appid": "", "unionid": ""}}, true, nil
	}
	token, sent := bearerToken(fields)
	if !sent {
		return s.reject(w, r, "Bearer", nil, reasonMissing)
	}
	const invalid = `Bearer error="invalid_token"`
	if len(fields) > 1 {
		return s.reject(w, r, invalid, nil, reasonSeveral)
	}
	acct, ok := s.account.Resolve(replacerOf(r))
	if !ok {
		return s.reject(w, r, invalid, nil, reasonUnknownAccount)
	}
	keys, err := acct.UserTokens()
	if err != nil {
		return caddyauth.User{}, false, err
	}
	user, sessionKey, err := keys.VerifySession(token)
	if err != nil {
		reason, _ := errors.AsType[usertoken.Invalid](err)
		return s.reject(w, r, invalid, acct, string(reason))
	}
	s.streak.broken()
	r.Header.Del("Authorization")
	if sessionKey != "" {
		sessionkey.Set(r, acct.AppID(), user.OpenID, sessionKey)
	}
	return caddyauth.User{
		ID:       user.OpenID,
		Metadata: map[string]string{"appid": acct.AppID(), "unionid": user.UnionID},
	}, true, nil
}

// errNotAuthenticated is what Caddy tells those who are not let in.
var errNotAuthenticated = caddyhttp.Error(http.StatusUnauthorized, errors.New("not authenticated"))

// reject lets nobody in, says so in the challenge that goes with the 401, and takes note of the reason.
func (s *Session) reject(w http.ResponseWriter, r *http.Request, challenge string, acct *account.Account, reason string) (caddyauth.User, bool, error) {
	w.Header().Set("WWW-Authenticate", challenge)
	id := nameRequest(w, r)
	s.account.App().Metrics(acct).SessionsRejected.WithLabelValues(reason).Inc()
	s.logger.Debug("session rejected", reasonFields(id, acct.AppID(), reason)...)
	if slices.Contains(notIssuedHere, reason) && s.streak.rejection(time.Now()) {
		s.logger.Warn("nobody is let in: the last session tokens were all rejected",
			zap.String("appid", acct.AppID()), zap.String("reason", reason), zap.String("advice", reasonTexts[reason]))
	}
	record := invocation.NewLive(r, id)
	record.Directive, record.AppID, record.Cause = "wechat_session", acct.AppID(), reasonTexts[reason]
	show(s.account.App(), record, errNotAuthenticated)
	return caddyauth.User{}, false, nil
}

func replacerOf(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// bearerToken returns the token of the last Authorization field that has one. Where there are several fields, those who look at
// the first and those who look at the last would see different users, so that none counts.
func bearerToken(fields []string) (token string, sent bool) {
	for _, field := range fields {
		scheme, rest, _ := strings.Cut(field, " ")
		if strings.EqualFold(scheme, "Bearer") {
			token, sent = strings.TrimLeft(rest, " "), true
		}
	}
	return token, sent
}

// Interface guards
var (
	_ caddy.Provisioner       = (*Session)(nil)
	_ caddyauth.Authenticator = (*Session)(nil)
)
