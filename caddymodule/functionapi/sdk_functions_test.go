package functionapi_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// A representative of each kind of row of the table, from the unmodified SDK in each version.
func TestSDKOpenAPI(t *testing.T) {
	g := startSDK(t, true)
	picture := object{"contentType": "image/png", "value": object{"$buffer": base64.StdEncoding.EncodeToString([]byte("\x89PNG content"))}}
	for _, version := range versions {
		call := func(method string, args, options object) gjson.Result {
			t.Helper()
			event := object{"version": version, "method": method, "args": args}
			if options != nil {
				event["options"] = options
			}
			return g.invoke(t, user, event)
		}
		want := func(response gjson.Result, path, text string) {
			t.Helper()
			if got := response.Get(path); got.Raw != text {
				t.Errorf("version %s: %s is %.300s, want %s in %.500s", version, path, got.Raw, text, response.Raw)
			}
		}
		want(call("openapi.subscribeMessage.send", object{"touser": user, "templateId": "x", "data": object{"thing1": object{"value": "你好"}}}, nil), "result", `{"errMsg":"openapi.subscribeMessage.send:ok","errCode":0}`)
		want(call("openapi.security.msgSecCheck", object{"content": "x", "version": 2, "scene": 1, "openid": user}, nil), "result.result.suggest", `"pass"`)
		want(call("openapi.auth.getPaidUnionId", object{"openid": user}, nil), "result.unionid", `"oTmHYjg-tElZ68xxxxxxxxhy1Rgk"`)
		want(call("openapi.subscribeMessage.addTemplate", object{"tid": "401", "kidList": []int{1, 2}, "sceneDesc": "x"}, nil), "result.priTmplId", `"9Aw5ZV1j9xdWTFEkqCpZ7jWySL7aGN6rQom4gXINfJs"`)
		want(call("openapi.subscribeMessage.addTemplate", object{"tid": "401", "kidList": []int{1, 2}}, object{"convertCase": false}), "result.priTmplId", `"9Aw5ZV1j9xdWTFEkqCpZ7jWySL7aGN6rQom4gXINfJs"`)

		code := call("openapi.wxacode.getUnlimited", object{"scene": "a=1"}, nil)
		want(code, "result.contentType", `"image/png"`)
		want(code, "result.buffer.data.1", strconv.Itoa('P'))

		uploaded := call("openapi.customerServiceMessage.uploadTempMedia", object{"type": "image", "media": picture}, nil)
		want(uploaded, "result.type", `"image"`)
		media := call("openapi.customerServiceMessage.getTempMedia", object{"mediaId": uploaded.Get("result.mediaId").String()}, nil)
		want(media, "result.contentType", `"image/png"`)
		want(media, "result.buffer.data.#", "12")
		want(call("openapi.security.imgSecCheck", object{"media": picture}, nil), "result.errCode", "0")
		want(call("openapi.ocr.printedText", object{"type": "photo", "imgUrl": "https://example.com/a.png"}, nil), "result.items.0.text", `"腾讯"`)
		want(call("openapi.officialAccount.user.getInfo", object{"openid": "o-follower"}, object{"appid": official}), "result.subscribe", "1")

		want(call("openapi.ocr.printedText", object{}, nil), "error.errCode", "41005")
		want(call("openapi.templateMessage.send", object{}, nil), "error.errCode", "-604100")
		want(call("openapi.wxacode.got", object{}, nil), "error.errCode", "-604100")
		want(call("openapi.officialAccount.user.getInfo", object{}, object{"appid": "wx1111111111111111"}), "error.errCode", "-604101")
		g.post("/sandbox/fault", `{"api":"wxacode.get","errcode":42001}`)
		want(call("openapi.wxacode.get", object{"path": "x"}, nil), "result.contentType", `"image/png"`)
		g.post("/sandbox/fault", `{"api":"wxacode.get","garbage":true}`)
		want(call("openapi.wxacode.get", object{"path": "x"}, nil), "result.contentType", `"text/html; charset=utf-8"`)
		g.post("/sandbox/fault", `{"api":"security.msgSecCheck","garbage":true}`)
		want(call("openapi.security.msgSecCheck", object{"content": "x"}, nil), "error.errCode", "-604103")
	}
}

