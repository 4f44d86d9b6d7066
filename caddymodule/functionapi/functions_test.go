package functionapi_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// functionServer is a server of functions, and what it was sent last.
type functionServer struct {
	url   string
	calls atomic.Int32
	last  atomic.Pointer[functionCall]
}

type functionCall struct {
	target string
	header http.Header
	body   string
}

func startFunctionServer(t *testing.T, response http.HandlerFunc) *functionServer {
	t.Helper()
	f := new(functionServer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.calls.Add(1)
		f.last.Store(&functionCall{r.Method + " " + r.RequestURI, r.Header.Clone(), string(body)})
		response(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// The other function finds what the gateway gives those that users call: who the user is, and a token for further calls.
func TestCallFunction(t *testing.T) {
	f := startFunctionServer(t, say("application/json", `{ "a":1.10 }`))
	g := start(t, setup{api: "functions " + f.url + "/fn/{name}?a=b"})
	g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":"my-function_1","data":{"n":1.10,"\u0061":"é"}}`, header: map[string]string{
		"X-WX-OPENID": other, "X-WX-FROM-OPENID": other, "X-CloudID-X": "x", "X-WX-SOURCE": "x",
	}}).is(200, `{"result":{ "a":1.10 },"errCode":0,"errMsg":"callFunction:ok"}`)
	got := f.last.Load()
	if got.target != "POST /fn/my-function_1?a=b" || got.body != `{"n":1.10,"\u0061":"é"}` {
		t.Errorf("the function got %s with %s", got.target, got.body)
	}
	for name, want := range map[string]string{
		"X-Wx-Openid": user, "X-Wx-Appid": appid, "X-Wx-Source": "wx_client,scf", "X-Wx-Open-Data-Info": `{"keys":[]}`,
		"Content-Type": "application/json", "X-Wx-Unionid": "", "X-Wx-From-Openid": "", "X-Cloudid-X": "", "Authorization": "",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	fresh := got.header.Get("X-Wx-Cloudbase-Access-Token")
	if fresh == token(t, user) || strings.Count(fresh, ".") != 2 {
		t.Errorf("the token is %q", fresh)
	}
	g.do(call{path: "/getOpenData", token: fresh, body: `{"list":["` + steps + `"]}`}).says(200, stepsData)

	g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f"}`}).says(200, `"errCode":0`)
	if got = f.last.Load(); got.body != "{}" {
		t.Errorf("without data the event is %q", got.body)
	}
	g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f","data":"` + strings.Repeat("x", 5<<20) + `"}`}).says(200, `"errCode":0`)
	if got = f.last.Load(); len(got.body) != 5<<20+2 {
		t.Errorf("a large event has %d bytes", len(got.body))
	}
	g.do(call{path: "/callFunction", body: `{"name":"f"}`}).says(401, "for which user")

	keys, err := usertoken.NewKeys(appid, []string{key})
	if err != nil {
		t.Fatal(err)
	}
	withUnionID, err := keys.Sign(usertoken.Invocation, usertoken.User{OpenID: user, UnionID: "made-up-unionid"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	g.do(call{path: "/callFunction", token: withUnionID, body: `{"name":"f"}`}).says(200, `"errCode":0`)
	if got := f.last.Load().header.Get("X-Wx-Unionid"); got != "made-up-unionid" {
		t.Errorf("the unionid is %q", got)
	}
}

// Only so many large bodies are in memory at once. Each that was served, or was rejected, makes room for another.
func TestManyLargeBodies(t *testing.T) {
	f := startFunctionServer(t, say("application/json", `{}`))
	g := start(t, setup{api: "functions " + f.url + "/{name}"})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	large := call{path: "/callFunction", token: token(t, user), body: `{"name":"f","data":"` + strings.Repeat("x", 1<<20) + `"}`}
	address := strings.TrimPrefix(g.url, "http://")
	for range 17 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST /callFunction HTTP/1.1\r\nHost: "+address+"\r\nContent-Type: application/json\r\nAuthorization: Bearer "+large.token+
			"\r\nContent-Length: 2000000\r\n\r\n"+large.body)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if response, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(response), "HTTP/1.1 400 ") {
			t.Fatalf("%v: a body that breaks off has the response %.100q", err, response)
		}
		_ = conn.Close()
	}
	for range 17 {
		g.doContext(ctx, large).says(200, `"errCode":0`)
	}
}

