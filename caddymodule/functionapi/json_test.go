package functionapi_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func TestGetOpenData(t *testing.T) {
	g := start(t, setup{})
	strange := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`{ "n": 1.10, "html":"<b>&\u00e9" , "n":2}`)})
	strangeResponse := `{"cloudID":"` + strange + `","data":{ "n": 1.10, "html":"<b>&\u00e9" , "n":2}}`
	foreign := g.mint(sandbox.OpenData{OpenID: other, Kind: "phone"})
	foreignResponse := `{"cloudID":"` + foreign + `","errCode":-601007,"errMsg":"cloudID and calling user does not match"}`
	ended := g.mint(sandbox.OpenData{OpenID: user, Kind: "phone", TTL: -1})
	endedResponse := `{"cloudID":"` + ended + `","errCode":-601006,"errMsg":"cloudID expired."}`

	for _, c := range []struct {
		name, body, list string
	}{
		{"one id is answered with WeChat's object", `{"list":["` + steps + `"]}`, stepsData},
		{"answers stand in the order of the ids", `{"list":["` + group + `","` + steps + `"]}`, groupData + `,` + stepsData},
		{"an id given twice is answered twice", `{"list":["` + steps + `","` + group + `","` + steps + `"]}`, stepsData + `,` + groupData + `,` + stepsData},
		{"an id that failed has its error in its place", `{"list":["` + steps + `","` + unknown + `","` + group + `"]}`, stepsData + `,` + unknownError + `,` + groupData},
		{"an id that ended says so", `{"list":["` + ended + `"]}`, endedResponse},
		{"another user's id is rejected", `{"list":["` + foreign + `"]}`, foreignResponse},
		{"open data is carried byte for byte", `{"list":["` + strange + `"]}`, strangeResponse},
		{"an id with escapes is the id", `{"list":["\u0032` + steps[1:] + `"]}`, stepsData},
		{"no ids, no responses", `{"list":[]}`, ``},
		{"other members are none of ours", `{"appid":5,"list":["` + steps + `"],"x":null}`, stepsData},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.in(t).do(call{path: "/getOpenData", token: token(t, user), body: c.body})
			r.is(200, `{"list":[`+c.list+`],"errCode":0,"errMsg":"getOpenData:ok"}`)
			if kind := r.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
	for code, want := range map[string]float64{"ok": 11, "-601005": 1, "-601006": 1, "-601007": 1} {
		if got := probe.Sum(t, g.caddy.Metrics(), "ids_total", appid, code); got != want {
			t.Errorf("%v ids are counted as %s, want %v", got, code, want)
		}
	}
}

func TestGetOpenDataArguments(t *testing.T) {
	g := start(t, setup{})
	for _, c := range []struct {
		name, body string
		errCode    string
		errMsg     string
	}{
		{"no list, in the SDK's words", `{}`, "-1", "getOpenData:fail list must be provided"},
		{"a list of null, likewise", `{"list":null}`, "-1", "getOpenData:fail list must be provided"},
		{"a list that is a string", `{"list":"` + steps + `"}`, "-1", "parameter.list should be array instead of string;"},
		{"an id that is a number", `{"list":["` + steps + `",5]}`, "-1", "parameter.list[1] should be string instead of number;"},
		{"an id that is true", `{"list":[true]}`, "-1", "parameter.list[0] should be string instead of boolean;"},
		{"an id that is an object", `{"list":[{"cloudID":"` + steps + `"}]}`, "-1", "parameter.list[0] should be string instead of object;"},
		{"a body that is an array", `["` + steps + `"]`, "-1", "getOpenData:fail Params for getOpenData must be an object instead of array"},
		{"a body of null", `null`, "-1", "getOpenData:fail Params for getOpenData must be an object instead of null"},
		{"a body that is no JSON", `{"list":[}`, "-601002", "getOpenData:fail -601002 system args error. the body cannot be read: invalid JSON at byte 9"},
		{"an empty body", ``, "-601002", "getOpenData:fail -601002 system args error. the body cannot be read: invalid JSON at byte 0"},
		{"more ids than are answered at once", `{"list":["x"` + strings.Repeat(`,"x"`, 100) + `]}`, "-601002", "getOpenData:fail -601002 system args error. the list has more than 100 CloudIDs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.in(t).do(call{path: "/getOpenData", token: token(t, user), body: c.body})
			r.is(400, `{"errCode":`+c.errCode+`,"errMsg":"`+c.errMsg+`"}`)
		})
	}
	if calls := g.wechat.Calls(); calls.GetOpenData != 0 {
		t.Errorf("WeChat was called %d times for what was rejected", calls.GetOpenData)
	}
}

