package sandbox_test

import (
	"strings"
	"testing"
	"time"
)

// works says with which errcode a token is taken by getopendata; 0 is well.
func (g rig) works(token string) int {
	g.t.Helper()
	return g.post("/wxa/getopendata"+query(token, "o1"), `{"cloudid_list":["x"]}`).number("errcode")
}

func (g rig) wantWorks(what, token string, errcode int) {
	g.t.Helper()
	if got := g.works(token); got != errcode {
		g.t.Errorf("%s: errcode is %d, want %d", what, got, errcode)
	}
}

func TestStableTokenInNormalMode(t *testing.T) {
	g := newRig(t)
	first := g.stable("")
	old := first.text("access_token")
	if n := first.number("expires_in"); n != 7200 {
		t.Errorf("a new token has %d s, want 7200", n)
	}
	g.pass(time.Hour)
	again := g.stable(`,"force_refresh":false`)
	wantText(t, "the token an hour later", again.text("access_token"), old)
	if n := again.number("expires_in"); n != 3600 {
		t.Errorf("expires_in is %d an hour later, want 3600", n)
	}

	g.pass(55 * time.Minute)
	if r := g.stable(""); r.text("access_token") != old || r.number("expires_in") != 300 {
		t.Errorf("five minutes before the end the token is another, or expires_in is not 300: %d", r.number("expires_in"))
	}
	g.pass(time.Second)
	renewed := g.stable("")
	if renewed.text("access_token") == old || renewed.number("expires_in") != 7200 {
		t.Error("a token with less than five minutes left got no successor")
	}
	g.wantWorks("the old one in its last five minutes", old, 0)
	g.wantWorks("its successor", renewed.text("access_token"), 0)
	g.pass(5 * time.Minute)
	g.wantWorks("the old one after its end", old, 42001)
	g.wantWorks("its successor", renewed.text("access_token"), 0)
}

func TestForceRefresh(t *testing.T) {
	const force = `,"force_refresh":true`
	g := newRig(t)
	old := g.token()
	refreshed := g.stable(force).text("access_token")
	if refreshed == old {
		t.Fatal("the token is the old one")
	}
	g.wantWorks("the old token", old, 40001)
	g.wantWorks("the new token", refreshed, 0)
	wantText(t, "the token in normal mode after it", g.token(), refreshed)

	g.pass(29 * time.Second)
	g.stable(force).wantErrcode(45011)
	wantText(t, "the token after a rejection", g.token(), refreshed)
	for range 19 {
		g.pass(30 * time.Second)
		g.stable(force).wantErrcode(0)
	}
	g.pass(30 * time.Second)
	g.stable(force).wantErrcode(45009)
	g.pass(24*time.Hour - 630*time.Second) // a second before the first of them was a day ago
	g.stable(force).wantErrcode(45009)
	g.pass(time.Second)
	g.stable(force).wantErrcode(0)
	g.pass(29 * time.Second)
	g.stable(force).wantErrcode(45009) // the second was not
	g.pass(24 * time.Hour)
	g.stable(force).wantErrcode(0)
}

func TestForceRefreshKillsAlsoTheTokenInItsLastMinutes(t *testing.T) {
	g := newRig(t)
	old := g.token()
	g.pass(116 * time.Minute)
	current := g.token()
	g.stable(`,"force_refresh":true`).wantErrcode(0)
	g.wantWorks("the one before", old, 40001)
	g.wantWorks("the current one", current, 40001)
}

func TestPlainTokenInvalidatesTheOneBefore(t *testing.T) {
	const path = "/cgi-bin/token?grant_type=client_credential&secret=s&appid="
	g := newRig(t)
	stable := g.token()
	first := g.get(path + appid)
	if n := first.number("expires_in"); n != 7200 {
		t.Errorf("expires_in is %d, want 7200", n)
	}
	other := g.get(path + "wxother").text("access_token")
	g.wantWorks("the first", first.text("access_token"), 0)
	second := g.get(path + appid).text("access_token")
	g.wantWorks("the first after the second", first.text("access_token"), 40001)
	g.wantWorks("the second", second, 0)
	g.wantWorks("another app's", other, 0)
	g.wantWorks("the stable one", stable, 0)
}

func TestWhoMayHaveATokenOrLogin(t *testing.T) {
	g := newRig(t)
	g.wechat.SetSecret("wxstrict", "right")
	for _, c := range []struct {
		it, grantType, appid, secret string
		errcode                      int
	}{
		{"any secret will do", "good", "wx1", "whatever", 0},
		{"unless the right one was set", "good", "wxstrict", "wrong", 40125},
		{"which then is taken", "good", "wxstrict", "right", 0},
		{"another grant type is rejected", "password", "wx1", "s", 40002},
		{"a missing grant type is rejected", "", "wx1", "s", 40002},
		{"the appid must be there", "good", "", "s", 41002},
		{"the secret must be there", "good", "wx1", "", 41004},
		{"an appid begins with wx", "good", "gh_1", "s", 40013},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			grant := func(good string) string { return strings.Replace(c.grantType, "good", good, 1) }
			g.post("/cgi-bin/stable_token", `{"grant_type":"`+grant("client_credential")+
				`","appid":"`+c.appid+`","secret":"`+c.secret+`"}`).wantErrcode(c.errcode)
			params := "?appid=" + c.appid + "&secret=" + c.secret + "&grant_type="
			g.get("/cgi-bin/token" + params + grant("client_credential")).wantErrcode(c.errcode)
			login := c.errcode
			if login == 0 {
				login = 40029 // well so far, but there is no such code
			}
			g.get("/sns/jscode2session" + params + grant("authorization_code") + "&js_code=x").wantErrcode(login)
		})
	}
}

func TestStableTokenRejectsBodies(t *testing.T) {
	g := newRig(t)
	g.post("/cgi-bin/stable_token", `grant_type=client_credential`).wantErrcode(47001)
	g.stable(`,"force_refresh":"true"`).wantErrcode(40097)
}

func TestTokensFromGo(t *testing.T) {
	g := newRig(t)
	if g.wechat.KillToken(appid) == nil || g.wechat.EndTokenIn(appid, time.Minute) == nil {
		t.Error("no error although there is no token")
	}
	killed := g.token()
	if err := g.wechat.KillToken(appid); err != nil {
		t.Fatal(err)
	}
	if err := g.wechat.KillToken(appid); err == nil {
		t.Error("the same token was killed twice")
	}
	g.wantWorks("a killed token", killed, 40001)

	ending := g.token()
	if ending == killed {
		t.Fatal("the killed token was given again")
	}
	if err := g.wechat.EndTokenIn(appid, time.Minute); err != nil {
		t.Fatal(err)
	}
	g.wantWorks("a token with a minute left", ending, 0)
	if g.token() == ending {
		t.Error("a token with a minute left got no successor")
	}
	g.pass(time.Minute)
	g.wantWorks("a token that has ended", ending, 42001)
}
