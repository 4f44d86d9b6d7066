package session_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// What clients claim to be reaches neither what is behind a session nor an error page that is proxied.
func TestHeadersThatTellWhoCallsAreRemoved(t *testing.T) {
	t.Parallel()
	const claims = "openid={http.request.header.X-WX-OPENID} source={http.request.header.x_wx_source} keys={http.request.header.X-CloudID-Keys}" +
		" context={http.request.header.X-Functions-Extended-Context} own={http.request.header.X-Own}"
	const none = "openid= source= keys= context= own=kept"
	g := newRig(t)
	g.mustLoad(g.accounts("key "+key), `
		wechat_login   /a/login { account `+appA+` }
		wechat_session /a/me { account `+appA+` }
		respond "page `+claims+`"
		handle_errors 401 405 {
			respond "error `+claims+`"
		}
	`)
	token := sign(t, usertoken.Session, usertoken.User{OpenID: openid}, time.Minute, appA, key)
	for _, c := range []struct {
		it, method, path string
		header           []string
		status           int
		says             string
	}{
		{"a session", "GET", "/a/me", []string{"Authorization: Bearer " + token}, 200, "page " + none},
		{"nobody", "GET", "/a/me", nil, 401, "error " + none},
		{"a token that is none", "POST", "/a/me", []string{"Authorization: Bearer x"}, 401, "error " + none},
		{"two tokens", "GET", "/a/me", []string{"Authorization: Bearer x", "Authorization: Bearer x"}, 401, "error " + none},
		{"a preflight", "OPTIONS", "/a/me", nil, 200, "page " + none},
		{"a login that is none", "GET", "/a/login", nil, 405, "error " + none},
		{"a preflight of a login", "OPTIONS", "/a/login", nil, 200, "page " + none},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			r := g.request(c.method, c.path, "", append(c.header, "X-WX-OPENID: victim", "X-CloudID-Keys: [1]", "X-Functions-Extended-Context: x", "X-Own: kept")...)
			r.Header["x_wx_source"] = []string{"wx_client"}
			g.do(r).want(c.status, c.says)
		})
	}
}

// HTTP has headers behind bodies too, which nobody announces to a session.
func TestTrailersThatTellWhoCallsAreRemoved(t *testing.T) {
	g := newRig(t)
	g.mustLoad(g.account(appA, "key "+key), "wechat_login /login\nwechat_session /me\nsession_key_reader\nrespond ok")
	token := sign(t, usertoken.Session, usertoken.User{OpenID: openid}, time.Minute, appA, key)
	for method, path := range map[string]string{"POST": "/me", "OPTIONS": "/login"} {
		r := g.request(method, path, "", "Authorization: Bearer "+token)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), -1
		r.Trailer = http.Header{"X-Wx-Openid": {"victim"}, "X-Own": {"kept"}}
		got := g.do(r)
		got.want(http.StatusOK, "ok")
		got.wantHeader("X-Trailers", "X-Own")
	}
}

// A browser asks without credentials whether a page of another origin may call.
func TestPreflights(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	const nobody = "id= appid= unionid="
	g.do(g.request("OPTIONS", "/a/me", "", "Origin: https://h5.example", "Access-Control-Request-Method: POST")).want(http.StatusOK, nobody)
	g.do(g.request("OPTIONS", "/a/me", "")).want(http.StatusOK, nobody)
	g.do(g.request("OPTIONS", "/a/me", "", "Authorization: Bearer x")).want(http.StatusUnauthorized, "not authenticated")
	g.do(g.request("OPTIONS", "/a/me", "", "Authorization: ")).want(http.StatusUnauthorized, "not authenticated")
	g.do(g.request("HEAD", "/a/me", "")).want(http.StatusUnauthorized, "")
	token := g.token("/a/login")
	g.do(g.request("OPTIONS", "/a/me", "", "Authorization: Bearer "+token)).want(http.StatusOK, page)
}

// The id of a response is the request's, unless something in front has given it another.
func TestTheIDOfAResponse(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, ""), "header X-Request-Id mine\nwechat_session")
	r := g.me("/")
	r.want(http.StatusUnauthorized, "")
	r.wantHeader("X-Request-Id", "mine")
}

// The operator can tell why, the client cannot.
func TestReasonsForRejections(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.accounts("key "+key), site+"wechat_session /unknown { account {http.request.header.App} }\n")
	user := usertoken.User{OpenID: openid}
	bearer := func(kind usertoken.Kind, appid, key string, ttl time.Duration) string {
		return "Bearer " + sign(t, kind, user, ttl, appid, key)
	}
	for _, c := range []struct {
		reason, path string
		authorize    []string
		appid        string
	}{
		{"missing", "/a/me", nil, ""},
		{"missing", "/a/me", []string{"Basic dTpw"}, ""},
		{"several", "/a/me", []string{"Basic dTpw", "Bearer x"}, ""},
		{"malformed", "/a/me", []string{"Bearer x"}, appA},
		{"account", "/a/me", []string{bearer(usertoken.Session, appB, key, time.Minute)}, appA},
		{"purpose", "/a/me", []string{bearer(usertoken.Invocation, appA, key, time.Minute)}, appA},
		{"signature", "/a/me", []string{bearer(usertoken.Session, appA, "another-key", time.Minute)}, appA},
		{"expired", "/b/me", []string{bearer(usertoken.Session, appB, key, -time.Second)}, appB},
		{"unknown_account", "/unknown", []string{bearer(usertoken.Session, appA, key, time.Minute)}, ""},
	} {
		before := probe.Sum(t, g.caddy.Metrics(), "sessions_rejected_total", c.appid, c.reason)
		g.me(c.path, c.authorize...).want(http.StatusUnauthorized, "not authenticated")
		if got := probe.Sum(t, g.caddy.Metrics(), "sessions_rejected_total", c.appid, c.reason) - before; got != 1 {
			t.Errorf("%s: counted %v", c.reason, got)
		}
	}
	logs := g.logged()
	for _, line := range []string{
		`"level":"debug","msg":"session rejected","appid":"","reason":"missing"`,
		`"msg":"session rejected","appid":"` + appB + `","reason":"expired"`,
		`"msg":"session rejected","appid":"` + appA + `","reason":"signature"`,
	} {
		found := false
		for logged := range strings.Lines(logs) {
			found = found || containsAll(logged, strings.Split(line, ","))
		}
		if !found {
			t.Errorf("nothing logged has %s", line)
		}
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
