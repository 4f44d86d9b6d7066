package account

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// newTestUpstream returns an upstream that calls nobody, and a registry with its metrics.
func newTestUpstream(t *testing.T, tokens TokenModule) (*upstream, *prometheus.Registry) {
	t.Helper()
	client, err := wechat.New("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	counts, registry := &accountMetrics{Account: metrics.NewAccount(appid)}, prometheus.NewRegistry()
	if err := metrics.Register(registry, func() []*metrics.Account { return []*metrics.Account{counts.Account} }); err != nil {
		t.Fatal(err)
	}
	return newUpstream(appid, client, tokens, counts), registry
}

// The latest failure is one about which the operator can do something.
func TestWhatIsNotedOfCalls(t *testing.T) {
	t.Parallel()
	u, registry := newTestUpstream(t, new(NoToken))
	said := func(api string, code int) error { return &wechat.Error{API: api, Code: code} }
	for _, test := range []struct {
		sentence string
		call     wechat.Call
		errcode  string // in the metric
		failure  string // the errcode of the latest one from then on
	}{
		{"a call that went well", wechat.Call{API: wechat.APIGetOpenData, IDs: 2}, "0", ""},
		{"another one", wechat.Call{API: wechat.APIGetOpenData, IDs: 3}, "0", ""},
		{"a client that went away", wechat.Call{API: wechat.APIGetOpenData, IDs: 1, Err: context.Canceled}, "response", ""},
		{"a CloudID that has expired", wechat.Call{API: wechat.APIGetOpenData, IDs: 1, Err: said(wechat.APIGetOpenData, wechat.CodeExpiredCloudID)}, "-601006", ""},
		{"a login code that is wrong", wechat.Call{API: wechat.APIJSCode2Session, Err: said(wechat.APIJSCode2Session, 40029)}, "40029", ""},
		{"an app without permission", wechat.Call{API: wechat.APIGetVoIPSign, Err: said(wechat.APIGetVoIPSign, 48001)}, "48001", "48001"},
		{"an openid that is wrong, wherever it came from", wechat.Call{API: wechat.APIGetOpenData, IDs: 1, Err: said(wechat.APIGetOpenData, 40003)}, "40003", "40003"},
		{"a login that WeChat rejects for the secret", wechat.Call{API: wechat.APIJSCode2Session, Err: said(wechat.APIJSCode2Session, 40125)}, "40125", "40125"},
		{"a call that goes well afterwards", wechat.Call{API: wechat.APIGetVoIPSign}, "0", "40125"},
	} {
		before := probe.Sum(t, registry, "wechat_calls_total", test.call.API, test.errcode)
		test.call.Duration = time.Second
		u.observe(test.call)
		if got := probe.Sum(t, registry, "wechat_calls_total", test.call.API, test.errcode) - before; got != 1 {
			t.Errorf("%s: %v are counted with %s", test.sentence, got, test.errcode)
		}
		errcode := ""
		if _, failure := u.counts(); failure != nil {
			errcode = failure.ErrCode
		}
		if errcode != test.failure {
			t.Errorf("%s: the latest failure is %q, want %q", test.sentence, errcode, test.failure)
		}
	}
	if timed, sized := probe.Sum(t, registry, "wechat_call_duration_seconds"), probe.Sum(t, registry, "ids_per_call"); timed != 9 || sized != 5 {
		t.Errorf("%v calls are timed, and %v have CloudIDs", timed, sized)
	}
	calls, _ := u.counts()
	if calls[wechat.APIGetOpenData] != (Calls{OK: 2, Failed: 3}) || calls[wechat.APIJSCode2Session] != (Calls{Failed: 2}) || calls[wechat.APIGetVoIPSign] != (Calls{OK: 1, Failed: 1}) {
		t.Errorf("the calls are %v", calls)
	}
}

func TestASourceOfTokensIsClosed(t *testing.T) {
	t.Parallel()
	source := new(closingSource)
	u, _ := newTestUpstream(t, source)
	if u.close(); source.closed != 1 {
		t.Errorf("closed %d times", source.closed)
	}
}
