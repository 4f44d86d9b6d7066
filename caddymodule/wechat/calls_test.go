package wechat_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	awkward = `o&=?/#+%41 é"\` // an id that means something else wherever it is not escaped
	appid   = "wx3d289323f5900f8e"
)

// What each API is sent, and what is read from its response (WECHAT.md, sections 5 to 8).
func TestRequests(t *testing.T) {
	for _, test := range []struct {
		api          string
		call         func(context.Context, *wechat.Client) (any, error)
		method, path string
		query        url.Values
		body         string // "" for none
		response     string
		want         any
	}{
		{
			api: wechat.APIGetOpenData,
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				got, err := c.GetOpenData(ctx, awkward, awkward, []string{"27_a", `"]}`})
				return len(got), err
			},
			method: "POST", path: "/wxa/getopendata",
			query:    url.Values{"openid": {awkward}, "access_token": {awkward}},
			body:     `{"cloudid_list":["27_a","\"]}"]}`,
			response: `{"errcode":0,"data_list":[]}`, want: 2,
		},
		{
			api: wechat.APIGetOpenData + ", without a token",
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				got, err := c.GetOpenData(ctx, "", "o1", []string{"27_a"})
				return len(got), err
			},
			method: "POST", path: "/wxa/getopendata",
			query:    url.Values{"openid": {"o1"}},
			body:     `{"cloudid_list":["27_a"]}`,
			response: `{"errcode":0,"data_list":[]}`, want: 1,
		},
		{
			api: wechat.APIGetVoIPSign,
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				return c.GetVoIPSign(ctx, "t", "o1", wechat.VoIPSignRequest{GroupID: awkward, Nonce: "n", Timestamp: 1557056066})
			},
			method: "POST", path: "/wxa/getvoipsign",
			query:    url.Values{"openid": {"o1"}, "access_token": {"t"}},
			body:     `{"group_id":` + quoted(awkward) + `,"nonce":"n","timestamp":1557056066}`,
			response: `{"errcode":0,"errmsg":"ok","signature":"SIG"}`, want: "SIG",
		},
		{
			api: wechat.APIStableToken,
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				return c.StableToken(ctx, appid, awkward)
			},
			method: "POST", path: "/cgi-bin/stable_token",
			query:    url.Values{},
			body:     `{"grant_type":"client_credential","appid":"` + appid + `","secret":` + quoted(awkward) + `,"force_refresh":false}`,
			response: `{"access_token":"T","expires_in":7200}`, want: wechat.Token{Value: "T", Expires: 2 * time.Hour},
		},
		{
			api: wechat.APIJSCode2Session,
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				return c.JSCode2Session(ctx, appid, awkward, awkward)
			},
			method: "GET", path: "/sns/jscode2session",
			query:    url.Values{"appid": {appid}, "secret": {awkward}, "js_code": {awkward}, "grant_type": {"authorization_code"}},
			response: `{"openid":"o1","session_key":"k==","unionid":"u1"}`,
			want:     wechat.Session{OpenID: "o1", UnionID: "u1", SessionKey: "k=="},
		},
		{
			api: wechat.APIJSCode2Session + ", of a user without a unionid",
			call: func(ctx context.Context, c *wechat.Client) (any, error) {
				return c.JSCode2Session(ctx, "a", "s", "c")
			},
			method: "GET", path: "/sns/jscode2session",
			query:    url.Values{"appid": {"a"}, "secret": {"s"}, "js_code": {"c"}, "grant_type": {"authorization_code"}},
			response: `{"openid":"o1","session_key":"k=="}`,
			want:     wechat.Session{OpenID: "o1", SessionKey: "k=="},
		},
	} {
		// Posts go by connections of our own, or, as where the endpoint has a password, by net/http.
		for _, way := range []struct{ name, userinfo string }{{"", ""}, {", by net/http", "user:password@"}} {
			t.Run(test.api+way.name, func(t *testing.T) {
				var got *http.Request
				var body []byte
				server := start(t, func(w http.ResponseWriter, r *http.Request) {
					got = r
					body, _ = io.ReadAll(r.Body)
					w.Header().Set("Content-Type", "text/plain") // what jscode2session sends, and no reason to reject any of them
					_, _ = io.WriteString(w, test.response)
				})
				client, _ := newClient(t, strings.Replace(server, "//", "//"+way.userinfo, 1))
				result, err := test.call(within(t), client)
				if err != nil || !reflect.DeepEqual(result, test.want) {
					t.Errorf("got %v, %v, want %v", result, err, test.want)
				}
				if got.Method != test.method || got.URL.Path != test.path || !reflect.DeepEqual(got.URL.Query(), test.query) {
					t.Errorf("sent %s %s", got.Method, got.URL)
				}
				if !sameJSON(t, string(body), test.body) {
					t.Errorf("sent %s, want %s", body, test.body)
				}
				if got.ContentLength != int64(len(body)) || len(got.TransferEncoding) > 0 {
					t.Errorf("sent %d bytes with Content-Length %d, Transfer-Encoding %s", len(body), got.ContentLength, got.TransferEncoding)
				}
				for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Cookie", "Referer", "Accept-Encoding"} {
					if got.Header[name] != nil {
						t.Errorf("sent %s: %s", name, got.Header[name])
					}
				}
				if got.Header.Get("User-Agent") != "caddy-cloudid" || "http://"+got.Host != server {
					t.Errorf("sent User-Agent %q to %s", got.Header.Get("User-Agent"), got.Host)
				}
				if test.method == http.MethodPost && got.Header.Get("Content-Type") != "application/json" {
					t.Errorf("sent Content-Type %q", got.Header.Get("Content-Type"))
				}
			})
		}
	}
}

