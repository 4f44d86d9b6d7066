package account

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// app1 is the config of one account.
func app1(endpoint, settings string) string {
	return fmt.Sprintf(`{"accounts":{%q:{"endpoint":%q%s}}}`, appid, endpoint, settings)
}

func TestStableTokens(t *testing.T) {
	t.Parallel()
	p := newProcess()
	fake, url := startSandbox(t)
	fake.SetSecret(appid, "the-secret")
	for sentence, settings := range map[string]string{
		"with the account's secret": `,"secret":"the-secret"`,
		"with one of their own":     `,"token":{"source":"stable","secret":"the-secret"}`,
		"rather with their own":     `,"secret":"for-login-only","token":{"source":"stable","secret":"the-secret"}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			fake.Reset()
			c := p.load(t, app1(url, settings+`,"cache":{"off":true}`))
			defer c.unload()
			if n := fake.Calls(); n != (sandbox.Calls{}) {
				t.Errorf("loading a config called WeChat: %+v", n)
			}
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if code := c.resolve(t); code != 0 {
						t.Errorf("code %d", code)
					}
				})
			}
			wg.Wait()
			if n, counted := fake.Calls().StableToken, probe.Sum(t, c.registry, "token_fetches_total", appid, "ok"); n != 1 || counted != 1 {
				t.Errorf("%d tokens fetched, %v counted", n, counted)
			}
			if err := fake.KillToken(appid); err != nil {
				t.Fatal(err)
			}
			if code := c.resolve(t); code != 0 {
				t.Errorf("code %d with a token that was killed", code)
			}
			if n := fake.Calls().StableToken; n != 2 {
				t.Errorf("%d tokens fetched, want 2", n)
			}
		})
	}
	p.wantNothingPooled(t)
}

// A wrong secret is a configuration error: every request learns of it, and WeChat is not hammered.
func TestAWrongSecret(t *testing.T) {
	t.Parallel()
	fake, url := startSandbox(t)
	fake.SetSecret(appid, "the-secret")
	c := load1(t, app1(url, `,"secret":"a-wrong-secret"`))
	defer c.unload()
	logs := observed(c.only(t))
	for range 50 {
		if code := c.resolve(t); code != wechat.CodeSystemError {
			t.Errorf("code %d", code)
		}
	}
	if n := fake.Calls(); n.StableToken != 5 || n.GetOpenData != 0 {
		t.Errorf("calls %+v", n)
	}
	probe.Eventually(t, "the log", func() bool { return logs.Len() >= 5 })
	for _, entry := range logs.All() {
		fields := entry.ContextMap()
		if fields["errcode"] != "40125" || !strings.Contains(fields["advice"].(string), "secret") {
			t.Errorf("logged %v", fields)
		}
		silent(t, fmt.Sprint(fields), "a-wrong-secret", "o1 ", steps)
	}
}

func TestAStaticTokenIsSentAsItIs(t *testing.T) {
	t.Parallel()
	var sent atomic.Pointer[string]
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.RawQuery
		sent.Store(&token)
		_, _ = w.Write([]byte(`{"errcode":0,"data_list":[]}`))
	}))
	for settings, want := range map[string]string{
		`,"token":{"source":"static","token":"a b&c"}`: "openid=o1&access_token=a+b%26c",
		`,"token":{"source":"none"}`:                   "openid=o1",
	} {
		c := load1(t, app1(url, settings))
		_ = c.resolve(t)
		if *sent.Load() != want {
			t.Errorf("%s: sent %s, want %s", settings, *sent.Load(), want)
		}
		c.unload()
	}
}

// What a team writes into a file as its token is read again when WeChat rejects what was there before.
func TestAStaticTokenStaysWhileItCannotBeRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t1"), 0o600); err != nil {
		t.Fatal(err)
	}
	module := &StaticToken{Token: "{file." + file + "}"}
	if err := module.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	source := module.Open(appid, nil)
	_ = os.Remove(file)
	source.Rejected("t1")
	if token, err := source.Token(t.Context()); token != "t1" || err != nil {
		t.Errorf("it is %q, %v", token, err)
	}
}

func TestAStaticTokenIsReadAgainWhenItIsRejected(t *testing.T) {
	t.Parallel()
	var good atomic.Pointer[string]
	var calls atomic.Int32
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Query().Get("access_token") != *good.Load() {
			_, _ = w.Write([]byte(`{"errcode":42001,"errmsg":"access_token expired"}`))
			return
		}
		_, _ = fmt.Fprintf(w, `{"errcode":0,"data_list":[{"cloud_id":%q,"json":{"cloudID":%q,"data":{}}}]}`, steps, steps)
	}))
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	valid := func(token string) { good.Store(&token) }
	write("t1\n")
	valid("t1")
	c := load1(t, app1(url, `,"token":{"source":"static","token":"{file.`+file+`}"},"cache":{"off":true}`))
	defer c.unload()

	for _, step := range []struct {
		sentence string
		before   func()
		code     int
		calls    int32
	}{
		{"the file's token is used, without its line end", func() {}, 0, 1},
		{"a new one is not looked for while the old one counts", func() { write("t2") }, 0, 1},
		{"it is when the old one is rejected", func() { valid("t2") }, 0, 2},
		{"and stays", func() {}, 0, 1},
		{"a file that still has the old one cannot help", func() { valid("t3") }, wechat.CodeSystemError, 2},
		{"nor one that is gone", func() { _ = os.Remove(file) }, wechat.CodeSystemError, 2},
		{"nor one that is empty", func() { write("") }, wechat.CodeSystemError, 2},
		{"until it is there again", func() { write("t3") }, 0, 2},
	} {
		step.before()
		calls.Store(0)
		if code := c.resolve(t); code != step.code || calls.Load() != step.calls {
			t.Errorf("%s: code %d after %d calls, want %d after %d", step.sentence, code, calls.Load(), step.code, step.calls)
		}
	}
}

func TestATokenService(t *testing.T) {
	fake, url := startSandbox(t)
	var asked atomic.Int32
	service := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodGet || r.URL.RequestURI() != "/token?key=k1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		// A service that keeps the team's only token of the old kind.
		r2, _ := http.NewRequestWithContext(r.Context(), http.MethodGet,
			"/cgi-bin/token?grant_type=client_credential&appid="+appid+"&secret=s", http.NoBody)
		fake.ServeHTTP(w, r2)
	}))
	t.Setenv("SERVICE_KEY", "k1")
	c := load1(t, app1(url, `,"token":{"source":"service","url":"`+service+`/token?key={env.SERVICE_KEY}"},"cache":{"off":true}`))
	defer c.unload()
	for range 3 {
		if code := c.resolve(t); code != 0 {
			t.Errorf("code %d", code)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the service was asked %d times", n)
	}
	if fake.Calls().StableToken != 0 {
		t.Error("WeChat was asked for a token, beside the service")
	}
}

func TestFailuresOfATokenServiceDoNotNameItsURL(t *testing.T) {
	t.Parallel()
	for sentence, service := range map[string]string{
		"one that rejects":         start(t, http.NotFoundHandler()),
		"one that answers a page":  start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })),
		"one that answers nothing": start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })),
		"one that is not there":    "http://127.0.0.1:1",
	} {
		_, url := startSandbox(t)
		c := load1(t, app1(url, `,"token":{"source":"service","url":"`+service+`/service-path?key=service-key"}`))
		logs := observed(c.only(t))
		if code := c.resolve(t); code >= 0 {
			t.Errorf("%s: code %d", sentence, code)
		}
		c.unload()
		probe.Eventually(t, "a line in the log", func() bool { return logs.Len() == 1 })
		text := fmt.Sprint(logs.All()[0].ContextMap())
		silent(t, text, "service-path", "service-key")
		if !strings.Contains(text, wechat.APIServiceToken) {
			t.Errorf("%s: logged %s", sentence, text)
		}
	}
}

// A token that was read again from its file is still the same source: a reload finds cache and breaker, and uses what is in the
// file at that moment.
func TestAReloadAfterAStaticTokenChanged(t *testing.T) {
	t.Parallel()
	p := newProcess()
	var used atomic.Pointer[string]
	var calls atomic.Int32
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		token := r.URL.Query().Get("access_token")
		used.Store(&token)
		_, _ = fmt.Fprintf(w, `{"errcode":0,"data_list":[{"cloud_id":%q,"json":{"cloudID":%q,"data":{}}}]}`, steps, steps)
	}))
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := app1(url, `,"token":{"source":"static","token":"{file.`+file+`}"}`)
	write("t1")
	before := p.load(t, config)
	before.resolve(t)
	write("t2")
	after := p.load(t, config)
	if n := p.pooled(); n["upstream"] != 1 || n["shared"] != 1 {
		t.Errorf("in the pool are %v", n)
	}
	before.unload()
	defer after.unload()
	if after.resolve(t); calls.Load() != 1 {
		t.Errorf("%d calls; the cache was lost", calls.Load())
	}
	if _, err := after.only(t).Resolve(t.Context(), "another", []string{steps}, nil); err != nil || *used.Load() != "t2" {
		t.Errorf("the token is %q, %v", *used.Load(), err)
	}
}
