package account

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

// adapt returns the app's JSON as Caddy's adapter makes it of a Caddyfile's global options.
func adapt(t *testing.T, options string) (string, error) {
	t.Helper()
	adapted, err := caddyrig.Adapt("{\n" + options + "\n}\n")
	if err != nil {
		return "", err
	}
	var config struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	return string(config.Apps["cloudid"]), nil
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sentence, account, want string }{
		{"a secret is enough", `secret s`, `{"secret":"s"}`},
		{"placeholders are left for later", `secret {env.S}`, `{"secret":"{env.S}"}`},
		{"quotes are the Caddyfile's", `secret "a b"`, `{"secret":"a b"}`},
		{"token stable", `token stable s`, `{"token":{"secret":"s","source":"stable"}}`},
		{"token static", `token static {file./run/secrets/token}`, `{"token":{"source":"static","token":"{file./run/secrets/token}"}}`},
		{"token service", `token service https://t.example/token?a=b`, `{"token":{"source":"service","url":"https://t.example/token?a=b"}}`},
		{"token none", `token none`, `{"token":{"source":"none"}}`},
		{"endpoint", `endpoint http://127.0.0.1:8090`, `{"endpoint":"http://127.0.0.1:8090"}`},
		{"timeout", `timeout 1m30s`, `{"timeout":90000000000}`},
		{"timeout in days", `timeout 1d`, `{"timeout":86400000000000}`},
		{"retries", `retries 5`, `{"retries":5}`},
		{"retries 0 is not the default", `retries 0`, `{"retries":0}`},
		{"cache", `cache 30s`, `{"cache":{"ttl":30000000000}}`},
		{"cache with entries", `cache 30s 500`, `{"cache":{"ttl":30000000000,"entries":500}}`},
		{"the smallest cache", `cache 30s 1`, `{"cache":{"ttl":30000000000,"entries":1}}`},
		{"cache off", `cache off`, `{"cache":{"off":true}}`},
		{"key", `key key-k-of-16-bytes`, `{"keys":["key-k-of-16-bytes"]}`},
		{"keys", `key {env.NEW} {env.OLD}`, `{"keys":["{env.NEW}","{env.OLD}"]}`},
		{
			"all of it", "token stable s\nsecret s\nendpoint http://h\ntimeout 3s\nretries 2\ncache 1m 10000\nkey key-k-of-16-bytes",
			`{"secret":"s","token":{"secret":"s","source":"stable"},"endpoint":"http://h","timeout":3000000000,"retries":2,"cache":{"ttl":60000000000,"entries":10000},"keys":["key-k-of-16-bytes"]}`,
		},
	} {
		got, err := adapt(t, "cloudid {\naccount wx1 {\n"+test.account+"\n}\n}")
		if want := `{"accounts":{"wx1":` + test.want + `}}`; err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", test.sentence, got, err, want)
		}
	}
}

func TestSeveralAccounts(t *testing.T) {
	t.Parallel()
	const want = `{"accounts":{"wx1":{"secret":"a"},"wx2":{"secret":"b"}}}`
	for sentence, options := range map[string]string{
		"in one block":    "cloudid {\naccount wx2 {\nsecret b\n}\naccount wx1 {\nsecret a\n}\n}",
		"in two blocks":   "cloudid {\naccount wx1 {\nsecret a\n}\n}\ncloudid {\naccount wx2 {\nsecret b\n}\n}",
		"with a comment":  "cloudid { # mini programs\naccount wx1 {\nsecret a\n}\n# the other\naccount wx2 {\nsecret b\n}\n}",
		"between options": "http_port 80\ncloudid {\naccount wx1 {\nsecret a\n}\n}\nhttps_port 443\ncloudid {\naccount wx2 {\nsecret b\n}\n}",
	} {
		if got, err := adapt(t, options); err != nil || got != want {
			t.Errorf("%s: got %s, %v", sentence, got, err)
		}
	}
	if got, err := adapt(t, "cloudid {\naccount wx1\n}"); err != nil || got != `{"accounts":{"wx1":{}}}` {
		t.Errorf("an account without a block is rejected later, in words of its own: %s, %v", got, err)
	}
}

