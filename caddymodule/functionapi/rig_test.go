package functionapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/gateway"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	appid     = "wx20afc706a711eefc" // of the documented voice signature
	appSecret = "made-up-secret-81f3"
	key       = "made-up-key-c70a"
	user      = "o-made-up-user-77"
	other     = "o-made-up-user-78"

	// The CloudIDs of WeChat's documentation, and what the sandbox says of them.
	steps     = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	group     = "39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"
	stepsData = `{"cloudID":"` + steps + `","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}],` +
		`"watermark":{"appid":"` + appid + `","timestamp":1574338655}}}`
	groupData = `{"cloudID":"` + group + `","data":{"openGId":"tGDAqZ5LmSk1Xv0bTn7uWc4RyEoJ"}}`

	// Of a CloudID's look, but WeChat does not know it.
	unknown      = "12_abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456"
	unknownError = `{"cloudID":"` + unknown + `","errCode":-601005,"errMsg":"invalid cloudID"}`

	// The documented voice signature, with the session_key that it takes.
	voice      = `{"groupId":"1559129713_672975982","nonce":"8AP6DT9ybtniUJfb","timestamp":1559129714}`
	voiceKey   = "gDyVgzwa0mFz9uUP7M6GQQ=="
	voiceSign  = "b002b824688dd8593a6079e11d8c5e8734fbcb39a6d5906eb347bfbcad79c617"
	voiceWX    = `{"group_id":"1559129713_672975982","nonce":"8AP6DT9ybtniUJfb","timestamp":1559129714}`
	voiceReply = `{"signature":"` + voiceSign + `","errCode":0,"errMsg":"getVoIPSign:ok"}`
)

// setup is what a test changes of the usual configuration.
type setup struct {
	api     string // options of cloudid_api
	account string // options of the account, beside secret, key and endpoint
	keys    string // default: key <key>
	global  string // global options
	site    string // before cloudid_api in its site
	sites   string // more sites; $API is the functions' site, $WECHAT the sandbox, here and elsewhere

	wechat func(http.Handler) http.Handler // stands before the sandbox
}

// rig is a Caddy with the plugin in front of a stand-in for WeChat.
type rig struct {
	t      *testing.T
	url    string
	log    caddyrig.Log
	caddy  *caddyrig.Instance
	wechat *sandbox.Server
	host   string // of the sandbox
}

// start runs Caddy until the test ends.
func start(t *testing.T, s setup) *rig {
	t.Helper()
	g := &rig{t: t, log: caddyrig.NewLog(t), wechat: sandbox.New(), url: "http://" + freeport.Addr(t)}
	handler := http.Handler(g.wechat)
	if s.wechat != nil {
		handler = s.wechat(handler)
	}
	wechat := httptest.NewServer(handler)
	t.Cleanup(wechat.Close)
	g.host = wechat.URL
	if s.keys == "" {
		s.keys = "key " + key
	}
	g.caddy = caddyrig.Start(t, strings.NewReplacer("$API", g.url, "$WECHAT", wechat.URL).Replace(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	log default {
		output file %s
		format json
	}
	%s
	cloudid {
		account %s {
			%s
			endpoint %s
			%s
		}
	}
}
%s {
	%s
	cloudid_api {
		%s
	}
	respond "next handler"
}
%s
`, g.log, s.global, appid, withSecret(s.account, s.keys), wechat.URL, s.account, g.url, s.site, s.api, s.sites)))
	return g
}

// withSecret adds a secret to an account that names no other source of tokens.
func withSecret(options, keys string) string {
	if strings.Contains(options, "token ") {
		return keys
	}
	return "secret " + appSecret + "\n" + keys
}

// in is the same rig for a subtest.
func (g *rig) in(t *testing.T) *rig {
	same := *g
	same.t = t
	return &same
}

// token returns an invocation token as the gateway gives them.
func token(t *testing.T, openid string) string {
	t.Helper()
	return sign(t, appid, key, usertoken.Invocation, openid, time.Minute)
}

func sign(t *testing.T, appid, key string, kind usertoken.Kind, openid string, ttl time.Duration) string {
	t.Helper()
	keys, err := usertoken.NewKeys(appid, []string{key})
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.Sign(kind, usertoken.User{OpenID: openid}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call is a request of a function.
type call struct {
	method  string // default: POST
	path    string
	token   string // as Authorization: Bearer
	kind    string // the Content-Type; default: application/json; "-": none
	header  map[string]string
	body    string
	chunked bool // sent without a length
}

type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (g *rig) do(c call) reply {
	g.t.Helper()
	return g.doContext(g.t.Context(), c)
}

func (g *rig) doContext(ctx context.Context, c call) reply {
	g.t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	var body io.Reader = strings.NewReader(c.body)
	if c.chunked {
		body = io.MultiReader(body) // of a type whose length net/http does not know
	}
	req, err := http.NewRequestWithContext(ctx, c.method, g.url+c.path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	switch c.kind {
	case "":
		req.Header.Set("Content-Type", "application/json")
	case "-":
	default:
		req.Header.Set("Content-Type", c.kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatalf("call: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatalf("response: %v", err)
	}
	return reply{g.t, res.StatusCode, res.Header, string(text)}
}

// is fails unless the response is this one, to the byte but for a newline at the end.
func (r reply) is(status int, body string) {
	r.t.Helper()
	if r.status != status || strings.TrimSuffix(r.body, "\n") != body {
		r.t.Errorf("response is %d\n\t%.900s\nwant %d\n\t%.900s", r.status, r.body, status, body)
	}
}

// says fails unless the response has this status and all these texts in it.
func (r reply) says(status int, texts ...string) {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("status %d, want %d: %.300s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			r.t.Errorf("the response does not say %q: %.300s", text, r.body)
		}
	}
}

// fault makes the next calls of WeChat fail.
func (g *rig) fault(f sandbox.Fault) {
	g.t.Helper()
	if err := g.wechat.Fault(f); err != nil {
		g.t.Fatal(err)
	}
}

// mint makes a CloudID of a user's.
func (g *rig) mint(d sandbox.OpenData) string {
	g.t.Helper()
	id, err := g.wechat.MintCloudID(d)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// logIn has the sandbox hold the documented session_key for a user.
func (g *rig) logIn(openid string) {
	g.t.Helper()
	code, err := g.wechat.MintCode(sandbox.Login{OpenID: openid, SessionKey: voiceKey})
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := http.Get(g.host + "/sns/jscode2session?grant_type=authorization_code&appid=" + appid + "&secret=" + appSecret + "&js_code=" + code)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "session_key") {
		g.t.Fatal("the sandbox let nobody in")
	}
}
