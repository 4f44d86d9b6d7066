package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// forged are names under which a client could try to speak as the gateway.
var forged = []string{
	"X-WX-OPENID", "X-WX-APPID", "X-WX-UNIONID", "X-WX-SOURCE", "X-WX-ENV", "X-WX-FROM-OPENID", "X-WX-FROM-APPID",
	"X-WX-CLOUDBASE-ACCESS-TOKEN", "X-WX-OPEN-DATA-INFO", "X-WX-Something-New", "X-WX-",
	"x-wx-openid", "X-wX-OpenId", "X-CloudID-Anything", "x-cloudid-", "X-Functions-Extended-Context", "x-functions-extended-CONTEXT",
	"X_WX_OPENID", "x_wx-openid", "X-WX_OPEN_DATA_INFO", "X_CloudID_A", "X_Functions_Extended_Context", "X.WX.OPENID", "X-WX.OPENID",
}

// ourNames are the headers that a function may have from the gateway, in net/http's spelling.
var ourNames = map[string]bool{
	"X-Wx-Openid": true, "X-Wx-Appid": true, "X-Wx-Unionid": true, "X-Wx-Source": true, "X-Wx-Cloudbase-Access-Token": true,
	"X-Wx-Open-Data-Info": true, "X-Functions-Extended-Context": true,
}

// wantNothingForged fails if anything that a client said under our names came through.
func wantNothingForged(t *testing.T, got *received) {
	t.Helper()
	for _, fields := range []http.Header{got.header, got.trailer} {
		for name, values := range fields {
			plain := strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
			speaks := strings.HasPrefix(plain, "x-wx-") || strings.HasPrefix(plain, "x-cloudid-") || plain == "x-functions-extended-context"
			if speaks && !ourNames[name] || strings.Contains(strings.Join(values, ""), "forged") {
				t.Errorf("%s: %q came through", name, values)
			}
		}
	}
}

// lenient has Caddy let names through that it would drop itself.
const lenient = "servers {\nexpected_underscore_headers X_Wx_* X_Cloudid_* X_Functions_* X-Wx_* X_Wx-*\nexpected_dot_headers X.Wx.* X-Wx.*\n}"

func TestInboundHeadersAreRemoved(t *testing.T) {
	t.Parallel()
	for name, global := range map[string]string{"as Caddy comes": "", "with Caddy's own filters open": lenient} {
		t.Run(name, func(t *testing.T) {
			g := start(t, setup{global: global})
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"} {
				for _, kind := range []string{"application/json", "text/plain", ""} {
					head := method + " /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Length: " + length(example)
					if kind != "" {
						head += "\nContent-Type: " + kind
					}
					for _, name := range forged {
						head += "\n" + name + ": forged"
					}
					got := g.in(t).raw(head, example).got
					if got == nil {
						t.Fatalf("%s %s: the function was not called", method, kind)
					}
					wantNothingForged(t, got)
					got.has(t, "X-WX-OPENID", user)
				}
			}
		})
	}
	t.Run("also where nobody is logged in", func(t *testing.T) {
		g := start(t, setup{cloudid: "openid {http.auth.user.id}"})
		head := "POST /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Length: 2\nContent-Type: application/json"
		for _, name := range forged {
			head += "\n" + name + ": forged"
		}
		got := g.in(t).raw(head, "{}").forwarded("{}")
		wantNothingForged(t, got)
		for name := range ourNames {
			if name != "X-Wx-Open-Data-Info" {
				got.has(t, name, "")
			}
		}
		got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":[]}`)
	})
	t.Run("also on the way to an error page", func(t *testing.T) {
		g := start(t, setup{
			cloudid: "openid {http.request.header.X-Test-User}\naccount {http.request.header.X-Test-App}",
			errors:  "reverse_proxy $UPSTREAM",
		})
		head := "POST /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Length: 1\nContent-Type: application/json\nX-Test-User: u\nX-WX-OPENID: forged"
		for _, app := range []string{"unknown", appid} {
			got := g.in(t).raw(head+"\nX-Test-App: "+app, "{").got
			if got == nil {
				t.Fatal("no error page")
			}
			wantNothingForged(t, got)
		}
	})
}

