package functionapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// weChatAPI is a stand-in for one more of WeChat's APIs, before the sandbox.
func weChatAPI(path string, handler http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				handler(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func TestRelay(t *testing.T) {
	type got struct {
		method, query, kind, body, authorization string
	}
	var last got
	g := start(t, setup{
		api: "relay /wxa/msg_sec_check /wxa/other",
		wechat: weChatAPI("/wxa/msg_sec_check", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			accessToken := r.URL.Query().Get("access_token")
			if strings.Contains(accessToken, ".") {
				t.Error("the call has no access token, or it is the function's")
			}
			last = got{r.Method, strings.Replace(r.URL.RawQuery, url.QueryEscape(accessToken), "TOKEN", 1), r.Header.Get("Content-Type"), string(body), r.Header.Get("Authorization")}
			w.Header().Set("Content-Type", "application/json; encoding=utf-8")
			w.WriteHeader(http.StatusNonAuthoritativeInfo)
			_, _ = io.WriteString(w, `{ "errcode":87014, "errmsg":"risky content" }`)
		}),
	})
	const response = `{ "errcode":87014, "errmsg":"risky content" }`
	good := token(t, user)
	for _, c := range []struct {
		name string
		call call
		want got
	}{
		{"a post is passed on as it is", call{token: good, body: `{"content" : "x"}`}, got{"POST", "access_token=TOKEN", "application/json", `{"content" : "x"}`, ""}},
		{"a get has no body", call{method: "GET", path: "?a=1", token: good, kind: "-", body: "x"}, got{"GET", "a=1&access_token=TOKEN", "", "", ""}},
		{"the query is passed on as written, but for tokens", call{path: "?b=%41+&access_token=mine&cloudbase_access_token=" + good + "&&Access_Token=x&acc%65ss_token=y&c&openid=" + user, body: `{}`}, got{"POST", "b=%41+&c&openid=" + user + "&access_token=TOKEN", "application/json", `{}`, ""}},
		{"a form's Content-Type is passed on", call{token: good, kind: "multipart/form-data; boundary=x", body: "--x--\r\n", chunked: true}, got{"POST", "access_token=TOKEN", "multipart/form-data; boundary=x", "--x--\r\n", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.call.path = "/wxa/msg_sec_check" + c.call.path
			r := g.in(t).do(c.call)
			r.is(203, response)
			if kind := r.header.Get("Content-Type"); kind != "application/json; encoding=utf-8" {
				t.Errorf("Content-Type is %q", kind)
			}
			if last != c.want {
				t.Errorf("WeChat got\n\t%q\nwant\n\t%q", last, c.want)
			}
		})
	}

	for _, c := range []struct {
		name   string
		call   call
		status int
		says   string
	}{
		{"nobody without a token", call{body: `{}`}, 401, `{"errcode":40001,"errmsg":"the request does not say for which user it is`},
		{"an openid by name is no token", call{path: "?openid=" + user, body: `{}`}, 401, `{"errcode":40001,`},
		{"an openid that contradicts the token", call{path: "?openid=" + other, token: good, body: `{}`}, 403, `{"errcode":40003,`},
		{"a query that servers read differently", call{path: "?a=1;openid=x", token: good, body: `{}`}, 400, `{"errcode":40097,"errmsg":"the query cannot be read`},
		{"other methods", call{method: "DELETE", token: good}, 405, `{"errcode":43002,"errmsg":"the method must be GET, POST"}`},
		{"a body over 10 MiB", call{token: good, body: strings.Repeat("x", 10<<20+1)}, 413, `{"errcode":45002,`},
	} {
		t.Run(c.name, func(t *testing.T) {
			last = got{}
			c.call.path = "/wxa/msg_sec_check" + c.call.path
			g.in(t).do(c.call).says(c.status, c.says)
			if last != (got{}) {
				t.Error("WeChat was called")
			}
		})
	}

	// The sandbox does not know this one, and has its own way to say so.
	g.do(call{path: "/wxa/other", token: good, body: `{}`}).says(404, `"errcode":40066`)
	g.do(call{path: "/wxa/other/", token: good, body: `{}`}).says(404, "nothing is served at this path")
	g.do(call{path: "/wxa/msg_sec_check/x", token: good, body: `{}`}).says(404, "nothing is served at this path")
}

// Most of WeChat's APIs are called in nobody's name, and code in WeChat Cloud Run sends nothing at all.
func TestRelayForTrustedCallers(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.0/8\nrelay /x", wechat: weChatAPI("/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		fmt.Fprintf(w, "<p>%s", r.URL.Query().Get("openid"))
	})})
	r := g.do(call{path: "/x"})
	r.is(200, "<p>")
	if kind := r.header["Content-Type"]; kind != nil {
		t.Errorf("a Content-Type was made up: %q", kind)
	}
	g.do(call{path: "/x?openid=" + other}).is(200, "<p>"+other)
	g.do(call{path: "/x", token: "x"}).says(401)
	g.do(call{path: "/x", header: map[string]string{"X-Forwarded-For": "127.0.0.1"}}).says(401)
}