func TestNothingLikeASecretIsRepeated(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"0123456789abcdef0123456789abcdef", "abcdefabcdefabcdefabcdefabcdefab", "88_abcdefgh", "p4ssw0rd", "Secret", "geheim-geheim",
	} {
		for _, line := range []string{"token %", "token % x", "token stable % x", "token static % %", "token service % x", "token none %", "secret % %", "secret a %"} {
			_, err := adapt(t, "cloudid {\naccount wx1 {\n"+strings.ReplaceAll(line, "%", secret)+"\n}\n}")
			if err == nil {
				t.Errorf("%s: no error", line)
				continue
			}
			silent(t, err.Error(), secret)
		}
	}
}

// KEEP stands in these Caddyfiles where a secret may stand, and may not be seen in an error.
func TestCaddyfileErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence, account string
		parts             []string // of the error: the word, and what to write instead
	}{
		{"an unknown option", `sekret KEEP`, []string{`unknown option "sekret"`, "cache, endpoint, key, limit, max_calls, retries, secret, timeout, token"}},
		{"an option twice", "retries 1\nretries 2", []string{"retries is given twice"}},
		{"a secret twice", "secret KEEP\nsecret KEEP", []string{"secret is given twice"}},
		{"tokens twice", "token none\ntoken stable KEEP", []string{"token is given twice"}},
		{"keys in two lines", "key KEEP1-of-16-bytes\nkey KEEP2-of-16-bytes", []string{"key is given twice"}},
		{"no secret", `secret`, []string{"secret <secret>"}},
		{"two secrets", `secret KEEP1 KEEP2`, []string{"secret <secret>"}},
		{"an empty secret", `secret ""`, []string{"empty", "secret <secret>"}},
		{"a secret in a block", "secret {\nKEEP\n}", []string{"secret <secret>"}},
		{"a token without a source", `token`, []string{"token stable|static|service|none"}},
		{"an unknown source", `token dynamic KEEP`, []string{`"dynamic"`, "none, service, stable, static"}},
		{"a token in the place of the source", `token 88_KEEP-KEEP`, []string{"none, service, stable, static"}},
		{"a secret in the place of the source", `token 0123456789abcdefKEEP0123456789ab`, []string{"none, service, stable, static"}},
		{"token stable without a secret", `token stable`, []string{"token stable takes exactly one argument"}},
		{"token stable with an empty one", `token stable ""`, []string{"token stable takes exactly one argument"}},
		{"token stable with two", `token stable KEEP1 KEEP2`, []string{"token stable takes exactly one argument"}},
		{"token static without a token", `token static`, []string{"token static takes exactly one argument"}},
		{"token static with two", `token static KEEP1 KEEP2`, []string{"token static takes exactly one argument"}},
		{"token service without a URL", `token service`, []string{"token service takes exactly one argument"}},
		{"token service with two", `token service http://KEEP http://KEEP`, []string{"token service takes exactly one argument"}},
		{"token none with something", `token none KEEP`, []string{"token none takes no argument"}},
		{"a block behind a source", "token stable KEEP {\nKEEP\n}", []string{"token stable takes no block"}},
		{"a block behind none", "token none {\nKEEP\n}", []string{"token none takes no block"}},
		{"a secret in a source's block", "token stable {\nsecret KEEP\n}", []string{"token stable takes exactly one argument"}},
		{"a block behind any other option", "retries 1 {\nKEEP\n}", []string{"retries takes no block"}},
		{"no endpoint", `endpoint`, []string{"endpoint <url>"}},
		{"two endpoints", `endpoint http://a http://b`, []string{"endpoint <url>"}},
		{"no timeout", `timeout`, []string{"timeout <duration>"}},
		{"a timeout that is none", `timeout soon`, []string{`timeout: "soon"`, "as in 3s"}},
		{"a timeout without a unit", `timeout 3`, []string{`timeout: "3"`, "as in 3s"}},
		{"a timeout of 0", `timeout 0s`, []string{`timeout: "0s"`, "at least 1ms"}},
		{"a timeout below 0", `timeout -1s`, []string{`timeout: "-1s"`, "at least 1ms"}},
		{"no number of retries", `retries`, []string{"retries <n>"}},
		{"retries that are none", `retries many`, []string{`retries: "many"`, "from 0 to 10"}},
		{"retries below 0", `retries -1`, []string{`retries: "-1"`, "from 0 to 10"}},
		{"half a retry", `retries 1.5`, []string{`retries: "1.5"`, "from 0 to 10"}},
		{"two numbers of retries", `retries 1 2`, []string{"retries <n>"}},
		{"no time of caching", `cache`, []string{"cache <ttl> [<entries>]|off"}},
		{"a time of caching that is none", `cache long`, []string{`"long"`, "cache <ttl> [<entries>]|off"}},
		{"a time of caching of 0", `cache 0s`, []string{`"0s"`, "cache <ttl> [<entries>]|off"}},
		{"no number of entries", `cache 1m many`, []string{`"many"`, "cache <ttl> [<entries>]|off"}},
		{"entries of 0", `cache 1m 0`, []string{`"0"`, "cache <ttl> [<entries>]|off"}},
		{"too much of a cache", `cache 1m 10 20`, []string{"cache <ttl> [<entries>]|off"}},
		{"off and more", `cache off 10`, []string{`"off"`, "cache <ttl> [<entries>]|off"}},
		{"no key", `key`, []string{"key <secret>..."}},
		{"a key that could be guessed", `key KEEP-fifteen-by`, []string{"key: the value has less than 16 bytes"}},
		{"a second one", `key KEEP-KEEP-KEEP-KEEP KEEP`, []string{"key: the value has less than 16 bytes"}},
		{"a secret in an option's place", `0123456789abcdefKEEP0123456789ab`, []string{"unknown option", "secret"}},
		{"no limit", `limit`, []string{"limit <n> [<duration>]|off"}},
		{"a limit of 0", `limit 0`, []string{`"0"`, "limit <n> [<duration>]|off"}},
		{"a limit for no time", `limit 1 0s`, []string{`"0s"`, "at least 1s"}},
		{"no calls", `max_calls 0`, []string{`"0"`, "from 1 to"}},
	} {
		wantError(t, test.sentence, "cloudid {\naccount wx1 {\n"+test.account+"\n}\n}", test.parts)
	}
	for _, test := range []struct {
		sentence, options string
		parts             []string
	}{
		{"an argument", "cloudid wx1", []string{"account <appid>"}},
		{"something else than accounts", "cloudid {\nsecret KEEP\n}", []string{`unknown option "secret"`, "account"}},
		{"an account without an AppID", "cloudid {\naccount {\nsecret KEEP\n}\n}", []string{"account <appid>"}},
		{"an account with two", "cloudid {\naccount wx1 KEEP {\n}\n}", []string{"account <appid>"}},
		{"an account whose AppID is empty", "cloudid {\naccount \"\" {\nsecret KEEP\n}\n}", []string{"account <appid>"}},
		{"an account twice", "cloudid {\naccount wx1 {\nsecret KEEP\n}\naccount wx1 {\nsecret KEEP\n}\n}", []string{"account wx1 is given twice"}},
		{"an account in two blocks", "cloudid {\naccount wx1 {\nsecret KEEP\n}\n}\ncloudid {\naccount wx1 {\nsecret KEEP\n}\n}", []string{"account wx1 is given twice"}},
	} {
		wantError(t, test.sentence, test.options, test.parts)
	}
}