func TestFunctionResults(t *testing.T) {
	var response atomic.Value
	f := startFunctionServer(t, func(w http.ResponseWriter, r *http.Request) { response.Load().(http.HandlerFunc)(w, r) })
	g := start(t, setup{api: "functions " + f.url + "/{name}"})
	status := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	ok := func(result string) string { return `{"result":` + result + `,"errCode":0,"errMsg":"callFunction:ok"}` }
	for _, c := range []struct {
		it       string
		response http.HandlerFunc
		status   int
		body     string // the whole, or of an error a part
	}{
		{"JSON, byte for byte", status(200, "application/json; charset=utf-8", ` {"a" : 1E2, "a":2}`), 200, ok(` {"a" : 1E2, "a":2}`)},
		{"JSON of another name", status(201, "application/x+json", `[]`), 200, ok(`[]`)},
		{"a text", status(200, "text/plain; charset=utf-8", "a\n\"b\""), 200, ok(`"a\n\"b\""`)},
		{"a text that looks like a number stays one", status(200, "text/plain", "5"), 200, ok(`"5"`)},
		{"a text without a type", status(200, "", "x"), 200, ok(`"x"`)},
		{"an object without a type, as Node's http sends one", status(200, "", ` {"a":1}`), 200, ok(` {"a":1}`)},
		{"an array without a type", status(200, "", `[1]`), 200, ok(`[1]`)},
		{"a number without a type is a text", status(200, "", `1`), 200, ok(`"1"`)},
		{"what only begins like an object, without a type", status(200, "", `{a`), 200, ok(`"{a"`)},
		{"an object that is called a text is one", status(200, "text/plain", `{}`), 200, ok(`"{}"`)},
		{"nothing", status(204, "", ""), 200, ok(`null`)},
		{"an empty body", status(200, "application/json", ""), 200, ok(`null`)},
		{"bytes", status(200, "application/octet-stream", "\xff\xfe"), 502, `{"errCode":-504002,"errMsg":"callFunction:fail -504002 functions execute fail. the function's result is neither JSON nor text"}`},
		{"broken JSON", status(200, "application/json", `{"a":`), 502, `the function's result is called JSON and is none`},
		{"a failure with a message", status(500, "application/json", `{"code":"X","message":"out of order"}`), 502, `the function responded with status 500: out of order"`},
		{"a failure with a stack", status(500, "application/json", `{"message":"m","stack":"Error: broken\n    at x"}`), 502, `the function responded with status 500: Error: broken"`},
		{"a failure in words", status(418, "text/plain", "I am\x00 a\r\nteapot"), 502, `the function responded with status 418: I am  a  teapot"`},
		{"a failure with a long page", status(503, "text/html", strings.Repeat("y", 1000)), 502, `status 503: ` + strings.Repeat("y", 300) + `"`},
		{"a failure whose text is cut within a character", status(503, "text/html", strings.Repeat("y", 299)+"é"), 502, `status 503: ` + strings.Repeat("y", 299) + `"`},
		{"a redirect is followed nowhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, 502, "the function responded with status 302"},
		{"a switch of protocols", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		}, 502, "the function responded with status 101"},
		{"10 MiB", status(200, "text/plain", strings.Repeat("x", 10<<20)), 200, ok(`"` + strings.Repeat("x", 10<<20) + `"`)},
		{"more than 10 MiB", status(200, "text/plain", strings.Repeat("x", 10<<20+1)), 502, `{"errCode":-604001,"errMsg":"callFunction:fail -604001 cloudfunction result size exceed limit. the function's result is larger than 10 MiB"}`},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, `{"errCode":-504001,"errMsg":"callFunction:fail -504001 functions request fail. the function's connection ended before its response did"}`},
	} {
		t.Run(c.it, func(t *testing.T) {
			response.Store(c.response)
			r := g.in(t).do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f"}`})
			if c.status == 200 {
				r.is(200, c.body)
			} else {
				r.says(c.status, c.body)
			}
		})
	}
	t.Run("no response in time", func(t *testing.T) {
		defer functionapi.SetFunctionTimeout(100 * time.Millisecond)()
		response.Store(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		g.in(t).do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f"}`}).says(504, `{"errCode":-501002,"errMsg":"callFunction:fail -501002 resource server timeout. the function did not respond in time"}`)
	})
	t.Run("a caller that hangs up ends the call", func(t *testing.T) {
		ended := make(chan struct{})
		response.Store(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(ended) }))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/callFunction", strings.NewReader(`{"name":"f"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token(t, user))
		if _, err := http.DefaultClient.Do(req); err == nil {
			t.Error("it was answered")
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the function still runs")
		}
	})
	t.Run("functions that are not there", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		listener.Close()
		g := start(t, setup{api: "functions http://" + address + "/{name}"})
		r := g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f"}`})
		r.says(502, `{"errCode":-504001,"errMsg":"callFunction:fail -504001 functions request fail. the function could not be reached; `)
		if strings.Contains(r.body, address) {
			t.Error("the response shows where functions are")
		}
	})
	t.Run("no functions configured", func(t *testing.T) {
		start(t, setup{}).do(call{path: "/callFunction", token: token(t, user), body: `{"name":"f"}`}).says(501, "cloud.callFunction is not served by this gateway: add the line `functions <url>` to cloudid_api")
	})
}

