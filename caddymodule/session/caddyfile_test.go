package session_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/session"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	const (
		respond = `{"body":"x","handler":"static_response"}`
		authn   = `{"handler":"authentication","providers":{"wechat":{}}}`
	)
	for _, c := range []struct {
		it, site string
		routes   string // adapted
	}{
		{"a login needs nothing", "wechat_login", `[{"handle":[{"handler":"wechat_login"}]}]`},
		{"nor does a session", "wechat_session", `[{"handle":[` + authn + `]}]`},
		{
			"a login's options", "wechat_login { account wx1; ttl 1d }",
			`[{"handle":[{"account":"wx1","handler":"wechat_login","ttl":86400000000000}]}]`,
		},
		{
			"a session's options", "wechat_session { account {host} }",
			`[{"handle":[{"handler":"authentication","providers":{"wechat":{"account":"{http.request.host}"}}}]}]`,
		},
		{
			"both take a matcher", "wechat_login /login { ttl 1m }\nwechat_session /fn/* { account wx1 }",
			`[{"match":[{"path":["/login"]}],"handle":[{"handler":"wechat_login","ttl":60000000000}]},` +
				`{"match":[{"path":["/fn/*"]}],"handle":[{"handler":"authentication","providers":{"wechat":{"account":"wx1"}}}]}]`,
		},
		{
			"a login comes before what responds", "respond x\nwechat_login",
			`[{"handle":[{"handler":"wechat_login"},` + respond + `]}]`,
		},
		{
			"a login comes before every authentication, and behind body limits and rewrites",
			"respond x\nforward_auth x:1 { uri /x }\nwechat_session\nwechat_login\nbasic_auth { a $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG }\nrewrite /b\nrequest_body { max_size 1 }",
			`request_body rewrite wechat_login authentication authentication reverse_proxy static_response`,
		},
		{"a login that keeps session_keys", "wechat_login { session_key }", `[{"handle":[{"handler":"wechat_login","session_key":true}]}]`},
		{
			"a session comes behind body limits and rewrites, and before what changes headers or answers",
			"respond x\nrequest_header X-A b\nforward_auth x:1 { uri /x }\nwechat_session\nrewrite /b\nrequest_body { max_size 1 }",
			`request_body rewrite authentication reverse_proxy headers static_response`,
		},
		{"the shortest session", "wechat_login { ttl 1s }", `[{"handle":[{"handler":"wechat_login","ttl":1000000000}]}]`},
	} {
		t.Run(c.it, func(t *testing.T) {
			config, err := caddyrig.Adapt(":80\n" + spread(c.site))
			if err != nil {
				t.Fatal(err)
			}
			got := routesOf(t, config)
			if !strings.HasPrefix(c.routes, "[") {
				got = handlersIn(got)
			}
			if got != c.routes {
				t.Errorf("it becomes\n\t%s\nwant\n\t%s", got, c.routes)
			}
		})
	}
}

func TestCaddyfileErrors(t *testing.T) {
	t.Parallel()
	for site, says := range map[string]string{
		"wechat_login wx1":                               `wechat_login takes no arguments behind the matcher, only a block: wechat_login { … }, not "wx1"`,
		"wechat_session /fn/* wx1":                       `wechat_session takes no arguments behind the matcher, only a block: wechat_session { … }, not "wx1"`,
		"wechat_login { appid wx1 }":                     `unknown option "appid" in wechat_login; allowed: account, session_key, ttl`,
		"wechat_session { ttl 1h }":                      `unknown option "ttl" in wechat_session; allowed: account`,
		"wechat_login { account wx1; account wx1 }":      `account is given twice in wechat_login; keep one of them`,
		"wechat_login { ttl 1h; ttl 2h }":                `ttl is given twice in wechat_login; keep one of them`,
		"wechat_session { account wx1; account wx2 }":    `account is given twice in wechat_session; keep one of them`,
		"wechat_login { account }":                       `account: wrong number of arguments; the syntax is: account <appid>`,
		"wechat_session { account wx1 wx2 }":             `account: wrong number of arguments; the syntax is: account <appid>`,
		`wechat_session { account "" }`:                  `account: an argument is empty; the syntax is: account <appid>`,
		"wechat_login { session_key on }":                `session_key: no arguments are allowed`,
		"wechat_login { ttl }":                           `ttl: wrong number of arguments; the syntax is: ttl <duration>`,
		"wechat_login { ttl 1h 2h }":                     `ttl: wrong number of arguments; the syntax is: ttl <duration>`,
		"wechat_login { ttl 7200 }":                      `ttl: "7200" is no duration of at least 1s`,
		"wechat_login { ttl 0s }":                        `ttl: "0s" is no duration of at least 1s`,
		"wechat_login { ttl -1h }":                       `ttl: "-1h" is no duration of at least 1s`,
		"wechat_login {\n account wx1 {\n ttl 1h\n }\n}": `account takes no block`,
	} {
		t.Run(site, func(t *testing.T) {
			config, err := caddyrig.Adapt(":80\n" + spread(site))
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("the error is\n\t%v\nwhich should say\n\t%s\nconfig: %s", err, says, config)
			}
		})
	}
}