func TestGetVoIPSign(t *testing.T) {
	g := start(t, setup{})
	g.logIn(user)
	g.do(call{path: "/getVoIPSign", token: token(t, user), body: voice}).is(200, voiceReply)

	const args = "getVoIPSign:fail -601002 system args error. "
	for _, c := range []struct {
		name, body string
		errCode    string
		errMsg     string
	}{
		{"nothing given: all three are missed, in the SDK's words", `{}`, "-1", "parameter.groupId should be string instead of undefined;parameter.timestamp should be number instead of undefined;parameter.nonce should be string instead of undefined;"},
		{"a group id that is a number", `{"groupId":5,"nonce":"n","timestamp":1559129714}`, "-1", "parameter.groupId should be string instead of number;"},
		{"a nonce of null", `{"groupId":"g","nonce":null,"timestamp":1559129714}`, "-1", "parameter.nonce should be string instead of null;"},
		{"a timestamp that is a string", `{"groupId":"g","nonce":"n","timestamp":"1559129714"}`, "-1", "parameter.timestamp should be number instead of string;"},
		{"a timestamp in milliseconds, with a hint", `{"groupId":"g","nonce":"n","timestamp":1559129714000}`, "-601002", args + "the timestamp is in milliseconds; send seconds: Math.floor(Date.now() / 1000)"},
		{"a timestamp with a fraction", `{"groupId":"g","nonce":"n","timestamp":1559129714.5}`, "-601002", args + "the timestamp must be a whole number of seconds"},
		{"a timestamp below 0", `{"groupId":"g","nonce":"n","timestamp":-5}`, "-601002", args + "the timestamp must be a whole number of seconds"},
		{"a timestamp of more than 32 bits", `{"groupId":"g","nonce":"n","timestamp":4294967296}`, "-601002", args + "the timestamp must be a whole number of seconds"},
		{"a timestamp of 0", `{"groupId":"g","nonce":"n","timestamp":0}`, "-601002", args + "the timestamp must not be 0; send seconds since 1970"},
		{"a nonce of 128 characters", `{"groupId":"g","nonce":"` + strings.Repeat("n", 128) + `","timestamp":1559129714}`, "-601002", args + "the nonce must be shorter than 128 characters"},
		{"an empty group id", `{"groupId":"","nonce":"n","timestamp":1559129714}`, "-601002", args + "the group id and the nonce must not be empty"},
		{"a body that is a string", `"x"`, "-1", "getVoIPSign:fail Params for getVoIPSign must be an object instead of string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.in(t).do(call{path: "/getVoIPSign", token: token(t, user), body: c.body})
			r.is(400, `{"errCode":`+c.errCode+`,"errMsg":"`+c.errMsg+`"}`)
		})
	}

	for name, body := range map[string]string{
		"a nonce of 127 characters is not too long":     `{"groupId":"g","nonce":"` + strings.Repeat("n", 127) + `","timestamp":1559129714}`,
		"characters count, not bytes":                   `{"groupId":"g","nonce":"` + strings.Repeat("中", 127) + `","timestamp":1559129714}`,
		"a whole number may be written with an e":       `{"groupId":"g","nonce":"n","timestamp":1.559129714e9}`,
		"the greatest number of 32 bits is one of them": `{"groupId":"g","nonce":"n","timestamp":4294967295}`,
	} {
		t.Run(name, func(t *testing.T) {
			g.in(t).do(call{path: "/getVoIPSign", token: token(t, user), body: body}).says(200, `"errMsg":"getVoIPSign:ok"`)
		})
	}
}

