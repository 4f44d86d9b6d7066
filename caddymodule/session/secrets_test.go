package session_test

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

func count(text, part string) int { return strings.Count(text, part) }

// Whatever happens, neither what is logged at DEBUG nor what clients are told holds anything that is not theirs.
func TestNothingSecretIsTold(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.accounts("key "+key+"\n timeout "+timeout.String()), site)

	secrets := []string{secret, key, openid, union, "SESSIONKEY-of-the-user"}
	var told strings.Builder
	note := func(r reply) {
		told.WriteString(r.body)
		for name, values := range r.header {
			told.WriteString(name + ": " + strings.Join(values, ", "))
		}
	}
	for _, c := range responses {
		code := g.code()
		secrets = append(secrets, code)
		g.fails(c.fault)
		note(g.login("/a/login", code))
		if c.lost {
			note(g.login("/a/login", code))
		}
		g.token("/a/login") // a run of failures would open the breaker
	}
	for _, body := range []string{`{"code":"BADCODE-1"}`, `{"code":"BADCODE-2"`, `{"code":["BADCODE-3"]}`, `"BADCODE-4"`} {
		note(g.do(g.request("POST", "/a/login", body, "Content-Type: application/json")))
	}
	secrets = append(secrets, "BADCODE")

	token := g.token("/a/login")
	invocation := sign(t, usertoken.Invocation, usertoken.User{OpenID: openid}, 1e10, appA, key)
	secrets = append(secrets, token, token[:len(token)-5], invocation)
	note(g.me("/b/me", "Bearer "+token))
	note(g.me("/a/me", "Bearer "+invocation))
	note(g.me("/a/me", "Bearer "+token[:len(token)-5]))
	g.me("/a/me", "Bearer "+token).want(200, page) // who asks for oneself may know

	logs := g.logged()
	if count(logs, `"msg":"login failed"`) == 0 || count(logs, `"msg":"handled request"`) == 0 {
		t.Fatal("the logs are not complete")
	}
	for _, s := range secrets {
		if strings.Contains(told.String(), s) {
			t.Errorf("clients are told %q", s)
		}
		for line := range strings.Lines(logs) {
			if strings.Contains(line, s) {
				t.Errorf("%q is logged: %s", s, line)
			}
		}
	}
}
