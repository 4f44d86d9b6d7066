package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// campaign is a Caddy with all that this plugin has, and the secrets that it is entrusted with.
type campaign struct {
	t       *testing.T
	dir     string
	wechat  *traitor
	secrets secrets
	told    told

	admin, api string
	sites      []string          // one with handle_errors, one without
	sessions   map[string]string // alice's session tokens, by account
	bobs       string            // bob's, with the first account
	invocation string            // the token that a function was given for alice
	id         string            // a CloudID of alice's
}

// The accounts differ in where their access tokens come from: WeChat's stable_token, a file, a service.
var accounts = map[string]string{"a": "wxaaaaaaaaaaaaaaaa", "b": "wxbbbbbbbbbbbbbbbb", "c": "wxcccccccccccccccc"}

const campaignCaddyfile = `{
	admin $ADMIN
	persist_config off
	auto_https off
	grace_period 1s
	metrics
	log {
		output file $DIR/log.json
		level DEBUG
	}
	cloudid {
		account wxaaaaaaaaaaaaaaaa {
			secret {env.E2E_SECRET}
			key {file.$DIR/key}
			endpoint $WECHAT
			timeout 400ms
			retries 1
			cache off
			limit off
		}
		account wxbbbbbbbbbbbbbbbb {
			secret {env.E2E_SECRET}
			token static {file.$DIR/token}
			endpoint $WECHAT
			timeout 400ms
			retries 1
			cache off
			limit off
		}
		account wxcccccccccccccccc {
			secret {env.E2E_SECRET}
			token service {env.E2E_SERVICE}
			endpoint $WECHAT
			timeout 400ms
			retries 1
			cache off
			limit off
		}
	}
}
(account) {
	wechat_login /{args[0]}/login {
		account {args[1]}
	}
	handle /{args[0]}/fn/* {
		wechat_session {
			account {args[1]}
		}
		handle /{args[0]}/fn/embed {
			cloudid {
				account {args[1]}
				user_info
				extended_context
			}
			reverse_proxy $FUNCTION
		}
		handle /{args[0]}/fn/reject {
			cloudid {
				account {args[1]}
				on_error reject
			}
			reverse_proxy $FUNCTION
		}
		handle /{args[0]}/fn/strict {
			cloudid {
				account {args[1]}
				fields phone weRunData
			}
			reverse_proxy $FUNCTION
		}
		handle /{args[0]}/fn/down {
			cloudid {
				account {args[1]}
			}
			reverse_proxy $NOBODY
		}
	}
}
(site) {
	bind 127.0.0.1
	log
	log_append cloudid_error {http.cloudid.error}
	log_append cloudid_keys {http.cloudid.keys}
	import account a wxaaaaaaaaaaaaaaaa
	import account b wxbbbbbbbbbbbbbbbb
	import account c wxcccccccccccccccc
}
http://$SITE1 {
	import site
	handle_errors {
		respond "{err.message}"
	}
}
http://$SITE2 {
	import site
}
http://$API {
	bind 127.0.0.1
	log
	cloudid_api {
		account wxaaaaaaaaaaaaaaaa
		relay /wxa/msg_sec_check
	}
}
`

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{t: t, dir: t.TempDir(), sessions: map[string]string{}}
	c.wechat = startTraitor(t, c.secrets.keep)
	function := httptest.NewServer(http.HandlerFunc(c.function))
	t.Cleanup(function.Close)

	service := c.wechat.url + "/token?password=" + c.secret("token service's password")
	t.Setenv("E2E_SECRET", c.secret("app secret"))
	t.Setenv("E2E_SERVICE", service)
	c.write("key", c.secret("key"))
	c.write("token", c.secret("static token"))
	admin, site1, site2, api := freeport.Addr(t), freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)
	caddyrig.Load(t, strings.NewReplacer(
		"$ADMIN", admin, "$SITE1", site1, "$SITE2", site2, "$API", api, "$DIR", c.dir, "$WECHAT", c.wechat.url,
		"$FUNCTION", function.Listener.Addr().String(), "$NOBODY", freeport.Addr(t),
	).Replace(campaignCaddyfile))
	c.admin, c.api, c.sites = "http://"+admin, "http://"+api, []string{"http://" + site1, "http://" + site2}
	return c
}

// secret makes up a secret that is like no other text.
func (c *campaign) secret(label string) string {
	value := fmt.Sprintf("SECRET%016x%016x", rand.Uint64(), rand.Uint64())
	c.secrets.keep(label, value)
	return value
}

