package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// What may be done about an errcode (WECHAT.md, section 5).
const (
	askAgain = "ask again in a moment"
	newToken = "ask again once, with another token"
	giveUp   = "do not ask again"
)

// The errcodes of WeChat's documents of getopendata, as the sandbox sends them.
func TestErrcodes(t *testing.T) {
	for _, test := range []struct {
		code   int
		remedy string
		advice string // a part of what the operator is told
	}{
		{-1, askAgain, "busy"},
		{40001, newToken, "stable"},
		{40014, newToken, "stable"},
		{42001, newToken, "token source"},
		{40003, giveUp, "no openid"},
		{40164, giveUp, "203.0.113.7"},
		{40013, giveUp, "AppID"},
		{40125, giveUp, "secret"},
		{41002, giveUp, "AppID"},
		{41004, giveUp, "secret"},
		{40243, giveUp, "secret"},
		{45009, giveUp, "quota"},
		{45011, giveUp, "too many calls"},
		{48001, giveUp, "may not call"},
		{85088, giveUp, "cloud development"},
		{40097, giveUp, "rid"},
		{44002, giveUp, "rid"},
		{47001, giveUp, "rid"},
		{40029, giveUp, "wx.login"},
		{40163, giveUp, "wx.login"},
		{40226, giveUp, "blocks this user"},
	} {
		t.Run(strconv.Itoa(test.code), func(t *testing.T) {
			fake := sandbox.New()
			if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: test.code}); err != nil {
				t.Fatal(err)
			}
			err := ask(within(t), serve(t, fake.ServeHTTP))
			if kind(err) != "errcode" || wechat.Code(err) != test.code || wechat.MetricLabel(err) != strconv.Itoa(test.code) {
				t.Errorf("got %v: %s %d, labelled %s", err, kind(err), wechat.Code(err), wechat.MetricLabel(err))
			}
			remedy := giveUp
			if wechat.IsBusy(err) {
				remedy = askAgain
			}
			if wechat.IsTokenRejected(err) {
				remedy = newToken
			}
			if remedy != test.remedy {
				t.Errorf("the remedy is %q, want %q", remedy, test.remedy)
			}
			contains(t, "the advice", wechat.Advice(err), test.advice)
			contains(t, "the error", err.Error(), wechat.APIGetOpenData, strconv.Itoa(test.code), "rid ")
			if calls := fake.Calls().GetOpenData; calls != 1 {
				t.Errorf("%d calls; when to ask again is for the caller to know", calls)
			}
		})
	}
}

func TestTheWordOnACloudIDIsDefinite(t *testing.T) {
	for code, want := range map[int]bool{
		-601001: false, -601002: false, -601003: false, -601004: false, -601008: false, // another time it may go well
		-601005: true, -601006: true, -601007: true, -601009: true,
		0: false, -1: false, 40003: false, 40097: false,
	} {
		if got := wechat.IsConclusive(code); got != want {
			t.Errorf("%d: %t, want %t", code, got, want)
		}
		if message := wechat.OpenDataMessage(code); (message != "") != (code < -601000) {
			t.Errorf("%d: the message is %q", code, message)
		}
	}
}

func TestLabelsAreABoundedSet(t *testing.T) {
	for _, test := range []struct {
		sentence string
		err      error
		want     string
	}{
		{"success", nil, "0"},
		{"an errcode of WeChat's documents", &wechat.Error{Code: 40097}, "40097"},
		{"the word on a CloudID as the errcode of a whole call", &wechat.Error{Code: -601006}, "-601006"},
		{"an errcode that no document has", &wechat.Error{Code: 31415926}, "other"},
		{"an error wrapped by others", fmt.Errorf("outer: %w", &wechat.Error{Code: 48001}), "48001"},
		{"no response in time", &wechat.NetworkError{Timeout: true}, "timeout"},
		{"a deadline that was met before any call", context.DeadlineExceeded, "timeout"},
		{"a network fault", &wechat.NetworkError{}, "network"},
		{"a response that is not WeChat's", &wechat.ResponseError{}, "response"},
		{"anything else", errors.New("27_Ih-9vx"), "response"},
	} {
		if got := wechat.MetricLabel(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
		}
	}
}

// What stands in the place of each CloudID when a whole call failed.
func TestTheErrCodeOfAWholeCall(t *testing.T) {
	for _, test := range []struct {
		sentence string
		err      error
		want     int
	}{
		{"the word on a CloudID", &wechat.Error{Code: -601006}, -601006},
		{"an openid that is none", &wechat.Error{Code: 40003}, -601007},
		{"an account that may not call", fmt.Errorf("outer: %w", &wechat.Error{Code: 48001}), -601004},
		{"any other errcode", &wechat.Error{Code: 40002}, -601001},
		{"one beside it", &wechat.Error{Code: 48000}, -601001},
		{"no response in time", &wechat.NetworkError{Timeout: true}, -601008},
		{"a deadline that was met before any call", context.DeadlineExceeded, -601008},
		{"a network fault", &wechat.NetworkError{}, -601003},
		{"a call that nobody waits for any more", fmt.Errorf("outer: %w", context.Canceled), -601001},
		{"a response that is not WeChat's", &wechat.ResponseError{}, -601001},
		{"anything else", errors.New("x"), -601001},
	} {
		if got := wechat.ErrCode(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", test.sentence, got, test.want)
		}
	}
}

func TestTheLabelOfACloudIDsResult(t *testing.T) {
	for code, want := range map[int]string{0: "ok", -601005: "-601005", -601001: "-601001", -601010: "other", 40003: "other", 1: "other"} {
		if got := (wechat.OpenData{Code: code}).MetricLabel(); got != want {
			t.Errorf("%d is labelled %s, want %s", code, got, want)
		}
	}
}

