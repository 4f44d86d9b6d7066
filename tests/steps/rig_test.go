// Package steps_test has the ways in which steps do not arrive, one row each, and holds that the product says why: in the response,
// in the inspector, in the log, in what `caddy cloudid check` finds.
package steps_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	appid = "wx3d289323f5900f8e"
	other = "wx7a51c0e29b4d8f36"
	alice = "openid-of-alice"
	bob   = "openid-of-bob"

	// The accounts' options, the login, the functions and the error pages, where a way has no others.
	usualFunctions = `handle /fn/* {
		wechat_session {
			account ` + appid + `
		}
		cloudid {
			account ` + appid + `
			fields weRunData phone
			encrypted_data
		}
		reverse_proxy $FUNCTION {
			transport http1
		}
	}`
	usualLogin  = "wechat_login /login {\naccount " + appid + "\nsession_key\n}"
	usualErrors = "handle_errors {\nrespond \"{err.message}\"\n}"
)

// rig is a Caddy with gateway and inspector between a stand-in for WeChat and a function that responds with its event.
type rig struct {
	*testing.T
	wechat    *sandbox.Server
	gateway   string
	inspector string
	log       caddyrig.Log
	config    string
}

func start(t *testing.T, w way) *rig {
	t.Helper()
	r := &rig{T: t, wechat: sandbox.New(), gateway: freeport.Addr(t), inspector: freeport.Addr(t), log: caddyrig.NewLog(t)}
	wechat := httptest.NewServer(r.wechat)
	t.Cleanup(wechat.Close)
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(function.Close)
	account := func(appid string) string {
		return "account " + appid + " {\nsecret made-up-but-long-enough\nendpoint " + wechat.URL + "\n" + w.account + "\n}\n"
	}
	r.config = "{\nadmin off\nlog {\nlevel DEBUG\noutput file " + string(r.log) + "\n}\ncloudid {\n" + account(appid) + account(other) + "}\n}\n" +
		"http://" + r.gateway + " {\nbind 127.0.0.1\n" + or(w.login, usualLogin) + "\n" + or(w.functions, usualFunctions) + "\n" + or(w.errors, usualErrors) + "\n}\n" +
		"http://" + r.inspector + " {\nbind 127.0.0.1\ncloudid_inspector\n}\n"
	r.config = strings.ReplaceAll(r.config, "$FUNCTION", strings.TrimPrefix(function.URL, "http://"))
	caddyrig.Load(t, r.config)
	return r
}

func or(text, usual string) string {
	if text == "" {
		return usual
	}
	return text
}

// post sends a body, and returns status and body of the response.
func (r *rig) post(path, body string, header map[string]string) (status int, response string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+r.gateway+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// logIn returns the session token of a user; "" where there is none to be had.
func (r *rig) logIn(openid string) string {
	r.Helper()
	code, err := r.wechat.MintCode(sandbox.Login{OpenID: openid})
	if err != nil {
		r.Fatal(err)
	}
	_, body := r.post("/login", `{"code":"`+code+`"}`, nil)
	var granted struct{ Token string }
	_ = json.Unmarshal([]byte(body), &granted) // the words of a rejection are no JSON
	return granted.Token
}

// cloudID is what a phone gives its user.
func (r *rig) cloudID(openid string, ttl time.Duration) string {
	r.Helper()
	id, err := r.wechat.MintCloudID(sandbox.OpenData{OpenID: openid, Kind: "werun", TTL: ttl})
	if err != nil {
		r.Fatal(err)
	}
	return id
}

// encrypted is what a computer gives its user, as it was some time ago.
func (r *rig) encrypted(openid string, age time.Duration) string {
	r.Helper()
	data := fmt.Sprintf(`{"stepInfoList":[{"timestamp":1571673600,"step":9103}],"watermark":{"appid":%q,"timestamp":%d}}`, appid, time.Now().Add(-age).Unix())
	e, err := r.wechat.Encrypt(sandbox.OpenData{OpenID: openid, Data: []byte(data)})
	if err != nil {
		r.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

func (r *rig) fault(f sandbox.Fault) {
	r.Helper()
	f.Times = 1000
	if err := r.wechat.Fault(f); err != nil {
		r.Fatal(err)
	}
}

// calls is what the inspector shows.
func (r *rig) calls() string {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+r.inspector+"/calls.txt", http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

// findings are what `caddy cloudid check --offline` says.
func (r *rig) findings() string {
	r.Helper()
	found, err := check.Config(caddyrig.MustAdapt(r, r.config))
	if err != nil {
		r.Fatal(err)
	}
	var text strings.Builder
	for _, f := range found {
		text.WriteString(f.Kind + ": " + f.Problem + " -> " + f.Fix + "\n")
	}
	return text.String()
}
