package functionapi_test

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// official is the AppID of an official account that shares the gateway.
const official = "wx0ff1c1a10ff1c1a1"

const officialAccount = `cloudid {
		account ` + official + ` {
			secret ` + appSecret + `
			endpoint $WECHAT
		}
	}`

// file is an argument that is a file, as the SDK sends it: bytes, and a name in place of the content type that it loses.
func file(key, filename, content string) string { return message(1, key, 2, content, 4, filename) }

// openAPIOf is openAPI for the account of appid, of pairs that are messages.
func openAPIOf(appid string, pairs ...string) string {
	var inner []any
	for _, pair := range pairs {
		inner = append(inner, 1, pair)
	}
	return message(1, 0, 2, message(inner...), 6, appid)
}

// Each name of the table, called as the unmodified SDK does, reaches the API that WeChat has for it and comes back with what that
// answers: JSON, or the bytes of a picture or file with their type.
func TestEveryNameOfTheTable(t *testing.T) {
	g := start(t, setup{api: "account " + appid + "\nopenapi *", global: officialAccount})
	good := token(t, user)
	upload := func(appid string) string {
		kind := message(1, "type", 2, `"image"`)
		r := g.sdk("customerServiceMessage.uploadTempMedia", openAPIOf(appid, file("media", "media.png", "\x89PNG content"), kind), good)
		return gjson.Get(r.answered("application/json"), "media_id").Raw
	}
	for _, api := range wechat.OpenAPIs() {
		t.Run(api.Name, func(t *testing.T) {
			g := g.in(t)
			if strings.HasPrefix(api.Name, "cloudbase.get") && !strings.Contains(api.Name, "Statistics") {
				return // the gateway's own, see TestSDKResponses
			}
			account := ""
			if strings.HasPrefix(api.Name, "officialAccount.") {
				account = official
			}
			var pairs []string
			if api.File != "" {
				pairs = append(pairs, file("file", "a.png", "\x89PNG content"))
			}
			if api.Response == wechat.MediaResponse {
				pairs = append(pairs, message(1, "media_id", 2, upload(account)))
			}
			r := g.sdk(api.Name, openAPIOf(account, pairs...), good)
			switch api.Response {
			case wechat.PictureResponse:
				if _, err := png.Decode(strings.NewReader(r.answered("image/png"))); err != nil {
					t.Error(err)
				}
			case wechat.MediaResponse:
				if got := r.answered("image/png"); got != "\x89PNG content" {
					t.Errorf("downloaded %.40q", got)
				}
			default:
				if got := r.answered("application/json"); gjson.Get(got, "errcode").Int() != 0 || !gjson.Valid(got) {
					t.Error(got)
				}
			}
		})
	}
}

// captured is what WeChat was asked.
type captured struct {
	method, path, query, kind, body, token string
}

// capture stands before the sandbox and responds itself to all but calls for tokens.
func capture(t *testing.T, last *captured, response http.HandlerFunc) func(http.Handler) http.Handler {
	var mu sync.Mutex
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/cgi-bin/stable_token") {
				next.ServeHTTP(w, r)
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("the request broke off: %v", err)
			}
			query := r.URL.Query()
			accessToken := query.Get("access_token")
			query.Del("access_token")
			mu.Lock()
			*last = captured{r.Method, r.URL.Path, query.Encode(), r.Header.Get("Content-Type"), string(body), accessToken}
			mu.Unlock()
			response(w, r)
		})
	}
}

func say(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}
}

