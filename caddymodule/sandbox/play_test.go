package sandbox_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

// send makes a call as a function's API would be called.
func (g rig) send(method, target, contentType string, body []byte) reply {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+target, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	var read bytes.Buffer
	if _, err := read.ReadFrom(res.Body); err != nil {
		g.t.Fatal(err)
	}
	return reply{g.t, res.StatusCode, res.Header, read.String()}
}

// upload makes a form of one file.
func upload(t *testing.T, field string, content []byte) (contentType string, body []byte) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile(field, "a.png")
	if err == nil {
		_, err = part.Write(content)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), form.Bytes()
}

// Every API of the table is played: with a token it succeeds in the shape that the table promises, without one it fails as WeChat
// does, with the wrong verb too, and a fault of its name befalls it once.
func TestEveryOpenAPIIsPlayed(t *testing.T) {
	g := newRig(t)
	token := g.token()
	for _, api := range wechat.OpenAPIs() {
		if api.Path == "/wxa/getopendata" || api.Path == "/wxa/getvoipsign" {
			continue // which need a user
		}
		t.Run(api.Name, func(t *testing.T) {
			g := g.in(t)
			contentType, body := "application/json", []byte("{}")
			if api.File != "" {
				contentType, body = upload(t, api.File, []byte("content"))
			}
			query := "?access_token=" + url.QueryEscape(token)
			if api.Response == wechat.MediaResponse {
				kind, form := upload(t, "media", []byte("content"))
				query += "&media_id=" + g.send("POST", "/cgi-bin/media/upload"+query, kind, form).text("media_id")
			}
			other := map[string]string{"GET": "POST", "POST": "GET"}[api.Method]
			g.send(api.Method, api.Path, contentType, body).wantErrcode(41001)
			if got := g.send(other, api.Path+query, contentType, body).number("errcode"); got != map[string]int{"GET": 43001, "POST": 43002}[api.Method] {
				t.Errorf("%s: errcode %d", other, got)
			}
			g.post("/sandbox/fault", `{"api":"`+api.Name+`","errcode":45009}`)
			g.send(api.Method, api.Path+query, contentType, body).wantErrcode(45009)

			r := g.send(api.Method, api.Path+query, contentType, body)
			switch api.Response {
			case wechat.PictureResponse:
				if _, err := png.Decode(strings.NewReader(r.body)); err != nil || r.header.Get("Content-Type") != "image/png" {
					t.Errorf("%s is no PNG: %v", r.header.Get("Content-Type"), err)
				}
			case wechat.MediaResponse:
				if r.body != "content" {
					t.Errorf("downloaded %.100q", r.body)
				}
			default:
				if code := gjson.Get(r.body, "errcode"); !gjson.Valid(r.body) || code.Int() != 0 || r.header.Get("Content-Type") != "application/json; encoding=utf-8" {
					t.Errorf("%.300s", r.body)
				}
			}
		})
	}
	counted := gjson.Get(g.get("/sandbox/calls").body, "openapi")
	if got := counted.Get(`wxacode\.get`).Int(); got != 4 { // no token, the other verb, the fault, and success
		t.Errorf("%d calls of wxacode.get: %s", got, counted)
	}
}

func TestTheLatestUploadsAreKept(t *testing.T) {
	g := newRig(t)
	query := "?access_token=" + url.QueryEscape(g.token())
	var ids []string
	for i := range 17 {
		kind, form := upload(t, "media", fmt.Appendf(nil, "file %d", i))
		ids = append(ids, g.send("POST", "/cgi-bin/media/upload"+query, kind, form).text("media_id"))
	}
	g.send("GET", "/cgi-bin/media/get"+query+"&media_id="+ids[0], "", nil).wantErrcode(40007)
	for i, id := range ids[1:] {
		if r := g.send("GET", "/cgi-bin/media/get"+query+"&media_id="+id, "", nil); r.body != fmt.Sprint("file ", i+1) {
			t.Errorf("file %d is %q", i+1, r.body)
		}
	}
}