// A name is one segment of a path, and nothing else.
func TestFunctionNames(t *testing.T) {
	f := startFunctionServer(t, say("application/json", `{}`))
	g := start(t, setup{api: "functions " + f.url + "/fn/{name}/run"})
	for _, name := range []string{`"a"`, `"A_b-9"`, `"0"`, `"` + strings.Repeat("x", 64) + `"`} {
		g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":` + name + `}`}).says(200, `"errCode":0`)
		if got := f.last.Load().target; got != "POST /fn/"+strings.Trim(name, `"`)+"/run" {
			t.Errorf("%s became %s", name, got)
		}
	}
	before := f.calls.Load()
	for _, name := range []string{
		`"../admin"`, `".."`, `"."`, `"a/b"`, `"a\\b"`, `"a?b"`, `"a#b"`, `"%2e%2e%2fx"`, `"a%2fb"`, `"a b"`, `"a\nb"`, `"a\u0000"`, `"é"`, `""`, `"-a"`, `"{name}"`,
		`"` + strings.Repeat("x", 65) + `"`, `5`, `null`, `["a"]`, `"a\n"`, `"a:80"`, `"@x"`, `"a;b"`,
	} {
		g.do(call{path: "/callFunction", token: token(t, user), body: `{"name":` + name + `}`}).says(400, `{"errCode":-501007,"errMsg":"callFunction:fail -501007 invalid parameters. the name of the function must have`)
	}
	g.do(call{path: "/callFunction", token: token(t, user), body: `{}`}).says(400, "the name of the function")
	if f.calls.Load() != before {
		t.Error("a function was called")
	}
}