func TestOpenAPIRequests(t *testing.T) {
	var last captured
	g := start(t, setup{api: "account " + appid + "\nopenapi *", global: officialAccount, wechat: capture(t, &last, say("application/json", `{"errcode":0}`))})
	good := token(t, user)
	for _, c := range []struct {
		it, api, data string
		want          captured
	}{
		{"arguments are a JSON body", "subscribeMessage.send", openAPI("touser", `"`+other+`"`, "data", `{"thing1":{"value":"\u4f60好"}}`), captured{"POST", "/cgi-bin/message/subscribe/send", "", "application/json", `{"touser":"` + other + `","data":{"thing1":{"value":"\u4f60好"}}}`, ""}},
		{"or the query, another user's openid too", "auth.getPaidUnionId", openAPI("openid", `"`+other+`"`, "access_token", `"mine"`), captured{"GET", "/wxa/getpaidunionid", "openid=" + other, "", "", ""}},
		{"fields that are not in snake_case", "subscribeMessage.addTemplate", openAPI("tid", `"1"`, "kid_list", `[1]`), captured{"POST", "/wxaapi/newtmpl/addtemplate", "", "application/json", `{"tid":"1","kidList":[1]}`, ""}},
		{"an address in a picture's place", "ocr.printedText", openAPI("img_url", `"https://a/b"`), captured{"POST", "/cv/ocr/comm", "img_url=https%3A%2F%2Fa%2Fb", "", "", ""}},
		{"an official account, by its AppID", "officialAccount.user.getInfo", openAPIOf(official, message(1, "openid", 2, `"o2"`)), captured{"GET", "/cgi-bin/user/info", "openid=o2", "", "", "official"}},
		{"the function's own account, by its AppID", "officialAccount.user.getInfo", openAPIOf(appid, message(1, "openid", 2, `"o2"`)), captured{"GET", "/cgi-bin/user/info", "openid=o2", "", "", ""}},
	} {
		t.Run(c.it, func(t *testing.T) {
			g.in(t).sdk(c.api, c.data, good).answered("application/json")
			got := last
			if ofOfficial := got.token != ownToken(g); ofOfficial != (c.want.token == "official") {
				t.Errorf("the token is the official account's: %t", ofOfficial)
			}
			if got.token, c.want.token = "", ""; got != c.want {
				t.Errorf("WeChat got\n\t%q\nwant\n\t%q", got, c.want)
			}
		})
	}
	for _, c := range []struct {
		it, api, data string
		errcode       int64
		says          string
	}{
		{"an account that the gateway does not have", "officialAccount.user.getInfo", openAPIOf("wx1111111111111111"), -604101, "the AppID given to cloud.openapi is no account of this gateway"},
		{"an argument that is no JSON and no file", "wxacode.get", openAPI("path", `x`), 40097, "an argument is no JSON text, and no file"},
		{"a file where none belongs", "wxacode.get", openAPIOf("", file("path", "a.png", "x")), 40097, "wxacode.get takes no file"},
		{"more arguments than any API has", "wxacode.get", openAPIOf("", slices.Repeat([]string{message(1, "a", 2, "1")}, 101)...), 40097, "more than 100 arguments"},
		{"a message that is none", "wxacode.get", "\xff", 40097, "requestData is no message"},
	} {
		t.Run(c.it, func(t *testing.T) {
			last = captured{}
			g.in(t).sdk(c.api, c.data, good).rejected(c.errcode, c.says)
			if last != (captured{}) {
				t.Error("WeChat was called")
			}
		})
	}
}

// ownToken is the access token of the function's account.
func ownToken(g *rig) string {
	request := httptest.NewRequest(http.MethodPost, "/cgi-bin/stable_token", strings.NewReader(`{"grant_type":"client_credential","appid":"`+appid+`","secret":"`+appSecret+`"}`))
	response := httptest.NewRecorder()
	g.wechat.ServeHTTP(response, request)
	return gjson.Get(response.Body.String(), "access_token").Str
}