// post gives the sandbox an order.
func (g *rig) post(path, body string) {
	g.t.Helper()
	same := *g
	same.url = g.host
	same.do(call{path: path, body: body}).is(200, "{}")
}

// cloud.callFunction from each version: what the other function answers is the result, what it throws an error.
func TestSDKCallFunction(t *testing.T) {
	g := startSDK(t, true)
	for _, version := range versions {
		ask := func(args object) gjson.Result {
			t.Helper()
			return g.invoke(t, user, object{"version": version, "method": "callFunction", "args": args})
		}
		for _, c := range []struct{ it, response, result string }{
			{"an object", `{"a":[1.5,"x",null]}`, `{"a":[1.5,"x",null]}`},
			{"a text", `"hello"`, `"hello"`},
			{"a text with lines", `"a\nb\"c"`, `"a\nb\"c"`},
			{"an empty text", `""`, `null`}, // which the function framework does not send
			{"a number", `5`, `5`},
			{"no", `false`, `false`},
			{"an array", `[1,2]`, `[1,2]`},
			{"null", `"null"`, `null`},
			{"nothing", `"undefined"`, `null`},
		} {
			response := ask(object{"name": "result", "data": object{"answer": gjson.Parse(c.response).Value()}})
			if got := response.Get("result.result").Raw; got != c.result && (c.result != "null" || got != `""`) {
				t.Errorf("version %s, %s: %.300s, want %s", version, c.it, response.Raw, c.result)
			}
		}
		response := ask(object{"name": "result", "data": object{"answer": "event", "text": "é\"", "deep": object{"a": []int{1}}}})
		if got := response.Get("result.result.event").Raw; got != `{"answer":"event","deep":{"a":[1]},"text":"é\""}` {
			t.Errorf("version %s: the event is %s", version, got)
		}
		if got := response.Get("result.result.context"); got.Get("OPENID").Str != user || got.Get("APPID").Str != appid || got.Get("SOURCE").Str != "wx_client,scf" {
			t.Errorf("version %s: the other function finds %s", version, got)
		}
		if response := ask(object{"name": "result"}); response.Get("result.errMsg").Str != "callFunction:ok" {
			t.Errorf("version %s, without data: %s", version, response.Raw)
		}
		for _, c := range []struct {
			it   string
			args object
			code int64
			says string
		}{
			{"a function that throws", object{"name": "result", "data": object{"answer": "throw"}}, -504002, "out of order"},
			{"a function that is not there", object{"name": "nowhere"}, -504002, "the function responded with status 404"},
			{"a function that answers bytes", object{"name": "result", "data": object{"answer": "buffer"}}, -504002, "neither JSON nor text"},
			{"a name that climbs", object{"name": "../admin"}, -501007, "letters, digits, _ and -"},
		} {
			failed := ask(c.args).Get("error")
			code := failed.Get("errCode").Int()
			if version == "4" && code == -1 { // its own way with errors: the number is in the text
				code = c.code
			}
			if code != c.code || !strings.Contains(failed.Get("errMsg").Str, c.says) || !strings.Contains(failed.Get("errMsg").Str, strconv.FormatInt(c.code, 10)) && version != "2.3" {
				t.Errorf("version %s, %s: %s", version, c.it, failed.Raw)
			}
		}
	}
}

// A chain is at most ten calls long, and each function in it knows the user.
func TestSDKChain(t *testing.T) {
	g := startSDK(t, true)
	response := g.invokeFunction(t, "chain", user, object{"more": 10, "depth": 0})
	if response.Get("depth").Int() != 10 || strings.Count(response.Get("openids").Raw, user) != 11 {
		t.Errorf("ten calls: %s", response.Raw)
	}
	if status, body := g.call(t, "chain", user, object{"more": 11, "depth": 0}); status != 500 || !strings.Contains(body, "callFunction:fail") {
		t.Errorf("eleven calls: %d %.300s", status, body)
	}
}