func TestOpenAPIArguments(t *testing.T) {
	g := newRig(t)
	query := "?access_token=" + url.QueryEscape(g.token())
	g.send("POST", "/wxa/getwxacode"+query, "application/json", []byte(`{`)).wantErrcode(47001)
	g.send("POST", "/wxa/getwxacode"+query, "application/json", []byte(`[]`)).wantErrcode(40097)
	g.send("POST", "/cv/ocr/idcard"+query, "application/json", []byte(`{"img_url":"x"}`)).wantErrcode(41005)
	g.send("POST", "/cv/ocr/idcard"+query+"&img_url=x", "", nil).wantErrcode(0)
	kind, form := upload(t, "media", []byte("x"))
	g.send("POST", "/cv/ocr/idcard"+query, kind, form).wantErrcode(41005) // the field is img
	g.send("GET", "/cgi-bin/media/get"+query, "", nil).wantErrcode(41006)
	g.send("GET", "/cgi-bin/media/get"+query+"&media_id=x", "", nil).wantErrcode(40007)

	risky := g.send("POST", "/wxa/msg_sec_check"+query, "application/json", []byte(`{"content":"特3456书yuuo莞6543李zxcz蒜7782法fgnv级","version":2,"scene":1,"openid":"o1"}`))
	if gjson.Get(risky.body, "result.suggest").Str != "risky" {
		t.Errorf("WeChat's own example of risky text: %s", risky.body)
	}
	if fine := g.send("POST", "/wxa/msg_sec_check"+query, "application/json", []byte(`{"content":"hello"}`)); gjson.Get(fine.body, "result.suggest").Str != "pass" {
		t.Errorf("a harmless text: %s", fine.body)
	}
	kind, form = upload(t, "img", nil)
	g.send("POST", "/cv/ocr/idcard"+query, kind, form).wantErrcode(41005) // an empty file
	if appid := gjson.Get(g.send("POST", "/wxa/business/getuserphonenumber"+query, "", []byte(`{"code":"x"}`)).body, "phone_info.watermark.appid").Str; appid != "wx20afc706a711eefc" {
		t.Errorf("the watermark is of %q", appid)
	}
	a := g.send("POST", "/wxa/getwxacode"+query, "", []byte(`{"path":"a"}`)).body
	if b := g.send("POST", "/wxa/getwxacode"+query, "", []byte(`{"path":"b"}`)).body; a == b {
		t.Error("two codes look the same")
	}
	g.post("/sandbox/fault", `{"api":"wxacode.get","huge":true}`)
	if huge := g.send("POST", "/wxa/getwxacode"+query, "", []byte(`{"path":"a"}`)).body; len(huge) < 5<<20 || !strings.HasPrefix(huge, a) {
		t.Errorf("a huge picture has %d bytes", len(huge))
	}
}

// Whoever pastes the commands of the page, in their order, sees no error but those that were ordered.
func TestEveryCommandOfThePageWorks(t *testing.T) {
	for _, program := range []string{"bash", "curl", "sed"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	g := newRig(t)
	page := g.get("/sandbox")
	if page.header.Get("Content-Type") != "text/html; charset=utf-8" || g.get("/sandbox/").body != page.body {
		t.Errorf("the page is %s", page.header)
	}
	for _, api := range wechat.OpenAPIs() {
		if !strings.Contains(page.body, ">"+api.Name+"<") && !strings.Contains(page.body, "<br>"+api.Name+"\n") && !strings.Contains(page.body, "<br>"+api.Name+"<") {
			t.Errorf("the page lacks %s", api.Name)
		}
	}
	var script strings.Builder
	script.WriteString("set -u\n")
	commands := 0
	for _, match := range regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindAllStringSubmatch(page.body, -1) {
		for line := range strings.SplitSeq(html.UnescapeString(match[1]), "\n") {
			commands++
			line = strings.ReplaceAll(line, "curl ", "curl -s --noproxy '*' -w '\\n' ")
			script.WriteString("echo '$ " + strings.ReplaceAll(line, "'", "") + "'\n" + line + "\n")
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if commands < 250 {
		t.Errorf("%d commands", commands)
	}
	var asked string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "$ ") {
			asked = line
			continue
		}
		code := gjson.Get(line, "errcode").Int()
		if code != 0 || strings.Contains(line, `"error"`) || strings.Contains(line, "unbound variable") {
			t.Errorf("%s%s", asked, line)
		}
	}
	if g.wechat.Calls().GetOpenData == 0 || g.wechat.OpenAPICalls()["subscribeMessage.send"] == 0 {
		t.Errorf("the commands called nobody: %+v", g.wechat.Calls())
	}
}

// Behind TLS the commands say https.
func TestThePageOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(sandbox.New())
	defer server.Close()
	res, err := server.Client().Get(server.URL + "/sandbox")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), server.URL+"/sandbox/cloudid") {
		t.Error("the commands do not name the server")
	}
}