func TestJSONRequests(t *testing.T) {
	g := start(t, setup{})
	list := `{"list":["` + steps + `"]}`
	response := `{"list":[` + stepsData + `],"errCode":0,"errMsg":"getOpenData:ok"}`
	for _, c := range []struct {
		name   string
		call   call
		status int
		says   string
	}{
		{"a body without a length is read like any other", call{body: list, chunked: true}, 200, response},
		{"JSON may be called by another name", call{body: list, kind: "application/vnd.x+json; charset=utf-8"}, 200, response},
		{"a query that cannot be read", call{path: "/getOpenData?a;b", body: list}, 400, "the query cannot be read"},
		{"a form is no JSON", call{body: list, kind: "application/x-www-form-urlencoded"}, 415, "Content-Type: application/json"},
		{"a body of no type is no JSON", call{body: list, kind: "-"}, 415, "Content-Type: application/json"},
		{"JSON in another charset is not read", call{body: list, kind: "application/json; charset=gbk"}, 415, "the charset of JSON must be utf-8"},
		{"a compressed body is not read", call{body: list, header: map[string]string{"Content-Encoding": "gzip"}}, 415, "send it plain"},
		{"GET is not how it is called", call{method: "GET"}, 405, "the method must be POST"},
		{"a body of 1 MiB is not too large", call{body: list + strings.Repeat(" ", 1<<20-len(list))}, 200, response},
		{"a hundred ids are not too many", call{body: `{"list":["` + steps + `"` + strings.Repeat(`,"`+steps+`"`, 99) + `]}`}, 200, `{"list":[` + stepsData + strings.Repeat(","+stepsData, 99) + `],"errCode":0,`},
		{"a body over 1 MiB is too large", call{body: `{"list":["` + strings.Repeat("x", 1<<20-12) + `"]}`}, 413, "larger than 1048576 bytes"},
		{"also where its length was not announced", call{body: `{"list":["` + strings.Repeat("x", 1<<20) + `"]}`, chunked: true}, 413, "larger than 1048576 bytes"},
		{"a byte order mark is rejected", call{body: "\xEF\xBB\xBF" + list}, 400, "byte order mark"},
		{"a query that servers read differently is rejected", call{path: "/getOpenData?a=1;openid=x", body: list}, 400, "the query cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.call.path == "" {
				c.call.path = "/getOpenData"
			}
			c.call.token = token(t, user)
			r := g.in(t).do(c.call)
			r.says(c.status, c.says)
			if c.status != 200 && !strings.HasPrefix(r.body, `{"errCode":-601002,"errMsg":"getOpenData:fail -601002 system args error. `) {
				t.Errorf("this is not the shape of an error: %s", r.body)
			}
		})
	}
	if allow := g.do(call{method: "GET", path: "/getVoIPSign", token: token(t, user)}).header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q, want POST", allow)
	}
}

// At any other path, or one that only looks like one that is served, a function is told what there is, and what opens the path.
func TestWhatIsNotServed(t *testing.T) {
	g := start(t, setup{api: "openapi wxacode.get"})
	for _, path := range []string{"/", "/getopendata", "/getOpenData/", "/admin/x", "/cgi-bin/token", "/sns/jscode2session", "/wxa/getwxacode/", "/WXA/getwxacode"} {
		r := g.do(call{path: path})
		r.says(404, `{"errcode":-604100,"errmsg":"nothing is served at this path; served are POST /getOpenData, `)
		if kind := r.header.Get("Content-Type"); kind != weChatJSON {
			t.Errorf("Content-Type is %q", kind)
		}
	}
	g.do(call{path: "/wxa/msg_sec_check"}).is(404, `{"errcode":-604101,"errmsg":"/wxa/msg_sec_check is not open to functions: add the line `+"`openapi security.msgSecCheck`"+` to cloudid_api"}`)
}

// An SDK before version 4 sends files here, and takes every status but 200 for a place to send them to.
func TestAnUploadIsToldThatThereIsNoStorage(t *testing.T) {
	g := start(t, setup{})
	r := g.do(call{path: "/admin/upload", kind: "application/octet-stream", body: strings.Repeat("x", 1<<20)})
	r.says(200, "<Error><Code>NotServed</Code><Message>cloud storage is not served by this gateway")
	if kind := r.header.Get("Content-Type"); kind != "application/xml" {
		t.Errorf("Content-Type is %q", kind)
	}
}

const weChatJSON = "application/json; encoding=utf-8"

