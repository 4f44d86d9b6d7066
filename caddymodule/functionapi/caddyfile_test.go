package functionapi_test

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

func TestCaddyfile(t *testing.T) {
	config := func(options string) string {
		return "{\nadmin off\ncloudid {\naccount wx1 {\nsecret s\n}\n}\n}\nhttp://127.0.0.1:1 {\nrespond hello\ncloudid_api {\n" + options + "\n}\n}\n"
	}
	adapted, err := caddyrig.Adapt(config("account wx1\nallow 0.0.0.0/0\ntrust 10.0.0.0/8 ::1\nopenapi wxacode.get templateMessage.send\nrelay /wxa/some_new_api\nfunctions http://127.0.0.1:3000/{name}"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"handle":[{"account":"wx1","allow":["0.0.0.0/0"],"functions":"http://127.0.0.1:3000/{name}","handler":"cloudid_api",` +
		`"openapi":["wxacode.get","templateMessage.send"],"relay":["/wxa/some_new_api"],"trust":["10.0.0.0/8","::1"]},{"body":"hello","handler":"static_response"}]`
	if !strings.Contains(string(adapted), want) {
		t.Errorf("adapted is\n\t%s\nwithout\n\t%s", adapted, want)
	}

	if _, err := caddyrig.Adapt(config("functions https://functions.example.com/{name}")); err != nil {
		t.Errorf("functions by HTTPS: %v", err)
	}

	for _, c := range []struct{ name, options, says string }{
		{"an unknown option", "nonsense", `unknown option "nonsense" in cloudid_api; allowed: account, allow, functions, openapi, relay, trust`},
		{"an option given twice", "relay /x\nrelay /y", "relay is given twice"},
		{"account without an AppID", "account", "account: wrong number of arguments; the syntax is: account <appid>"},
		{"account with two", "account a b", "account: wrong number of arguments; the syntax is: account <appid>"},
		{"an account of nothing", `account ""`, "account: an argument is empty"},
		{"trust without an address", "trust", "trust: wrong number of arguments; the syntax is: trust <cidr>..."},
		{"trust of a name", "trust example.com", `trust: "example.com" is no address`},
		{"trust of a broken range", "trust 10.0.0.0/33", `trust: "10.0.0.0/33" is no address`},
		{"allow of a name", "allow example.com", `allow: "example.com" is no address`},
		{"openapi without a name", "openapi", "openapi: wrong number of arguments"},
		{"an API with a slip in its name", "openapi wxacode.getUnlimitd", `openapi: "wxacode.getUnlimitd" is not in this gateway's table of cloud.openapi; did you mean wxacode.getUnlimited`},
		{"an API in other case", "openapi subscribemessage.send", "did you mean subscribeMessage.send"},
		{"an API of another family", "openapi security.getUnlimited", "did you mean wxacode.getUnlimited"},
		{"names with a comma between", "openapi wxacode.get, wxacode.getUnlimited", `openapi: "wxacode.get," is not in this gateway's table of cloud.openapi; did you mean wxacode.get?`},
		{"an API like no other", "openapi nonsense", "relay <path> opens the path of an API that WeChat has and the table has not"},
		{"functions without a URL", "functions", "functions: wrong number of arguments"},
		{"functions of one name only", "functions http://127.0.0.1:3000/a", `functions: "http://127.0.0.1:3000/a" must have {name} in its path, which stands for the function's name, such as http://127.0.0.1:3000/{name}, at `},
		{"relay without a path", "relay", "relay: wrong number of arguments; the syntax is: relay <path>..."},
		{"relay of a pattern", "relay /wxa/*", "is no exact path"},
		{"relay of a query", "relay /wxa/x?a=b", "is no exact path"},
		{"relay of a path that climbs", "relay /wxa/../cgi-bin/token", "is no exact path"},
		{"relay of a path that ends in a slash", "relay /wxa/", "is no exact path"},
		{"relay of no path", "relay wxa", "is no exact path"},
		{"relay of what is served here", "relay /wxa/getopendata", "served by the gateway itself"},
		{"relay of what is served here, in capitals", "relay /wxa/GetVoIPSign", "served by the gateway itself"},
		{"relay of another path that is served here", "relay /getOpenData", "served by the gateway itself"},
		{"relay of calls of functions", "relay /callFunction", "served by the gateway itself"},
		{"relay of where the SDK calls", "relay /admin", "served by the gateway itself"},
		{"relay of where the SDK sends files", "relay /admin/upload", "served by the gateway itself"},
		{"relay of the token", "relay /cgi-bin/token", "would give out tokens or secrets"},
		{"relay of the stable token", "relay /x /cgi-bin/stable_token", "would give out tokens or secrets"},
		{"relay of a platform's token", "relay /cgi-bin/component/api_component_token", "would give out tokens or secrets"},
		{"relay of what changes session keys", "relay /wxa/resetusersessionkey", "would give out tokens or secrets"},
		{"relay of a token of Tencent's cloud", "relay /tcb/getqcloudtoken", "would give out tokens or secrets"},
		{"relay of the login", "relay /sns/jscode2session", "would give out tokens or secrets"},
		{"relay of the login, in capitals", "relay /SNS/jscode2session", "would give out tokens or secrets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := caddyrig.Adapt(config(c.options)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
		})
	}
	if _, err := caddyrig.Adapt("{\nadmin off\n}\nhttp://127.0.0.1:1 {\ncloudid_api x\n}\n"); err == nil || !strings.Contains(err.Error(), "cloudid_api takes no arguments behind the matcher") {
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
		{"a range that is none", `{"accounts":{"wx1":{"secret":"s"}}}`, `"trust":["x"]`, "is no address"},
		{"a range of those who are answered that is none", `{"accounts":{"wx1":{"secret":"s"}}}`, `"allow":["x"]`, "allow: "},
		{"an API that is none", `{"accounts":{"wx1":{"secret":"s"}}}`, `"openapi":["wxacode.got"]`, `openapi: "wxacode.got" is not in this gateway's table of cloud.openapi; did you mean wxacode.get`},
		{"a variable that is not set", `{"accounts":{"wx1":{"secret":"s"}}}`, `"openapi":["{env.CLOUDID_NOT_SET}"]`, "openapi: {env.CLOUDID_NOT_SET} is empty"},
		{"an account that depends on the request", `{"accounts":{"wx1":{"secret":"s"}}}`, `"account":"{http.auth.user.appid}"`, "name one account"},
		{"functions without a place for the name", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"http://127.0.0.1:3000/"`, `functions: "http://127.0.0.1:3000/" must have {name} in its path, which stands for the function's name`},
		{"functions with the name in the host", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"http://{name}.example.com/{name}"`, "not in its host"},
		{"functions with the name in the query alone", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"http://example.com/?{name}"`, "in its path"},
		{"functions of another scheme", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"unix:///run/{name}"`, "must be a URL"},
		{"functions of a scheme that is not HTTP's", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"ftp://example.com/{name}"`, "must be a URL"},
		{"functions with another placeholder", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"http://example.com/{http.request.host}/{name}"`, "must be a URL"},
		{"functions with a password", `{"accounts":{"wx1":{"secret":"s"}}}`, `"functions":"http://a:b@example.com/{name}"`, "no user"},
		{"a path that gives out tokens", `{"accounts":{"wx1":{"secret":"s"}}}`, `"relay":["/cgi-bin/token"]`, `relay: "/cgi-bin/token" would give out tokens`},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := `{"handler":"cloudid_api"`
			if strings.HasPrefix(c.handler, `"`) {
				handler += "," + c.handler
			}
			config := `{"admin":{"disabled":true},"apps":{"cloudid":` + c.app + `,"http":{"servers":{"a":{"listen":["127.0.0.1:0"],"routes":[{"handle":[` + handler + `}]}]}}}}}`
			if err := caddyrig.New(t).ReloadJSON([]byte(config)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
		})
	}
}
