package opendata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

func TestOneCallForAllIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	result := r.resolve(t, "27_a", "27_b", "27_c", "27_d", "27_e")
	wantOpenData(t, result, goodJSON("27_a"), goodJSON("27_b"), goodJSON("27_c"), goodJSON("27_d"), goodJSON("27_e"))
	r.wantCalls(t, []string{"27_a", "27_b", "27_c", "27_d", "27_e"})
	if c := r.wechat.arrived()[0]; c.openid != "o1" || c.token != "t1" {
		t.Errorf("asked as %s with %s", c.openid, c.token)
	}
	if result.Err != nil || result.Cached != 0 {
		t.Errorf("%v, cached %d", result.Err, result.Cached)
	}
}

func TestNothingAskedForIsNoCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, new(fakeWeChat))
	wantOpenData(t, r.resolve(t))
	r.wantCalls(t)
}

func TestAnIDThatComesTwiceIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for _, change := range [][]func(*opendata.Config){nil, {noCache}} {
		r := newRig(t, new(fakeWeChat), change...)
		result := r.resolve(t, "27_a", "27_b", "27_a", "27_a")
		wantOpenData(t, result, goodJSON("27_a"), goodJSON("27_b"), goodJSON("27_a"), goodJSON("27_a"))
		r.wantCalls(t, []string{"27_a", "27_b"})
	}
}

// What functions find in the place of a CloudID when the whole call failed (DESIGN.md, section 4).
func TestAFailedCallIsTranslated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		response string
		want     int
		label    string // of the error that comes with it; "" for none, since WeChat answered
	}{
		{"an openid that is none", errcode(40003), -601007, "40003"},
		{"an app that may not call this", errcode(48001), -601004, "48001"},
		{"an app without cloud development", errcode(85088), -601001, "85088"},
		{"an address that is not on the whitelist", errcode(40164), -601001, "40164"},
		{"a wrong secret", errcode(40125), -601001, "40125"},
		{"the daily quota", errcode(45009), -601001, "45009"},
		{"too many calls a minute", errcode(45011), -601001, "45011"},
		{"a busy WeChat, after the retries", errcode(-1), -601001, "-1"},
		{"a token that is rejected twice", errcode(40001), -601001, "40001"},
		{"a single id that makes the call malformed", errcode(40097), -601001, "40097"},
		{"an errcode that nobody knows", errcode(99999), -601001, "other"},
		{"a page in the place of a response", "<html>", -601001, "response"},
		{"a call that answers nothing", `{"errcode":0,"errmsg":"ok"}`, -601001, "response"},
		{"a connection that breaks", "", -601003, "network"},
		{"an expired CloudID, said of the whole call", errcode(-601006), -601006, ""},
		{"an invalid CloudID, said of the whole call", errcode(-601005), -601005, ""},
		{"another user's CloudID, said of the whole call", errcode(-601007), -601007, ""},
		{"a response without the item", good(), -601001, ""},
		{"a response about another id", good("99_z"), -601001, ""},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			r := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return test.response }})
			result := r.resolve(t, "27_a")
			wantOpenData(t, result, errorJSON("27_a", test.want))
			if result.OpenData[0].Code != test.want {
				t.Errorf("code %d", result.OpenData[0].Code)
			}
			if (result.Err == nil) != (test.label == "") || result.Err != nil && wechat.MetricLabel(result.Err) != test.label {
				t.Errorf("the error is %v", result.Err)
			}
		})
	}
}

func TestATimeoutIsOneForAllThatAnInvocationAsks(t *testing.T) {
	t.Parallel()
	fake := &fakeWeChat{response: func(ctx context.Context, c call) string {
		if c.token == "t1" {
			return errcode(42001) // so that there is a second call, which then hangs
		}
		<-ctx.Done()
		return ""
	}}
	r := newRig(t, fake, func(c *opendata.Config) { c.Timeout = 150 * time.Millisecond })
	start := time.Now()
	result := r.resolve(t, "27_a", "27_b")
	wantOpenData(t, result, errorJSON("27_a", -601008), errorJSON("27_b", -601008))
	if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if !wechat.IsTimeout(result.Err) {
		t.Error(result.Err)
	}
	r.wantCalls(t, []string{"27_a", "27_b"}, []string{"27_a", "27_b"})
}

func TestARejectedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	for _, code := range []int{40001, 40014, 42001} {
		r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
			if c.token == "t1" {
				return errcode(code)
			}
			return good(c.ids...)
		}})
		wantOpenData(t, r.resolve(t, "27_a"), goodJSON("27_a"))
		wantOpenData(t, r.resolve(t, "27_b"), goodJSON("27_b"))
		r.wantCalls(t, []string{"27_a"}, []string{"27_a"}, []string{"27_b"})
		if len(r.tokens.rejected) != 1 {
			t.Errorf("%d: rejected %s", code, r.tokens.rejected)
		}
	}
}

