package gateway_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/session"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

const (
	sessionKey = "tiihtNczf5v6AKRyjwEUhQ=="
	iv         = "r7BXXKkLb8qrSNn05n0qiA=="
)

func init() {
	caddy.RegisterModule(keyedSession{})
	httpcaddyfile.RegisterHandlerDirective("test_session", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		h.NextArg()
		return keyedSession{Key: h.Val()}, nil
	})
}

// keyedSession is a handler that leaves what wechat_session does.
type keyedSession struct{ Key string }

func (keyedSession) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_session", New: func() caddy.Module { return new(keyedSession) }}
}

func (s keyedSession) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	sessionkey.Set(r, appid, user, s.Key)
	return next.ServeHTTP(w, r)
}

// encrypt is what WeChat does before it gives open data to a client.
func encrypt(t *testing.T, plaintext string) string {
	t.Helper()
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	key, _ := base64.StdEncoding.DecodeString(sessionKey)
	start, _ := base64.StdEncoding.DecodeString(iv)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(plaintext + strings.Repeat(string(rune(padding)), padding))
	cipher.NewCBCEncrypter(block, start).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text)
}

func encryptedObject(encrypted string) string {
	return `{"errMsg":"ok","encryptedData":` + quoted(encrypted) + `,"iv":"` + iv + `"}`
}

func quoted(text string) string {
	q, _ := json.Marshal(text)
	return string(q)
}

