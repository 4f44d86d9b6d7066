package account_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/adminrig"
)

const (
	appA  = "wx00000000000000aa"
	appB  = "wx00000000000000bb"
	steps = adminrig.Steps
)

// admin is a client of the admin endpoint.
type admin struct {
	*adminrig.Rig
	t *testing.T
}

func startAdmin(t *testing.T) *admin {
	t.Helper()
	return &admin{adminrig.New(t), t}
}

// load runs a config with these accounts, in JSON.
func (a *admin) load(accounts string) {
	a.t.Helper()
	a.Load(a.Accounts(accounts))
}

// do returns the status and body of a request to the admin endpoint.
func (a *admin) do(method, path string, header ...string) (status int, body string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, "http://"+a.Address+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, field := range header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	var res *http.Response
	for range 100 { // Caddy starts the admin endpoint in the background
		if res, err = http.DefaultClient.Do(r); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (a *admin) status() (status account.Status) {
	a.t.Helper()
	code, body := a.do("GET", "/cloudid/status")
	if err := json.Unmarshal([]byte(body), &status); err != nil || code != http.StatusOK {
		a.t.Fatalf("%d %s: %v", code, body, err)
	}
	return status
}

func (a *admin) fault(api string, fault sandbox.Fault) {
	a.t.Helper()
	fault.API = api
	if err := a.WeChat.Fault(fault); err != nil {
		a.t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	a := startAdmin(t)
	a.load(a.Account(appA, `"secret":"SECRET-of-a"`) + "," + a.Account(appB, `"token":{"source":"static","token":"TOKEN-of-b"},"keys":["KEY-of-b-16-bytes"],"cache":{"off":true}`))

	_, body := a.do("GET", "/cloudid/status")
	const fresh = `{"accounts":[` +
		`{"appid":"wx00000000000000aa","token":{"source":"stable"},"breakers":{"getopendata":"closed","getvoipsign":"closed","jscode2session":"closed","relay":"closed"},"last_failure":null,"calls":{},"cache":{"entries":0,"max_entries":10000,"ttl":"1m0s"}},` +
		`{"appid":"wx00000000000000bb","token":{"source":"static"},"breakers":{"getopendata":"closed","getvoipsign":"closed","jscode2session":"closed","relay":"closed"},"last_failure":null,"calls":{},"cache":{"entries":0,"max_entries":0}}]}` + "\n"
	if body != fresh {
		t.Errorf("before any call:\n%s\nwant\n%s", body, fresh)
	}

	a.Resolve(appA, "OPENID-1")
	a.fault("getopendata", sandbox.Fault{Kind: "errcode", Code: 40164, Times: 1})
	a.Resolve(appA, "OPENID-2")
	one := a.status().Accounts[0]
	if one.Token.Fetched == nil || time.Since(*one.Token.Fetched) > time.Minute || one.Token.Age > 60 ||
		one.Token.ExpiresIn < 7000 || time.Until(*one.Token.Expires) > 2*time.Hour {
		t.Errorf("the token: %+v", one.Token)
	}
	if one.Calls["getopendata"] != (account.Calls{OK: 1, Failed: 1}) || one.Calls["stable_token"] != (account.Calls{OK: 1}) || one.Cache.Entries != 1 {
		t.Errorf("calls %v, cache %v", one.Calls, one.Cache)
	}
	failure := one.LastFailure
	if failure == nil || failure.API != "getopendata" || failure.ErrCode != "40164" || !strings.Contains(failure.Advice, "203.0.113.7") || time.Since(failure.Time) > time.Minute {
		t.Errorf("the latest failure is %+v", failure)
	}

	a.load(a.Account(appA, `"secret":"SECRET-of-a","retries":1`))
	if after := a.status().Accounts; len(after) != 1 || after[0].Calls["getopendata"] != one.Calls["getopendata"] || after[0].LastFailure == nil || after[0].Cache.Entries != 1 {
		t.Errorf("after a reload: %+v", after)
	}
	_, body = a.do("GET", "/cloudid/status")
	for _, secret := range []string{"SECRET", "TOKEN", "KEY-", "OPENID", steps, "stepInfoList"} {
		if strings.Contains(body, secret) {
			t.Errorf("the status says %q: %s", secret, body)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write := func(text string) {
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := startAdmin(t)
	a.WeChat.SetSecret(appA, "right")
	want := func(when string, code int, parts ...string) {
		t.Helper()
		got, body := a.do("GET", "/cloudid/health")
		if got != code {
			t.Errorf("%s: %d %s, want %d", when, got, body, code)
		}
		for _, part := range parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %s does not say %q", when, body, part)
			}
		}
	}
	right := a.Account(appA, `"secret":"{file.`+secret+`}"`)
	other := a.Account(appB, `"token":{"source":"static","token":"t"}`)

	a.load("")
	want("without an account", 200, `"healthy":true`)
	a.Load(a.Config(""))
	want("without the app", 200, `"healthy":true`)
	if status := a.status(); len(status.Accounts) != 0 {
		t.Errorf("without the app there are %v", status)
	}

	write("wrong")
	a.load(right + "," + other)
	want("with a wrong secret, before any call", 503, `"appid":"`+appA+`"`, "40125", "correct the AppID or the secret")
	if n := a.WeChat.Calls().StableToken; n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
	want("asked again", 503, appA)
	if n := a.WeChat.Calls().StableToken; n != 1 {
		t.Errorf("%d tokens were asked for by whoever asks often", n)
	}
	if _, body := a.do("GET", "/cloudid/health"); strings.Contains(body, appB) {
		t.Errorf("an account that can serve is named: %s", body)
	}

	write("right")
	a.load(right + "," + other)
	want("after a reload with the right one", 200)
	for range 3 {
		want("and again", 200)
	}
	if n := a.WeChat.Calls().StableToken; n != 2 {
		t.Errorf("%d tokens were asked for; the account has one", n)
	}

	// WeChat is down, and what asks is a load balancer that sends no calls any more.
	a.fault("getopendata", sandbox.Fault{Kind: "status", Code: 502, Times: 5})
	for i := range 5 {
		a.Resolve(appA, fmt.Sprint("user-", i))
	}
	want("while the breaker is open", 503, appA, "HTTP status 502", "this is an outage of WeChat or of a proxy in between")
	if status := a.status().Accounts[0]; status.Breakers["getopendata"] != "open" {
		t.Errorf("the status says %v", status.Breakers)
	}
	want("and asked again", 503, appA)
	time.Sleep(5100 * time.Millisecond)
	a.WeChat.Reset()
	a.WeChat.SetSecret(appA, "right")
	a.fault("stable_token", sandbox.Fault{Kind: "status", Code: 502, Times: 1})
	want("while a trial fails", 503, appA)
	a.Resolve(appA, "user-9")
	want("as soon as a call succeeded", 200)

	a.fault("getopendata", sandbox.Fault{Kind: "status", Code: 502, Times: 5})
	for i := range 5 {
		a.Resolve(appA, fmt.Sprint("user-", i))
	}
	want("while the breaker is open again", 503, appA)
	a.fault("stable_token", sandbox.Fault{Kind: "drop", Times: 9})
	time.Sleep(5100 * time.Millisecond)
	want("while nothing of WeChat can be reached", 503, "network")
	a.WeChat.Reset()
	a.WeChat.SetSecret(appA, "right")
	time.Sleep(5100 * time.Millisecond)
	want("once it can be reached again", 200)
}

func TestTheConventionsOfTheAdminAPI(t *testing.T) {
	a := startAdmin(t)
	a.load(a.Account(appA, `"secret":"s"`))
	for _, test := range []struct {
		sentence, method, path string
		header                 []string
		want                   int
	}{
		{"a page of another origin", "GET", "/cloudid/status", []string{"Origin: https://evil.example"}, 403},
		{"a name that was rebound", "GET", "/cloudid/status", []string{"Host: evil.example"}, 403},
		{"a page of another origin asks for the health", "GET", "/cloudid/health", []string{"Origin: https://evil.example"}, 403},
		{"a POST", "POST", "/cloudid/status", nil, 405},
		{"a DELETE", "DELETE", "/cloudid/health", nil, 405},
		{"a HEAD", "HEAD", "/cloudid/health", nil, 200},
		{"what is not there", "GET", "/cloudid/", nil, 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+a.Address+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range test.header {
			name, value, _ := strings.Cut(field, ": ")
			if name == "Host" {
				r.Host = value
			}
			r.Header.Set(name, value)
		}
		a.do("GET", "/cloudid/status") // once the endpoint is there
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", test.sentence, res.StatusCode, test.want)
		}
		if allowed := res.Header.Get("Allow"); test.want == 405 && allowed != "GET, HEAD" {
			t.Errorf("%s: allowed are %q", test.sentence, allowed)
		}
		if h := res.Header; test.want == 200 && (h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: the header is %v", test.sentence, h)
		}
	}
}
