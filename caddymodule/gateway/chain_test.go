package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// Two of them in a row, as when a site and a route in it each have one: the second has the last word on what it looks at, and
// keeps what the first did.
func TestTwoInAChain(t *testing.T) {
	t.Parallel()
	in := func(between, second string) setup {
		return setup{site: "route {\n$CLOUDID\n" + between + "\ncloudid {\nopenid " + user + "\n" + second + "\n}\nreverse_proxy $UPSTREAM {\nheader_up X-Keys {http.cloudid.keys}\nheader_up X-Found {http.cloudid.found}\nheader_up X-Codes {http.cloudid.codes}\n}\n}"}
	}
	check := func(t *testing.T, got *received, keys, found, codes string) {
		t.Helper()
		got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":`+keys+`}`)
		got.has(t, "X-Keys", keys)
		got.has(t, "X-Found", found)
		got.has(t, "X-Codes", codes)
	}
	t.Run("the second looks at other members", func(t *testing.T) {
		g := start(t, in("", "fields phone"))
		check(t, g.post(`{"weRunData":"`+steps+`","n":1}`).forwarded(`{"weRunData":`+stepsData+`,"n":1}`), `["weRunData"]`, "1", "")
		check(t, g.post(`{"weRunData":"`+steps+`","phone":1}`).forwarded(`{"weRunData":`+stepsData+`,"phone":`+errorObject("", -601005, "invalid cloudID")+`}`), `["weRunData"]`, "2", "phone=-601005")
	})
	t.Run("the second looks at the same member", func(t *testing.T) {
		g := start(t, in("", "guess off"))
		check(t, g.post(example).forwarded(resolved), `["weRunData"]`, "1", "")
	})
	t.Run("for another user, whose it is not", func(t *testing.T) {
		g := start(t, setup{site: "route {\n$CLOUDID\ncloudid {\nopenid o-another\n}\nreverse_proxy $UPSTREAM {\nheader_up X-Keys {http.cloudid.keys}\nheader_up X-Found {http.cloudid.found}\nheader_up X-Codes {http.cloudid.codes}\n}\n}"})
		id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`1`)})
		check(t, g.post(`{"a":"`+id+`"}`).forwarded(`{"a":`+errorObject(id, -601007, "cloudID and calling user does not match")+`}`), `[]`, "1", "a=-601007")
	})
	t.Run("something between them sets another body", func(t *testing.T) {
		g := start(t, in("request_body {\nset `{\"weRunData\":{\"data\":\"made up\"}}`\n}", "guess off"))
		got := g.post(example).got
		if got == nil {
			t.Fatal("the function was not called")
		}
		check(t, got, `[]`, "0", "")
	})
	t.Run("what a client says of the first counts for nothing", func(t *testing.T) {
		g := start(t, in("", "guess off"))
		got := g.do(call{header: map[string]string{"X-WX-OPEN-DATA-INFO": `{"keys":["forged"]}`}, body: `{"forged":{"data":1}}`}).got
		check(t, got, `[]`, "0", "")
	})
}

func TestTheAccountOfTheSession(t *testing.T) {
	t.Parallel()
	// A stand-in for wechat_session, which sets these.
	session := "route {\nmap {http.request.header.X-Test-App} {http.auth.user.appid} {\ndefault {http.request.header.X-Test-App}\n}\n$CLOUDID\nreverse_proxy $UPSTREAM\n}"
	for it, cloudid := range map[string]string{"a fixed account": "account " + appid, "the only account": "", "one by placeholder": "account {http.request.header.X-Account}"} {
		t.Run(it, func(t *testing.T) {
			g := start(t, setup{site: session, cloudid: cloudid})
			as := func(app string) call {
				return call{header: map[string]string{"X-Test-App": app, "X-Account": appid}, body: example}
			}
			g.do(as(appid)).forwarded(resolved).has(t, "X-WX-APPID", appid)
			g.do(as("")).forwarded(resolved)
			g.do(as("wxaaaaaaaaaaaaaaaa")).rejected(403)
		})
	}
}

