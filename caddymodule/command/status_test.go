package command

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/tests/adminrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func statusOf(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return execute(t, statusCommand(), args...)
}

// serve has a server respond with this to everything, and returns its address.
func serve(t *testing.T, code int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// The command asks a real server, whose account has a wrong secret.
func TestStatusCommand(t *testing.T) {
	rig := adminrig.New(t)
	address := rig.Address
	rig.WeChat.SetSecret("wx00000000000000aa", "right")
	config := rig.Accounts(rig.Account("wx00000000000000aa", `"secret":"WRONG"`))
	rig.Load(config)
	probe.Eventually(t, "the admin API is there", func() bool {
		_, err := statusOf(t, "--address", address)
		return err == nil
	})
	rig.Resolve("", "o1")

	file := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--address", address}, {"--config", file}} {
		got, err := statusOf(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{
			"ACCOUNT              TOKEN    BREAKERS   CALLS (FAILED)       CACHE\n",
			"wx00000000000000aa   stable   closed     stable_token 1 (1)   0 of 10000\n",
			"wx00000000000000aa failed ", "errcode 40125", "correct the AppID or the secret",
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%v: it does not say %q:\n%s", args, part, got)
			}
		}
	}
	got, err := statusOf(t, "--address", address, "--json")
	var status account.Status
	if parsed := json.Unmarshal([]byte(got), &status); err != nil || parsed != nil || len(status.Accounts) != 1 || status.Accounts[0].LastFailure.ErrCode != "40125" {
		t.Errorf("%s, %v, %v", got, err, parsed)
	}
	if strings.Contains(got, "WRONG") {
		t.Errorf("it shows the secret: %s", got)
	}
}

func TestStatusOfNoServer(t *testing.T) {
	for _, test := range []struct {
		sentence string
		code     int
		body     string
		want     string
	}{
		{"a Caddy without the plugin", http.StatusNotFound, "", "runs without this plugin"},
		{"one that rejects the request", http.StatusForbidden, `{"error":"origin not allowed"}`, "origin not allowed"},
		{"another server", http.StatusOK, "<html>", "gave no status: "},
	} {
		address := serve(t, test.code, test.body)
		if got, err := statusOf(t, "--address", address); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "at "+address) {
			t.Errorf("%s: %v, %s", test.sentence, err, got)
		}
	}
	address := freeport.Addr(t)
	if got, err := statusOf(t, "--address", address); err == nil || !strings.Contains(err.Error(), "is the server running, and its admin API at "+address) {
		t.Errorf("%v, %s", err, got)
	}
	if _, err := statusOf(t, "extra"); err == nil {
		t.Error("an argument is accepted")
	}
}

func TestTheTableOfTheStatus(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	err := printStatus(&out, account.Status{Accounts: []account.AccountStatus{
		{
			AppID:    "wx00000000000000aa",
			Token:    account.TokenStatus{Source: "stable", Fetched: &now, Age: 725, ExpiresIn: 6475},
			Breakers: map[string]string{"getopendata": "closed", "relay": "closed"},
			Calls:    map[string]account.Calls{"getopendata": {OK: 10, Failed: 2}, "stable_token": {OK: 1}},
			Cache:    account.CacheStatus{Entries: 12, MaxEntries: 10000, TTL: "1m0s"},
		},
		{
			AppID:       "wx00000000000000bb",
			Token:       account.TokenStatus{Source: "none"},
			Breakers:    map[string]string{"getopendata": "open", "jscode2session": "half-open", "relay": "closed"},
			LastFailure: &account.Failure{Time: now.Add(-49 * time.Hour), Error: "getopendata: no response in time", Advice: "check the network"},
		},
	}}, now)
	const want = `ACCOUNT              TOKEN                            BREAKERS                                     CALLS (FAILED)                       CACHE
wx00000000000000aa   stable, 12m old, ends in 1h47m   closed                                       getopendata 12 (2), stable_token 1   12 of 10000
wx00000000000000bb   none                             getopendata open, jscode2session half-open   none yet                             off

wx00000000000000bb failed 2d ago: getopendata: no response in time
  check the network
`
	if err != nil || out.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printStatus(&out, account.Status{}, now); err != nil || out.String() != "no accounts are configured\n" {
		t.Errorf("without accounts: %q", out.String())
	}
}

func TestDurationsInAFewCharacters(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": -time.Hour, "59s": time.Minute - 1, "1m": time.Minute, "59m": time.Hour - 1, "1h00m": time.Hour, "1h47m": 107*time.Minute + 59*time.Second,
		"47h59m": 48*time.Hour - 1, "2d": 48 * time.Hour, "3d": 95 * time.Hour,
	} {
		if got := short(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}

// A table says of each account what is not as usual.
func TestWordsOfTheStatus(t *testing.T) {
	for want, got := range map[string]string{
		"none":                tokenText(account.TokenStatus{Source: "none"}),
		"closed":              breakersText(map[string]string{"getopendata": "closed", "relay": "closed"}),
		"a open, b half-open": breakersText(map[string]string{"b": "half-open", "a": "open", "c": "closed"}),
		"none yet":            callsText(nil),
		"a 3 (1), b 4":        callsText(map[string]account.Calls{"b": {OK: 4}, "a": {OK: 2, Failed: 1}}),
		"off":                 cacheText(account.CacheStatus{}),
		"0 of 1":              cacheText(account.CacheStatus{MaxEntries: 1}),
	} {
		if got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