// One bad id must not cost the others: where it makes the whole call fail, each is asked for in a call of its own.
func TestOneBadIDDoesNotCostTheOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		whole, single int
		want          int
	}{
		{-601006, -601006, -601006},
		{40097, 40097, -601001},
		{40097, -601005, -601005},
		{-601005, -601005, -601005},
		{-601007, -601007, -601007},
	} {
		r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
			switch {
			case len(c.ids) > 1:
				return errcode(test.whole)
			case c.ids[0] == "27_bad":
				return errcode(test.single)
			default:
				return good(c.ids...)
			}
		}})
		result := r.resolve(t, "27_a", "27_bad", "27_c")
		wantOpenData(t, result, goodJSON("27_a"), errorJSON("27_bad", test.want), goodJSON("27_c"))
		if result.Err != nil {
			t.Errorf("%d: %v, although WeChat answered", test.whole, result.Err)
		}
		if asked := r.wechat.asked(); len(r.wechat.arrived()) != 4 || asked["27_a"] != 2 || asked["27_bad"] != 2 || asked["27_c"] != 2 {
			t.Errorf("%d: asked %v", test.whole, r.wechat.arrived())
		}
	}
}

func TestIDsAreNotAskedSinglyForWhatIsNotTheirFault(t *testing.T) {
	t.Parallel()
	for _, code := range []int{40003, 40013, 40125, 40164, 45009, 45011, 48001, 44002, 47001, 99999} {
		r := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return errcode(code) }})
		result := r.resolve(t, "27_a", "27_b")
		if result.Err == nil || result.OpenData[0].Code >= 0 {
			t.Errorf("%d: %v", code, result)
		}
		if n := len(r.wechat.arrived()); n != 1 {
			t.Errorf("%d: %d calls", code, n)
		}
	}
}

func TestIDsThatAllFailSingly(t *testing.T) {
	t.Parallel()
	r := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return errcode(40097) }})
	result := r.resolve(t, "27_a", "27_b")
	wantOpenData(t, result, errorJSON("27_a", -601001), errorJSON("27_b", -601001))
	if wechat.Code(result.Err) != 40097 {
		t.Error("nothing was answered, and no error says so: ", result.Err)
	}
	expired := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return errcode(-601006) }})
	result = expired.resolve(t, "27_a", "27_b")
	wantOpenData(t, result, errorJSON("27_a", -601006), errorJSON("27_b", -601006))
	if result.Err != nil {
		t.Error("each has WeChat's word, and an error says that it was not asked: ", result.Err)
	}
}

// A watermark says for which app open data was made out.
func TestOpenDataForAnotherAppIsRejected(t *testing.T) {
	t.Parallel()
	data := func(id, watermark string) string {
		return fmt.Sprintf(`{"cloudID":%q,"data":{"n":1%s}}`, id, watermark)
	}
	mine, theirs := `,"watermark":{"appid":"`+appid+`","timestamp":1}`, `,"watermark":{"appid":"wxother","timestamp":1}`
	r := newRig(t, &fakeWeChat{response: func(_ context.Context, c call) string {
		items := []string{item("27_a", data("27_a", mine)), item("27_b", data("27_b", theirs)), item("27_c", data("27_c", ""))}
		return `{"errcode":0,"data_list":[` + strings.Join(items, ",") + `]}`
	}})
	report := make(chan opendata.Exchange, 1)
	result, err := r.Resolve(t.Context(), opendata.Request{
		OpenID: "o1", IDs: []string{"27_a", "27_b", "27_c"}, Report: func(e opendata.Exchange) { report <- e },
	})
	if err != nil {
		t.Fatal(err)
	}
	wantOpenData(t, result, data("27_a", mine), errorJSON("27_b", -601007), data("27_c", ""))
	if got := <-report; got.Mismatched != 1 || got.Failed != 0 || got.Err != nil {
		t.Errorf("reported %+v", got)
	}
	if result.Err != nil {
		t.Error(result.Err)
	}
}

func TestABreakerThatIsOpenFailsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, &fakeWeChat{response: func(context.Context, call) string { return "<html>" }})
	for i := range 5 {
		_ = r.resolveAs(t, fmt.Sprint("o", i%2), fmt.Sprint("27_", i))
	}
	result := r.resolve(t, "27_x", "27_y")
	wantOpenData(t, result, errorJSON("27_x", -601001), errorJSON("27_y", -601001))
	_, open := errors.AsType[*apicall.BreakerOpenError](result.Err)
	if !open || len(r.wechat.arrived()) != 5 {
		t.Errorf("%v, after %d calls", result.Err, len(r.wechat.arrived()))
	}
}

func TestResultsInAMetricAreABoundedSet(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{0: "ok", -601006: "-601006", -601001: "-601001", -604100: "other", 7: "other"} {
		if got := (wechat.OpenData{Code: code}).MetricLabel(); got != want {
			t.Errorf("%d: %q", code, got)
		}
	}
}
