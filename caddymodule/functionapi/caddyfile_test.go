package functionapi_test

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestCaddyfile(t *testing.T) {
	config := func(options string) string {
		return "{\nadmin off\ncloudid {\naccount wx1 {\nsecret s\n}\n}\n}\nhttp://127.0.0.1:1 {\nrespond hello\ncloudid_api {\n" + options + "\n}\n}\n"
	}
	adapted, err := adapt(config("account wx1\ntrust 10.0.0.0/8 ::1\nrelay /wxa/msg_sec_check"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"handle":[{"account":"wx1","handler":"cloudid_api","relay":["/wxa/msg_sec_check"],"trust":["10.0.0.0/8","::1"]},{"body":"hello","handler":"static_response"}]`
	if !strings.Contains(string(adapted), want) {
		t.Errorf("adapted is\n\t%s\nwithout\n\t%s", adapted, want)
	}

	for _, c := range []struct{ name, options, says string }{
		{"an unknown option", "nonsense", `unknown option "nonsense" in cloudid_api; allowed are: account, trust, relay`},
		{"an option given twice", "relay /x\nrelay /y", "relay is given twice"},
		{"account without an AppID", "account", "account takes just an AppID"},
		{"account with two", "account a b", "account takes just an AppID"},
		{"an account of nothing", `account ""`, "account takes just an AppID"},
		{"trust without an address", "trust", "trust takes at least one"},
		{"trust of a name", "trust example.com", `trust: "example.com" is no IP address`},
		{"trust of a broken range", "trust 10.0.0.0/33", `trust: "10.0.0.0/33" is no IP address`},
		{"relay without a path", "relay", "relay takes at least one"},
		{"relay of a pattern", "relay /wxa/*", "is no exact path"},
		{"relay of a query", "relay /wxa/x?a=b", "is no exact path"},
		{"relay of a path that climbs", "relay /wxa/../cgi-bin/token", "is no exact path"},
		{"relay of a path that ends in a slash", "relay /wxa/", "is no exact path"},
		{"relay of no path", "relay wxa", "is no exact path"},
		{"relay of what is served here", "relay /wxa/getopendata", "answered by the gateway itself"},
		{"relay of what is served here, in capitals", "relay /wxa/GetVoIPSign", "answered by the gateway itself"},
		{"relay of the token", "relay /cgi-bin/token", "would hand out tokens or secrets"},
		{"relay of the stable token", "relay /x /cgi-bin/stable_token", "would hand out tokens or secrets"},
		{"relay of the login", "relay /sns/jscode2session", "would hand out tokens or secrets"},
		{"relay of the login, in capitals", "relay /SNS/jscode2session", "would hand out tokens or secrets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := adapt(config(c.options)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
		})
	}
	if _, err := adapt("{\nadmin off\n}\nhttp://127.0.0.1:1 {\ncloudid_api x\n}\n"); err == nil || !strings.Contains(err.Error(), "takes a matcher and a block") {
		t.Errorf("an argument: the error is %v", err)
	}
}

// JSON does not pass through the Caddyfile's parser, and must not get past its checks.
func TestProvision(t *testing.T) {
	for _, c := range []struct{ name, app, handler, says string }{
		{"no account at all", `{}`, `{}`, "add one to the global options"},
		{"an account that is not there", `{"accounts":{"wx1":{"secret":"s"}}}`, `"account":"wx2"`, "there is no account wx2"},
		{"no account named among two", `{"accounts":{"wx1":{"secret":"s"},"wx2":{"secret":"s"}}}`, ``, "configured are: wx1, wx2"},
		{"an account that cannot verify tokens, and nobody trusted", `{"accounts":{"wx1":{"token":{"source":"none"}}}}`, ``, "nobody could call"},
		{"a range that is none", `{"accounts":{"wx1":{"secret":"s"}}}`, `"trust":["x"]`, "is no IP address"},
		{"a path that hands out tokens", `{"accounts":{"wx1":{"secret":"s"}}}`, `"relay":["/cgi-bin/token"]`, "would hand out tokens"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := `{"handler":"cloudid_api"`
			if strings.HasPrefix(c.handler, `"`) {
				handler += "," + c.handler
			}
			config := `{"admin":{"disabled":true},"apps":{"cloudid":` + c.app + `,"http":{"servers":{"a":{"listen":["127.0.0.1:0"],"routes":[{"handle":[` + handler + `}]}]}}}}}`
			err := caddy.Load([]byte(config), true)
			t.Cleanup(func() { _ = caddy.Stop() })
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
		})
	}
}
