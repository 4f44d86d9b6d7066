package session_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

const page = "id=" + openid + " appid=" + appA + " unionid=" + union + " authorization="

// sign makes a token as a gateway with these keys does.
func sign(t *testing.T, kind usertoken.Kind, user usertoken.User, ttl time.Duration, appid string, keys ...string) string {
	t.Helper()
	signer, err := usertoken.NewKeys(appid, keys)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(kind, user, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSession(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	token := g.token("/a/login")

	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
		t.Run(fmt.Sprintf("%qlets in, and the token goes no further", scheme), func(t *testing.T) {
			r := g.in(t).me("/a/me", scheme+token)
			r.want(http.StatusOK, page)
			if r.body != page {
				t.Errorf("the function sees %q, want %q", r.body, page)
			}
			r.wantHeader("WWW-Authenticate", "")
		})
	}
	t.Run("a user need not have a unionid", func(t *testing.T) {
		token := sign(t, usertoken.Session, usertoken.User{OpenID: "o2"}, time.Minute, appA, key)
		g.in(t).me("/a/me", "Bearer "+token).want(http.StatusOK, "id=o2 appid="+appA+" unionid= authorization=")
	})
}

func TestWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	token := g.token("/a/login")
	user := usertoken.User{OpenID: openid, UnionID: union}
	header, claims, _ := strings.Cut(token, ".")
	claims, signature, _ := strings.Cut(claims, ".")
	plain := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	const (
		nothing = `Bearer`
		invalid = `Bearer error="invalid_token"`
	)
	for _, c := range []struct {
		it        string
		sends     []string
		challenge string
	}{
		{"nobody", nil, nothing},
		{"an empty field", []string{""}, nothing},
		{"another scheme", []string{"Basic " + token}, nothing},
		{"a bare token", []string{token}, nothing},
		{"no token", []string{"Bearer"}, invalid},
		{"two tokens", []string{"Bearer " + token, "Bearer " + token}, invalid},
		{"a token beside a password", []string{"Basic dTpw", "Bearer " + token}, invalid},
		{"more behind the token", []string{"Bearer " + token + " x"}, invalid},
		{"an ended token", []string{"Bearer " + sign(t, usertoken.Session, user, -time.Second, appA, key)}, invalid},
		{"an invocation token", []string{"Bearer " + sign(t, usertoken.Invocation, user, time.Minute, appA, key)}, invalid},
		{"another account's token", []string{"Bearer " + g.token("/b/login")}, invalid},
		{"another key's token", []string{"Bearer " + sign(t, usertoken.Session, user, time.Minute, appA, "other")}, invalid},
		{"no algorithm", []string{"Bearer " + plain(`{"alg":"none"}`) + "." + claims + "."}, invalid},
		{"no algorithm, with a signature", []string{"Bearer " + plain(`{"alg":"none"}`) + "." + claims + "." + signature}, invalid},
		{"another algorithm", []string{"Bearer " + plain(`{"alg":"HS512"}`) + "." + claims + "." + signature}, invalid},
		{"another's claims", []string{"Bearer " + header + "." + plain(`{"iss":"`+appA+`","aud":["session"],"sub":"victim","exp":9999999999}`) + "." + signature}, invalid},
		{"no signature", []string{"Bearer " + header + "." + claims + "."}, invalid},
	} {
		t.Run(c.it, func(t *testing.T) {
			r := g.in(t).me("/a/me", c.sends...)
			r.want(http.StatusUnauthorized, "not authenticated")
			r.wantHeader("WWW-Authenticate", c.challenge)
		})
	}
	t.Run("a token altered in any character", func(t *testing.T) {
		g := g.in(t)
		for i := range token {
			altered := []byte(token)
			altered[i] ^= 1
			if altered[i] <= ' ' || altered[i] == 0x7f {
				continue // no header can hold it
			}
			g.me("/a/me", "Bearer "+string(altered)).want(http.StatusUnauthorized, "")
		}
	})
}