func TestEveryErrorComesWithAdvice(t *testing.T) {
	for _, err := range []error{
		&wechat.NetworkError{}, &wechat.NetworkError{Timeout: true}, &wechat.ResponseError{},
		fmt.Errorf("no access token yet: %w", context.DeadlineExceeded),
		fmt.Errorf("outer: %w", &wechat.Error{Code: 40125}),
	} {
		if wechat.Advice(err) == "" {
			t.Errorf("%v: no advice", err)
		}
	}
	if got := wechat.Advice(errors.New("of another package")); got != "" {
		t.Errorf("advice on what this package knows nothing of: %q", got)
	}
}

// 40164 says which address to put on the whitelist. Messages differ in how they write it.
func TestTheAdviceOn40164NamesTheAddress(t *testing.T) {
	for _, test := range []struct{ message, want string }{
		{"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 65f0e9d1-1a2b3c4d-5e6f7a8b", "203.0.113.7"},
		{"invalid ip 203.0.113.7, not in whitelist", "203.0.113.7"},
		{"invalid ip ::ffff:203.0.113.7, not in whitelist", "203.0.113.7"},
		{"invalid ip 2001:db8::7, not in whitelist", "2001:db8::7"},
		{"not in whitelist: [203.0.113.7]", "203.0.113.7"},
		{"not in whitelist: (203.0.113.7).", "203.0.113.7"},
		{"invalid ip fe80::1%a-zone-may-be-any-text, not in whitelist", "fe80::1 "},
	} {
		err := ask(within(t), responding(t, fmt.Sprintf(`{"errcode":40164,"errmsg":%q}`, test.message)))
		advice := wechat.Advice(err)
		contains(t, "the advice on "+test.message, advice, " "+strings.TrimSpace(test.want)+" ", "whitelist")
		if strings.Contains(advice, "zone") || strings.Contains(advice, "::ffff:") {
			t.Errorf("%s: the advice is %q", test.message, advice)
		}
	}
	err := ask(within(t), responding(t, `{"errcode":40164,"errmsg":"not in whitelist"}`))
	contains(t, "the advice without an address", wechat.Advice(err), "this gateway's address", "whitelist")
}

func TestTheRequestIDIsPickedOutOfTheMessage(t *testing.T) {
	const rid = "65f0e9d1-1a2b3c4d-5e6f7a8b"
	for _, test := range []struct{ sentence, message, want string }{
		{"WeChat writes it at the end", "invalid openid rid: " + rid, rid},
		{"with or without a space", "invalid openid rid:" + rid, rid},
		{"digits alone may be a phone number", "invalid phone rid: 13912345678", ""},
		{"with something behind it", "invalid openid, rid: " + rid + ", hint", rid},
		{"in capitals", "rid: 65F0E9D1-1A2B3C4D", "65F0E9D1-1A2B3C4D"},
		{"in brackets", "(rid: " + rid + ")", rid},
		{"not at all", "invalid openid", ""},
		{"with nothing behind it", "invalid openid rid: ", ""},
		{"the secret of an AppID is none, though it is hexadecimal", "rid: 0123456789abcdef0123456789abcdef", ""},
		{"nor is what begins like one", "rid: 65f0e9d1_secret", ""},
		{"nor what ends like one", "rid: secret-65f0e9d1", ""},
		{"nor what is too long", "rid: " + strings.Repeat("a", 1<<16), ""},
	} {
		err := ask(within(t), responding(t, fmt.Sprintf(`{"errcode":40003,"errmsg":%q}`, test.message)))
		var e *wechat.Error
		if !errors.As(err, &e) || e.RID != test.want {
			t.Errorf("%s: got %#v, want the rid %q", test.sentence, err, test.want)
		}
		if strings.Contains(err.Error(), "rid") != (test.want != "") || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: the error is %q", test.sentence, err)
		}
	}
}

func TestWhatIsNotWeChatsResponse(t *testing.T) {
	page := "<html><body>bad gateway</body></html>"
	good := `{"errcode":0,"data_list":[{"cloud_id":"27_a","json":"{\"cloudID\":\"27_a\",\"data\":{}}"}]}`
	for _, test := range []struct {
		sentence string
		handler  http.HandlerFunc
		parts    []string // of the error's text
	}{
		{"a status 500 with a page", status(500, page), []string{"HTTP status 500"}},
		{"a status 500 does not become good by what is in it", status(500, good), []string{"HTTP status 500"}},
		{"another status of success", status(206, good), []string{"HTTP status 206"}},
		{"no content", status(204, ""), []string{"HTTP status 204"}},
		{"a status 200 with a page", status(200, page), []string{"no valid JSON"}},
		{"nothing", status(200, ""), []string{"no valid JSON"}},
		{"a list in the place of the object", status(200, "["+good+"]"), []string{"no JSON object"}},
		{"errcode 0 and nothing else", status(200, `{"errcode":0,"errmsg":"ok"}`), []string{"data_list"}},
		{"a valid response that is too long", status(200, `{"padding":"`+strings.Repeat("x", 5<<20)+`",`+good[1:]), []string{"more than 2097152 bytes"}},
	} {
		err := ask(within(t), serve(t, test.handler))
		if kind(err) != "response" || wechat.MetricLabel(err) != "response" || wechat.Code(err) != 0 || wechat.IsNetwork(err) || wechat.IsTimeout(err) {
			t.Errorf("%s: got %v", test.sentence, err)
			continue
		}
		contains(t, test.sentence, err.Error(), append(test.parts, wechat.APIGetOpenData)...)
		contains(t, "the advice", wechat.Advice(err), "endpoint")
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}