// Function servers may speak HTTP/2 with whoever asks for it by Upgrade: then a client would speak with them past the gateway.
func TestAnUpgradeOfHTTPIsDropped(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	for _, upgrade := range []string{"h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0", "x\nUpgrade: h2c"} {
		got := g.raw("GET /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\nUpgrade: "+upgrade, "").forwarded("")
		got.has(t, "Upgrade", "")
		got.has(t, "HTTP2-Settings", "")
	}
}

// A request may end before WeChat has responded, for other reasons than that its client went away.
func TestWhyARequestEndsBeforeWeChatResponds(t *testing.T) {
	t.Parallel()
	t.Run("a handler in front gives it only so much time", func(t *testing.T) {
		g := start(t, setup{site: "route {\ntest_deadline 100ms\n$CLOUDID\nreverse_proxy $UPSTREAM\n}", global: "order test_deadline first"})
		g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: time.Second})
		g.post(example).rejected(http.StatusGatewayTimeout)
	})
	t.Run("its client goes away", func(t *testing.T) {
		g := start(t, setup{})
		const canceled = `caddy_cloudid_invocations_total{appid="` + appid + `",outcome="canceled"}`
		g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: time.Second})
		ctx, leave := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer leave()
		if _, err := g.client.Do(call{body: example}.request(ctx, g.url)); err == nil {
			t.Fatal("a response came")
		}
		probe.Eventually(t, "it is counted as canceled", func() bool { return g.metric(canceled) == 1 })
	})
}

// Error pages put messages into JSON and HTML as they are.
func TestMessagesNeedNoEscaping(t *testing.T) {
	t.Parallel()
	const odd = `a\"\\<>&\n\u0001`
	for _, cloudid := range []string{"", "fields a " + `"` + `b<c` + `"` + "\npass image/png", "user_info", "event cloudevents\nuser_info", "openid {http.auth.user.id}\nfields a", "event /data\nfields a"} {
		g := start(t, setup{cloudid: cloudid, errors: `respond "{http.cloudid.error}|{err.message}"`, account: "limit 1 1m"})
		for _, c := range []call{
			{body: `{`},
			{body: `{"` + odd + `":"` + steps + `","` + odd + `":1}`},
			{body: `{"` + odd + `":{"cloudID":"` + steps + `"}}`},
			{kind: `text/pl"ain<>`, body: "x"},
			{kind: "application/json; charset=\"<x>\"", body: "{}"},
			{kind: `application/json"<>`, body: "{}"},
			{header: map[string]string{"Content-Encoding": `"<x>&\`}, body: "{}"},
			{method: "CONNECT"},
			{path: `/fn?a[%22<b>]=1&userInfo=1`, body: "{}"},
			{header: map[string]string{"Ce-Id": "<"}, body: "{}"},
			{kind: "application/cloudevents+json", body: `{"data":{},"data_base64":"<"}`},
			{kind: "application/cloudevents-batch+json", body: `[]`},
			{header: map[string]string{"Incremental": "?1"}, body: "{}"},
			{body: `{"a":"` + steps + `"}`},
			{body: `{"a":{"cloudID":"` + unknownID + `"},"` + odd + `":{"cloudID":"` + group + `"}}`},
			{body: strings.Repeat(" ", 2<<20)},
			{body: `[]`},
			{body: `{"__proto__":1}`},
		} {
			if c.method == "CONNECT" {
				continue // TestConnect sends that
			}
			r := g.do(c)
			if r.got != nil {
				continue
			}
			text := r.body
			if strings.ContainsAny(text, "\"\\<>&") || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) || len(text) < 5 {
				t.Errorf("%q, %+v: the page is %q", cloudid, c, text)
			}
			var inJSON string
			if err := json.Unmarshal([]byte(`"`+text+`"`), &inJSON); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}