func wantError(t *testing.T, sentence, options string, parts []string) {
	t.Helper()
	got, err := adapt(t, options)
	if err != nil {
		silent(t, err.Error(), "KEEP")
		for _, part := range append(parts, "Caddyfile:") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error is %q, without %q", sentence, err, part)
			}
		}
		return
	}
	t.Errorf("%s: it became %s", sentence, got)
}

// What the adapter makes is what the app takes.
func TestCaddyfilesCanBeLoaded(t *testing.T) {
	p := newProcess()
	t.Setenv("WECHAT_SECRET", "s")
	for _, account := range []string{
		"secret {env.WECHAT_SECRET}", "token stable {env.WECHAT_SECRET}", "token static t", "token none\nkey 0123456789abcdef",
		"token service http://127.0.0.1:1/token\nsecret s", "secret s\nendpoint http://127.0.0.1:1\ntimeout 1s\nretries 0\ncache off\nkey 0123456789abcdef 0123456789abcdeg\nlimit 1 1s\nmax_calls 1",
	} {
		json, err := adapt(t, "cloudid {\naccount wx1 {\n"+account+"\n}\n}")
		if err != nil {
			t.Errorf("%s: %v", account, err)
			continue
		}
		c, err := p.provision(json)
		if err != nil {
			t.Errorf("%s: %v", account, err)
			continue
		}
		c.unload()
	}
	p.wantNothingPooled(t)
}
