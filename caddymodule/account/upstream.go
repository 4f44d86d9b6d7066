package account

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	calls   map[string]*apiCalls // by API
	failure *Failure             // the latest; nil: none
}

// apiCalls are the calls of one API. Metrics whose labels are the same for most calls are looked up once.
type apiCalls struct {
	Calls
	succeeded prometheus.Counter
	duration  prometheus.Observer
}

func newUpstream(appid string, client *wechat.Client, tokens TokenModule, counts *accountMetrics) *upstream {
	u := &upstream{appid: appid, metrics: counts, breakers: make(map[string]*breaker), calls: make(map[string]*apiCalls)}
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
	u.mu.Lock()
	defer u.mu.Unlock()
	calls := u.calls[call.API]
	if calls == nil {
		calls = &apiCalls{duration: u.metrics.Counts().CallDuration.WithLabelValues(call.API)}
		u.calls[call.API] = calls
	}
	calls.duration.Observe(call.Duration.Seconds())
	if call.IDs > 0 {
		u.metrics.Counts().IDsPerCall.Observe(float64(call.IDs))
	}
	if call.Err != nil {
		calls.Failed++
		u.observeFailure(call)
		return
	}
	if calls.succeeded == nil {
		calls.succeeded = u.metrics.Counts().WeChatCalls.WithLabelValues(call.API, wechat.MetricLabel(nil))
	}
	calls.OK++
	calls.succeeded.Inc()
}

// observeFailure takes note of a call that failed. u.mu is held.
func (u *upstream) observeFailure(call wechat.Call) {
	u.metrics.Counts().WeChatCalls.WithLabelValues(call.API, wechat.MetricLabel(call.Err)).Inc()
	if isAboutOneUser(call) {
		return
	}
	u.failure = &Failure{
		Time:    time.Now(),
		API:     call.API,
		ErrCode: wechat.MetricLabel(call.Err),
		Error:   call.Err.Error(),
		Advice:  wechat.Advice(call.Err),
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
	counts := make(map[string]Calls, len(u.calls))
	for api, calls := range u.calls {
		counts[api] = calls.Calls
	}
	return counts, u.failure
}
