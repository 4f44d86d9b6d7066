package session_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Two mini programs of one owner, who was careless enough to give both the same key.
const (
	appA   = "wx00000000000000aa"
	appB   = "wx00000000000000bb"
	secret = "SECRET-of-the-app"
	key    = "KEY-of-the-gateway"
	openid = "OPENID-of-the-user"
	union  = "UNIONID-of-the-user"
)

// rig is a Caddy of a test's own, with a sandbox for WeChat.
type rig struct {
	t      *testing.T
	wechat *sandbox.Server
	api    string // the sandbox's URL
	caddy  *caddyrig.Instance
	log    caddyrig.Log // the file that holds all of Caddy's logs, access logs included
	url    string       // of the site
}

// newRig makes a rig that runs no config yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	wechat := sandbox.New()
	api := httptest.NewServer(wechat)
	t.Cleanup(api.Close)
	return &rig{t: t, wechat: wechat, api: api.URL, caddy: caddyrig.New(t), log: caddyrig.NewLog(t)}
}

// site is one that has all a mini program needs: a login and a page for those who have a session, for either account.
const site = `
	wechat_login   /a/login { account ` + appA + ` }
	wechat_login   /b/login { account ` + appB + ` }
	wechat_session /a/me { account ` + appA + ` }
	wechat_session /b/me { account ` + appB + ` }
	respond "id={http.auth.user.id} appid={http.auth.user.appid} unionid={http.auth.user.unionid} authorization={http.request.header.Authorization}"
`

// run loads a config with both accounts and site.
func (g *rig) run() {
	g.t.Helper()
	g.mustLoad(g.accounts("key "+key), site)
}

// accounts are both accounts, with more options each.
func (g *rig) accounts(options string) string {
	return g.account(appA, options) + g.account(appB, options)
}

func (g *rig) account(appid, options string) string {
	return fmt.Sprintf("account %s {\n secret %s\n endpoint %s\n %s\n}\n", appid, secret, g.api, options)
}

func (g *rig) mustLoad(accounts, routes string) {
	g.t.Helper()
	if err := g.load(accounts, routes); err != nil {
		g.t.Fatal(err)
	}
}

// load runs a config. Each has an address of its own: Caddy closes the old one's listener in the background.
func (g *rig) load(accounts, routes string) error {
	g.t.Helper()
	address := freeport.Addr(g.t)
	config, err := caddyrig.Adapt(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		level DEBUG
		output file %s {
			roll_disabled
		}
		format filter {
			wrap json
			fields {
				user_id delete
			}
		}
	}
	cloudid {
		%s
	}
}
http://%s {
	log
	%s
	handle_errors {
		respond "{err.message}"
	}
}`, g.log, accounts, address, spread(routes)))
	if err != nil {
		return err
	}
	g.url = "http://" + address
	return g.caddy.ReloadJSON(config)
}

// spread writes blocks that stand on one line, which reads better in a test, as Caddyfiles have them.
func spread(routes string) string {
	return strings.NewReplacer(" { ", " {\n", "; ", "\n", " }\n", "\n}\n").Replace(routes + "\n")
}

// code is a fresh login code of the user.
func (g *rig) code() string {
	g.t.Helper()
	code, err := g.wechat.MintCode(sandbox.Login{OpenID: openid, UnionID: union, SessionKey: "SESSIONKEY-of-the-user"})
	if err != nil {
		g.t.Fatal(err)
	}
	return code
}

// fails makes the next login fail.
func (g *rig) fails(fault sandbox.Fault) {
	g.t.Helper()
	fault.API = "jscode2session"
	if err := g.wechat.Fault(fault); err != nil {
		g.t.Fatal(err)
	}
}

// calls is how many logins WeChat was asked for.
func (g *rig) calls() int { return g.wechat.Calls().JSCode2Session }

func (g *rig) wantCalls(want int) {
	g.t.Helper()
	if got := g.calls(); got != want {
		g.t.Errorf("WeChat was asked %d times, want %d", got, want)
	}
}

// logged stops Caddy, and returns all that it logged.
func (g *rig) logged() string {
	g.t.Helper()
	g.caddy.Stop(g.t)
	return g.log.Text(g.t)
}

// reply is a response that was read to its end.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (g *rig) request(method, path, body string, header ...string) *http.Request {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, field := range header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func (g *rig) do(r *http.Request) reply {
	g.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Error(err)
		return reply{t: g.t}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Error(err)
	}
	return reply{g.t, response.StatusCode, response.Header, string(body)}
}

// login posts a code as a mini program does.
func (g *rig) login(path, code string) reply {
	g.t.Helper()
	body, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		g.t.Fatal(err)
	}
	return g.do(g.request("POST", path, string(body), "Content-Type: application/json"))
}

// token logs in, and returns the session token.
func (g *rig) token(path string) string {
	g.t.Helper()
	return g.login(path, g.code()).token()
}

// me asks for a page that takes a session.
func (g *rig) me(path string, authorization ...string) reply {
	g.t.Helper()
	r := g.request("GET", path, "")
	r.Header["Authorization"] = authorization
	return g.do(r)
}

func (r reply) token() string {
	r.t.Helper()
	r.want(http.StatusOK, "")
	var body struct{ Token string }
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Token == "" {
		r.t.Fatalf("there is no token in %s", r.body)
	}
	return body.Token
}

// want checks the status, and that the body says something.
func (r reply) want(status int, says string) {
	r.t.Helper()
	if r.status != status || !strings.Contains(r.body, says) {
		r.t.Errorf("the response is %d %q, want %d and that it says %q", r.status, r.body, status, says)
	}
}

func (r reply) wantHeader(name, want string) {
	r.t.Helper()
	if got := strings.Join(r.header.Values(name), " | "); got != want {
		r.t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// in is the same rig for a subtest.
func (g *rig) in(t *testing.T) *rig {
	sub := *g
	sub.t = t
	return &sub
}
