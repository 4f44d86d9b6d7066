package functionapi_test

import (
	"bytes"
	"encoding/hex"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// part is one part of a form, in the order of a request.
type part struct{ name, value string }

func form(t *testing.T, parts ...part) (kind, body string) {
	t.Helper()
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	for _, p := range parts {
		if err := w.WriteField(p.name, p.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buffer.String()
}

// message is a protobuf message of fields that are bytes, or numbers.
func message(fields ...any) string {
	var m []byte
	for i := 0; i < len(fields); i += 2 {
		number := protowire.Number(fields[i].(int))
		switch value := fields[i+1].(type) {
		case string:
			m = protowire.AppendBytes(protowire.AppendTag(m, number, protowire.BytesType), []byte(value))
		case int:
			m = protowire.AppendVarint(protowire.AppendTag(m, number, protowire.VarintType), uint64(value))
		}
	}
	return string(m)
}

func svrkit(api, req string, more ...any) string {
	return message(append([]any{1, 2, 4, message(1, api, 2, req)}, more...)...)
}

func openAPI(pairs ...string) string {
	var inner []any
	for i := 0; i < len(pairs); i += 2 {
		inner = append(inner, 1, message(1, pairs[i], 2, pairs[i+1]))
	}
	return message(1, 0, 2, message(inner...))
}

func openDataReq(ids ...string) string {
	var fields []any
	for _, id := range ids {
		fields = append(fields, 2, id)
	}
	return message(fields...)
}

// sdk posts what wx-server-sdk posts, with the parts that it sends besides.
func (g *rig) sdk(api, requestData, wxCloudApiToken string) reply {
	g.t.Helper()
	kind, body := form(g.t, part{"action", "wx.openApi"}, part{"apiName", api}, part{"requestData", requestData}, part{"envName", "myenv"},
		part{"wxCloudApiToken", wxCloudApiToken}, part{"wxCloudbaseAccesstoken", ""}, part{"tcb_sessionToken", ""})
	return g.do(call{path: "/admin?env=myenv&seqId=1_1", kind: kind, body: body, header: map[string]string{"Authorization": "TC3-HMAC-SHA256 Credential=a/2"}})
}

// answered fails unless the reply is a response to the SDK, and returns its respData.
func (r reply) answered(contentType string) string {
	r.t.Helper()
	if r.status != 200 || r.header.Get("Content-Type") != "application/octet-stream" {
		r.t.Fatalf("%d, %s: %.300q", r.status, r.header.Get("Content-Type"), r.body)
	}
	fields := map[protowire.Number]string{}
	for rest := []byte(r.body); len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		rest = rest[n:]
		value := ""
		if kind == protowire.BytesType {
			var b []byte
			b, n = protowire.ConsumeBytes(rest)
			value = string(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, rest)
		}
		rest = rest[n:]
		fields[number] = value
	}
	if fields[2] != contentType {
		r.t.Errorf("contentType is %q, want %q", fields[2], contentType)
	}
	return fields[1]
}

// rejected fails unless the reply is a rejection that the SDK can show.
func (r reply) rejected(errcode int64, says ...string) {
	r.t.Helper()
	r.says(200, says...)
	if kind := r.header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		r.t.Errorf("Content-Type is %q, by which the SDK would not know a rejection", kind)
	}
	if got := gjson.Get(r.body, "errcode").Int(); got != errcode || !gjson.Get(r.body, "errmsg").Exists() {
		r.t.Errorf("errcode is %d, want %d: %s", got, errcode, r.body)
	}
}

func TestSDKResponses(t *testing.T) {
	g := start(t, setup{})
	g.logIn(user)
	good := token(t, user)

	want := message(1, message(1, steps, 2, stepsData), 1, message(1, unknown, 2, unknownError), 1, message(1, steps, 2, stepsData))
	if got := g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(steps, unknown, steps)), good).answered(""); got != want {
		t.Errorf("getOpenData: %q", got)
	}
	if got := g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", ""), good).answered(""); got != "" {
		t.Errorf("getOpenData of nothing: %q", got)
	}
	sign := message(2, "1559129713_672975982", 3, 1559129714, 4, "8AP6DT9ybtniUJfb")
	if got := g.sdk("ApiVoipSign", svrkit("ApiVoipSign", sign), good).answered(""); got != message(1, voiceSign) {
		t.Errorf("getVoIPSign: %q", got)
	}
	list := openAPI("openid", `"`+user+`"`, "cloudid_list", `["`+steps+`"]`)
	if got := g.sdk("cloudbase.getOpenData", list, good).answered("application/json"); got != `{"errcode":0,"errmsg":"ok","data_list":[`+item(steps, stepsData)+`]}` {
		t.Errorf("openapi.cloudbase.getOpenData: %s", got)
	}
	list = openAPI("cloudid_list", `["`+steps+`"]`)
	if got := g.sdk("cloudbase.getOpenData", list, good).answered("application/json"); !strings.Contains(got, `"errcode":0`) {
		t.Errorf("openapi.cloudbase.getOpenData without an openid: %s", got)
	}
	voicePairs := openAPI("group_id", `"1559129713_672975982"`, "nonce", `"8AP6DT9ybtniUJfb"`, "timestamp", "1559129714")
	if got := g.sdk("cloudbase.getVoIPSign", voicePairs, good).answered("application/json"); got != `{"errcode":0,"errmsg":"ok","signature":"`+voiceSign+`"}` {
		t.Errorf("openapi.cloudbase.getVoIPSign: %s", got)
	}
}