// What WeChat answers is told from its bytes, since it sends JSON as text and errors as pictures.
func TestOpenAPIResponses(t *testing.T) {
	var (
		last     captured
		response atomic.Value
	)
	picture := "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00{", 100)
	g := start(t, setup{api: "openapi *", wechat: capture(t, &last, func(w http.ResponseWriter, r *http.Request) {
		response.Load().(http.HandlerFunc)(w, r)
	})})
	good := token(t, user)
	for _, c := range []struct {
		it, api  string
		response http.HandlerFunc
		kind     string // "": a rejection
		body     string
		errcode  int64
	}{
		{"JSON", "wxacode.get", say("application/json; encoding=utf-8", `{"errcode":0,"a":1}`), "application/json", `{"errcode":0,"a":1}`, 0},
		{"JSON called text", "security.msgSecCheck", say("text/plain", `{"errcode":0}`), "application/json", `{"errcode":0}`, 0},
		{"JSON called HTML", "security.msgSecCheck", say("text/html", ` {"errcode":0}`), "application/json", ` {"errcode":0}`, 0},
		{"JSON without a type", "security.msgSecCheck", say("", `{"x":1}`), "application/json", `{"x":1}`, 0},
		{"an error of WeChat's reaches the function, which the SDK makes an exception of", "security.msgSecCheck", say("application/json", `{"errcode":87014,"errmsg":"risky"}`), "application/json", `{"errcode":87014,"errmsg":"risky"}`, 0},
		{"a picture", "wxacode.get", say("image/jpeg", picture), "image/jpeg", picture, 0},
		{"a picture without a type", "wxacode.get", say("", picture), "image/png", picture, 0},
		{"a picture called text", "wxacode.get", say("text/plain", picture), "image/png", picture, 0},
		{"an error called a picture", "wxacode.get", say("image/jpeg", `{"errcode":41030,"errmsg":"invalid page"}`), "application/json", `{"errcode":41030,"errmsg":"invalid page"}`, 0},
		{"a video's address", "customerServiceMessage.getTempMedia", say("text/plain", `{"video_url":"http://x"}`), "application/json", `{"video_url":"http://x"}`, 0},
		{"a file of JSON", "customerServiceMessage.getTempMedia", say("application/octet-stream", `{"a":1}`), "application/octet-stream", `{"a":1}`, 0},
		{"10 MiB", "wxacode.get", say("image/png", strings.Repeat("x", 10<<20)), "image/png", strings.Repeat("x", 10<<20), 0},
		{"more than 10 MiB", "wxacode.get", say("image/png", strings.Repeat("x", 10<<20+1)), "", "WeChat's response is larger than 10 MiB", -604001},
		{"a page in the place of JSON", "security.msgSecCheck", say("text/html", `<html>`), "", "WeChat's response is no JSON object", -604103},
		{"an array in the place of an object", "security.msgSecCheck", say("application/json", `[]`), "", "no JSON object", -604103},
		{"broken JSON", "security.msgSecCheck", say("application/json", `{"errcode":`), "", "no JSON object", -604103},
		{"a page with status 502 in the place of a picture", "wxacode.get", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
		}, "", "no JSON object", -604103},
		{"a connection that breaks", "wxacode.get", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "WeChat could not be reached", -604103},
	} {
		t.Run(c.it, func(t *testing.T) {
			response.Store(c.response)
			r := g.in(t).sdk(c.api, openAPI("path", `"x"`), good)
			if c.kind == "" {
				r.rejected(c.errcode, c.body)
				return
			}
			if got := r.answered(c.kind); got != c.body {
				t.Errorf("the function got %d bytes, %.100q", len(got), got)
			}
		})
	}
}

func TestOpenAPIWithoutResponse(t *testing.T) {
	g := start(t, setup{api: "openapi *", account: "timeout 200ms", wechat: capture(t, new(captured), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
	g.sdk("wxacode.get", openAPI("path", `"x"`), token(t, user)).rejected(-604102, "WeChat did not respond in time")
}

// A token that WeChat rejects is replaced once, whatever the error is called, and the call made again.
func TestOpenAPIRenewsToken(t *testing.T) {
	for _, kind := range []string{"application/json", "text/plain", "image/jpeg", ""} {
		t.Run(kind, func(t *testing.T) {
			var (
				calls atomic.Int32
				last  captured
			)
			g := start(t, setup{api: "openapi *", wechat: capture(t, &last, func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) == 1 {
					say(kind, `{"errcode":42001,"errmsg":"access_token expired rid: 5f"}`)(w, r)
					return
				}
				say("image/png", "\x89PNG\r\n\x1a\n")(w, r)
			})})
			if got := g.sdk("wxacode.get", openAPI("path", `"x"`), token(t, user)).answered("image/png"); got != "\x89PNG\r\n\x1a\n" {
				t.Errorf("the function got %q", got)
			}
			if calls.Load() != 2 || g.wechat.Calls().StableToken != 2 {
				t.Errorf("%d calls, %d tokens, want 2 of each", calls.Load(), g.wechat.Calls().StableToken)
			}
		})
	}
}

// A file of 10 MiB goes through, however many are sent at once; what is larger does not.
func TestLargeFiles(t *testing.T) {
	var last captured
	g := start(t, setup{api: "openapi *", account: "timeout 30s", wechat: capture(t, &last, say("application/json", `{"errcode":0}`))})
	good := token(t, user)
	content := strings.Repeat("\x89", 10<<20)
	g.sdk("customerServiceMessage.uploadTempMedia", openAPIOf("", file("media", "a.png", content)), good).answered("application/json")
	if !strings.Contains(last.body, content) || len(last.body) > 10<<20+1<<10 {
		t.Errorf("WeChat got %d bytes", len(last.body))
	}
	g.sdk("customerServiceMessage.uploadTempMedia", openAPIOf("", file("media", "a.png", content+strings.Repeat("x", 64<<10))), good).
		rejected(-601002, "the body is larger than 10551296 bytes")

	// More at once than are kept in memory: the others wait for their turn.
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			r := g.sdk("customerServiceMessage.uploadTempMedia", openAPIOf("", file("media", "a.png", content[:2<<20])), good)
			if !strings.Contains(r.body, `{"errcode":0}`) {
				t.Errorf("%.200q", r.body)
			}
		})
	}
	wg.Wait()
}

