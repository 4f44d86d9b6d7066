// Package session says who a caller is: wechat_login turns a code of wx.login into a session token, and wechat_session
// lets in those who show one. Tokens hold all there is to know, so nothing is stored, and any node with the same key takes
// them.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func init() {
	caddy.RegisterModule(new(Login))
}

// DefaultTTL is how long a session lasts.
const DefaultTTL = 2 * time.Hour

// minTTL is the shortest session: tokens count in whole seconds.
const minTTL = time.Second

// Login logs users of a mini program in. A client posts the code that wx.login gave it, as JSON: {"code":"…"}. WeChat
// says who the user is, and the client gets a session token for `wechat_session`: {"token":"…","expires_in":7200}, in
// seconds.
//
// Equal codes that arrive at once share one call of WeChat, and a code that got no answer is never sent again, since it
// may be used up; the client is told to call wx.login again. What went wrong is an HTTP status and a message that
// `handle_errors` can show as {err.message}: 400 for a code that WeChat does not take, 403 for a user whom WeChat blocks
// and for an unknown account, 429 for too many logins, 503 when WeChat is busy, 504 when it does not answer in time, and
// 502 for what else is wrong between here and WeChat; the latter three are also logged, with what to do about it.
//
// WeChat's session_key is thrown away at once: no client, function, log or other node ever sees it.
type Login struct {
	// The AppID of the account to log in to. It may hold placeholders, such as {http.request.host.labels.2}, which are
	// replaced for each request; a request whose account is unknown is refused with 403. Default: the only account there
	// is.
	Account string `json:"account,omitempty"`

	// How long a session lasts, at least 1s. A session token cannot be taken back before its end, and WeChat names no
	// life for its own sessions that could be followed; a new login is silent and costs a client one wx.login, so
	// shorter is safer and hardly dearer. Default: 2h.
	TTL caddy.Duration `json:"ttl,omitempty"`

	account account.Ref
	logger  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Login) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.wechat_login", New: func() caddy.Module { return new(Login) }}
}

// Provision finds the account, if it is the same for all requests, and checks that it can log users in.
func (l *Login) Provision(ctx caddy.Context) (err error) {
	l.logger = ctx.Logger()
	if l.TTL == 0 {
		l.TTL = caddy.Duration(DefaultTTL)
	}
	if time.Duration(l.TTL) < minTTL {
		return fmt.Errorf("ttl: a session lasts at least %s", minTTL)
	}
	if l.account, err = account.NewRef(ctx, l.Account); err != nil {
		return err
	}
	if fixed := l.account.Fixed(); fixed != nil {
		_, err = loginKeys(fixed)
	}
	return err
}

// ServeHTTP answers a login; no request goes on to the next handler.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	code, err := readCode(w, r)
	if err != nil {
		return err
	}
	acct, ok := l.account.Resolve(replacerOf(r))
	if !ok {
		return caddyhttp.Error(http.StatusForbidden, errors.New("there is no mini program to log in to at this address"))
	}
	// Before the code is used up for nothing.
	keys, err := loginKeys(acct)
	if err != nil {
		l.report(acct, err)
		return caddyhttp.Error(http.StatusInternalServerError, errNotSetUp)
	}
	user, err := exchanges.login(r.Context(), acct, code, l.report)
	if err != nil {
		return reject(w, err)
	}
	token, err := keys.Sign(usertoken.Session, user, time.Duration(l.TTL))
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, fmt.Errorf("signing the session token: %w", err))
	}
	return l.grant(w, token)
}

func (l *Login) grant(w http.ResponseWriter, token string) error {
	body, err := json.Marshal(struct {
		Token     string `json:"token"`
		ExpiresIn int64  `json:"expires_in"`
	}{token, int64(time.Duration(l.TTL) / time.Second)})
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // if it fails, nobody is left to tell
	return nil
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
	if isClientError(err) {
		return
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
