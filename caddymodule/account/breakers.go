package account

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// breaker is a breaker whose changes are logged, and whose state the metric breaker_state shows while an account that has it
// runs: not for a config that is only provisioned, and may be rejected, nor for one that was replaced.
type breaker struct {
	*apicall.Breaker
	metrics    *accountMetrics
	appid, api string
	state      apicall.State // guarded by metrics.mu
}

// runningBreaker is a breaker of an account that runs.
type runningBreaker struct {
	*breaker
	account *Account // logs its changes
}

func newBreaker(counts *accountMetrics, appid, api string) *breaker {
	b := &breaker{metrics: counts, appid: appid, api: api}
	b.Breaker = apicall.NewBreaker(b.changed)
	return b
}

func (b *breaker) changed(change apicall.StateChange) {
	b.metrics.mu.Lock()
	defer b.metrics.mu.Unlock()
	b.state = change.To
	logger := caddy.Log().Named("cloudid") // of a request whose config is gone
	if shown, ok := b.metrics.shownBreaker(b.api); ok && shown.breaker == b {
		logger = shown.account.logger
		b.metrics.ShowBreaker(b.api, float64(b.state))
	}
	fields := []zap.Field{zap.String("appid", b.appid), zap.String("api", b.api)}
	switch {
	case change.From == apicall.Closed:
		logger.Error("breaker opened: too many calls to WeChat failed in a row, so calls are not made for a while and fail at once",
			append(fields, zap.String("errcode", wechat.MetricLabel(change.Cause)), zap.Error(change.Cause), zap.String("advice", wechat.Advice(change.Cause)))...)
	case change.To == apicall.Closed:
		logger.Info("breaker closed: calls to WeChat succeed again", fields...)
	}
}

// shownBreaker returns the breaker whose state the metric shows: that of the account that was started last. m.mu is held.
func (m *accountMetrics) shownBreaker(api string) (runningBreaker, bool) {
	for _, r := range slices.Backward(m.running) {
		if r.api == api {
			return r, true
		}
	}
	return runningBreaker{}, false
}

// start shows the state of b from now on.
func (b *breaker) start(account *Account) {
	b.metrics.mu.Lock()
	defer b.metrics.mu.Unlock()
	b.metrics.running = append(b.metrics.running, runningBreaker{b, account})
	b.metrics.ShowBreaker(b.api, float64(b.state))
}

// stop undoes start. After a reload the metric shows the breaker of the new config's account.
func (b *breaker) stop(account *Account) {
	b.metrics.mu.Lock()
	defer b.metrics.mu.Unlock()
	b.metrics.running = slices.DeleteFunc(b.metrics.running, func(r runningBreaker) bool { return r == runningBreaker{b, account} })
	if shown, ok := b.metrics.shownBreaker(b.api); ok {
		b.metrics.ShowBreaker(b.api, float64(shown.state))
	} else {
		b.metrics.HideBreaker(b.api)
	}
}