// A token that WeChat rejects is replaced, once, and the call repeated; nobody notices.
func TestRelayRenewsToken(t *testing.T) {
	var reject, calls atomic.Int32
	g := start(t, setup{api: "relay /x", wechat: weChatAPI("/x", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if reject.Add(-1) >= 0 {
			_, _ = io.WriteString(w, `{"errcode":42001,"errmsg":"access_token expired rid: 5f"}`)
			return
		}
		_, _ = w.Write(body)
	})})
	good := token(t, user)
	reject.Store(1)
	g.do(call{path: "/x", token: good, body: "hello"}).is(200, "hello")
	if calls.Load() != 2 || g.wechat.Calls().StableToken != 2 {
		t.Errorf("%d calls, %d tokens, want 2 of each", calls.Load(), g.wechat.Calls().StableToken)
	}
	// A second rejection is WeChat's response like any other.
	reject.Store(2)
	g.do(call{path: "/x", token: good, body: "hello"}).is(200, `{"errcode":42001,"errmsg":"access_token expired rid: 5f"}`)
	if !strings.Contains(g.log.Text(t), "relayed call failed") {
		t.Error("the log does not say so")
	}
}

func TestRelayFailures(t *testing.T) {
	const accessToken = "made-up-access-token-92"
	var response atomic.Value
	g := start(t, setup{account: "timeout 2s\ntoken static " + accessToken, api: "relay /x", wechat: weChatAPI("/x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // else net/http would not notice that the caller went away
		response.Load().(http.HandlerFunc)(w, r)
	})})
	for _, c := range []struct {
		name     string
		response http.HandlerFunc
		status   int
		says     string
	}{
		{"a response up to 10 MiB is passed on", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 10<<20)) }, 200, "xxx"},
		{"one beyond is not, not even in part", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 10<<20+1)) }, 502, `{"errcode":-604001,"errmsg":"WeChat's response is larger than 10 MiB`},
		{"no response in time", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 504, `{"errcode":-1,"errmsg":"WeChat did not respond in time`},
		{"a response that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
		}, 502, `{"errcode":-1,"errmsg":"WeChat could not be reached`},
		{"a switch of protocols, which never ends", rawResponse("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), 502, `{"errcode":-1,`},
		{"a status of 0", rawResponse("HTTP/1.1 000 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 502, `{"errcode":-1,`},
		{"a status below 100", rawResponse("HTTP/1.1 099 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 502, `{"errcode":-1,`},
		{"a status above 599", rawResponse("HTTP/1.1 999 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), 502, `{"errcode":-1,`},
		{"a redirect is a response, and leads nowhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/y?"+r.URL.RawQuery, http.StatusFound)
		}, 302, ""},
		{"an access token in a response is made unreadable", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "hint: "+r.URL.Query().Get("access_token"))
		}, 200, "hint: " + strings.Repeat("*", len(accessToken))},
	} {
		t.Run(c.name, func(t *testing.T) {
			response.Store(c.response)
			client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			req := request(t.Context(), t, g.url+"/x", `{}`)
			start := time.Now()
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			reply{t, res.StatusCode, res.Header, string(body)}.says(c.status, c.says)
			if strings.Contains(string(body)+fmt.Sprint(res.Header), accessToken) {
				t.Error("the response shows WeChat's access token")
			}
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// rawResponse writes these bytes to the connection, and leaves it open.
func rawResponse(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, text)
		}
	}
}