// What openapi lists is open to code for WeChat Cloud Run as well, by its path; what it does not list is not, in either way.
func TestOpenAPIOpensPaths(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.1\nopenapi customerServiceMessage.uploadTempMedia auth.getPaidUnionId templateMessage.send cloudbase.getOpenData"})
	good := token(t, user)
	g.do(call{path: "/cgi-bin/media/upload?type=image", body: "{}"}).says(200, `"errcode":41005`) // WeChat's own word
	g.do(call{method: "GET", path: "/wxa/getpaidunionid?openid=" + other, token: good}).says(200, `"unionid"`)
	g.do(call{path: "/wxa/getwxacode", body: "{}", token: good}).says(404, "/wxa/getwxacode is not open to functions: add the line `openapi wxacode.get` to cloudid_api")
	g.do(call{path: "/cgi-bin/message/wxopen/template/send", body: "{}", token: good}).says(404, "nothing is served at this path")
	g.do(call{path: "/wxa/getopendata", body: `{"cloudid_list":["` + steps + `"]}`, token: good}).says(200, `"data_list"`)

	// Names that WeChat has changed count under both.
	g.sdk("officialAccount.media.upload", openAPIOf("", file("media", "a.png", "x")), good).answered("application/json")
	g.sdk("wxacode.get", openAPI(), good).rejected(-604101, "add the line `openapi wxacode.get` to cloudid_api")
	g.sdk("templateMessage.send", openAPI(), good).rejected(-604100, "WeChat has retired templateMessage.send")
	if !strings.Contains(g.log.Text(t), "a name in openapi cannot be called") {
		t.Error("the log does not say that a name is of no use")
	}
}

// Timers have no user: callers in trust call what needs none, and nobody else.
func TestOpenAPIWithoutAUser(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.0/8\nopenapi subscribeMessage.send"})
	g.sdk("subscribeMessage.send", openAPI("touser", `"`+user+`"`), "").answered("application/json")
	g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(steps)), "").rejected(-601004, "for which user")
	g.sdk("subscribeMessage.send", openAPI(), "x").rejected(-604104, "the invocation token is invalid or has expired")
	g = start(t, setup{api: "openapi subscribeMessage.send"})
	g.sdk("subscribeMessage.send", openAPI(), "").rejected(-604104, "the environment needs WX_API_TOKEN")
}

// While WeChat is busy or slow with one, it is asked for the others.
func TestOpenAPIInParallel(t *testing.T) {
	g := start(t, setup{api: "openapi *"})
	g.fault(sandbox.Fault{API: "subscribeMessage.send", Kind: "latency", Latency: 300 * time.Millisecond, Times: 20})
	good := token(t, user)
	start := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if r := g.sdk("subscribeMessage.send", openAPI("touser", `"x"`), good); !bytes.Contains([]byte(r.body), []byte(`"errcode":0`)) {
				t.Errorf("%.200q", r.body)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("ten calls took %s", took)
	}
}