// The requests that were recorded from the SDK, with the boundary that Node's form-data makes, sent in both ways.
func TestRecordedRequest(t *testing.T) {
	g := start(t, setup{})
	requestData, _ := hex.DecodeString("0802222b0a174170694765744f70656e446174614279436c6f756449641210120732375f676f6f6412056261645f31")
	const boundary = "--------------------------650848682381779487824160"
	var body strings.Builder
	for _, p := range []part{{"action", "wx.openApi"}, {"apiName", "ApiGetOpenDataByCloudId"}, {"wxCloudApiToken", token(t, user)}} {
		body.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + p.name + "\"\r\n\r\n" + p.value + "\r\n")
	}
	body.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"requestData\"\r\nContent-Type: application/octet-stream\r\n\r\n" +
		string(requestData) + "\r\n--" + boundary + "--\r\n")
	for _, chunked := range []bool{false, true} {
		r := g.do(call{path: "/admin?env=myenv&seqId=1", kind: "multipart/form-data; boundary=" + boundary, body: body.String(), chunked: chunked})
		invalid := func(id string) string {
			return message(1, id, 2, `{"cloudID":"`+id+`","errCode":-601005,"errMsg":"invalid cloudID"}`)
		}
		if got := r.answered(""); got != message(1, invalid("27_good"), 1, invalid("bad_1")) {
			t.Errorf("chunked %v: %q", chunked, got)
		}
	}
}

