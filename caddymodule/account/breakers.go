package account

import (
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// breaker is a breaker whose changes are logged, and whose state the metric breaker_state shows while an account that has it
// runs: not for a config that is only provisioned, and may be rejected, nor for one that was replaced.
type breaker struct {
	*apicall.Breaker
	appid, api string
	state      apicall.State // guarded by running.mu
}

// running has the breakers of the accounts that run.
var running struct {
	mu       sync.Mutex
	accounts []runningBreaker // in the order in which they were started
}

type runningBreaker struct {
	*breaker
	account *Account // logs its changes
}

func newBreaker(appid, api string) *breaker {
	b := &breaker{appid: appid, api: api}
	b.Breaker = apicall.NewBreaker(b.changed)
	return b
}

func (b *breaker) changed(change apicall.StateChange) {
	running.mu.Lock()
	defer running.mu.Unlock()
	b.state = change.To
	logger := caddy.Log().Named("cloudid") // of a request whose config is gone
	if shown, ok := shownBreaker(b.appid, b.api); ok && shown.breaker == b {
		logger = shown.account.logger
		metrics.Breaker.WithLabelValues(b.appid, b.api).Set(float64(b.state))
	}
	fields := []zap.Field{zap.String("appid", b.appid), zap.String("api", b.api)}
	switch {
	case change.From == apicall.Closed && change.To == apicall.Open:
		logger.Error("breaker opened: too many calls to WeChat failed in a row, so calls are not made for a while and fail at once",
			append(fields, zap.String("errcode", wechat.MetricLabel(change.Cause)), zap.Error(change.Cause), zap.String("advice", wechat.Advice(change.Cause)))...)
	case change.To == apicall.Closed:
		logger.Info("breaker closed: calls to WeChat succeed again", fields...)
	}
}

// shownBreaker returns the breaker whose state the metric shows: that of the account that was started last. running.mu is held.
func shownBreaker(appid, api string) (runningBreaker, bool) {
	for _, r := range slices.Backward(running.accounts) {
		if r.appid == appid && r.api == api {
			return r, true
		}
	}
	return runningBreaker{}, false
}

// start shows the state of b from now on.
func (b *breaker) start(account *Account) {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.accounts = append(running.accounts, runningBreaker{b, account})
	metrics.Breaker.WithLabelValues(b.appid, b.api).Set(float64(b.state))
}

// stop undoes start. After a reload the metric shows the breaker of the new config's account.
func (b *breaker) stop(account *Account) {
	running.mu.Lock()
	defer running.mu.Unlock()
	at := slices.Index(running.accounts, runningBreaker{b, account})
	if at < 0 {
		return
	}
	running.accounts = slices.Delete(running.accounts, at, at+1)
	if shown, ok := shownBreaker(b.appid, b.api); ok {
		metrics.Breaker.WithLabelValues(b.appid, b.api).Set(float64(shown.state))
	} else {
		metrics.Breaker.DeleteLabelValues(b.appid, b.api)
	}
}