func TestConfigsThatAreRejected(t *testing.T) {
	t.Setenv("SESSION_TEST_APP", appA)
	g := newRig(t)
	secretless := "account " + appA + " {\n token none\n}"
	keyOnly := "account " + appA + " {\n token none\n key 0123456789abcdef\n}"
	for _, c := range []struct{ it, accounts, site, says string }{
		{"a login to an unknown account", g.account(appA, ""), "wechat_login { account wx1 }", "there is no account wx1; configured are: " + appA},
		{"a session of an unknown account", g.account(appA, ""), "wechat_session { account wx1 }", "there is no account wx1"},
		{"a login without any account", "", "wechat_login", "add one to the global options"},
		{"a login that could be to either account", g.accounts(""), "wechat_login", "names no account, and there are several"},
		{"a session that could be of either account", g.accounts(""), "wechat_session", "names no account, and there are several"},
		{"a login without the secret", keyOnly, "wechat_login", "login takes the secret of the AppID"},
		{"a session without a key", secretless, "wechat_session", "add `key <secret>`"},
		{"an empty placeholder", g.account(appA, ""), "wechat_login { account {env.SESSION_TEST_NONE} }", "{env.SESSION_TEST_NONE} is empty"},
		{"a life of sessions that is missing", g.account(appA, ""), "wechat_login { ttl {env.SESSION_TEST_NONE} }", "ttl: {env.SESSION_TEST_NONE} is empty"},
		{"a session with a key", keyOnly, "wechat_session", ""},
		{"the shortest session", g.account(appA, ""), "wechat_login { ttl 1s }", ""},
		{"a name from the environment", g.accounts(""), "wechat_login { account {env.SESSION_TEST_APP} }", ""},
	} {
		t.Run(c.it, func(t *testing.T) {
			err := g.in(t).load(c.accounts, c.site)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is\n\t%v\nwhich should say\n\t%s", err, c.says)
			}
		})
	}
}

func TestTooShortASessionIsRejectedInJSONToo(t *testing.T) {
	t.Parallel()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	for _, ttl := range []string{`-3600000000000`, `7200`, `999999999`, `"7200"`} {
		login := new(session.Login)
		if err := json.Unmarshal([]byte(`{"ttl":`+ttl+`}`), login); err != nil {
			t.Fatal(err)
		}
		err := login.Provision(ctx)
		if err == nil || !strings.HasPrefix(err.Error(), "ttl: ") || !strings.Contains(err.Error(), "is no duration of at least 1s; write it with a unit, as in 3s or 1m; a number of JSON counts nanoseconds") {
			t.Errorf("%s: the error is %v", ttl, err)
		}
	}
}

func routesOf(t *testing.T, config []byte) string {
	t.Helper()
	var parsed struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Routes json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		t.Fatal(err)
	}
	return string(parsed.Apps.HTTP.Servers["srv0"].Routes)
}

// handlersIn names the outer handlers of routes, in their order.
func handlersIn(routes string) string {
	var parsed []struct {
		Handle []struct{ Handler string }
	}
	_ = json.Unmarshal([]byte(routes), &parsed)
	var names []string
	for _, route := range parsed {
		for _, handle := range route.Handle {
			names = append(names, handle.Handler)
		}
	}
	return strings.Join(names, " ")
}