func TestEncryptedData(t *testing.T) {
	t.Parallel()
	const withKey = "route {\ntest_session " + sessionKey + "\n$CLOUDID\nreverse_proxy $UPSTREAM\n}"
	data := func(app string, at time.Time) string {
		return fmt.Sprintf(` {"stepInfoList":[{"step":1.10}], "watermark":{"timestamp":%d,"appid":%q}} `, at.Unix(), app)
	}
	now := data(appid, time.Now())
	valid := encrypt(t, now)
	for _, c := range []struct{ it, encrypted, want string }{
		{"open data, byte for byte", valid, `{"cloudID":"","data":` + now + `}`},
		{"another key's", valid[:20] + "A" + valid[21:], errorObject("", -601005, "invalid cloudID")},
		{"no base64", "x", errorObject("", -601005, "invalid cloudID")},
		{"no JSON object", encrypt(t, `[1]`), errorObject("", -601005, "invalid cloudID")},
		{"no watermark", encrypt(t, `{"a":1}`), errorObject("", -601005, "invalid cloudID")},
		{"another app's", encrypt(t, data("wxaaaaaaaaaaaaaaaa", time.Now())), errorObject("", -601007, "cloudID and calling user does not match")},
		{"old", encrypt(t, data(appid, time.Now().Add(-6*time.Minute))), errorObject("", -601006, "cloudID expired.")},
		{"empty", "", errorObject("", -601005, "invalid cloudID")},
	} {
		t.Run(c.it, func(t *testing.T) {
			for _, cloudid := range []string{"encrypted_data", "encrypted_data\nfields weRunData", "encrypted_data\nguess off\nmax_ids 1"} {
				g := start(t, setup{cloudid: cloudid, site: withKey})
				keys := `[]`
				if strings.Contains(c.want, `"data"`) {
					keys = `["weRunData"]`
				}
				g.post(`{"weRunData":`+encryptedObject(c.encrypted)+`,"n":1}`).forwarded(`{"weRunData":`+c.want+`,"n":1}`).
					has(t, "X-WX-OPEN-DATA-INFO", `{"keys":`+keys+`}`)
				g.want(0, 0, 0)
			}
		})
	}
	t.Run("beside CloudIDs", func(t *testing.T) {
		g := start(t, setup{cloudid: "encrypted_data", site: withKey})
		seen := observe(g, 0)
		g.post(`{"a":`+encryptedObject(valid)+`,"b":"`+steps+`","c":{"cloudID":"`+group+`","encryptedData":"x","iv":"y"}}`).
			forwarded(`{"a":{"cloudID":"","data":`+now+`},"b":`+stepsData+`,"c":`+groupData+`}`).
			has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["a","b","c"]}`)
		g.want(1, 2, 1)
		if m := seen.take(t, 2)[1].Members[0]; m.Declared != invocation.Encrypted || m.Result != invocation.OpenData {
			t.Errorf("the record says %+v", m)
		}
	})
	t.Run("a session without a key", func(t *testing.T) {
		for _, site := range []string{"", "route {\n$CLOUDID\nreverse_proxy $UPSTREAM\n}"} {
			g := start(t, setup{cloudid: "encrypted_data", site: site})
			seen := observe(g, 0)
			r := g.post(`{"a":` + encryptedObject(valid) + `}`)
			r.rejected(401)
			if !strings.Contains(r.body, "log in again") {
				t.Errorf("the message is %s", r.body)
			}
			if m := seen.take(t, 1)[0].Members[0]; m.Reason != invocation.NoKey {
				t.Errorf("the record says %+v", m)
			}
			g.post(`{"b":"` + steps + `"}`).forwarded(`{"b":` + stepsData + `}`)
		}
	})
	t.Run("another user's key", func(t *testing.T) {
		g := start(t, setup{cloudid: "encrypted_data\nopenid o-another", site: withKey})
		g.post(`{"a":` + encryptedObject(valid) + `}`).rejected(401)
	})
	t.Run("nobody", func(t *testing.T) {
		g := start(t, setup{cloudid: "encrypted_data\nopenid {http.auth.user.id}", site: withKey})
		g.post(`{"a":` + encryptedObject(valid) + `}`).rejected(401)
	})
	t.Run("without the option it is an object like others", func(t *testing.T) {
		g := start(t, setup{site: withKey})
		body := `{"a":` + encryptedObject(valid) + `}`
		g.post(body).forwarded(body)
	})
	t.Run("sent again by the inspector", func(t *testing.T) {
		g := start(t, setup{cloudid: "encrypted_data\nfields weRunData", site: withKey})
		seen := observe(g, 1<<10)
		body := `{"weRunData":` + encryptedObject(valid) + `}`
		g.post(body).forwarded(`{"weRunData":{"cloudID":"","data":` + now + `}}`)
		first := seen.take(t, 2)[1]
		send := func(openid string) (status int) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.addr+"/fn", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r = r.WithContext(invocation.WithCaller(r.Context(), invocation.Credentials{AppID: appid, OpenID: openid}))
			w := newRecorder()
			return httpbody.Status(first.Capture.Again(w, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))))
		}
		send(user)
		if got := g.upstream.take(); got.body != `{"weRunData":{"cloudID":"","data":`+now+`}}` {
			t.Errorf("the function got %s", got.body)
		}
		if status := send("o-another"); status != http.StatusUnauthorized {
			t.Errorf("in another's name it is %d", status)
		}
		shown := fmt.Sprintf("%+v %#v %v", first, first.Capture, first.Capture)
		if strings.Contains(shown, sessionKey) {
			t.Error("the capture shows the session_key")
		}
	})
	t.Run("it shows nowhere", func(t *testing.T) {
		g := start(t, setup{cloudid: "encrypted_data", site: withKey, level: "DEBUG"})
		got := g.post(`{"a":` + encryptedObject(valid) + `}`).got
		probe.Eventually(t, "the line is there", func() bool { return len(g.logLines(`"msg":"invocation"`)) == 1 })
		for _, header := range got.header {
			if strings.Contains(strings.Join(header, ""), sessionKey) {
				t.Error("the function is told the key")
			}
		}
		for _, line := range g.logLines(`http.handlers.cloudid`) {
			if strings.Contains(line, sessionKey) || strings.Contains(line, valid[:30]) || strings.Contains(line, "stepInfoList") {
				t.Errorf("the log says %s", line)
			}
		}
	})
}

// From the login to the function, with the real session.
func TestEncryptedDataOfARealSession(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		cloudid: "openid {http.auth.user.id}\nencrypted_data\nfields weRunData",
		site:    "wechat_login /login {\nsession_key\n}\nwechat_session /fn\ncloudid /fn {\nencrypted_data\nfields weRunData\n}\nreverse_proxy $UPSTREAM",
	})
	code, err := g.wechat.MintCode(sandbox.Login{OpenID: user})
	if err != nil {
		t.Fatal(err)
	}
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(g.do(call{path: "/login", body: `{"code":"` + code + `"}`}).body), &login); err != nil {
		t.Fatal(err)
	}
	encrypted, err := g.wechat.Encrypt(sandbox.OpenData{OpenID: user, Kind: "werun"})
	if err != nil {
		t.Fatal(err)
	}
	c := call{header: map[string]string{"Authorization": "Bearer " + login.Token}}
	c.body = `{"weRunData":{"encryptedData":` + quoted(encrypted.Data) + `,"iv":` + quoted(encrypted.IV) + `}}`
	got := g.do(c).got
	if got == nil || !strings.HasPrefix(got.body, `{"weRunData":{"cloudID":"","data":{"stepInfoList"`) {
		t.Fatalf("the function got %+v", got)
	}
	got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
}

// A function that names no Content-Type does not get one chosen for it.
func TestAResponseKeepsHavingNoContentType(t *testing.T) {
	t.Parallel()
	for name, upstream := range map[string]http.HandlerFunc{
		"with a length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			w.Header().Set("Content-Length", "2")
			_, _ = w.Write([]byte("{}"))
		},
		"without": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte("{}"))
		},
		"with one": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{}"))
		},
	} {
		g := start(t, setup{upstream: upstream})
		want := ""
		if name == "with one" {
			want = "application/json"
		}
		if r := g.post(`{}`); r.header.Get("Content-Type") != want || r.body != "{}" {
			t.Errorf("%s: it is %q, of %q", name, r.header.Get("Content-Type"), r.body)
		}
	}
}
