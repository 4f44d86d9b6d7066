package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestControlDoesWhatGoDoes(t *testing.T) {
	t.Run("cloudid: given data and five minutes", func(t *testing.T) {
		g := newRig(t)
		id := g.post("/sandbox/cloudid", `{"openid":"o1","kind":"phone","data":{ "n": 1.10 }}`).text("cloudID")
		wantText(t, "the response", g.ask("o1", id).one(), `{"cloudID":"`+id+`","data":{ "n": 1.10 }}`)
		g.pass(5 * time.Minute)
		if text := g.ask("o1", id).one(); !strings.Contains(text, "-601006") {
			t.Errorf("after five minutes: %s", text)
		}
	})
	t.Run("cloudid: a life in seconds, or none", func(t *testing.T) {
		g := newRig(t)
		for _, ttl := range []string{`1.5`, `"1500ms"`} {
			id := g.post("/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":`+ttl+`}`).text("cloudID")
			if text := g.ask("o1", id).one(); !strings.Contains(text, "stepInfoList") {
				t.Errorf("%s: at once: %s", ttl, text)
			}
			g.pass(1500 * time.Millisecond)
			if text := g.ask("o1", id).one(); !strings.Contains(text, "-601006") {
				t.Errorf("%s: after 1.5 s: %s", ttl, text)
			}
		}
		id := g.post("/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":null}`).text("cloudID")
		if text := g.ask("o1", id).one(); !strings.Contains(text, "stepInfoList") {
			t.Errorf("with the usual life: %s", text)
		}
		id = g.post("/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":0}`).text("cloudID")
		if text := g.ask("o1", id).one(); !strings.Contains(text, "-601006") {
			t.Errorf("with no life at all: %s", text)
		}
	})
	t.Run("code", func(t *testing.T) {
		g := newRig(t)
		code := g.post("/sandbox/code", `{"openid":"o1","unionid":"u1","session_key":"k1"}`).text("code")
		wantText(t, "the login", g.login(code).body, `{"session_key":"k1","openid":"o1","unionid":"u1"}`)
	})
	t.Run("token: a life in seconds, or a kill", func(t *testing.T) {
		g := newRig(t)
		token := g.token()
		g.post("/sandbox/token", `{"appid":"`+appid+`","ends_in":60}`)
		g.wantWorks("with a minute left", token, 0)
		g.pass(time.Minute)
		g.wantWorks("after it", token, 42001)
		for _, more := range []string{``, `,"ends_in":0`, `,"ends_in":null`} {
			token = g.token()
			g.post("/sandbox/token", `{"appid":"`+appid+`"`+more+`}`)
			g.wantWorks("a killed one", token, 40001)
		}
	})
	t.Run("calls: all that arrived, failed ones too", func(t *testing.T) {
		g := newRig(t)
		g.login("x")
		g.get("/cgi-bin/token")
		g.post("/wxa/getvoipsign", "")
		g.fail(`"errcode":-1`)
		g.ask("o1", "bad", steps)
		g.get("/wxa/getopendata").wantErrcode(43002)
		wantText(t, "the counts", strings.TrimSpace(g.get("/sandbox/calls").body),
			`{"stable_token":2,"token":1,"getopendata":3,"getvoipsign":1,"jscode2session":1,"ids":5}`)
		if c := g.wechat.Calls(); c.GetOpenData != 3 || c.IDs != 5 {
			t.Errorf("Go counts %v", c)
		}
	})
	t.Run("reset: all but tokens and documented CloudIDs is gone", func(t *testing.T) {
		for _, body := range []string{``, `{}`} {
			g := newRig(t)
			token := g.stable(`,"force_refresh":true`).text("access_token")
			id := g.mint(sandbox.OpenData{OpenID: "o1", Kind: "werun"})
			code := g.code(sandbox.Login{OpenID: "o1"})
			g.login(g.code(sandbox.Login{OpenID: "o1", UnionID: "u1", SessionKey: "gDyVgzwa0mFz9uUP7M6GQQ=="})).wantErrcode(0)
			encrypted := g.post("/sandbox/encrypted", `{"openid":"o1","kind":"userinfo"}`).body
			kind, form := upload(t, "media", []byte("content"))
			media := g.send("POST", "/cgi-bin/media/upload?access_token="+token, kind, form).text("media_id")
			g.fault(sandbox.Fault{API: "getopendata", Kind: "drop"})
			if r := g.post("/sandbox/reset", body); r.status != 200 {
				t.Fatalf("reset: %s", r.body)
			}
			if c := g.wechat.Calls(); c != (sandbox.Calls{}) {
				t.Errorf("counts are %v", c)
			}
			wantText(t, "the token", g.token(), token)
			items := g.ask("o1", id, steps).items()
			if !strings.Contains(items[0].Text, "-601005") || !strings.Contains(items[1].Text, "9103") {
				t.Errorf("items are %v", items)
			}
			g.login(code).wantErrcode(40029)
			g.get("/cgi-bin/media/get?access_token=" + token + "&media_id=" + media).wantErrcode(40007)
			if says := g.post("/sandbox/encrypted", `{"like":`+encrypted+`}`).text("error"); !strings.Contains(says, "nothing that the sandbox has encrypted") {
				t.Errorf("encrypted data like that of before: %s", says)
			}
			if says := g.post("/sandbox/encrypted", `{"openid":"o1","kind":"userinfo"}`).text("error"); !strings.Contains(says, "has not logged in") {
				t.Errorf("encrypted data of who logged in before: %s", says)
			}
			if text := g.ask("o1", g.mint(sandbox.OpenData{OpenID: "o1", Kind: "userinfo"})).one(); strings.Contains(text, "u1") {
				t.Errorf("the unionid of before is still known: %s", text)
			}
			if again := g.login(g.code(sandbox.Login{OpenID: "o1"})).text("session_key"); again == "gDyVgzwa0mFz9uUP7M6GQQ==" {
				t.Error("the session_key of before is still known")
			}
			g.stable(`,"force_refresh":true`).wantErrcode(0)
		}
	})
}

func TestControlSaysWhatIsWrong(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		it, method, path, body, says string
	}{
		{"a mistyped member", "POST", "/sandbox/cloudid", `{"openid":"o1","knid":"werun"}`, `unknown field "knid"`},
		{"a missing kind", "POST", "/sandbox/cloudid", `{"openid":"o1"}`, "werun, phone, userinfo, share"},
		{"an openid that no user has", "POST", "/sandbox/cloudid", `{"openid":"","kind":"werun"}`, "1 to 64"},
		{"a ttl of the wrong type", "POST", "/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":true}`, `ttl is true, which must be a number of seconds up to 1e+09, or a duration such as "1.5s"`},
		{"a ttl that is no time", "POST", "/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":"soon"}`, `ttl is "soon"`},
		{"an end that is no time", "POST", "/sandbox/token", `{"appid":"wx1","ends_in":"soon"}`, `ends_in is "soon"`},
		{"an openid that is a number", "POST", "/sandbox/cloudid", `{"openid":1,"kind":"werun"}`, "openid is of type number, which is wrong ("},
		{"a list", "POST", "/sandbox/code", `[]`, "the body is of type array, which must be a JSON object ("},
		{"a ttl without sense", "POST", "/sandbox/cloudid", `{"openid":"o1","kind":"werun","ttl":1e300}`, "number of seconds"},
		{"no body", "POST", "/sandbox/cloudid", ``, "must be a JSON object"},
		{"two bodies", "POST", "/sandbox/cloudid", `{"openid":"o1","kind":"werun"}{}`, "goes on"},
		{"a body that is no JSON", "POST", "/sandbox/code", `openid=o1`, "cannot be read"},
		{"an openid for a code", "POST", "/sandbox/code", `{"openid":"o 1"}`, "1 to 64"},
		{"a member of reset", "POST", "/sandbox/reset", `{"all":true}`, `unknown field "all"`},
		{"a token that was not fetched", "POST", "/sandbox/token", `{"appid":"wx1"}`, "get one from /cgi-bin/stable_token"},
		{"the wrong method", "GET", "/sandbox/reset", ``, "must be POST"},
		{"the wrong method for calls", "POST", "/sandbox/calls", ``, "must be GET"},
		{"a mistyped member of a token", "POST", "/sandbox/token", `{"appid":"wx1","end_in":1}`, `unknown field "end_in"`},
		{"a fault that is a list", "POST", "/sandbox/fault", `["drop"]`, "the body is of type array, which must be a JSON object ("},
		{"a fault without a kind", "POST", "/sandbox/fault", `{"api":"token"}`, "errcode, status, latency"},
		{"a fault of two kinds", "POST", "/sandbox/fault", `{"api":"token","drop":true,"errcode":1}`, "two kinds"},
		{"a mistyped kind", "POST", "/sandbox/fault", `{"api":"token","dorp":true}`, `unknown member "dorp"`},
		{"an unknown api", "POST", "/sandbox/fault", `{"api":"tokens","drop":true}`, "stable_token, token, getopendata"},
		{"a kind that is not meant", "POST", "/sandbox/fault", `{"api":"token","drop":false}`, "must be true"},
		{"a garbage of the wrong type", "POST", "/sandbox/fault", `{"api":"token","garbage":1}`, "must be true"},
		{"an errcode that is text", "POST", "/sandbox/fault", `{"api":"token","errcode":"40001"}`, "wrong type"},
		{"errcode null", "POST", "/sandbox/fault", `{"api":"token","errcode":null}`, "wrong type"},
		{"times 0", "POST", "/sandbox/fault", `{"api":"token","drop":true,"times":0}`, "at least 1"},
		{"times of a wrong type", "POST", "/sandbox/fault", `{"api":"token","drop":true,"times":"two"}`, "times is"},
		{"a latency that is no time", "POST", "/sandbox/fault", `{"api":"token","latency":"soon"}`, `such as "1.5s"`},
		{"a latency of the wrong type", "POST", "/sandbox/fault", `{"api":"token","latency":true}`, `such as "1.5s"`},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			r := g.must(c.method, c.path, c.body)
			if r.status != http.StatusBadRequest {
				t.Errorf("HTTP status is %d, want 400", r.status)
			}
			if says := r.text("error"); !strings.Contains(says, c.says) || !strings.Contains(says, c.path+" takes ") {
				t.Errorf("says %q, which should hold %q and what %s takes", says, c.says, c.path)
			}
		})
	}
}

func TestOtherPathsAreInvalidURLs(t *testing.T) {
	g := newRig(t)
	for _, path := range []string{"/", "/wxa/some_new_api", "/wxa/getopendata/", "/sandbox/cloudids"} {
		r := g.post(path, "{}")
		if r.status != http.StatusNotFound || r.number("errcode") != 40066 || !strings.HasPrefix(r.text("errmsg"), "invalid url rid: ") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestBodiesOfMoreThan16MiBAreRejected(t *testing.T) {
	g := newRig(t)
	if r := g.post("/sandbox/code", `{"openid":"o1"}`+strings.Repeat(" ", 16<<20)); r.status != http.StatusBadRequest {
		t.Errorf("HTTP status is %d, want 400: %.200s", r.status, r.body)
	}
}

func TestMethods(t *testing.T) {
	g := newRig(t)
	g.get("/cgi-bin/stable_token").wantErrcode(43002)
	g.get("/wxa/getvoipsign").wantErrcode(43002)
	g.post("/cgi-bin/token", "").wantErrcode(43001)
	g.post("/sns/jscode2session", "").wantErrcode(43001)
}

func TestParallelUse(t *testing.T) {
	g := newRig(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				id, err := g.wechat.MintCloudID(sandbox.OpenData{OpenID: "o1", Kind: "werun"})
				if err != nil {
					t.Error(err)
					return
				}
				r := g.ask("o1", id, steps)
				if len(r.items()) != 2 || !strings.Contains(r.body, "stepInfoList") {
					t.Errorf("%.200s", r.body)
				}
			}
		})
	}
	wg.Wait()
	if c := g.wechat.Calls(); c.GetOpenData != 160 || c.IDs != 320 || c.StableToken != 160 {
		t.Errorf("counts are %v", c)
	}
}
