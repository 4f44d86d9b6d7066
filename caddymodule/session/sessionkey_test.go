package session_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

func init() {
	caddy.RegisterModule(reader{})
	httpcaddyfile.RegisterHandlerDirective("session_key_reader", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return reader{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("session_key_reader", httpcaddyfile.Before, "respond")
}

// reader is a handler behind the session, as `cloudid` is. It tells by headers whether it finds the session_key, and which trailers
// come behind the body.
type reader struct{}

func (reader) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.session_key_reader", New: func() caddy.Module { return reader{} }}
}

func (reader) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	replacer := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	appid, _ := replacer.GetString("http.auth.user.appid")
	user, _ := replacer.GetString("http.auth.user.id")
	key, found := sessionkey.Of(r.Context(), appid, user)
	w.Header().Set("X-Found", fmt.Sprint(found, " ", key == sessionKey))
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Trailers", strings.Join(slices.Sorted(maps.Keys(r.Trailer)), " "))
	return next.ServeHTTP(w, r)
}

const (
	sessionKey = "SESSIONKEY-of-the-user"

	// keysKept is a site that keeps session_keys, and shows all that a function could see of a request.
	keysKept = `
		wechat_login   /login { account ` + appA + `; session_key }
		wechat_login   /login-without { account ` + appA + ` }
		wechat_session /me { account ` + appA + ` }
		session_key_reader
		respond "{http.request.header.*} {http.auth.user.id} {http.auth.user.session_key} {http.vars.session_key}"
	`
)

func TestASessionCarriesTheSessionKey(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, "key "+key), keysKept)
	with, without := g.token("/login"), g.token("/login-without")
	me := func(token, found string) {
		t.Helper()
		r := g.me("/me", "Bearer "+token)
		r.want(http.StatusOK, openid)
		r.wantHeader("X-Found", found)
		if strings.Contains(r.body, "SESSIONKEY") {
			t.Errorf("a function could read it: %s", r.body)
		}
	}
	me(with, "true true")
	me(without, "false false")
	g.me("/page").wantHeader("X-Found", "false false")

	g.mustLoad(g.account(appA, "key NEW-KEY-OF-16-BYTES "+key), keysKept)
	me(with, "true true") // the key was rotated
	fresh := g.token("/login")
	g.mustLoad(g.account(appA, "key NEW-KEY-OF-16-BYTES"), keysKept)
	me(fresh, "true true") // signed and encrypted with the first
	g.me("/me", "Bearer "+with).want(http.StatusUnauthorized, "")

	// Another node has nothing but the key.
	keys, err := usertoken.NewKeys(appA, []string{"NEW-KEY-OF-16-BYTES"})
	if err != nil {
		t.Fatal(err)
	}
	if user, key, err := keys.VerifySession(fresh); err != nil || key != sessionKey || user.OpenID != openid {
		t.Errorf("another node: %v", err)
	}
	if strings.Contains(g.logged(), "SESSIONKEY") {
		t.Error("it is logged")
	}
}
