package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Status is what the gateway knows of its accounts at a moment.
type Status struct {
	Accounts []AccountStatus `json:"accounts"`
}

// AccountStatus is the state of one account. Its times and counts are over all configs in which it had the same credentials.
type AccountStatus struct {
	AppID string      `json:"appid"`
	Token TokenStatus `json:"token"`

	// The state of the breaker of each API: closed, half-open or open.
	Breakers map[string]string `json:"breakers"`

	// The latest call that failed, unless by what one user sent; nil if none did.
	LastFailure *Failure `json:"last_failure"`

	// The calls to WeChat, by API.
	Calls map[string]Calls `json:"calls"`

	Cache CacheStatus `json:"cache"`
}

// TokenStatus says of the access token that the account has how old it is and when it expires. The token is not in it.
type TokenStatus struct {
	// Where tokens come from, as the config names it: stable, static, service, none, or another module.
	Source string `json:"source"`

	// When the present token was fetched, and when it expires. nil: there is none, or the source does not tell.
	Fetched *time.Time `json:"fetched,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`

	// The same in seconds from now.
	Age       int64 `json:"age_seconds,omitempty"`
	ExpiresIn int64 `json:"expires_in_seconds,omitempty"`
}

// Failure is a call to WeChat that failed.
type Failure struct {
	Time    time.Time `json:"time"`
	API     string    `json:"api"`
	ErrCode string    `json:"errcode"` // WeChat's, or timeout, network, response (it could not be read), other
	Error   string    `json:"error"`
	Advice  string    `json:"advice,omitempty"`
}

// Calls counts calls to WeChat.
type Calls struct {
	OK     int64 `json:"ok"`
	Failed int64 `json:"failed"`
}

// CacheStatus says how full the cache of open data is.
type CacheStatus struct {
	Entries    int    `json:"entries"`
	MaxEntries int    `json:"max_entries"` // 0: the cache is off
	TTL        string `json:"ttl,omitempty"`
}

// Status returns the present state of all accounts, in the order of their AppIDs. It makes no calls.
func (a *App) Status() Status {
	status := Status{Accounts: []AccountStatus{}}
	for _, appid := range a.appids() {
		status.Accounts = append(status.Accounts, a.Accounts[appid].status())
	}
	return status
}

func (a *Account) status() AccountStatus {
	held := a.acquire()
	defer a.release()
	calls, failure := held.counts()
	status := AccountStatus{
		AppID:       a.appid,
		Token:       TokenStatus{Source: a.tokens.CaddyModule().ID.Name()},
		Breakers:    make(map[string]string),
		LastFailure: failure,
		Calls:       calls,
	}
	if timed, ok := held.tokens.(timedSource); ok {
		status.Token.describe(timed.times())
	}
	for api, b := range held.breakers {
		status.Breakers[api] = b.State().String()
	}
	if held.cache != nil {
		status.Cache = CacheStatus{held.cache.Len(), a.tunables.Cache.Entries, a.tunables.Cache.TTL.String()}
	}
	return status
}

// timedSource is a source of tokens that knows the times of its token.
type timedSource interface {
	// times returns zero times where there is no token that counts.
	times() (fetched, expires time.Time)
}

func (t *TokenStatus) describe(fetched, expires time.Time) {
	if fetched.IsZero() {
		return
	}
	t.Fetched, t.Expires = &fetched, &expires
	t.Age, t.ExpiresIn = int64(time.Since(fetched)/time.Second), int64(time.Until(expires)/time.Second)
}

// Health says which accounts cannot serve.
type Health struct {
	Healthy bool        `json:"healthy"`
	Unready []Unhealthy `json:"unready,omitempty"`
}

// Unhealthy is an account that cannot serve, and why.
type Unhealthy struct {
	AppID  string `json:"appid"`
	Error  string `json:"error"`
	Advice string `json:"advice,omitempty"`
}

// Health finds out which accounts can serve, all at once. An account that has no access token gets one, and one whose breaker is
// not closed asks for one again, since nothing else may call WeChat while a load balancer sends no requests.
func (a *App) Health(ctx context.Context) Health {
	appids := a.appids()
	failures := make([]error, len(appids))
	var wg sync.WaitGroup
	for i, appid := range appids {
		wg.Go(func() { failures[i] = a.Accounts[appid].ready(ctx) })
	}
	wg.Wait()
	health := Health{Healthy: true}
	for i, err := range failures {
		if err != nil {
			health.Healthy = false
			health.Unready = append(health.Unready, Unhealthy{appids[i], err.Error(), wechat.Advice(err)})
		}
	}
	return health
}

// healthPause is for how long no token is asked for again after one could not be had.
const healthPause = 5 * time.Second

// ready returns why the account cannot serve, or nil.
func (a *Account) ready(ctx context.Context) error {
	held := a.acquire()
	defer a.release()
	breaker := held.breakers[wechat.APIGetOpenData]
	if err := breaker.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.tunables.Timeout)
	defer cancel()
	if breaker.State() != apicall.Closed {
		return held.trial.check(func() error { return a.CheckToken(ctx) })
	}
	return held.health.check(func() error {
		_, err := held.tokens.Token(ctx)
		return err
	})
}

// healthCheck remembers for a moment that no token could be had, so that frequent checks do not make as many calls.
type healthCheck struct {
	mu     sync.Mutex
	failed time.Time
	err    error
}

func (h *healthCheck) check(ask func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil && time.Since(h.failed) < healthPause {
		return h.err
	}
	err := ask()
	if !errors.Is(err, context.Canceled) { // if the one who asked went away, that says nothing of the account
		h.err, h.failed = err, time.Now()
	}
	return err
}