func TestInboundTrailersAreRemoved(t *testing.T) {
	t.Parallel()
	g := start(t, setup{global: lenient})
	const head = "POST /fn HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nTransfer-Encoding: chunked"
	body := "2\r\n{}\r\n0\r\n" + strings.Join(forged, ": forged\r\n") + ": forged\r\nX-Other: fine\r\n\r\n"
	for _, kind := range []string{"application/json", "text/plain"} {
		t.Run(kind, func(t *testing.T) {
			declared := "\nTrailer: X-Other, " + strings.Join(forged, ", ")
			for _, announced := range []string{"", "\nTrailer: X-Other", declared} {
				r := g.in(t).raw(head+"\nContent-Type: "+kind+announced, body)
				got := r.forwarded("{}")
				wantNothingForged(t, got)
				got.has(t, "X-WX-OPENID", user)
				for name := range got.trailer {
					if name != "X-Other" {
						t.Errorf("a trailer %s is announced", name)
					}
				}
				if kind == "text/plain" && announced != "" && got.trailer.Get("X-Other") == "" {
					t.Error("another trailer was lost")
				}
			}
		})
	}
}

func TestConnectionCannotRemoveWhatWeSay(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "extended_context"})
	for _, connection := range []string{
		"X-WX-OPEN-DATA-INFO", "close, x-wx-openid , X-Wx-Open-Data-Info,X-WX-APPID", "X-Functions-Extended-Context\nConnection: X-WX-SOURCE",
	} {
		got := g.raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\nConnection: "+connection+"\nContent-Length: "+length(example), example).
			forwarded(resolved)
		got.has(t, "X-WX-OPENID", user)
		got.has(t, "X-WX-APPID", appid)
		got.has(t, "X-WX-SOURCE", "wx_client")
		got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
		if got.header.Get("X-Functions-Extended-Context") == "" {
			t.Error("the extended context is gone")
		}
	}
	t.Run("nor what says that a body is no JSON", func(t *testing.T) {
		// Without its type, some framework would take it for JSON.
		got := g.raw("POST /fn HTTP/1.1\nHost: 127.0.0.1\nContent-Type: text/plain\nConnection: Content-Type, X-Else\nX-Else: 1\nContent-Length: "+length(example), example).
			forwarded(example)
		got.has(t, "Content-Type", "text/plain")
		got.has(t, "X-Else", "")
	})
}

