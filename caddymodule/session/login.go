// Package session says who a caller is: wechat_login turns a code of wx.login into a session token, and wechat_session
// lets in those who send one. Tokens hold all there is to know, so nothing is stored, and any node with the same key accepts
// them.
package session

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/callerheaders"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

func init() {
	caddy.RegisterModule(new(Login))
}

// defaultTTL is how long a session lasts.
const defaultTTL = 2 * time.Hour

// minTTL is the shortest session: tokens count in whole seconds.
const minTTL = time.Second

// Login logs users of a mini program in. A client posts the code that wx.login gave it, as JSON: {"code":"…"}. WeChat
// says who the user is, and the client gets a session token for `wechat_session`: {"token":"…","expires_in":7200}, in
// seconds.
//
// Equal codes that arrive at once share one call to WeChat, and a code that got no response is never sent again, since it
// may be used up; the client is told to call wx.login again. What went wrong is an HTTP status and a message that
// `handle_errors` can show as {err.message}: 400 for a code that WeChat does not accept, 403 for a user whom WeChat blocks
// and for an unknown account, 429 for too many logins of a user, 503 with Retry-After when WeChat is busy, or was not asked since
// the account's breaker is open or its max_calls are in flight, 504 when WeChat does not respond in time, and 502 for what else
// is wrong between here and WeChat; 502, 503 and 504 are also logged, with what to do about it.
//
// OPTIONS requests go to the next handler: browsers ask so whether a page of another origin may log in (CORS). The headers by
// which a function learns who calls (X-WX-*, X-CloudID-*, X-Functions-Extended-Context) are removed from every request.
//
// WeChat's session_key is dropped at once, unless the option session_key is set. No client, function or log ever sees it.
type Login struct {
	// The AppID of the account to log in to. It may hold placeholders, such as {http.request.host.labels.2}, which are
	// replaced for each request; a request whose account is unknown is rejected with 403. Default: the only account there
	// is.
	Account string `json:"account,omitempty"`

	// How long a session lasts, at least 1s. A session token cannot be revoked before it expires. A new login costs a
	// client one wx.login, of which its user notices nothing, so shorter is safer at little cost. A duration such as "2h", a number of nanoseconds, or a placeholder such as
	// {env.SESSION_TTL}, which is replaced when the config is loaded. Default: 2h.
	TTL placeholder.Duration `json:"ttl,omitempty"`

	// Whether session tokens carry WeChat's session_key, encrypted with a key that is derived as those are that sign tokens. It is
	// what the option encrypted_data of `cloudid` decrypts open data with. Default: false.
	SessionKey bool `json:"session_key,omitempty"`

	account account.Ref
	ttl     time.Duration
	logger  *zap.Logger
	streak  streak // of codes that WeChat rejected
}

// CaddyModule returns the Caddy module information.
func (*Login) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.wechat_login", New: func() caddy.Module { return new(Login) }}
}

// Provision finds the account, if it is the same for all requests, and checks that it can log users in.
func (l *Login) Provision(ctx caddy.Context) (err error) {
	l.logger = ctx.Logger()
	if l.ttl, err = l.TTL.Resolve("ttl", defaultTTL, minTTL); err != nil {
		return err
	}
	if l.account, err = account.NewRef(ctx, l.Account); err != nil {
		return err
	}
	if fixed := l.account.Fixed(); fixed != nil {
		_, err = loginKeys(fixed)
	}
	return err
}