// sameJSON reports whether two texts are the same JSON; the order of members and the spelling of strings are not WeChat's
// concern.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	if want == "" || got == "" {
		return got == want
	}
	var a, b any
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestTokensThatCannotBeUsedAreRejected(t *testing.T) {
	for _, test := range []struct {
		sentence, response string
		want               time.Duration // 0: rejected
	}{
		{"a token and its time", `{"access_token":"T","expires_in":7200}`, 2 * time.Hour},
		{"a time written as text", `{"access_token":"T","expires_in":"7200"}`, 2 * time.Hour},
		{"members nobody knows", `{"access_token":"T","expires_in":60,"x":{}}`, time.Minute},
		{"a time beyond all bounds is bounded", `{"access_token":"T","expires_in":1e30}`, 1 << 31 * time.Second},
		{"no token", `{"expires_in":7200}`, 0},
		{"an empty token", `{"access_token":"","expires_in":7200}`, 0},
		{"no time", `{"access_token":"T"}`, 0},
		{"no time left", `{"access_token":"T","expires_in":0}`, 0},
		{"less than no time", `{"access_token":"T","expires_in":-1}`, 0},
		{"far less than no time", `{"access_token":"T","expires_in":-9223372037}`, 0},
		{"neither", `{}`, 0},
	} {
		client := responding(t, test.response)
		got, err := client.StableToken(within(t), "wx1", "secret")
		if test.want == 0 && kind(err) != "response" || test.want != 0 && (err != nil || got.Expires != test.want || got.Value != "T") {
			t.Errorf("%s: got %v, %v", test.sentence, got, err)
		}
	}
}

// Whoever observes the calls sees it too: such a call has not succeeded.
func TestResponsesWithoutWhatWasAskedForAreNotWeChats(t *testing.T) {
	for _, test := range []struct {
		api, missing string
		call         func(*wechat.Client, string) error
	}{
		{wechat.APIGetOpenData, "no data_list", func(c *wechat.Client, _ string) error {
			_, err := c.GetOpenData(within(t), "t", "o", []string{"27_a"})
			return err
		}},
		{wechat.APIGetVoIPSign, "no signature", func(c *wechat.Client, _ string) error {
			_, err := c.GetVoIPSign(within(t), "t", "o", wechat.VoIPSignRequest{})
			return err
		}},
		{wechat.APIJSCode2Session, "no openid", func(c *wechat.Client, _ string) error {
			_, err := c.JSCode2Session(within(t), "a", "s", "c")
			return err
		}},
		{wechat.APIStableToken, "no access_token or expires_in", func(c *wechat.Client, _ string) error {
			_, err := c.StableToken(within(t), "a", "s")
			return err
		}},
		{wechat.APIServiceToken, "no access_token or expires_in", func(c *wechat.Client, url string) error {
			_, err := c.ServiceToken(within(t), url)
			return err
		}},
	} {
		t.Run(test.api, func(t *testing.T) {
			address := start(t, status(200, `{"errcode":0,"errmsg":"ok"}`))
			client, _ := newClient(t, address)
			var seen []wechat.Call
			err := test.call(client.Observed(func(call wechat.Call) { seen = append(seen, call) }), address)
			if kind(err) != "response" || !strings.HasPrefix(err.Error(), test.api) || !strings.HasSuffix(err.Error(), test.missing) {
				t.Errorf("got %v", err)
			}
			if len(seen) != 1 || !errors.Is(seen[0].Err, err) {
				t.Errorf("%v were observed", seen)
			}
		})
	}
}

