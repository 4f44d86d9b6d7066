package opendata_test

import (
	"context"
	"sync"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func TestEachExchangeIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		response func(context.Context, call) string
		ids      []string
		want     string // the label of the error; "0" for none
	}{
		{"one that went well", nil, []string{"27_a", "27_b"}, "0"},
		{"one that failed", func(context.Context, call) string { return errcode(45009) }, []string{"27_a", "27_b"}, "45009"},
		{"one that took retries", func(context.Context, call) string { return errcode(-1) }, []string{"27_a"}, "-1"},
		{"one in many calls", func(_ context.Context, c call) string {
			if len(c.ids) > 1 {
				return errcode(40097)
			}
			return good(c.ids...)
		}, []string{"27_a", "27_b"}, "0"},
		{"one whose ids have errors of their own", func(_ context.Context, c call) string {
			return `{"errcode":0,"data_list":[` + item(c.ids[0], errorJSON(c.ids[0], -601006)) + `]}`
		}, []string{"27_a"}, "0"},
	} {
		r := newRig(t, &fakeWeChat{response: test.response})
		var mu sync.Mutex
		var reports []opendata.Exchange
		report := func(e opendata.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, e)
		}
		request := opendata.Request{OpenID: "o1", IDs: test.ids, Report: report}
		if _, err := r.Resolve(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if len(reports) != 1 || reports[0].IDs != len(test.ids) || wechat.MetricLabel(reports[0].Err) != test.want || reports[0].Duration <= 0 {
			t.Errorf("%s: reported %+v", test.sentence, reports)
		}
	}
}

func TestOpenDataFromTheCacheIsNotReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	_ = r.resolve(t, "27_a")
	_, err := r.Resolve(t.Context(), opendata.Request{
		OpenID: "o1", IDs: []string{"27_a"}, Report: func(opendata.Exchange) { t.Error("there was no exchange") },
	})
	if err != nil {
		t.Error(err)
	}
	r.Close()
}
