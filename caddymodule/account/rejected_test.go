package account

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be loaded is rejected in words, never with a secret in them, and leaves nothing behind.
func TestConfigsThatAreRejected(t *testing.T) {
	p := newProcess()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY_SECRET", "")
	t.Setenv("A_SECRET", "KEEP")
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
		{"a timeout that counts nanoseconds", `"secret":"KEEP","timeout":3`, `timeout: "3ns" is no duration of at least 1ms; write it with a unit, as in 3s or 1m; a number of JSON`},
		{"a time of caching that counts nanoseconds", `"secret":"KEEP","cache":{"ttl":60}`, `cache: ttl: "60ns" is no duration of at least 1ms`},
		{"a limit below 0", `"secret":"KEEP","limit":{"cloudids":-1}`, "limit: cloudids:"},
		{"a limit whose time counts nanoseconds", `"secret":"KEEP","limit":{"window":60}`, `limit: window: "60ns" is no duration of at least 1s`},
		{"calls below 0", `"secret":"KEEP","max_calls":-1`, "max_calls:"},
		{"an endpoint that is none", `"secret":"KEEP","endpoint":"api.weixin.qq.com"`, "endpoint: the value must be a URL"},
		{"an endpoint with a query", `"secret":"KEEP","endpoint":"https://api.weixin.qq.com?x"`, "endpoint: the value must have no query"},
		{"an endpoint that is missing", `"secret":"KEEP","endpoint":"{env.UNSET_SECRET}"`, "endpoint:"},
		{"a timeout below 0", `"secret":"KEEP","timeout":"-1s"`, "timeout:"},
		{"retries below 0", `"secret":"KEEP","retries":-1`, "retries:"},
		{"retries without end", `"secret":"KEEP","retries":1000`, "retries:"},
		{"a cache below 0", `"secret":"KEEP","cache":{"entries":-1}`, "cache:"},
		{"a time of caching below 0", `"secret":"KEEP","cache":{"ttl":"-1s"}`, "cache:"},
		{"a timeout that is missing", `"secret":"KEEP","timeout":"{env.UNSET_SECRET}"`, "timeout: {env.UNSET_SECRET} is empty"},
		{"retries that are missing", `"secret":"KEEP","retries":"{env.UNSET_SECRET}"`, "retries: {env.UNSET_SECRET} is empty"},
		{"a time of caching that is missing", `"secret":"KEEP","cache":{"ttl":"{env.UNSET_SECRET}"}`, "cache: ttl: {env.UNSET_SECRET} is empty"},
		{"entries that are missing", `"secret":"KEEP","cache":{"entries":"{env.UNSET_SECRET}"}`, "cache: entries: {env.UNSET_SECRET} is empty"},
		{"a limit that is missing", `"secret":"KEEP","limit":{"cloudids":"{env.UNSET_SECRET}"}`, "limit: cloudids: {env.UNSET_SECRET} is empty"},
		{"the time of a limit that is missing", `"secret":"KEEP","limit":{"window":"{env.UNSET_SECRET}"}`, "limit: window: {env.UNSET_SECRET} is empty"},
		{"calls that are missing", `"secret":"KEEP","max_calls":"{env.UNSET_SECRET}"`, "max_calls: {env.UNSET_SECRET} is empty"},
		{"a timeout that only a request would know", `"secret":"KEEP","timeout":"{http.request.host}"`, "timeout: {http.request.host} is not known"},
		{"a secret in the place of a timeout", `"secret":"KEEP","timeout":"{env.A_SECRET}"`, `timeout: "{env.A_SECRET}" is no duration`},
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
		{"one AppID, written in two ways", `{"{env.ACCOUNT_TEST_APPID}":{"secret":"s"},"wx1":{"secret":"s"}}`, "account wx1 is given twice, also as {env.ACCOUNT_TEST_APPID}"},
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