// ServeHTTP responds to a login.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	callerheaders.Strip(r)
	callerheaders.StripTrailers(r)
	if r.Method == http.MethodOptions {
		return next.ServeHTTP(w, r)
	}
	acct, ok := l.account.Resolve(replacerOf(r))
	if !ok {
		err := caddyhttp.Error(http.StatusForbidden, errors.New("there is no mini program to log in to at this address"))
		return l.fail(w, r, nil, resultRejected, err, "wechat_login names no account for this request: compare its `account` with the request")
	}
	code, err := readCode(w, r)
	if err != nil {
		return l.fail(w, r, acct, resultRejected, err, "")
	}
	// Before the code is used up for nothing.
	keys, err := loginKeys(acct)
	if err != nil {
		l.report(acct, err)
		return l.fail(w, r, acct, resultRejected, caddyhttp.Error(http.StatusInternalServerError, errNotSetUp), err.Error())
	}
	session, err := exchanges.login(r.Context(), acct, code, func(err error) { l.report(acct, err) })
	if err != nil {
		l.warnIfAll(acct, err)
		return l.fail(w, r, acct, resultOf(err), reject(w, err), causeOf(err))
	}
	l.streak.broken()
	l.count(acct, resultOf(nil))
	token, err := l.sign(keys, session)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, fmt.Errorf("signing the session token: %w", err))
	}
	l.grant(w, token)
	return nil
}

// resultRejected is the result of a request that is no login, beside those of resultOf.
const resultRejected = "rejected"

// count takes note of what became of a login; acct is nil where its account is unknown.
func (l *Login) count(acct *account.Account, result string, more ...zap.Field) {
	l.account.App().Metrics(acct).Logins.WithLabelValues(result).Inc()
	l.logger.Debug("login", append([]zap.Field{zap.String("appid", acct.AppID()), zap.String("result", result)}, more...)...)
}

// fail takes note of a login that failed. It returns the error, which is what its client is told; cause is for
// the operator only.
func (l *Login) fail(w http.ResponseWriter, r *http.Request, acct *account.Account, result string, err error, cause string) error {
	id := nameRequest(w, r)
	l.count(acct, result, zap.String("request_id", id), zap.String("because", cmp.Or(cause, httpbody.Message(err))))
	record := invocation.NewLive(r, id)
	record.Directive, record.AppID, record.Cause = "wechat_login", acct.AppID(), cause
	show(l.account.App(), record, err)
	return err
}

// warnIfAll tells the operator when WeChat rejects one code after the other: then it is about no single client.
func (l *Login) warnIfAll(a *account.Account, err error) {
	if wechat.Code(err) != errcodeInvalidCode || !l.streak.rejection(time.Now()) {
		return
	}
	l.logger.Warn("nobody can log in: WeChat rejects every login code",
		zap.String("appid", a.AppID()), zap.String("errcode", wechat.MetricLabel(err)), zap.String("advice", wechat.Advice(err)))
}

// causeOf says why a login failed, and what to do about it, to the operator.
func causeOf(err error) string {
	if advice := wechat.Advice(err); advice != "" {
		return err.Error() + "; " + advice
	}
	return err.Error()
}

func (l *Login) sign(keys *usertoken.Keys, session wechat.Session) (string, error) {
	user := usertoken.User{OpenID: session.OpenID, UnionID: session.UnionID}
	if l.SessionKey {
		return keys.SignSession(user, session.SessionKey, l.ttl)
	}
	return keys.Sign(usertoken.Session, user, l.ttl)
}

// grant responds with a token, which is ASCII.
func (l *Login) grant(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// An error would be about a client that is gone, and the status was sent.
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":%d}`, token, l.ttl/time.Second)
}

// loginKeys returns what signs the session tokens of an account that can log users in. The error is for an operator.
func loginKeys(a *account.Account) (*usertoken.Keys, error) {
	if err := a.CanLogin(); err != nil {
		return nil, err
	}
	return a.UserTokens()
}

// report logs a login that failed, unless its client is to blame.
func (l *Login) report(a *account.Account, err error) {
	if _, open := errors.AsType[*apicall.BreakerOpenError](err); open || isClientError(err) {
		return // the failures that opened the breaker were logged
	}
	l.logger.Error("login failed",
		zap.String("appid", a.AppID()),
		zap.String("errcode", wechat.MetricLabel(err)),
		zap.Error(err),
		zap.String("advice", wechat.Advice(err)))
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Login)(nil)
	_ caddyhttp.MiddlewareHandler = (*Login)(nil)
)