func TestFailedExchanges(t *testing.T) {
	list := `{"list":["` + steps + `","` + group + `"]}`
	embedded := func(errCode, errMsg string) string {
		item := func(id string) string {
			return `{"cloudID":"` + id + `","errCode":` + errCode + `,"errMsg":"` + errMsg + `"}`
		}
		return `{"list":[` + item(steps) + `,` + item(group) + `],"errCode":0,"errMsg":"getOpenData:ok"}`
	}
	for _, c := range []struct {
		name  string
		fault sandbox.Fault
		list  string // the response to getOpenData
		sign  int    // the status of getVoIPSign
		says  string // and what it says
	}{
		{"no response in time is a time-out", sandbox.Fault{Kind: "latency", Latency: time.Minute}, embedded("-601008", "server-side request timedout"), 504, `{"errCode":-601008,"errMsg":"getVoIPSign:fail -601008 server-side request timedout. WeChat did not respond in time`},
		{"a connection that ends is a network fault", sandbox.Fault{Kind: "drop", Times: 2}, embedded("-601003", "system network error"), 502, `{"errCode":-601003,"errMsg":"getVoIPSign:fail -601003 system network error. WeChat could not be reached`},
		{"an openid that WeChat does not know", sandbox.Fault{Kind: "errcode", Code: 40003}, embedded("-601007", "cloudID and calling user does not match"), 502, `{"errCode":-601007,`},
		{"an API that the app may not call", sandbox.Fault{Kind: "errcode", Code: 48001}, embedded("-601004", "api permission denied"), 502, `errcode 48001`},
		{"what is not WeChat's", sandbox.Fault{Kind: "garbage", Body: "<html>"}, embedded("-601001", "system error"), 502, `{"errCode":-601001,`},
		{"a quota used up", sandbox.Fault{Kind: "errcode", Code: 45009}, embedded("-601001", "system error"), 502, `errcode 45009`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := start(t, setup{account: "timeout 1s\nretries 0"})
			c.fault.API = "getopendata"
			g.fault(c.fault)
			g.do(call{path: "/getOpenData", token: token(t, user), body: list}).is(200, c.list)
			c.fault.API = "getvoipsign"
			g.fault(c.fault)
			g.do(call{path: "/getVoIPSign", token: token(t, user), body: voice}).says(c.sign, c.says, "the gateway's log says what to do")
		})
	}
}

// A function that asks for what the gateway has resolved a moment ago, or asks twice, causes no call of WeChat.
func TestCacheIsShared(t *testing.T) {
	addr := freeport.Addr(t)
	g := start(t, setup{sites: "http://" + addr + ` {
		cloudid {
			openid ` + user + `
		}
		respond "{http.request.header.X-WX-CLOUDBASE-ACCESS-TOKEN}"
	}`})
	site := g.in(t)
	site.url = "http://" + addr
	given := site.do(call{path: "/fn", body: `{"weRunData":"` + steps + `"}`})
	given.says(200)
	want := `{"list":[` + stepsData + `],"errCode":0,"errMsg":"getOpenData:ok"}`
	g.do(call{path: "/getOpenData", token: given.body, body: `{"list":["` + steps + `"]}`}).is(200, want)
	g.do(call{path: "/wxa/getopendata", token: given.body, body: `{"cloudid_list":["` + steps + `"]}`}).says(200, `"errcode":0`)
	if calls := g.wechat.Calls(); calls.GetOpenData != 1 || calls.IDs != 1 {
		t.Errorf("WeChat was asked %d times for %d ids, want once for one", calls.GetOpenData, calls.IDs)
	}
}

// Whatever a function asks for, and in whatever dialect, it does not keep WeChat waiting once it has hung up.
func TestFunctionHangsUp(t *testing.T) {
	called := make(chan struct{})
	g := start(t, setup{site: "log", api: "openapi security.msgSecCheck", wechat: capture(t, new(captured), func(_ http.ResponseWriter, r *http.Request) {
		called <- struct{}{}
		<-r.Context().Done()
	})})
	kind, sdk := form(t, part{"action", "wx.openApi"}, part{"apiName", "ApiVoipSign"}, part{"wxCloudApiToken", token(t, user)},
		part{"requestData", svrkit("ApiVoipSign", message(2, "g", 3, 5, 4, "n"))})
	for _, c := range []struct{ path, kind, body string }{
		{"/getOpenData", "application/json", `{"list":["` + steps + `"]}`},
		{"/getVoIPSign", "application/json", voice},
		{"/wxa/getopendata", "application/json", `{"cloudid_list":["` + group + `"]}`},
		{"/wxa/getvoipsign", "application/json", voiceWX},
		{"/wxa/msg_sec_check", "application/json", `{}`},
		{"/admin", kind, sdk},
	} {
		t.Run(c.path, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				select {
				case <-called:
				case <-ctx.Done():
				}
				cancel()
			}()
			req := request(ctx, t, g.url+c.path, c.body)
			req.Header.Set("Content-Type", c.kind)
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
				t.Fatal("there was a response")
			}
			g.in(t).waitForLog(`"uri":"`+c.path+`"`, `"status":499`)
		})
	}
}