func TestWhatTheFunctionIsTold(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "openid {http.request.header.X-Test-User}\nunionid {http.request.header.X-Test-Union}"})
	t.Run("who calls", func(t *testing.T) {
		for _, c := range []call{
			{body: example}, {kind: "text/plain", body: "x"}, {method: "GET", kind: "-"}, {method: "DELETE", kind: "-"},
		} {
			c.header = map[string]string{"X-Test-User": user, "X-Test-Union": "union-1"}
			got := g.in(t).do(c).got
			got.has(t, "X-WX-OPENID", user)
			got.has(t, "X-WX-APPID", appid)
			got.has(t, "X-WX-UNIONID", "union-1")
			got.has(t, "X-WX-SOURCE", "wx_client")
			if token := got.header.Get("X-WX-CLOUDBASE-ACCESS-TOKEN"); strings.Count(token, ".") != 2 {
				t.Errorf("the invocation token is %q", token)
			}
		}
	})
	t.Run("an unknown unionid is not", func(t *testing.T) {
		got := g.in(t).do(call{header: map[string]string{"X-Test-User": user}}).forwarded("")
		got.has(t, "X-WX-UNIONID", "")
	})
	t.Run("which members hold open data", func(t *testing.T) {
		send := func(body string) *received {
			return g.in(t).do(call{header: map[string]string{"X-Test-User": user}, body: body}).got
		}
		const all = "X-WX-OPEN-DATA-INFO"
		send(`{"步数":"`+steps+`","é":"`+group+`","😀":"`+phone+`"}`).has(t, all, `{"keys":["\u6b65\u6570","\u00e9","\ud83d\ude00"]}`)
		send(`{"a\"b\\c":"`+steps+`","\u0000\n\u007f":"`+group+`"}`).has(t, all, `{"keys":["a\"b\\c","\u0000\n\u007f"]}`)
		send(`{"b":"`+phone+`","no":{"cloudID":"`+unknownID+`"},"a":"`+steps+`"}`).has(t, all, `{"keys":["b","a"]}`)
		for _, body := range []string{``, `[]`, `{"a":1}`, `{"a":"` + unknownID + `"}`, `{"a":{"cloudID":"` + unknownID + `"}}`} {
			send(body).has(t, all, `{"keys":[]}`)
		}
		for _, name := range []string{"<&>", "'", "a,b", " ", "\u2028", strings.Repeat("长", 85)} {
			quoted, _ := json.Marshal(name)
			value := send(`{` + string(quoted) + `:"` + steps + `"}`).header.Get(all)
			var info struct{ Keys []string }
			if err := json.Unmarshal([]byte(value), &info); err != nil || len(info.Keys) != 1 || info.Keys[0] != name {
				t.Errorf("%q is told as %q (%v)", name, value, err)
			}
		}
	})
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	const ours = `"userInfo":{"appId":"` + appid + `","openId":"` + user + `"}`
	g := start(t, setup{cloudid: "user_info"})
	for body, want := range map[string]string{
		`{}`:                               `{` + ours + `}`,
		`{"a":1}`:                          `{"a":1,` + ours + `}`,
		example:                            strings.TrimSuffix(resolved, "}") + "," + ours + "}",
		` { } `:                            ` {` + ours + ` } `,
		`{"userInfo":{"openId":"forged"}}`: `{` + ours + `}`,
		`{"userInfo":1,"a":1,"USERINFO":2,"user\u0049nfo":3,"u\u017FerInfo":4}`: `{"a":1,` + ours + `}`,
		`{"a":1,"userInfo\u0000x":{"openId":"forged"},"b":2}`:                   `{"a":1,"b":2,` + ours + `}`,
		`[]`: `[]`, ``: `{` + ours + `}`,
	} {
		g.post(body).forwarded(want)
	}
	g.post(`{"cloudid_list":[{"key_name":"userInfo","cloud_id":"` + steps + `"}]}`).rejected(400)
	g.post(`"{\"userInfo\":{\"openId\":\"forged\"}}"`).rejected(400)

	t.Run("nobody forges it where nobody is logged in", func(t *testing.T) {
		g := start(t, setup{cloudid: "user_info\nopenid {http.auth.user.id}"})
		g.post(`{"userInfo":{"openId":"forged"},"a":1}`).forwarded(`{"a":1}`)
	})
	t.Run("nobody forges it by a method or a header that some servers look past", func(t *testing.T) {
		const forged = `{"userInfo":{"openId":"forged"}}`
		g := start(t, setup{cloudid: "user_info"})
		g.do(call{method: "GET", body: forged}).forwarded(`{` + ours + `}`)
		g.do(call{header: map[string]string{"Upgrade": "x"}, body: forged}).forwarded(`{` + ours + `}`)
	})
	t.Run("without the option it is a member like others", func(t *testing.T) {
		g := start(t, setup{})
		g.post(`{"userInfo":1}`).forwarded(`{"userInfo":1}`)
	})
}

func TestExtendedContext(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "extended_context\nunionid union-1"})
	value := g.post(example).forwarded(resolved).header.Get("X-Functions-Extended-Context")
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	var context struct{ WechatContext map[string]string }
	if err := json.Unmarshal(text, &context); err != nil {
		t.Fatal(err)
	}
	got := context.WechatContext
	if got["openId"] != user || got["appId"] != appid || got["unionId"] != "union-1" || got["source"] != "wx_client" || len(got["callId"]) < 16 {
		t.Errorf("the context is %s", text)
	}
	t.Run("nobody's is none", func(t *testing.T) {
		g := start(t, setup{cloudid: "extended_context\nopenid {http.auth.user.id}"})
		g.in(t).do(call{header: map[string]string{"X-Functions-Extended-Context": "forged"}}).forwarded("").has(t, "X-Functions-Extended-Context", "")
	})
}

func TestTrustHeaders(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "trust_headers"})
	inbound := map[string]string{
		"X-WX-OPENID": user, "X-WX-UNIONID": "union-2", "X-WX-SOURCE": "wx_devtools", "X-WX-ENV": "env-1",
		"X-WX-CLOUDBASE-ACCESS-TOKEN": "theirs", "X-CloudID-A": "1", "X-Functions-Extended-Context": "theirs",
		"X-WX-OPEN-DATA-INFO": `{"keys":["forged"]}`,
	}
	got := g.do(call{header: inbound, body: example}).forwarded(resolved)
	for name, value := range inbound {
		if name != "X-WX-OPEN-DATA-INFO" {
			got.has(t, name, value)
		}
	}
	got.has(t, "X-WX-APPID", appid)
	got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)

	t.Run("without an openid in them nobody is known", func(t *testing.T) {
		g.in(t).post(example).forwarded(example).has(t, "X-WX-OPENID", "")
		g.in(t).post(`{"a":{"cloudID":"` + steps + `"}}`).rejected(401)
	})
}
