package account

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
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

// What was learned of WeChat lives on when a config is reloaded: the new config is loaded before the old one goes.
func TestReloads(t *testing.T) {
	t.Parallel()
	base := `,"secret":"s1"`
	none, again := sandbox.Calls{}, sandbox.Calls{GetOpenData: 1, IDs: 1}
	for _, test := range []struct {
		sentence string
		settings string
		lost     string        // the kinds that are not shared
		calls    sandbox.Calls // of the second config's first request
	}{
		{"an equal config finds everything", base, "", none},
		{"also written in another way", base + `,"timeout":"3s","retries":2,"cache":{"ttl":"1m","entries":10000},"limit":{"cloudids":60,"window":"1m"},"max_calls":128`, "", none},
		{"keys shape none of it", base + `,"keys":["key-k-of-16-bytes"]`, "", none},
		{"a changed timeout costs nothing", base + `,"timeout":"4s"`, "shared", none},
		{"nor does a changed number of retries", base + `,"retries":3`, "shared", none},
		{"nor other limits", base + `,"limit":{"off":true},"max_calls":8`, "limiter semaphore shared", none},
		{"a changed cache costs what it had, and no token", base + `,"cache":{"ttl":"2m"}`, "cache shared", again},
		{"so does none", base + `,"cache":{"off":true}`, "cache shared", again},
		{"the secret moved to its source is the same", `,"token":{"source":"stable","secret":"s1"}`, "", none},
		{"a changed secret is asked for a token of its own, and open data is the same", `,"secret":"s2"`, "shared upstream", none},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			p := newProcess()
			fake, url := startSandbox(t)
			before := p.load(t, app1(url, base))
			if code := before.resolve(t); code != 0 {
				t.Fatal(code)
			}
			fake.Reset()
			after := p.load(t, app1(url, test.settings))
			var lost []string
			for _, kind := range slices.Sorted(maps.Keys(p.pooled())) {
				if p.pooled()[kind] != 1 {
					lost = append(lost, kind)
				}
			}
			if got := strings.Join(lost, " "); got != test.lost {
				t.Errorf("not shared while both are loaded: %q, want %q", got, test.lost)
			}
			before.unload()
			if code := after.resolve(t); code != 0 {
				t.Error(code)
			}
			if got := fake.Calls(); got != test.calls {
				t.Errorf("calls: %+v, want %+v", got, test.calls)
			}
			after.unload()
			p.wantNothingPooled(t)
		})
	}
}

func TestAccountsDoNotShareTokens(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, fmt.Sprintf(`{"accounts":{"wx1":{"secret":"s","endpoint":%q},"wx2":{"secret":"s","endpoint":%q}}}`, url, url))
	for appid, account := range c.Accounts {
		if _, err := account.Resolve(t.Context(), "o1", []string{steps}, nil); err != nil {
			t.Error(appid, err)
		}
	}
	if n := fake.Calls(); n.StableToken != 2 || n.GetOpenData != 2 {
		t.Errorf("calls %+v", n)
	}
	if n := p.pooled(); n["client"] != 1 || n["upstream"] != 2 || n["shared"] != 2 {
		t.Errorf("in the pool are %v", n)
	}
	c.unload()
	p.wantNothingPooled(t)
}

func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	json := app1(url, `,"secret":"s","cache":{"off":true},"limit":{"off":true}`)
	current := p.load(t, json)
	for range 20 {
		var wg sync.WaitGroup
		old := current
		for range 20 {
			wg.Go(func() {
				for range 5 {
					if code := old.resolve(t); code != 0 {
						t.Errorf("code %d", code)
					}
				}
			})
		}
		current = p.load(t, json)
		old.unload() // while its requests are under way, as Caddy does
		wg.Wait()
	}
	current.unload()
	if n := fake.Calls().StableToken; n != 1 {
		t.Errorf("%d tokens fetched", n)
	}
	probe.Eventually(t, "everything is let go", func() bool { return len(p.pooled()) == 0 })
}

// A request may come to ask WeChat only when its config is gone already.
func TestRequestsOutliveTheirConfig(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	c := p.load(t, app1(url, `,"secret":"s","cache":{"off":true},"limit":{"off":true}`))
	if err := fake.Fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var early sync.WaitGroup
	early.Go(func() {
		if code := c.resolve(t); code != 0 {
			t.Errorf("code %d for a request under way", code)
		}
	})
	probe.Eventually(t, "a call under way", func() bool { return fake.Calls().GetOpenData == 1 })
	c.unload()
	early.Wait()
	probe.Eventually(t, "what it held is let go", func() bool { return len(p.pooled()) == 0 })

	var late sync.WaitGroup
	for range 20 {
		late.Go(func() {
			if code := c.resolve(t); code != 0 {
				t.Errorf("code %d for a request that came late", code)
			}
			if token, err := c.only(t).InvocationToken(usertoken.User{OpenID: "o1"}); err != nil || token == "" {
				t.Errorf("its invocation token is %q, %v", token, err)
			}
		})
	}
	late.Wait()
	probe.Eventually(t, "what they held is let go", func() bool { return len(p.pooled()) == 0 })
}