// What of the cloud is not served says so first, whichever part of the SDK shows it.
func TestSDKUnserved(t *testing.T) {
	g := startSDK(t, true)
	content := object{"$buffer": base64.StdEncoding.EncodeToString([]byte("x"))}
	for _, version := range versions {
		for _, c := range []struct {
			method string
			args   object
			says   string
		}{
			{"database", object{"collection": "x"}, "cloud.database is not served by this gateway"},
			{"uploadFile", object{"cloudPath": "a.txt", "fileContent": content}, "cloud storage is not served by this gateway"},
			{"downloadFile", object{"fileID": "cloud://a/b"}, "cloud storage is not served by this gateway"},
			{"getTempFileURL", object{"fileList": []string{"cloud://a/b"}}, "cloud storage is not served by this gateway"},
			{"deleteFile", object{"fileList": []string{"cloud://a/b"}}, "cloud storage is not served by this gateway"},
			{"cloudPay.unifiedOrder", object{"body": "x"}, "cloud.cloudPay is not served by this gateway"},
		} {
			response := g.invoke(t, user, object{"version": version, "method": c.method, "args": c.args})
			if got := response.Get("error.errMsg").Str; !strings.Contains(got, c.says) || strings.Contains(got, "TypeError") || strings.Contains(got, "invalid request source") {
				t.Errorf("%s of version %s: %.400s", c.method, version, response.Raw)
			}
		}
	}
}

// A timer has no user: it calls a function from a trusted address without one, and the function and those that it calls can do what
// needs none.
func TestSDKWithoutAUser(t *testing.T) {
	g := startFunctions(t, true, "trust 127.0.0.1")
	for _, version := range versions {
		response := g.invoke(t, "", object{"version": version, "method": "openapi.subscribeMessage.send", "args": object{"touser": other}})
		if response.Get("result.errCode").Raw != "0" {
			t.Errorf("version %s: %s", version, response.Raw)
		}
		response = g.invoke(t, "", object{"version": version, "method": "callFunction", "args": object{"name": "result", "data": object{"answer": "event"}}})
		if response.Get("result.result.source").Str != "scf" || response.Get("result.result.context.OPENID").Exists() {
			t.Errorf("version %s: %s", version, response.Raw)
		}
		if response = g.invoke(t, "", object{"version": version, "method": "getOpenData", "args": object{"list": []string{steps}}}); response.Get("error.errCode").Int() != -601004 {
			t.Errorf("version %s: %s", version, response.Raw)
		}
	}
	if response := g.invokeFunction(t, "chain", "", object{"more": 10, "depth": 0}); response.Get("depth").Int() != 10 {
		t.Errorf("a chain of a timer's: %s", response.Raw)
	}
	if status, body := g.call(t, "chain", "", object{"more": 11, "depth": 0}); status != 500 {
		t.Errorf("a chain of a timer's is endless: %d %.300s", status, body)
	}
}

// The worked example: two functions in one process, one of which calls the other, and both WeChat.
func TestExampleOfTwoFunctions(t *testing.T) {
	g := startSDK(t, true)
	response := g.invokeFunction(t, "remind", user, object{"order": "1234"})
	if response.Get("sentTo").Str != user || response.Get("code.contentType").Str != "image/png" || !strings.HasPrefix(response.Get("code.base64").Str, "iVBOR") {
		t.Errorf("%.500s", response.Raw)
	}
	if calls := g.wechat.OpenAPICalls(); calls["subscribeMessage.send"] != 1 || calls["wxacode.getUnlimited"] != 1 {
		t.Errorf("WeChat was called %v", calls)
	}
}