func TestEncrypted(t *testing.T) {
	g := newRig(t)
	rejected := g.post("/sandbox/encrypted", `{"openid":"o1","kind":"phone"}`)
	if rejected.status != 400 || !strings.Contains(rejected.body, "has not logged in") {
		t.Errorf("before a login: %d %s", rejected.status, rejected.body)
	}
	logIn := func(appid, key string) {
		t.Helper()
		code := g.post("/sandbox/code", `{"openid":"o1","session_key":"`+key+`"}`).text("code")
		g.get("/sns/jscode2session?grant_type=authorization_code&secret=s&appid=" + appid + "&js_code=" + code).text("session_key")
	}
	decrypted := func(key, body string) string {
		t.Helper()
		r := g.post("/sandbox/encrypted", body)
		k, _ := base64.StdEncoding.DecodeString(key)
		iv, err := base64.StdEncoding.DecodeString(r.text("iv"))
		data, err2 := base64.StdEncoding.DecodeString(r.text("encryptedData"))
		block, err3 := aes.NewCipher(k)
		if err != nil || err2 != nil || err3 != nil || len(iv) != 16 || len(data)%16 != 0 {
			t.Fatal(err, err2, err3, len(iv), len(data))
		}
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
		return string(data[:len(data)-int(data[len(data)-1])])
	}
	const first, second = "tiihtNczf5v6AKRyjwEUhQ==", "gDyVgzwa0mFz9uUP7M6GQQ=="
	logIn("wx1", first)
	plain := decrypted(first, `{"openid":"o1","kind":"phone"}`)
	if gjson.Get(plain, "watermark.appid").Str != "wx1" || gjson.Get(plain, "purePhoneNumber").Str == "" || !json.Valid([]byte(plain)) {
		t.Errorf("decrypted is %q", plain)
	}
	logIn("wx2", second) // the last login counts
	if plain = decrypted(second, `{"openid":"o1","kind":"werun"}`); gjson.Get(plain, "watermark.appid").Str != "wx2" {
		t.Errorf("decrypted is %q", plain)
	}
	for _, data := range []string{`{"a" : 1.10}`, `{}`, `{"sixteen bytes":1}`, `{"a":"` + strings.Repeat("x", 9) + `"}`} {
		if plain = decrypted(second, `{"openid":"o1","data":`+data+`}`); plain != data {
			t.Errorf("decrypted is %q, want %q", plain, data)
		}
	}
	if a, b := g.post("/sandbox/encrypted", `{"openid":"o1","kind":"phone"}`), g.post("/sandbox/encrypted", `{"openid":"o1","kind":"phone"}`); a.text("iv") == b.text("iv") {
		t.Error("an iv was used twice")
	}
	logIn("wx1", "short")
	for body, says := range map[string]string{`{"openid":"o1","kind":"phone"}`: "not the base64 of 16 bytes", `{"openid":"o1"}`: "kind is", `{"openid":""}`: "openid must be", `{"openid":"o1","kind":"phone","ttl":1}`: "unknown field"} {
		if r := g.post("/sandbox/encrypted", body); r.status != 400 || !strings.Contains(r.body, says) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

func TestEncryptedLike(t *testing.T) {
	g := newRig(t)
	code := g.post("/sandbox/code", `{"openid":"o1","session_key":"tiihtNczf5v6AKRyjwEUhQ=="}`).text("code")
	g.get("/sns/jscode2session?grant_type=authorization_code&secret=s&appid=wx1&js_code=" + code).text("session_key")
	first := g.post("/sandbox/encrypted", `{"openid":"o1","kind":"werun"}`).body
	g.pass(10 * time.Minute)
	g.post("/sandbox/code", `{"openid":"o1","session_key":"gDyVgzwa0mFz9uUP7M6GQQ=="}`)
	fresh := g.post("/sandbox/encrypted", `{"like":`+first+`}`)
	data := wechat.DecryptOpenData("tiihtNczf5v6AKRyjwEUhQ==", fresh.text("encryptedData"), fresh.text("iv"), "wx1", g.wechat.Now())
	if data.Code != 0 || !strings.Contains(string(data.JSON), "stepInfoList") || strings.TrimSpace(first) == strings.TrimSpace(fresh.body) {
		t.Errorf("with the key of then it is %d %s", data.Code, data.JSON)
	}
	for body, says := range map[string]string{
		`{"like":{"encryptedData":"x","iv":"y"}}`: "nothing that the sandbox has encrypted",
		`{"like":` + first + `,"openid":"o1"}`:    "beside other members",
		`{"like":` + first + `,"kind":"werun"}`:   "beside other members",
		`{"like":` + first + `,"data":{}}`:        "beside other members",
	} {
		if r := g.post("/sandbox/encrypted", body); r.status != 400 || !strings.Contains(r.body, says) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

func TestMintLike(t *testing.T) {
	g := newRig(t)
	like := func(id string) reply { return g.post("/sandbox/cloudid", `{"like":"`+id+`"}`) }
	if got := like(steps).text("cloudID"); got != steps {
		t.Errorf("a documented one became %s", got)
	}
	id := g.post("/sandbox/cloudid", `{"openid":"o1","data":{"n":1},"ttl":60}`).text("cloudID")
	g.pass(2 * time.Minute)
	fresh := like(id).text("cloudID")
	token := g.token()
	resolve := func(id string) string {
		return g.post("/wxa/getopendata?openid=o1&access_token="+url.QueryEscape(token), `{"cloudid_list":["`+id+`"]}`).body
	}
	if fresh == id || !strings.Contains(resolve(id), "-601006") || !strings.Contains(resolve(fresh), `{\"n\":1}`) {
		t.Errorf("the old one: %s\nthe fresh one: %s", resolve(id), resolve(fresh))
	}
	g.pass(61 * time.Second)
	if !strings.Contains(resolve(fresh), "-601006") {
		t.Error("the fresh one lives longer than the old one did")
	}
	for body, says := range map[string]string{
		`{"like":"99_x"}`:                      "like is no CloudID",
		`{"like":"` + id + `","openid":"o1"}`:  "like is given beside other members",
		`{"like":"` + id + `","kind":"phone"}`: "like is given beside other members",
		`{"like":"` + id + `","data":{}}`:      "like is given beside other members",
		`{"like":"` + id + `","ttl":1}`:        "like is given beside other members",
	} {
		if r := g.post("/sandbox/cloudid", body); r.status != 400 || !strings.Contains(r.body, says) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

// The connection counts: whoever stands behind a proxy on this machine comes from this machine.
func TestAllow(t *testing.T) {
	for _, c := range []struct {
		it, options string
		status      int
	}{
		{"loopback by default", "", 200},
		{"what is listed, and nobody else", "{\nallow 10.0.0.0/8\n}", 403},
		{"loopback, when it is listed", "{\nallow 10.0.0.0/8 127.0.0.1\n}", 200},
	} {
		url, err := load(t, caddyrig.NewLog(t), "cloudid_sandbox "+c.options)
		if err != nil {
			t.Fatal(err)
		}
		g := rig{t: t, url: url}
		r := g.get("/sandbox/calls")
		if r.status != c.status || c.status == 403 && !strings.Contains(r.text("error"), "add the line allow <cidr>... to cloudid_sandbox") {
			t.Errorf("%s: %d %s", c.it, r.status, r.body)
		}
	}
	_ = caddy.Stop()
	if _, err := load(t, caddyrig.NewLog(t), "cloudid_sandbox {\nallow {env.CLOUDID_NOT_SET}\n}"); err == nil {
		t.Error("a variable that is not set is taken for a range")
	}
}