func TestSDKRejections(t *testing.T) {
	g := start(t, setup{})
	good := token(t, user)
	list := svrkit("ApiGetOpenDataByCloudId", openDataReq(steps))
	for _, c := range []struct {
		name, api, data, token string
		errcode                int64
		says                   string
	}{
		{"a message that is none", "ApiGetOpenDataByCloudId", "\x0a\xff", good, -601002, "requestData is no message of wx-server-sdk"},
		{"one to an API of the cloud's own", "cloudbase.getOpenData", "\x0a\xff", good, 40097, "requestData is no message of wx-server-sdk"},
		{"a nonce that is no text", "ApiVoipSign", svrkit("ApiVoipSign", message(2, "g", 3, 1559129714, 4, "\xff")), good, -601002, "must be valid UTF-8"},
		{"a group that is none", "ApiVoipSign", svrkit("ApiVoipSign", message(2, "\xff", 3, 1559129714, 4, "n")), good, -601002, "must be valid UTF-8"},
		{"another app's resources, by an API of the cloud's own", "cloudbase.getOpenData", openAPIOf("wx0", message(1, "cloudid_list", 2, `["x"]`)), good, 40097, "leave out its AppID"},
		{"what is to be signed is no message", "ApiVoipSign", svrkit("ApiVoipSign", "\xff"), good, -601002, "requestData is no message"},
		{"an API that no line opens", "security.msgSecCheck", openAPI(), good, -604101, "function has no permission to call this API: add the line `openapi security.msgSecCheck` to cloudid_api"},
		{"an API that nobody knows", "wxacode.got", openAPI(), good, -604100, "there is no cloud.openapi.wxacode.got in this gateway's table; did you mean wxacode.get?; if WeChat has it, `relay <path>`"},
		{"an API that WeChat has retired", "templateMessage.send", openAPI(), good, -604100, "WeChat has retired templateMessage.send; use subscribeMessage.send"},
		{"an API that is not callable from the cloud", "auth.code2Session", openAPI(), good, -604100, "WeChat does not let functions call auth.code2Session"},
		{"a service that is not served", "GetCloudCallSign", svrkit("GetCloudCallSign", ""), good, -601004, "GetCloudCallSign is not served by this gateway"},
		{"no API", "", list, good, -601004, "a call without action and apiName is not served by this gateway"},
		{"no token", "ApiGetOpenDataByCloudId", list, "", -601004, "WX_API_TOKEN"},
		{"a bad token", "ApiGetOpenDataByCloudId", list, good + "x", -601004, "invalid or has expired"},
		{"no token for openapi, with WeChat's number", "cloudbase.getOpenData", openAPI("cloudid_list", `["x"]`), "", -604104, "WX_API_TOKEN"},
		{"an openid that contradicts the token", "cloudbase.getOpenData", openAPI("openid", `"`+other+`"`, "cloudid_list", `["x"]`), good, 40003, "the openid named is not the one"},
		{"no list", "cloudbase.getOpenData", openAPI("openid", `"`+user+`"`), good, 40097, "cloudid_list must be an array"},
		{"an argument that is no JSON", "cloudbase.getOpenData", openAPI("cloudid_list", `[`), good, 40097, "the argument cloudid_list is no JSON text"},
		{"a message that is none", "ApiGetOpenDataByCloudId", "\xff", good, -601002, "requestData is no message of wx-server-sdk"},
		{"no message", "ApiGetOpenDataByCloudId", "", good, -601002, "requestData is not a call of ApiGetOpenDataByCloudId"},
		{"one API's message for another", "ApiVoipSign", list, good, -601002, "requestData is not a call of ApiVoipSign"},
		{"a list that is no message", "ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", "\xff"), good, -601002, "requestData is no message"},
		{"a CloudID that is no text", "ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq("\xff")), good, -601002, "CloudID 1 of the list is no valid UTF-8"},
		{"another app's resources", "ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(steps), 6, "wx0"), good, -601002, "leave out its AppID"},
		{"another app's resources, as older versions say it", "ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", message(2, steps, 3, "wx0")), good, -601002, "leave out its AppID"},
		{"a nonce of 128 characters", "ApiVoipSign", svrkit("ApiVoipSign", message(2, "g", 3, 5, 4, strings.Repeat("n", 128))), good, -601002, "shorter than 128"},
		{"no timestamp", "ApiVoipSign", svrkit("ApiVoipSign", message(2, "g", 4, "n")), good, -601002, "the timestamp must not be 0"},
	} {
		t.Run(c.name, func(t *testing.T) { g.in(t).sdk(c.api, c.data, c.token).rejected(c.errcode, c.says) })
	}
	if calls := g.wechat.Calls(); calls.GetOpenData+calls.GetVoIPSign != 0 {
		t.Error("WeChat was called for what was rejected")
	}
}

