package account

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

func TestWhichAccountIsMeant(t *testing.T) {
	t.Parallel()
	account := new(Account)
	one := &App{Accounts: map[string]*Account{"wx1": account}}
	two := &App{Accounts: map[string]*Account{"wx1": account, "wx2": new(Account)}}
	for _, test := range []struct {
		sentence string
		app      *App
		appid    string
		parts    []string // of the error; nil: the account is found
	}{
		{"the one that is named", two, "wx1", nil},
		{"the only one, where none is named", one, "", nil},
		{"of several, one has to be named", two, "", []string{"no account is named", "wx1, wx2"}},
		{"one that is not there is an error that lists those that are", two, "wx3", []string{"wx3", "wx1, wx2"}},
		{"even where there is only one", one, "wx3", []string{"wx3", "wx1"}},
		{"without any, the error shows how to add one", new(App), "", []string{"cloudid { account <appid> { secret <secret> } }"}},
		{"the same where one is named", new(App), "wx1", []string{"wx1", "cloudid { account"}},
	} {
		got, err := test.app.Account(test.appid)
		if test.parts == nil && (err != nil || got != account) {
			t.Errorf("%s: %v", test.sentence, err)
		}
		if test.parts != nil && err == nil {
			t.Errorf("%s: no error", test.sentence)
			continue
		}
		for _, part := range test.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", test.sentence, err, part)
			}
		}
	}
}