// How deep a chain is says the token that each function is given. None can say it otherwise.
func TestChains(t *testing.T) {
	f := startFunctionServer(t, say("application/json", `{}`))
	g := start(t, setup{api: "trust 127.0.0.1\nfunctions " + f.url + "/{name}"})
	follow := func(first call, openid, source string) {
		t.Helper()
		next := first
		for i := range 10 {
			next.path, next.body = "/callFunction", `{"name":"f"}`
			g.do(next).says(200, `"errCode":0`)
			header := f.last.Load().header
			if header.Get("X-Wx-Openid") != openid || header.Get("X-Wx-Source") != source {
				t.Errorf("call %d is for %q by %q", i+1, header.Get("X-Wx-Openid"), header.Get("X-Wx-Source"))
			}
			next = call{token: header.Get("X-Wx-Cloudbase-Access-Token"), header: map[string]string{"X-Forwarded-For": "10.0.0.1"}} // no longer trusted
		}
		next.path, next.body = "/callFunction", `{"name":"f"}`
		g.do(next).says(508, `functions have called each other 10 times for this call`)
		// With what else it has, a function comes no further: its own token, sent beside an older one.
		if first.token != "" {
			next.path = "/callFunction?cloudbase_access_token=" + first.token
			g.do(next).says(508, "10 times")
			next.path, next.token = "/callFunction?cloudbase_access_token="+next.token, first.token
			g.do(next).says(508, "10 times")
		}
	}
	t.Run("of a user", func(*testing.T) { follow(call{token: token(t, user)}, user, "wx_client,scf") })
	t.Run("of nobody, as timers begin them", func(*testing.T) { follow(call{}, "", "scf") })

	// What such a token is good for: what needs no user, and no more.
	g.do(call{path: "/callFunction", body: `{"name":"f"}`}).says(200, `"errCode":0`)
	unattended := f.last.Load().header.Get("X-Wx-Cloudbase-Access-Token")
	untrusted := map[string]string{"Via": "1.1 x"}
	g.do(call{path: "/getOpenData", token: unattended, body: `{"list":["` + steps + `"]}`, header: untrusted}).says(401, "for which user")
	g.do(call{path: "/getVoIPSign", token: unattended, body: voice, header: untrusted}).says(401, "for which user")
	g.do(call{path: "/wxa/getvoipsign", token: unattended, body: voiceWX, header: untrusted}).says(401, "for which user")
	g.do(call{path: "/wxa/getopendata?openid=" + user, token: unattended, body: `{"cloudid_list":["` + steps + `"]}`, header: untrusted}).says(401)
	forged := sign(t, appid, key, usertoken.Session, user, time.Minute)
	g.do(call{path: "/callFunction", token: forged, body: `{"name":"f"}`}).says(401, "invalid or has expired")
}

// The unmodified SDK's own form of the call.
func TestCallFunctionAsTheSDKDoes(t *testing.T) {
	f := startFunctionServer(t, say("application/json", `{"a":"\"é"}`))
	g := start(t, setup{api: "functions " + f.url + "/{name}"})
	r := g.do(call{path: "/admin?env=e", body: `{"action":"functions.invokeFunction","function_name":"f","request_data":"{\"x\":[1]}","wxCloudApiToken":"` + token(t, user) + `"}`})
	if got := gjson.Get(r.body, "data.response_data").Str; got != `{"a":"\"é"}` || r.status != 200 || gjson.Get(r.body, "code").Exists() || gjson.Get(r.body, "requestId").Str == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := f.last.Load(); got.body != `{"x":[1]}` || got.header.Get("X-Wx-Openid") != user {
		t.Errorf("the function got %q for %q", got.body, got.header.Get("X-Wx-Openid"))
	}
	for _, c := range []struct{ it, body, code string }{
		{"no token", `{"action":"functions.invokeFunction","function_name":"f","request_data":"{}"}`, "INVALID_REQUEST_SOURCE"},
		{"a bad token", `{"action":"functions.invokeFunction","function_name":"f","request_data":"{}","wxCloudApiToken":"x"}`, "INVALID_REQUEST_SOURCE"},
		{"a bad name", `{"action":"functions.invokeFunction","function_name":"../f","request_data":"{}","wxCloudApiToken":"` + token(t, user) + `"}`, "INVALID_PARAM"},
		{"an event that is no JSON", `{"action":"functions.invokeFunction","function_name":"f","request_data":"{","wxCloudApiToken":"` + token(t, user) + `"}`, "FUNCTIONS_REQUEST_FAIL"},
	} {
		r := g.do(call{path: "/admin", body: c.body})
		if gjson.Get(r.body, "code").Str != c.code || r.header.Get("Content-Type") != "application/json; charset=utf-8" || gjson.Get(r.body, "message").Str == "" {
			t.Errorf("%s: %d %s", c.it, r.status, r.body)
		}
	}
	r = g.do(call{path: "/admin", body: `{"action":"functions.invokeFunction","function_name":"f","request_data":"","wxCloudApiToken":"` + token(t, user) + `"}`})
	if got := f.last.Load(); got.body != `{}` || !strings.Contains(r.body, "response_data") {
		t.Errorf("without data: the event is %q, %s", got.body, r.body)
	}
}