func (c *campaign) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// function keeps the token that it is given, and echoes nothing.
func (c *campaign) function(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	c.secrets.keep("invocation token of "+r.Header.Get("X-WX-APPID"), r.Header.Get("X-WX-CLOUDBASE-ACCESS-TOKEN"))
	if r.Header.Get("Cut") != "" {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Saw", r.Header.Get("X-WX-OPEN-DATA-INFO"))
}

// call is a request of a client or a function. A good response may hold what is its caller's; a rejection holds nothing.
type call struct {
	url, body string
	header    map[string]string
	kind      string // the Content-Type; default: application/json
	method    string // default: POST
	good      bool   // it is to be answered 200
}

func (c *campaign) do(q call) (response string) {
	c.t.Helper()
	return c.doContext(c.t.Context(), q)
}

func (c *campaign) doContext(ctx context.Context, q call) (response string) {
	c.t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, strings.NewReader(q.body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if ctx.Err() != nil {
		return ""
	}
	if err != nil {
		c.t.Fatalf("%s: %v", q.url, err)
	}
	response = bodyOf(c.t, res)
	if q.good && res.StatusCode != http.StatusOK {
		c.t.Errorf("%s: %d %s", q.url, res.StatusCode, response)
	}
	if !q.good {
		text := fmt.Sprint(res.Header, response)
		if strings.HasPrefix(q.url, c.api) {
			text = strings.ReplaceAll(text, c.id, "") // which it asked about
		}
		c.told.note(fmt.Sprintf("%s %s, answered %d,", q.method, req.URL.Path, res.StatusCode), text)
	}
	return response
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// goodTimes logs users in, and calls every API while nothing is wrong.
func (c *campaign) goodTimes() {
	c.t.Helper()
	openid, unionid := c.secret("openid"), c.secret("unionid")
	phone := "1391234" + fmt.Sprint(1000+rand.IntN(9000))
	c.secrets.keep("phone number", phone)
	for name := range accounts {
		c.sessions[name] = c.logIn(name, openid, unionid)
	}
	c.bobs = c.logIn("a", c.secret("other user's openid"), "")
	var err error
	c.id, err = c.wechat.MintCloudID(sandbox.OpenData{OpenID: openid, Data: []byte(`{"phoneNumber":"` + phone + `"}`)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets.keep("CloudID", c.id)
	c.callFunction("a")
	c.callFunction("c")
	tokens := c.secrets.labelled("invocation token of " + accounts["a"])
	if len(tokens) == 0 {
		c.t.Fatal("the function was given no invocation token")
	}
	c.invocation = tokens[0]
	c.callAPI(true)
}

func (c *campaign) logIn(name, openid, unionid string) (token string) {
	c.t.Helper()
	code, err := c.wechat.MintCode(sandbox.Login{OpenID: openid, UnionID: unionid})
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets.keep("login code", code)
	var session struct {
		Token string `json:"token"`
	}
	response := c.do(call{url: c.sites[0] + "/" + name + "/login", body: `{"code":"` + code + `"}`, good: true})
	if err := json.Unmarshal([]byte(response), &session); err != nil || session.Token == "" {
		c.t.Fatalf("login: %s", response)
	}
	c.secrets.keep("session token", session.Token)
	return session.Token
}

// event holds the CloudID, and the phone number as a client that made it up would have it.
func (c *campaign) event() string { return `{"phone":"` + c.id + `","n":1}` }

// callFunction makes a call that goes well.
func (c *campaign) callFunction(name string) {
	c.t.Helper()
	c.do(call{url: c.sites[0] + "/" + name + "/fn/reject", body: c.event(), header: bearer(c.sessions[name]), good: true})
}

// callAPI makes one call of each dialect of what functions ask.
func (c *campaign) callAPI(good bool) {
	c.t.Helper()
	for path, body := range map[string]string{
		"/getOpenData":     `{"list":["` + c.id + `"]}`,
		"/wxa/getopendata": `{"cloudid_list":["` + c.id + `"]}`,
	} {
		c.do(call{url: c.api + path, body: body, header: bearer(c.invocation), good: good})
		c.do(call{url: c.api + path + "?cloudbase_access_token=" + c.invocation, body: body, good: good})
	}
	c.callVoIP(good)
	c.callRelay(good)
	c.callSDK(c.invocation, good)
}

func (c *campaign) callVoIP(good bool) {
	c.t.Helper()
	for path, body := range map[string]string{
		"/getVoIPSign":     `{"groupId":"g","nonce":"n","timestamp":1559129714}`,
		"/wxa/getvoipsign": `{"group_id":"g","nonce":"n","timestamp":1559129714}`,
	} {
		c.do(call{url: c.api + path, body: body, header: bearer(c.invocation), good: good})
	}
}

func (c *campaign) callRelay(good bool) {
	c.t.Helper()
	c.do(call{url: c.api + "/wxa/msg_sec_check", body: `{"content":"x"}`, header: bearer(c.invocation), good: good})
}

// callSDK calls as wx-server-sdk does.
func (c *campaign) callSDK(token string, good bool) {
	c.t.Helper()
	request := "\x08\x02" + field(4, field(1, "ApiGetOpenDataByCloudId")+field(2, field(2, c.id)))
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, part := range [][2]string{
		{"action", "wx.openApi"}, {"apiName", "ApiGetOpenDataByCloudId"}, {"requestData", request}, {"wxCloudApiToken", token},
	} {
		_ = w.WriteField(part[0], part[1])
	}
	w.Close()
	c.do(call{url: c.api + "/admin?env=e&seqId=1", kind: w.FormDataContentType(), body: form.String(), good: good})
}

// field is a field of a protobuf message.
func field(number uint64, value string) string {
	return string(binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(value)))) + value
}

// log returns all that Caddy has logged so far.
func (c *campaign) log() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "log.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}