// What is no call of WeChat's API, or no form, is rejected as well in a way that the SDK can show.
// What of the cloud is not served is said so that each version of the SDK shows it.
func TestWhatOfTheCloudIsNotServed(t *testing.T) {
	g := start(t, setup{})
	const three, four, ten = "wx-server-sdk/3.0.4", "wx-server-sdk/4.0.0", "wx-server-sdk/10.0.0"
	const oneFile = `,"file_list":[{"fileid":"cloud://a","max_age":600}]`
	for _, c := range []struct{ action, more, version, path, says string }{
		{"database.queryDocument", "", three, "message", "cloud.database is not served"},
		{"database.queryDocument", "", four, "message", "cloud.database is not served"},
		{"storage.batchDeleteFile", "", three, "message", "cloud storage is not served"},
		{"storage.batchDeleteFile", "", three, "code", "STORAGE_REQUEST_FAIL"},
		{"storage.batchDeleteFile", "", four, "message", "-503001 storage request fail. cloud storage is not served"},
		{"storage.batchDeleteFile", "", ten, "message", "-503001 storage request fail. cloud storage is not served"},
		{"storage.batchDeleteFile", "", "", "message", "-503001 storage request fail. cloud storage is not served"},
		{"storage.getUploadMetadata", "", three, "data.url", g.url + "/admin/upload"},
		{"storage.getUploadMetadata", "", four, "message", "-503001 storage request fail. cloud storage is not served"},
		{"storage.batchGetDownloadUrl", oneFile, three, "data.download_list.0.message", "cloud storage is not served"},
		{"storage.batchGetDownloadUrl", oneFile, four, "message", "-503001 storage request fail. cloud storage is not served"},
		{"storage.batchGetDownloadUrl", `,"file_list":[{"fileid":"cloud://a","max_age":86400}]`, three, "message", "cloud storage is not served"},
		{"storage.batchGetDownloadUrl", `,"file_list":[{"fileid":"a","max_age":600},{"fileid":"b","max_age":600}]`, three, "message", "cloud storage is not served"},
	} {
		r := g.do(call{path: "/admin", body: `{"action":"` + c.action + `"` + c.more + `}`, header: map[string]string{"X-Sdk-Version": c.version}})
		if said := gjson.Get(r.body, c.path).Str; r.status != 200 || !strings.HasPrefix(said, c.says) {
			t.Errorf("%s of %s: %s is %q, want %q", c.action, c.version, c.path, said, c.says)
		}
	}
}

