package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func (g rig) login(code string) reply {
	g.t.Helper()
	return g.get("/sns/jscode2session?appid=" + appid + "&secret=s&grant_type=authorization_code&js_code=" + code)
}

func (g rig) code(l sandbox.Login) string {
	g.t.Helper()
	code, err := g.wechat.MintCode(l)
	if err != nil {
		g.t.Fatal(err)
	}
	return code
}

func TestLogin(t *testing.T) {
	t.Run("a code gives openid, session_key and unionid, as text/plain", func(t *testing.T) {
		g := newRig(t)
		r := g.login(g.code(sandbox.Login{OpenID: "o1", UnionID: "u1", SessionKey: "k1"}))
		wantText(t, "the response", r.body, `{"session_key":"k1","openid":"o1","unionid":"u1"}`)
		wantText(t, "Content-Type", r.header.Get("Content-Type"), "text/plain")
	})
	t.Run("no unionid is the rule", func(t *testing.T) {
		g := newRig(t)
		r := g.login(g.code(sandbox.Login{OpenID: "o1"}))
		if _, ok := r.object()["unionid"]; ok || r.text("session_key") == "" {
			t.Errorf("the response is %s", r.body)
		}
	})
	t.Run("a code works once", func(t *testing.T) {
		g := newRig(t)
		code := g.code(sandbox.Login{OpenID: "o1"})
		g.login(code).wantErrcode(0)
		g.login(code).wantErrcode(40163)
	})
	t.Run("a code lives five minutes", func(t *testing.T) {
		g := newRig(t)
		one, two := g.code(sandbox.Login{OpenID: "o1"}), g.code(sandbox.Login{OpenID: "o1"})
		g.pass(5*time.Minute - time.Second)
		g.login(one).wantErrcode(0)
		g.pass(time.Second)
		g.login(two).wantErrcode(40029)
	})
	t.Run("a code that nobody got is invalid, a missing one missing", func(t *testing.T) {
		g := newRig(t)
		g.login("x").wantErrcode(40029)
		g.login("").wantErrcode(41008)
	})
	t.Run("a wrong secret does not use the code up", func(t *testing.T) {
		g := newRig(t)
		g.wechat.SetSecret(appid, "other")
		code := g.code(sandbox.Login{OpenID: "o1"})
		g.login(code).wantErrcode(40125)
		g.wechat.SetSecret(appid, "s")
		g.login(code).wantErrcode(0)
	})
	t.Run("a login without a session_key keeps the user's", func(t *testing.T) {
		g := newRig(t)
		g.login(g.code(sandbox.Login{OpenID: "o1", SessionKey: "k1"})).wantErrcode(0)
		wantText(t, "session_key", g.login(g.code(sandbox.Login{OpenID: "o1"})).text("session_key"), "k1")
	})
	t.Run("an unusable openid gets no code", func(t *testing.T) {
		if _, err := sandbox.New().MintCode(sandbox.Login{OpenID: "o 1"}); err == nil {
			t.Error("it got one")
		}
	})
}

const signBody = `{"group_id":"1559129713_672975982","nonce":"8AP6DT9ybtniUJfb","timestamp":1559129714}`

func TestVoIPSignIsTheDocumentedOne(t *testing.T) {
	g := newRig(t)
	g.login(g.code(sandbox.Login{OpenID: "o1", SessionKey: "gDyVgzwa0mFz9uUP7M6GQQ=="})).wantErrcode(0)
	r := g.post("/wxa/getvoipsign"+query(g.token(), "o1"), signBody)
	wantText(t, "the response", r.body, `{"errcode":0,"errmsg":"ok",`+
		`"signature":"b002b824688dd8593a6079e11d8c5e8734fbcb39a6d5906eb347bfbcad79c617"}`)
}

func TestVoIPSignWithoutLogin(t *testing.T) {
	sign := func(g rig, openid string) string {
		return g.post("/wxa/getvoipsign"+query(g.token(), openid), signBody).text("signature")
	}
	g := newRig(t)
	first := sign(g, "o1")
	wantText(t, "another sandbox's signature", sign(newRig(t), "o1"), first)
	if sign(g, "o2") == first {
		t.Error("two users have one signature")
	}
	g.login(g.code(sandbox.Login{OpenID: "o1"})).wantErrcode(0)
	wantText(t, "the signature after a login that brought no key", sign(g, "o1"), first)
}

func TestGetVoIPSignRejects(t *testing.T) {
	g := newRig(t)
	body := func(group, nonce, timestamp string) string {
		return `{"group_id":` + group + `,"nonce":` + nonce + `,"timestamp":` + timestamp + `}`
	}
	for _, c := range []struct {
		it, body string
		errcode  int
	}{
		{"a body that is no JSON", `x`, 47001},
		{"no group", `{"nonce":"n","timestamp":1559129714}`, 40097},
		{"an empty group", body(`""`, `"n"`, `1559129714`), 40097},
		{"an empty nonce", body(`"g"`, `""`, `1559129714`), 40097},
		{"a nonce of 128 characters", body(`"g"`, `"`+strings.Repeat("n", 128)+`"`, `1559129714`), 40097},
		{"no timestamp", `{"group_id":"g","nonce":"n"}`, 40097},
		{"a timestamp that is text", body(`"g"`, `"n"`, `"1559129714"`), 40097},
		{"a timestamp of 0", body(`"g"`, `"n"`, `0`), 40097},
		{"a negative timestamp", body(`"g"`, `"n"`, `-1`), 40097},
		{"a timestamp in milliseconds", body(`"g"`, `"n"`, `1559129714000`), 40097},
		{"but not a nonce of 127 characters", body(`"g"`, `"`+strings.Repeat("微", 127)+`"`, `1559129714`), 0},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			g.post("/wxa/getvoipsign"+query(g.token(), "o1"), c.body).wantErrcode(c.errcode)
		})
	}
	g.post("/wxa/getvoipsign?openid=o1", signBody).wantErrcode(41001)
	g.post("/wxa/getvoipsign"+query(g.token(), "o 1"), signBody).wantErrcode(40003)
}