// The operator has two servers to look at, and is told which.
func TestATokenServiceThatFailsIsNotTakenForWeChat(t *testing.T) {
	client, _ := newClient(t, wechat.DefaultEndpoint)
	for sentence, url := range map[string]string{
		"an outage":                  start(t, status(502, "<html>")),
		"a page":                     start(t, status(200, "<html>")),
		"a redirection":              start(t, status(302, "")),
		"JSON without a token":       start(t, status(200, `{"token":"T"}`)),
		"nothing that can be dialed": "http://127.0.0.1:1/token?key=made-up",
	} {
		_, err := client.ServiceToken(within(t), url)
		text := err.Error() + "; " + wechat.Advice(err)
		if strings.Contains(text, "WeChat") || strings.Contains(text, "endpoint") || !strings.Contains(text, "`token service`") || strings.Contains(text, "made-up") {
			t.Errorf("%s: %s", sentence, text)
		}
	}
}

func TestATokenServiceIsAskedAtItsURLAsItIs(t *testing.T) {
	var got *http.Request
	var user string
	client, _ := newClient(t, wechat.DefaultEndpoint)
	service := start(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		user, _, _ = r.BasicAuth()
		_, _ = io.WriteString(w, `{"access_token":"T","expires_in":600}`)
	})
	token, err := client.ServiceToken(within(t), strings.Replace(service, "http://", "http://me:pass@", 1)+"/a%2Fb?k=v&k=w")
	if err != nil || token != (wechat.Token{Value: "T", Expires: 10 * time.Minute}) {
		t.Fatalf("got %v, %v", token, err)
	}
	if got.Method != http.MethodGet || got.RequestURI != "/a%2Fb?k=v&k=w" || user != "me" || "http://"+got.Host != service {
		t.Errorf("sent %s %s to %s as %q", got.Method, got.RequestURI, got.Host, user)
	}
}

// The client against the sandbox, which shares no code with it.
func TestAgainstTheSandbox(t *testing.T) {
	fake := sandbox.New()
	client := serve(t, fake.ServeHTTP)
	ctx := within(t)
	token, err := client.StableToken(ctx, appid, "secret")
	if err != nil || token.Value == "" || token.Expires < 7190*time.Second {
		t.Fatalf("stable_token: %v, %v", token.Expires, err)
	}
	code, err := fake.MintCode(sandbox.Login{OpenID: "o1", UnionID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.JSCode2Session(ctx, appid, "secret", code)
	if err != nil || session.OpenID != "o1" || session.UnionID != "u1" || session.SessionKey == "" {
		t.Errorf("jscode2session: %v", err)
	}
	if _, err := client.JSCode2Session(ctx, appid, "secret", code); wechat.Code(err) != 40163 {
		t.Errorf("a code used before: %v", err)
	}
	mine, err := fake.MintCloudID(sandbox.OpenData{OpenID: "o1", Data: []byte(`{"n": 1.10}`)})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := fake.MintCloudID(sandbox.OpenData{OpenID: "o2", Kind: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	responses, err := client.GetOpenData(ctx, token.Value, "o1", []string{mine, theirs})
	if err != nil || string(responses[0].JSON) != `{"cloudID":"`+mine+`","data":{"n": 1.10}}` || responses[1].Code != -601007 {
		t.Errorf("getopendata: %d items, %v", len(responses), err)
	}
	sign, err := client.GetVoIPSign(ctx, token.Value, "o1", wechat.VoIPSignRequest{GroupID: "g", Nonce: "n", Timestamp: 1557056066})
	if err != nil || len(sign) != 64 {
		t.Errorf("getvoipsign: %q, %v", sign, err)
	}
	if got, want := fake.Calls(), (sandbox.Calls{StableToken: 1, GetOpenData: 1, GetVoIPSign: 1, JSCode2Session: 2, IDs: 2}); got != want {
		t.Errorf("calls: %+v, want %+v", got, want)
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, usable := range map[string]bool{
		wechat.DefaultEndpoint: true, "http://127.0.0.1:8090": true, "http://127.0.0.1:8090/": true, "https://relay.example/wechat/": true,
		"": false, "api.weixin.qq.com": false, "ftp://api.weixin.qq.com": false, "https://": false, "/relative": false, "http://%zz": false,
		"https://api.weixin.qq.com?secret=x": false, "https://api.weixin.qq.com#secret": false,
	} {
		_, err := wechat.New(endpoint, func(wechat.Call) {})
		if (err == nil) != usable {
			t.Errorf("%q: %v", endpoint, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "endpoint: the value must ") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: the error is %q", endpoint, err)
		}
	}
	var paths atomic.Pointer[string]
	base := start(t, func(w http.ResponseWriter, r *http.Request) {
		paths.Store(&r.URL.Path)
		_, _ = io.WriteString(w, `{"errcode":0,"data_list":[]}`)
	})
	for _, end := range []string{"", "/", "/sub", "/sub/"} {
		client, _ := newClient(t, base+end)
		if err := ask(within(t), client); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(end, "/") + "/wxa/getopendata"; *paths.Load() != want {
			t.Errorf("endpoint %s: asked at %s", end, *paths.Load())
		}
	}
}
