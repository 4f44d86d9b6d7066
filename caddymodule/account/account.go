package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Account is one mini program.
type Account struct {
	// The secret of the AppID: fetches access tokens where token names no other source, logs users in, and is what keys are
	// derived from. White space and a byte order mark around it are ignored. Placeholders such as {env.WECHAT_SECRET} and
	// {file./run/secrets/wechat} are replaced when the config is loaded.
	Secret string `json:"secret,omitempty"`

	// Where access tokens come from. Default: WeChat's stable_token API, with the secret.
	TokenRaw json.RawMessage `json:"token,omitempty" caddy:"namespace=cloudid.tokens inline_key=source"`

	// Where WeChat's API is. Default: https://api.weixin.qq.com. Placeholders are replaced when the config is loaded.
	Endpoint string `json:"endpoint,omitempty"`

	// How long all that one invocation asks of WeChat may take, retries included: a duration such as "3s", a number of nanoseconds, or a placeholder
	// such as {env.WECHAT_TIMEOUT}, which is replaced when the config is loaded. Default: 3s.
	Timeout placeholder.Duration `json:"timeout,omitempty"`

	// How often WeChat is asked again where that helps: when it says that it is busy. A number, or a placeholder that is replaced when
	// the config is loaded. Default: 2.
	Retries placeholder.Number `json:"retries,omitempty"`

	// How long open data is kept, and for how many CloudIDs. Default: a minute, and 10000.
	Cache *Cache `json:"cache,omitempty"`

	// What invocation and session tokens are signed with: the first signs, all verify. Each has at least 16 bytes. Default: derived
	// from the secret. Placeholders are replaced when the config is loaded.
	Keys []string `json:"keys,omitempty"`

	// How many CloudIDs one user may have exchanged. Default: 60 a minute.
	Limit *Limit `json:"limit,omitempty"`

	// How many calls to WeChat, of all kinds, may be in flight; those for one user at most an eighth of them. Others wait for
	// their turn, within the timeout. A number, or a placeholder that is replaced when the config is loaded. Default: 128.
	MaxCalls placeholder.Number `json:"max_calls,omitempty"`

	appid       string
	written     string // the AppID with its placeholders
	tunables    tunables
	logger      *zap.Logger
	tokens      TokenModule
	keys        *usertoken.Keys // nil: there is nothing to sign with, and no invocations either
	invocations *invocationTokens
	metrics     *accountMetrics
	report      func(opendata.Exchange) // is logExchange

	mu      sync.Mutex
	pooled  poolRefs
	shared  *shared
	users   int  // requests that use shared now
	retired bool // the config is gone
}

// AppID returns the mini program's AppID; of a nil Account, which no request is about, "".
func (a *Account) AppID() string {
	if a == nil {
		return ""
	}
	return a.appid
}

// Name is what operators are told of the account when a config is loaded or checked: the AppID, or the placeholder that it came from if
// it does not look like one. Who wrote the name of another variable may have written that of a secret.
func (a *Account) Name() string {
	if looksLikeAppID(a.appid) {
		return a.appid
	}
	return a.written
}

// Resolve exchanges the CloudIDs of a user for open data; guesses says which of them are guesses (nil: none), as in
// opendata.Request. An exchange that fails is logged, once however many wait for it. A user who has reached the account's limit
// gets an *opendata.LimitError.
func (a *Account) Resolve(ctx context.Context, openid string, ids []string, guesses []bool) (opendata.Result, error) {
	held := a.acquire()
	defer a.release()
	result, err := held.resolver.Resolve(ctx, opendata.Request{OpenID: openid, IDs: ids, Guesses: guesses, Report: a.report})
	if _, limited := errors.AsType[*opendata.LimitError](err); limited {
		a.metrics.Counts().LimitHits.WithLabelValues("limit").Inc()
	}
	return result, err
}

// VoIPSign asks WeChat for a voice signature in a user's name.
func (a *Account) VoIPSign(ctx context.Context, openid string, sign wechat.VoIPSignRequest) (string, error) {
	held := a.acquire()
	defer a.release()
	ctx, cancel := context.WithTimeout(ctx, a.tunables.Timeout)
	defer cancel()
	signature, err := apicall.Do(ctx, held.voip, apicall.Call{User: openid}, func(ctx context.Context, token string) (string, error) {
		return held.client.GetVoIPSign(ctx, token, openid, sign)
	})
	if err != nil {
		a.logFailure("voice signature failed", err)
	}
	return signature, err
}

// Login exchanges a code of wx.login for who the user is. When queue ends, nobody waits for the login any more: a call that waits
// for its turn is not made then, and the error is context.Canceled. A code that was sent stays sent.
func (a *Account) Login(ctx, queue context.Context, code string) (wechat.Session, error) {
	secret, err := a.appSecret()
	if err != nil {
		return wechat.Session{}, err
	}
	held := a.acquire()
	defer a.release()
	ctx, cancel := context.WithTimeout(ctx, a.tunables.Timeout)
	defer cancel()
	return apicall.Do(ctx, held.login, apicall.Call{Queue: queue}, func(ctx context.Context, _ string) (wechat.Session, error) {
		return held.client.JSCode2Session(ctx, a.appid, secret, code)
	})
}

// CanLogin returns an error, for an operator, unless the account knows the secret that login takes.
func (a *Account) CanLogin() error {
	_, err := a.appSecret()
	return err
}

func (a *Account) appSecret() (string, error) {
	if a.Secret != "" {
		return a.Secret, nil
	}
	if stable, ok := a.tokens.(*StableToken); ok {
		return stable.Secret, nil
	}
	return "", fmt.Errorf("account %s: login takes the secret of the AppID; add `secret <secret>`", a.Name())
}

// UserTokens returns what signs and verifies this account's user tokens. The error is for an operator.
func (a *Account) UserTokens() (*usertoken.Keys, error) {
	if a.keys == nil {
		return nil, fmt.Errorf("account %s has no secret to derive a key from; add `key <secret>`, to sign invocation and session tokens", a.Name())
	}
	return a.keys, nil
}

func (a *Account) logExchange(exchange opendata.Exchange) {
	a.metrics.Counts().WatermarkMismatches.Add(float64(exchange.Mismatched))
	if exchange.Err == nil {
		return
	}
	a.logFailure("open data exchange failed", exchange.Err,
		zap.Int("cloudids", exchange.IDs), zap.Int("failed", exchange.Failed), zap.Duration("duration", exchange.Duration))
}

// logFailure writes a line with the advice for each cause of a failure. The errors of package wechat hold no secrets.
func (a *Account) logFailure(message string, err error, fields ...zap.Field) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, cause := range several.Unwrap() {
			a.logFailure(message, cause, fields...)
		}
		return
	}
	if _, open := errors.AsType[*apicall.BreakerOpenError](err); open {
		return // the failures that opened the breaker were logged
	}
	if errors.Is(err, context.Canceled) {
		return // a client that went away needs no advice
	}
	if _, full := errors.AsType[*apicall.QueueError](err); full {
		a.metrics.Counts().LimitHits.WithLabelValues("max_calls").Inc()
	}
	a.logger.Error(message, append(fields[:len(fields):len(fields)],
		zap.String("appid", a.appid),
		zap.String("errcode", wechat.MetricLabel(err)),
		zap.Error(err),
		zap.String("advice", wechat.Advice(err)))...)
}

// start shows the breakers' states, and logs their changes, until stop is called.
func (a *Account) start() {
	for _, b := range a.shared.breakers {
		b.start(a)
	}
}

// stop undoes start.
func (a *Account) stop() {
	for _, b := range a.shared.breakers {
		b.stop(a)
	}
}