// What cannot be loaded is rejected in words, never with a secret in them, and leaves nothing behind.
func TestConfigsThatAreRejected(t *testing.T) {
	p := newProcess()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY_SECRET", "")
	for _, test := range []struct{ sentence, settings, part string }{
		{"no tokens at all", ``, "secret <secret>"},
		{"an unset variable", `"secret":"{env.UNSET_SECRET}"`, "secret:"},
		{"an empty variable", `"secret":"{env.EMPTY_SECRET}"`, "secret:"},
		{"a file that is not there", `"secret":"{file.` + dir + `/none}"`, "secret:"},
		{"a file that is empty", `"secret":"{file.` + empty + `}"`, "secret:"},
		{"a directory in the place of a file", `"secret":"{file.` + dir + `}"`, "secret:"},
		{"a placeholder that nobody knows", `"secret":"KEEP-{unknown}"`, "secret:"},
		{"one part of a secret that is missing", `"secret":"KEEP-{env.UNSET_SECRET}"`, "secret:"},
		{"a stable token without a secret", `"token":{"source":"stable"}`, "token stable:"},
		{"one whose secret is missing", `"token":{"source":"stable","secret":"KEEP-{env.UNSET_SECRET}"}`, "token stable:"},
		{"a static token that is empty", `"token":{"source":"static","token":""}`, "token static:"},
		{"one whose file is missing", `"token":{"source":"static","token":"{file.` + dir + `/none}"}`, "token static:"},
		{"a service without a URL", `"token":{"source":"service"}`, "token service:"},
		{"a service whose URL is none", `"token":{"source":"service","url":"KEEP-no-url"}`, "token service: the value must be"},
		{"a service that is not spoken to by HTTP", `"token":{"source":"service","url":"ftp://KEEP@host/"}`, "token service: the value must be"},
		{"a service whose URL misses a part", `"token":{"source":"service","url":"http://h/?k=KEEP{env.UNSET_SECRET}"}`, "token service:"},
		{"a source that nobody knows", `"token":{"source":"unknown","secret":"KEEP"}`, "cloudid.tokens.unknown"},
		{"tokens without a source", `"token":{"secret":"KEEP"}`, "source"},
		{"tokens whose source is no text", `"token":{"source":7,"secret":"KEEP"}`, "source"},
		{"tokens whose source is empty", `"token":{"source":"","secret":"KEEP"}`, "source"},
		{"tokens that are null", `"token":null`, "token"},
		{"a setting that a source does not have", `"token":{"source":"stable","sekret":"KEEP"}`, "sekret"},
		{"a key that is empty", `"secret":"s","keys":[""]`, "key:"},
		{"a second key that is missing", `"secret":"s","keys":["KEEP-KEEP-KEEP-KEEP","{env.UNSET_SECRET}"]`, "key:"},
		{"a key that could be guessed", `"secret":"s","keys":["KEEP-fifteen-by"]`, "key:"},
		{"a second key that could be guessed", `"secret":"s","keys":["KEEP-KEEP-KEEP-KEEP","KEEP"]`, "key:"},
		{"a key that is long only by what stands around it", `"secret":"s","keys":["  KEEP-KEEP          \n"]`, "key:"},
		{"an AppID in the place of the secret", `"secret":"wx3d289323f5900f8e"`, "secret: the value is an AppID"},
		{"an AppID in the place of a source's secret", `"token":{"source":"stable","secret":"wx3d289323f5900f8e"}`, "token stable: the value is an AppID"},
		{"a timeout that counts nanoseconds", `"secret":"KEEP","timeout":3`, "timeout: 3ns is shorter than 1ms; in JSON"},
		{"a time of caching that counts nanoseconds", `"secret":"KEEP","cache":{"ttl":60}`, "cache: ttl: 60ns is shorter than 1ms"},
		{"a limit below 0", `"secret":"KEEP","limit":{"cloudids":-1}`, "limit: cloudids:"},
		{"a limit whose time counts nanoseconds", `"secret":"KEEP","limit":{"window":60}`, "limit: window: 60ns is shorter than 1s"},
		{"calls below 0", `"secret":"KEEP","max_calls":-1`, "max_calls:"},
		{"an endpoint that is none", `"secret":"KEEP","endpoint":"api.weixin.qq.com"`, "endpoint: the value must be a URL"},
		{"an endpoint with a query", `"secret":"KEEP","endpoint":"https://api.weixin.qq.com?x"`, "endpoint: the value must have no query"},
		{"an endpoint that is missing", `"secret":"KEEP","endpoint":"{env.UNSET_SECRET}"`, "endpoint:"},
		{"a timeout below 0", `"secret":"KEEP","timeout":"-1s"`, "timeout:"},
		{"retries below 0", `"secret":"KEEP","retries":-1`, "retries:"},
		{"retries without end", `"secret":"KEEP","retries":1000`, "retries:"},
		{"a cache below 0", `"secret":"KEEP","cache":{"entries":-1}`, "cache:"},
		{"a time of caching below 0", `"secret":"KEEP","cache":{"ttl":"-1s"}`, "cache:"},
		{"a setting that nobody knows", `"secret":"KEEP","sekret":"x"`, "sekret"},
	} {
		// Behind a good account, so that there is something to let go of.
		json := `{"accounts":{"wx1":{"secret":"s"},"wx2":{` + test.settings + `}}}`
		c, err := p.provision(json)
		if err == nil {
			t.Errorf("%s: it was loaded", test.sentence)
			c.unload()
			continue
		}
		if text := err.Error(); !strings.Contains(text, test.part) || test.part != "sekret" && !strings.Contains(text, "wx2") {
			t.Errorf("%s: the error is %q, without %q", test.sentence, text, test.part)
		}
		silent(t, err.Error(), "KEEP")
		p.wantNothingPooled(t)
	}
}