// waitForLog fails unless a line with all these texts is in the log soon.
func (g *rig) waitForLog(texts ...string) {
	g.t.Helper()
	has := func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	}
	for end := time.Now().Add(10 * time.Second); !slices.ContainsFunc(strings.Split(g.log.Text(g.t), "\n"), has); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("no line of the log has %q", texts)
		}
	}
}

// What came of a body that breaks off is nothing, neither to the gateway nor to WeChat.
func TestABodyThatBreaksOff(t *testing.T) {
	g := start(t, setup{api: "relay /x", wechat: weChatAPI("/x", func(http.ResponseWriter, *http.Request) { t.Error("WeChat was called") })})
	host := strings.TrimPrefix(g.url, "http://")
	for _, path := range []string{"/getOpenData", "/wxa/getopendata", "/x"} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Type: application/json\r\nAuthorization: Bearer "+token(t, user)+
			"\r\nContent-Length: 100\r\n\r\n{}")
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if response, err := io.ReadAll(conn); err != nil || !strings.Contains(string(response), "the body is cut short or damaged") {
			t.Errorf("%s: %v, %q", path, err, response)
		}
		_ = conn.Close()
	}
}

// What functions ask for counts towards the user's limit, as what clients declare does.
func TestGetOpenDataBeyondTheLimit(t *testing.T) {
	g := start(t, setup{account: "limit 2 1m"})
	ids := func(n int) string {
		var list []string
		for range n {
			list = append(list, `"`+g.mint(sandbox.OpenData{OpenID: user, Kind: "phone"})+`"`)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	if !strings.Contains(g.log.Text(t), "the limit is below the CloudIDs that one event may declare") {
		t.Error("nothing warned of such a limit when the config was loaded")
	}
	good := token(t, user)
	const never = "3 CloudIDs at once are more than the account's limit, which is 2 for one user in 1m0s: ask for fewer at once, or raise `limit`"
	tooMany := ids(3)
	reply := g.do(call{path: "/getOpenData", token: good, body: `{"list":` + tooMany + `}`})
	if reply.says(400, `"errCode":-601002`, never); reply.header.Get("Retry-After") != "" {
		t.Error("it says when to try again, which would not help")
	}
	g.do(call{path: "/wxa/getopendata", token: good, body: `{"cloudid_list":` + tooMany + `}`}).says(200, `"errcode":40097`, never)
	g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(strings.Split(strings.Trim(tooMany, `["]`), `","`)...)), good).rejected(-601002, never)
	g.do(call{path: "/getOpenData", token: good, body: `{"list":` + ids(2) + `}`}).says(200, `"errCode":0`)
	r := g.do(call{path: "/getOpenData", token: good, body: `{"list":` + ids(1) + `}`})
	if r.says(429, `"errCode":-601004`, "2 in 1m0s"); r.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	g.do(call{path: "/wxa/getopendata", token: good, body: `{"cloudid_list":` + ids(1) + `}`}).says(200, `"errcode":45011`)
	g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(strings.Trim(ids(1), `["]`))), good).rejected(-601004, "2 in 1m0s")
	g.do(call{path: "/getOpenData", token: token(t, other), body: `{"list":["` + steps + `"]}`}).says(200, stepsData)
}

// What can be no CloudID is neither asked for nor repeated; its neighbours are answered.
func TestGetOpenDataOfWhatIsNoCloudID(t *testing.T) {
	g := start(t, setup{})
	const none = `{"cloudID":"","errCode":-601005,"errMsg":"invalid cloudID"}`
	for _, text := range []string{`<script>alert(1)</script>`, `a b`, ``, `é`, strings.Repeat("x", 257), `a\"b`, `a\n`} {
		g.do(call{path: "/getOpenData", token: token(t, user), body: `{"list":["` + text + `","` + steps + `"]}`}).
			is(200, `{"list":[`+none+`,`+stepsData+`],"errCode":0,"errMsg":"getOpenData:ok"}`)
	}
	if ids := g.wechat.Calls().IDs; ids > 7 {
		t.Errorf("%d ids were asked for", ids)
	}
}
