package account

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// apis are the APIs that have a breaker.
var apis = []string{wechat.APIGetOpenData, wechat.APIGetVoIPSign, wechat.APIRelay, wechat.APIJSCode2Session}

// upstream is WeChat as one account sees it, over all configs in which the account has the same credentials: where its access
// tokens come from, what stops calls that would fail, and what became of the calls.
type upstream struct {
	appid    string
	client   *wechat.Client
	tokens   apicall.TokenSource
	metrics  *accountMetrics
	breakers map[string]*breaker // by API

	health healthCheck // while the breaker is closed
	trial  healthCheck // while it is not

	mu      sync.Mutex
	calls   map[string]Calls // by API
	failure *Failure         // the latest; nil: none
}

func newUpstream(appid string, client *wechat.Client, tokens TokenModule, counts *accountMetrics) *upstream {
	u := &upstream{appid: appid, metrics: counts, breakers: make(map[string]*breaker), calls: make(map[string]Calls)}
	u.client = client.Observed(u.observe)
	u.tokens = counts.open(tokens, appid, u.client)
	for _, api := range apis {
		u.breakers[api] = newBreaker(counts, appid, api)
	}
	return u
}

func (u *upstream) close() {
	if closer, ok := u.tokens.(io.Closer); ok {
		_ = closer.Close()
	}
}

// observe takes note of a call to WeChat.
func (u *upstream) observe(call wechat.Call) {
	u.metrics.Counts().WeChatCalls.WithLabelValues(call.API, wechat.MetricLabel(call.Err)).Inc()
	u.metrics.Counts().CallDuration.WithLabelValues(call.API).Observe(call.Duration.Seconds())
	if call.IDs > 0 {
		u.metrics.Counts().IDsPerCall.WithLabelValues().Observe(float64(call.IDs))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	count := u.calls[call.API]
	if call.Err == nil {
		count.OK++
	} else {
		count.Failed++
	}
	u.calls[call.API] = count
	if call.Err != nil && !isAboutOneUser(call) {
		u.failure = &Failure{
			Time:    time.Now(),
			API:     call.API,
			ErrCode: wechat.MetricLabel(call.Err),
			Error:   call.Err.Error(),
			Advice:  wechat.Advice(call.Err),
		}
	}
}

// isAboutOneUser reports whether a call failed by what one user sent or did, about which the operator can do nothing.
func isAboutOneUser(call wechat.Call) bool {
	if errors.Is(call.Err, context.Canceled) || wechat.IsConclusive(wechat.Code(call.Err)) {
		return true
	}
	return call.API == wechat.APIJSCode2Session && !wechat.ConcernsEverybody(call.Err)
}

// counts returns the calls until now, and the latest failure.
func (u *upstream) counts() (map[string]Calls, *Failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.calls), u.failure
}