func TestAppIDs(t *testing.T) {
	t.Setenv("ACCOUNT_TEST_APPID", " wx00000000000000aa\n")
	core, logs := observer.New(zap.DebugLevel)
	app := &App{Accounts: map[string]*Account{
		"{env.ACCOUNT_TEST_APPID}": new(Account),
		"wx3d289323f5900f8e":       new(Account),
		"gh_1":                     new(Account),
		"wx3d28":                   new(Account),
		"wx3d289323f5900fgg":       new(Account),
	}}
	if err := app.resolveAppIDs(zap.New(core)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(app.appids(), " "); got != "gh_1 wx00000000000000aa wx3d28 wx3d289323f5900f8e wx3d289323f5900fgg" {
		t.Errorf("the accounts are %s", got)
	}
	var warned []any
	for _, entry := range logs.FilterLevelExact(zap.WarnLevel).All() {
		warned = append(warned, entry.ContextMap()["appid"])
	}
	if fmt.Sprint(warned) != "[gh_1 wx3d28 wx3d289323f5900fgg]" {
		t.Errorf("%v are none of WeChat's", warned)
	}
}

// A limit below what one event may declare rejects such events for ever.
func TestALimitThatNoEventFitsIn(t *testing.T) {
	for _, c := range []struct {
		limit limitBounds
		warns int
	}{{limitBounds{CloudIDs: 4}, 1}, {limitBounds{CloudIDs: 5}, 0}, {limitBounds{CloudIDs: 4, Off: true}, 0}} {
		core, logs := observer.New(zap.DebugLevel)
		one := &Account{tunables: tunables{Limit: c.limit}, logger: zap.New(core)}
		if one.warnOfLimit(); logs.FilterLevelExact(zap.WarnLevel).Len() != c.warns {
			t.Errorf("%+v: %v", c.limit, logs.All())
		}
	}
}

func TestSecretsFromElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WECHAT_SECRET", "from-a-variable")
	for written, want := range map[string]string{
		"as-it-is":                      "as-it-is",
		" \uFEFF with-space-around \n":  "with-space-around",
		"{env.WECHAT_SECRET}":           "from-a-variable",
		"{file." + file + "}":           "from-a-file",
		"a-{env.WECHAT_SECRET}-b":       "a-from-a-variable-b",
		`\{env.WECHAT_SECRET\}`:         "{env.WECHAT_SECRET}",
		"no{placeholder":                "no{placeholder",
		"{file." + file + "}{env.HOME}": "from-a-file" + os.Getenv("HOME"),
	} {
		fake, url := startSandbox(t)
		fake.SetSecret(appid, want)
		c := load1(t, app1(url, fmt.Sprintf(`,"secret":%q`, written)))
		if code := c.resolve(t); code != 0 {
			t.Errorf("%s: code %d", written, code)
		}
		c.unload()
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	user := usertoken.User{OpenID: "o1"}
	keysOf := func(settings string) (*usertoken.Keys, error) {
		t.Helper()
		c := load1(t, app1("http://127.0.0.1:1", settings))
		defer c.unload()
		return c.only(t).UserTokens()
	}
	token := func(settings string) string {
		t.Helper()
		keys, err := keysOf(settings)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := keys.Sign(usertoken.Session, user, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	verifies := func(settings, signed string) bool {
		t.Helper()
		keys, err := keysOf(settings)
		if err != nil {
			t.Fatal(err)
		}
		_, err = keys.Verify(usertoken.Session, signed)
		return err == nil
	}
	for _, test := range []struct {
		sentence, signs, verifies string
		want                      bool
	}{
		{"nodes with one secret accept each other's tokens", `,"secret":"s"`, `,"secret":"s"`, true},
		{"wherever the secret stands", `,"secret":"s"`, `,"token":{"source":"stable","secret":"s"}`, true},
		{"nodes with different secrets do not", `,"secret":"s"`, `,"secret":"t"`, false},
		{"a key takes the secret's place", `,"secret":"s","keys":["key-k-of-16-bytes"]`, `,"token":{"source":"none"},"keys":["key-k-of-16-bytes"]`, true},
		{"and nothing but it counts then", `,"secret":"s"`, `,"secret":"s","keys":["key-k-of-16-bytes"]`, false},
		{"all keys verify", `,"secret":"s","keys":["old-key-16-bytes"]`, `,"secret":"s","keys":["new-key-16-bytes","old-key-16-bytes"]`, true},
		{"the first signs", `,"secret":"s","keys":["new-key-16-bytes","old-key-16-bytes"]`, `,"secret":"s","keys":["old-key-16-bytes"]`, false},
	} {
		if got := verifies(test.verifies, token(test.signs)); got != test.want {
			t.Errorf("%s: %t, want %t", test.sentence, got, test.want)
		}
	}
	for _, settings := range []string{`,"token":{"source":"none"}`, `,"token":{"source":"static","token":"t"}`} {
		if _, err := keysOf(settings); err == nil || !strings.Contains(err.Error(), "key <secret>") {
			t.Errorf("%s: there is nothing to sign with, but the error is %v", settings, err)
		}
	}
}

func TestInvocationTokensAreSignedOnceAMinute(t *testing.T) {
	c := load1(t, app1("http://127.0.0.1:1", `,"secret":"s"`))
	defer c.unload()
	account, user := c.only(t), usertoken.User{OpenID: "o1"}
	token, err := account.InvocationToken(user)
	if err != nil || token == "" {
		t.Fatal(err)
	}
	if again := testing.AllocsPerRun(100, func() { _, _ = account.InvocationToken(user) }); again > 0 {
		t.Errorf("one that was signed a moment ago takes %.0f allocations", again)
	}
	if other, err := account.InvocationToken(usertoken.User{OpenID: "o2"}); err != nil || other == token {
		t.Errorf("another user has the same: %v", err)
	}
}

func TestWithoutAKeyThereAreNoInvocationTokens(t *testing.T) {
	t.Parallel()
	c := load1(t, app1("http://127.0.0.1:1", `,"token":{"source":"none"}`))
	defer c.unload()
	invocation, err1 := c.only(t).InvocationToken(usertoken.User{OpenID: "o1"})
	unattended, err2 := c.only(t).UnattendedToken(1)
	if invocation != "" || unattended != "" || err1 != nil || err2 != nil {
		t.Errorf("%q, %v; %q, %v", invocation, err1, unattended, err2)
	}
}

// A code is never sent twice, and login takes no token.
func TestALoginThatFailsIsNotRepeated(t *testing.T) {
	t.Parallel()
	fake, url := startSandbox(t)
	c := load1(t, app1(url, `,"secret":"s"`))
	defer c.unload()
	if err := fake.Fault(sandbox.Fault{API: "jscode2session", Kind: "errcode", Code: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.only(t).Login(t.Context(), t.Context(), "a-code"); wechat.Code(err) != -1 || fake.Calls() != (sandbox.Calls{JSCode2Session: 1}) {
		t.Errorf("%v after %+v", err, fake.Calls())
	}
}

func TestRelay(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, app1(url, `,"secret":"s"`))
	logs := observed(c.only(t))
	request := wechat.RelayRequest{Method: "POST", Path: "/wxa/msg_sec_check", Body: []byte("{}")}
	if response, err := c.only(t).Relay(t.Context(), "o1", request); err != nil || response.Status != 200 || logs.Len() != 0 {
		t.Errorf("%+v, %v", response, err)
	}
	if err := fake.Fault(sandbox.Fault{API: "security.msgSecCheck", Kind: "drop", Times: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.only(t).Relay(t.Context(), "o1", request); err == nil || logs.FilterMessage("relayed call failed").Len() != 1 {
		t.Errorf("%v, logged %v", err, logs.All())
	}
	c.unload()
	p.wantNothingPooled(t)
}

// closingSource is a source of tokens that has to be closed.
type closingSource struct{ closed int }

func (*closingSource) Token(context.Context) (string, error)             { return "t", nil }
func (*closingSource) Rejected(string)                                   {}
func (s *closingSource) Close() error                                    { s.closed++; return nil }
func (*closingSource) Key() string                                       { return "" }
func (s *closingSource) Open(string, *wechat.Client) apicall.TokenSource { return s }
func (*closingSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "cloudid.tokens.closing"}
}

func TestATokenIsCheckedWithASourceOfItsOwn(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	fake.SetSecret(appid, "right")
	for settings, code := range map[string]int{`"secret":"right"`: 0, `"secret":"wrong"`: 40125, `"token":{"source":"none"}`: 0} {
		c := p.load(t, app1(url, ","+settings))
		if err := c.only(t).CheckToken(t.Context()); wechat.Code(err) != code || (err == nil) != (code == 0) {
			t.Errorf("%s: %v", settings, err)
		}
		c.unload()
	}
	c := p.load(t, app1(url, `,"token":{"source":"none"}`))
	source := new(closingSource)
	c.only(t).tokens = source
	if err := c.only(t).CheckToken(t.Context()); err != nil || source.closed != 1 {
		t.Errorf("%v, closed %d times", err, source.closed)
	}
	c.unload()
	p.wantNothingPooled(t)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	fake.SetSecret(appid, "the-secret")
	for settings, can := range map[string]bool{
		`,"secret":"the-secret"`:                                                true,
		`,"token":{"source":"stable","secret":"the-secret"}`:                    true,
		`,"token":{"source":"none"},"secret":"the-secret"`:                      true,
		`,"token":{"source":"none"}`:                                            false,
		`,"token":{"source":"static","token":"t"},"keys":["key-k-of-16-bytes"]`: false,
	} {
		c := p.load(t, app1(url, settings))
		code, err := fake.MintCode(sandbox.Login{OpenID: "o1", UnionID: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		session, err := c.only(t).Login(t.Context(), t.Context(), code)
		if (err == nil) != can || (c.only(t).CanLogin() == nil) != can || can && session.OpenID != "o1" {
			t.Errorf("%s: %q, %v", settings, session.OpenID, err)
		}
		c.unload()
	}
	p.wantNothingPooled(t)
}

func TestVoIPSign(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, app1(url, `,"secret":"s"`))
	defer p.wantNothingPooled(t)
	defer c.unload()
	logs := observed(c.only(t))
	sign := wechat.VoIPSignRequest{GroupID: "g", Nonce: "n", Timestamp: 1557056066}
	if got, err := c.only(t).VoIPSign(t.Context(), "o1", sign); err != nil || len(got) != 64 {
		t.Errorf("got %q, %v", got, err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := c.only(t).VoIPSign(ctx, "o1", sign); err == nil || logs.Len() != 0 {
		t.Errorf("who hung up needs no advice: %v, %d lines in the log", err, logs.Len())
	}
	if err := fake.Fault(sandbox.Fault{API: "getvoipsign", Kind: "errcode", Code: 48001, Times: 5}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 { // of two users, so that the breaker opens
		if _, err := c.only(t).VoIPSign(t.Context(), fmt.Sprint("o", i%2), sign); wechat.Code(err) != 48001 {
			t.Errorf("got %v", err)
		}
	}
	if fake.Calls().GetVoIPSign != 6 || logs.FilterMessage("voice signature failed").Len() != 5 || logs.Len() != 6 {
		t.Errorf("%d calls, %d lines in the log", fake.Calls().GetVoIPSign, logs.Len())
	}
	if code := c.resolve(t); code != 0 {
		t.Error("one API's breaker is no other's: ", code)
	}
}

// Owners of many small apps have all of them in one gateway, most of which nobody uses at a time.
func TestAnAccountThatIsIdleTakesLittleMemory(t *testing.T) {
	const accounts, most = 500, 32 << 10 // bytes of heap, each
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	var list []string
	for i := range accounts {
		list = append(list, fmt.Sprintf(`"wx%016d":{"secret":"secret-%d"}`, i, i))
	}
	p := newProcess()
	defer p.load(t, `{}`).unload() // has what all accounts share
	before := heap()
	c := p.load(t, `{"accounts":{`+strings.Join(list, ",")+`}}`)
	defer c.unload()
	if each := (heap() - before) / accounts; each > most {
		t.Errorf("%d accounts take %d bytes each, want at most %d", accounts, each, most)
	} else {
		t.Logf("an account takes %d bytes", each)
	}
}