func TestAppIDsThatAreRejected(t *testing.T) {
	p := newProcess()
	const secret = "0f1e2d3c4b5a69788796A5B4C3D2E1F0"
	t.Setenv("ACCOUNT_TEST_APPID", "wx1")
	t.Setenv("ACCOUNT_TEST_SECRET", secret)
	for _, test := range []struct{ sentence, accounts, part string }{
		{"an account without settings", `{"wx1":null}`, "account wx1 has no settings"},
		{"one without a name", `{"":{"secret":"s"}}`, "no AppID"},
		{"a secret in the place of the AppID", `{"` + secret + `":{"secret":"wx1"}}`, "looks like a secret"},
		{"one without settings", `{"` + secret + `":null}`, "looks like a secret"},
		{"a secret in its variable", `{"{env.ACCOUNT_TEST_SECRET}":{"secret":"wx1"}}`, "account {env.ACCOUNT_TEST_SECRET}: what stands in the place of an AppID looks like a secret"},
		{"a variable that is not set", `{"{env.ACCOUNT_TEST_NONE}":{"secret":"s"}}`, "account {env.ACCOUNT_TEST_NONE}: {env.ACCOUNT_TEST_NONE} is empty"},
		{"what each request would have to name", `{"{http.request.host}":{"secret":"s"}}`, "{http.request.host} is not known when the config is loaded"},
		{"one AppID, written in two ways", `{"{env.ACCOUNT_TEST_APPID}":{"secret":"s"},"wx1":{"secret":"s"}}`, "account wx1 is given twice"},
	} {
		c, err := p.provision(`{"accounts":` + test.accounts + `}`)
		if err == nil {
			t.Errorf("%s: it was loaded", test.sentence)
			c.unload()
			continue
		}
		if !strings.Contains(err.Error(), test.part) {
			t.Errorf("%s: the error is %q, without %q", test.sentence, err, test.part)
		}
		silent(t, err.Error(), secret)
		p.wantNothingPooled(t)
	}
	one := &App{Accounts: map[string]*Account{"wx1": new(Account)}}
	if _, err := one.Account(secret); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a handler that names a secret: %v", err)
	}
}

func TestAppIDs(t *testing.T) {
	t.Setenv("ACCOUNT_TEST_APPID", " wx00000000000000aa\n")
	core, logs := observer.New(zap.DebugLevel)
	app := &App{Accounts: map[string]*Account{
		"{env.ACCOUNT_TEST_APPID}": new(Account),
		"wx3d289323f5900f8e":       new(Account),
		"gh_1":                     new(Account),
	}}
	if err := app.resolveAppIDs(zap.New(core)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(app.appids(), " "); got != "gh_1 wx00000000000000aa wx3d289323f5900f8e" {
		t.Errorf("the accounts are %s", got)
	}
	if logs.Len() != 1 || logs.All()[0].Level != zap.WarnLevel || logs.All()[0].ContextMap()["appid"] != "gh_1" {
		t.Errorf("logged %v; one AppID is none of WeChat's", logs.All())
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
	fake, url := startSandbox(t)
	c := load1(t, app1(url, `,"secret":"s"`))
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
