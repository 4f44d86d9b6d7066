package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// One line for each exchange that failed, with what to do about it.
func TestTheLogLineOfAFailedExchange(t *testing.T) {
	t.Parallel()
	const openid, secret = "oOpenidThatNobodyMayRead", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	for _, test := range []struct {
		sentence string
		fault    sandbox.Fault
		errcode  string // "" for no line
		advice   string
	}{
		{"an address that is not on the whitelist: which one", sandbox.Fault{Kind: "errcode", Code: 40164}, "40164", "203.0.113.7"},
		{"an openid that is none", sandbox.Fault{Kind: "errcode", Code: 40003}, "40003", "authenticator"},
		{"an app without cloud development", sandbox.Fault{Kind: "errcode", Code: 85088}, "85088", "cloud development"},
		{"a quota", sandbox.Fault{Kind: "errcode", Code: 45009}, "45009", "quota"},
		{"a WeChat that stays busy", sandbox.Fault{Kind: "errcode", Code: -1, Times: 9}, "-1", "busy"},
		{"a time-out", sandbox.Fault{Kind: "latency", Latency: time.Minute}, "timeout", "timeout"},
		{"a connection that breaks", sandbox.Fault{Kind: "drop", Times: 9}, "network", "network"},
		{"half a response", sandbox.Fault{Kind: "half", Times: 9}, "network", "network"},
		{"a page", sandbox.Fault{Kind: "garbage", Body: "<html>" + secret}, "response", "endpoint"},
		{"a status 500", sandbox.Fault{Kind: "status", Code: 500}, "response", "endpoint"},
		{"a response that is too long", sandbox.Fault{Kind: "huge"}, "response", "endpoint"},
		{"an exchange that goes well is no news", sandbox.Fault{Kind: "object"}, "", ""},
		{"an id on which WeChat says nothing", sandbox.Fault{Kind: "empty"}, "-601001", ""},
		{"nor a token that was replaced in time", sandbox.Fault{Kind: "errcode", Code: 42001}, "", ""},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			fake, url := startSandbox(t)
			timeout := "30s" // which nothing runs into
			if test.errcode == "timeout" {
				timeout = "2s"
			}
			c := load1(t, app1(url, `,"secret":"`+secret+`","timeout":"`+timeout+`"`))
			logs := observed(c.only(t))
			test.fault.API = "getopendata"
			if err := fake.Fault(test.fault); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if _, err := c.only(t).Resolve(t.Context(), openid, []string{steps, steps}, nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			c.unload() // after which nothing is under way
			if test.errcode == "" {
				if logs.Len() != 0 {
					t.Errorf("logged %v", logs.All())
				}
				return
			}
			// Requests that came late may have made an exchange of their own.
			if logs.Len() == 0 || logs.Len() > fake.Calls().GetOpenData {
				t.Fatalf("%d lines for %d calls", logs.Len(), fake.Calls().GetOpenData)
			}
			entry := logs.All()[0]
			fields := entry.ContextMap()
			if entry.Level != zap.ErrorLevel || entry.Message != "open data exchange failed" || fields["appid"] != appid ||
				fields["errcode"] != test.errcode || fmt.Sprint(fields["cloudids"]) != "1" || fields["duration"] == nil {
				t.Errorf("logged %s %q %v", entry.Level, entry.Message, fields)
			}
			if !strings.Contains(fmt.Sprint(fields["advice"]), test.advice) {
				t.Errorf("the advice is %q, without %q", fields["advice"], test.advice)
			}
			if code, err := strconv.Atoi(test.errcode); err == nil && !strings.Contains(fmt.Sprint(fields["error"]), fmt.Sprintf("errcode %d (", code)) {
				t.Errorf("the error is %q", fields["error"])
			}
			silent(t, fmt.Sprint(entry.Message, fields), openid, secret, steps, steps[3:20], "access_token=", "88_")
		})
	}
}

func TestATokenThatDoesNotComeInTimeIsLoggedWithAdvice(t *testing.T) {
	t.Parallel()
	fake, url := startSandbox(t)
	if err := fake.Fault(sandbox.Fault{API: "stable_token", Kind: "latency", Latency: time.Minute}); err != nil {
		t.Fatal(err)
	}
	c := load1(t, app1(url, `,"secret":"s","timeout":"100ms"`))
	logs := observed(c.only(t))
	if code := c.resolve(t); code != -601008 {
		t.Errorf("code %d", code)
	}
	c.unload()
	if logs.Len() != 1 {
		t.Fatalf("%d lines", logs.Len())
	}
	fields := logs.All()[0].ContextMap()
	if fields["errcode"] != "timeout" || !strings.Contains(fmt.Sprint(fields["error"]), "token") || fields["advice"] == "" {
		t.Errorf("logged %v", fields)
	}
}

// Several causes may fail parts of one list; each has a line with its own advice.
func TestEachCauseIsLogged(t *testing.T) {
	t.Parallel()
	c := load1(t, app1("http://127.0.0.1:1", `,"secret":"s"`))
	defer c.unload()
	logs := observed(c.only(t))
	quota := &wechat.Error{API: wechat.APIGetOpenData, Code: 45009}
	slow := &wechat.NetworkError{API: wechat.APIGetOpenData, Timeout: true}
	c.only(t).report(opendata.Exchange{IDs: 5, Failed: 2, Err: errors.Join(quota, context.Canceled, slow)})
	if logs.Len() != 2 {
		t.Fatalf("logged %v", logs.All())
	}
	for i, want := range []struct{ errcode, advice string }{{"45009", "quota"}, {"timeout", "timeout"}} {
		fields := logs.All()[i].ContextMap()
		if fields["errcode"] != want.errcode || !strings.Contains(fmt.Sprint(fields["advice"]), want.advice) || fmt.Sprint(fields["cloudids"], fields["failed"]) != "5 2" {
			t.Errorf("logged %v", fields)
		}
	}
}