func TestTokensOutliveWhatSignedThem(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	token := g.token("/a/login")
	stillIn := func(t *testing.T) { g.in(t).me("/a/me", "Bearer "+token).want(http.StatusOK, page) }
	out := func(t *testing.T) { g.in(t).me("/a/me", "Bearer "+token).want(http.StatusUnauthorized, "") }

	g.mustLoad(g.accounts("key "+key+"\n timeout 1s"), site)
	t.Run("a reload", stillIn)

	g.caddy.Stop(t)
	g.run()
	t.Run("a restart, and so a move to another node", stillIn)

	g.mustLoad(g.accounts("key NEW-KEY-OF-16-BYTES "+key), site)
	t.Run("a new key in front of the old one", stillIn)
	fresh := g.token("/a/login")

	g.mustLoad(g.accounts("key NEW-KEY-OF-16-BYTES"), site)
	t.Run("but not the loss of the key", out)
	g.me("/a/me", "Bearer "+fresh).want(http.StatusOK, page)

	g.mustLoad(g.accounts(""), site)
	derived := g.token("/a/login")
	t.Run("nor its change to the one derived from the secret", out)
	g.run()
	g.me("/a/me", "Bearer "+derived).want(http.StatusUnauthorized, "")
}

func TestAccountMayDependOnTheRequest(t *testing.T) {
	t.Parallel()
	const routes = `
		wechat_login   /login { account {http.request.header.App} }
		wechat_session /me { account {http.request.header.App} }
		respond "id={http.auth.user.id} appid={http.auth.user.appid}"
	`
	g := newRig(t)
	login := func(app string) reply {
		g.t.Helper()
		return g.do(g.request("POST", "/login", `{"code":"`+g.code()+`"}`, "Content-Type: application/json", "App: "+app))
	}
	me := func(app, token string) reply {
		g.t.Helper()
		return g.do(g.request("GET", "/me", "", "App: "+app, "Authorization: Bearer "+token))
	}
	g.mustLoad(g.accounts("key "+key), routes)
	a, b := login(appA).token(), login(appB).token()
	me(appA, a).want(http.StatusOK, "appid="+appA)
	me(appB, b).want(http.StatusOK, "appid="+appB)
	me(appA, b).want(http.StatusUnauthorized, "")
	me(appB, a).want(http.StatusUnauthorized, "")

	// Even where one account is the default for handlers that name none.
	g.mustLoad(g.account(appA, "key "+key), routes)
	for _, app := range []string{"", appB, "{http.request.header.Other}"} {
		login(app).want(http.StatusForbidden, "no mini program to log in to")
		me(app, a).want(http.StatusUnauthorized, "")
	}
	g.wantCalls(2)
}

func TestAccountOfARequestThatIsNotSetUp(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad("account "+appA+" {\n token none\n}", `
		wechat_login   /login { account {http.request.header.App} }
		wechat_session { account {http.request.header.App} }
	`)
	g.do(g.request("GET", "/me", "", "App: "+appA, "Authorization: Bearer x")).want(http.StatusUnauthorized, "")
	if text := g.logged(); !strings.Contains(text, "add `key <secret>`") {
		t.Errorf("the operator does not read what to do:\n%s", text)
	}

	g.mustLoad("account "+appA+" {\n token none\n}", "wechat_login { account {http.request.header.App} }\n")
	g.do(g.request("POST", "/", `{"code":"x"}`, "Content-Type: application/json", "App: "+appA)).
		want(http.StatusInternalServerError, "its operator can tell from its log")
	g.caddy.Stop(t)
	if lines := g.log.Lines(t, `"level":"error"`, `"msg":"login failed"`, "add `secret <secret>`"); len(lines) != 1 {
		t.Errorf("the operator does not read what to do:\n%s", g.logged())
	}
}