func TestSDKForeignRequests(t *testing.T) {
	g := start(t, setup{})
	good := token(t, user)
	send := func(t *testing.T, parts ...part) reply {
		kind, body := form(t, parts...)
		return g.in(t).do(call{path: "/admin", kind: kind, body: body})
	}
	t.Run("the database, as the SDK calls it", func(t *testing.T) {
		r := g.in(t).do(call{path: "/admin", body: `{"action":"database.getDocument","collectionName":"x"}`})
		r.rejected(-502001, "cloud.database is not served by this gateway")
		if gjson.Get(r.body, "code").String() != "DATABASE_REQUEST_FAILED" || !strings.HasPrefix(gjson.Get(r.body, "message").String(), "cloud.database is not served by this gateway") {
			t.Errorf("the SDK's database would take this for success: %s", r.body)
		}
	})
	t.Run("a form of another type", func(t *testing.T) {
		kind, body := form(t, part{"action", "wx.openApi"})
		r := g.in(t).do(call{path: "/admin", kind: strings.Replace(kind, "form-data", "mixed", 1), body: body})
		r.says(200, "the body must be multipart/form-data")
	})
	t.Run("JSON in another charset", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", kind: "application/json; charset=gbk", body: `{"action":"functions.invokeFunction"}`}).rejected(-601002, "the charset of JSON must be utf-8")
	})
	t.Run("JSON that breaks off", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", body: `{"action":`}).rejected(-601002, "the body cannot be read: invalid JSON at byte 10")
	})
	t.Run("a query that servers read differently", func(t *testing.T) {
		kind, body := form(t, part{"action", "wx.openApi"}, part{"apiName", "ApiVoipSign"}, part{"wxCloudApiToken", good})
		g.in(t).do(call{path: "/admin?a=1;openid=x", kind: kind, body: body}).rejected(-601002, "the query cannot be read")
	})
	t.Run("another action in a form", func(t *testing.T) {
		send(t, part{"action", "wx.wxPayApi"}, part{"apiName", "cloudPay.unifiedOrder"}).rejected(-501001, "cloud.cloudPay is not served by this gateway", `"code":`)
	})
	t.Run("a form that says nothing", func(t *testing.T) { send(t).rejected(-601004, "a call without action") })
	t.Run("a part given twice", func(t *testing.T) {
		send(t, part{"wxCloudApiToken", good}, part{"wxCloudApiToken", token(t, other)}).rejected(-601002, "the part wxCloudApiToken twice")
	})
	t.Run("a part that is too long", func(t *testing.T) {
		send(t, part{"apiName", strings.Repeat("x", 8<<10+1)}).rejected(-601002, "longer than 8192 bytes")
	})
	t.Run("a part that is as long as it may be", func(t *testing.T) {
		long := strings.Repeat("x", 8<<10)
		send(t, part{"action", "wx.openApi"}, part{"wxCloudApiToken", good}, part{"requestData", message(2, message())}, part{"apiName", long}).rejected(-601004, "not served by this gateway")
	})
	t.Run("a form that breaks off", func(t *testing.T) {
		kind, body := form(t, part{"action", "wx.openApi"})
		g.in(t).do(call{path: "/admin", kind: kind, body: body[:len(body)-10]}).rejected(-601002, "cannot be read")
	})
	t.Run("a form whose parts have no heads", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", kind: "multipart/form-data; boundary=b", body: "--b\r\nno head\r\n\r\nx\r\n--b--\r\n"}).rejected(-601002, "the multipart body cannot be read")
	})
	t.Run("a form over 10 MiB and what the SDK writes around a file", func(t *testing.T) {
		send(t, part{"envName", strings.Repeat("x", 10<<20+64<<10)}).rejected(-601002, "larger than 10551296 bytes")
	})
	t.Run("no form", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", kind: "text/plain", body: "x"}).rejected(-601002, "multipart/form-data")
	})
	t.Run("a form without a boundary", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", kind: "multipart/form-data", body: "x"}).rejected(-601002, "multipart/form-data")
	})
	t.Run("GET", func(t *testing.T) {
		g.in(t).do(call{path: "/admin", method: http.MethodGet}).says(405, "the method must be POST")
	})
}

func TestSDKFailures(t *testing.T) {
	g := start(t, setup{account: "retries 0", api: "trust 127.0.0.1"})
	good := token(t, user)
	g.fault(faultOf("getopendata"))
	failed := `{"cloudID":"` + steps + `","errCode":-601001,"errMsg":"system error"}`
	if got := g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(steps)), good).answered(""); got != message(1, message(1, steps, 2, failed)) {
		t.Errorf("ids that failed ride inside the list: %q", got)
	}
	for _, kind := range []string{"empty", "missing"} {
		g.fault(sandbox.Fault{API: "getopendata", Kind: kind})
		if got := g.sdk("ApiGetOpenDataByCloudId", svrkit("ApiGetOpenDataByCloudId", openDataReq(group)), good).answered(""); !strings.Contains(got, `"errCode":-601001`) {
			t.Errorf("an item that is %s has an error in its place, never nothing: %q", kind, got)
		}
	}
	g.fault(faultOf("getvoipsign"))
	g.sdk("ApiVoipSign", svrkit("ApiVoipSign", message(2, "g", 3, 5, 4, "n")), good).rejected(-601001, "errcode 45009")
	g.fault(faultOf("getopendata"))
	g.sdk("cloudbase.getOpenData", openAPI("cloudid_list", `["x"]`), good).rejected(45009, "errcode 45009")

	// A trusted caller has no token; openapi's calls can name the user.
	list := openAPI("openid", `"`+user+`"`, "cloudid_list", `["`+steps+`"]`)
	g.sdk("cloudbase.getOpenData", list, "").answered("application/json")
	g.sdk("ApiVoipSign", svrkit("ApiVoipSign", message(2, "g", 3, 5, 4, "n")), "").rejected(-601004, "does not say for which user")
}
