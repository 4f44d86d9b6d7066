package functionapi_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

func request(ctx context.Context, t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token(t, user))
	return req
}

func TestIdentity(t *testing.T) {
	good := token(t, user)
	mine := func(query string) string { return "/getOpenData?" + query }
	bearer := func(value string) map[string]string { return map[string]string{"Authorization": value} }
	cases := []struct {
		name   string
		trust  bool // the caller is in trust
		path   string
		header map[string]string
		status int
		says   string
	}{
		{"a token as Authorization", false, "/getOpenData", bearer("Bearer " + good), 200, ""},
		{"the scheme's name in small letters", false, "/getOpenData", bearer("bearer  " + good), 200, ""},
		{"a token as cloudbase_access_token", false, mine("cloudbase_access_token=" + good), nil, 200, ""},
		{"the same token in two ways", false, mine("cloudbase_access_token=" + good), bearer("Bearer " + good), 200, ""},
		{"a token and the openid that it is for", false, mine("openid=" + user), bearer("Bearer " + good), 200, ""},
		{"an openid that contradicts the token", false, mine("openid=" + other), bearer("Bearer " + good), 403, "leave it out"},
		{"also where the caller is trusted", true, mine("openid=" + other), bearer("Bearer " + good), 403, "leave it out"},
		{"two tokens of different users", false, mine("cloudbase_access_token=" + token(t, other)), bearer("Bearer " + good), 401, "two invocation tokens"},
		{"a good token beside a bad one", false, mine("cloudbase_access_token=x"), bearer("Bearer " + good), 401, "invalid or has expired"},
		{"nothing at all", false, "/getOpenData", nil, 401, "X-WX-CLOUDBASE-ACCESS-TOKEN"},
		{"nothing but an openid", false, mine("openid=" + user), nil, 401, "trust"},
		{"an empty token is none", false, mine("cloudbase_access_token="), bearer("Bearer "), 401, "does not say for which user"},
		{"another scheme is none of ours", false, "/getOpenData", bearer("Basic " + good), 401, "does not say for which user"},
		{"the header in which the token came proves nothing", false, "/getOpenData", map[string]string{"X-WX-CLOUDBASE-ACCESS-TOKEN": good}, 401, "does not say for which user"},
		{"nor does the openid's header", false, "/getOpenData", map[string]string{"X-WX-OPENID": user}, 401, "does not say for which user"},
		{"access_token= is WeChat's, not ours", false, mine("access_token=" + good), nil, 401, "does not say for which user"},
		{"a token that has ended", false, "/getOpenData", bearer("Bearer " + sign(t, appid, key, usertoken.Invocation, user, -time.Second)), 401, "invalid or has expired"},
		{"a session's token", false, "/getOpenData", bearer("Bearer " + sign(t, appid, key, usertoken.Session, user, time.Minute)), 401, "invalid or has expired"},
		{"another account's token", false, "/getOpenData", bearer("Bearer " + sign(t, "wx0000000000000000", key, usertoken.Invocation, user, time.Minute)), 401, "invalid or has expired"},
		{"a token signed with another key", false, "/getOpenData", bearer("Bearer " + sign(t, appid, "x", usertoken.Invocation, user, time.Minute)), 401, "invalid or has expired"},
		{"a token without a signature", false, "/getOpenData", bearer("Bearer " + good[:strings.LastIndexByte(good, '.')+1]), 401, "invalid or has expired"},

		{"a trusted caller names the user", true, mine("openid=" + user), nil, 200, ""},
		{"a trusted caller may send a token as well", true, "/getOpenData", bearer("Bearer " + good), 200, ""},
		{"a trusted caller's bad token is not passed over", true, mine("openid=" + user), bearer("Bearer x"), 401, "invalid or has expired"},
		{"a trusted caller must name somebody", true, "/getOpenData", nil, 401, "does not say for which user"},
		{"a trusted caller must not name two", true, mine("openid=" + user + "&openid=" + other), nil, 403, "leave it out"},
		{"what a proxy passed on is not trusted", true, mine("openid=" + user), map[string]string{"X-Forwarded-For": "127.0.0.1"}, 401, "trust"},
		{"nor is it if the proxy speaks the standard", true, mine("openid=" + user), map[string]string{"Forwarded": "for=127.0.0.1"}, 401, "trust"},
		{"nor is a page in a browser", true, mine("openid=" + user), map[string]string{"Origin": "http://example.com"}, 401, "trust"},
	}
	for _, trust := range []bool{false, true} {
		s := setup{}
		if trust {
			s.api = "trust 10.0.0.0/8 127.0.0.1"
		}
		g := start(t, s)
		for _, c := range cases {
			if c.trust != trust {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				r := g.in(t).do(call{path: c.path, header: c.header, body: `{"list":["` + steps + `"]}`})
				r.says(c.status, c.says)
				if challenge := r.header.Get("WWW-Authenticate"); (challenge == "Bearer") != (c.status == 401) {
					t.Errorf("WWW-Authenticate is %q", challenge)
				}
				if c.status != 200 && !strings.HasPrefix(r.body, `{"errCode":-601004,"errMsg":"getOpenData:fail -601004 api permission denied. `) {
					t.Errorf("this is not the shape of an error: %s", r.body)
				}
			})
		}
	}
}

// A proxy on a trusted machine does not make its clients trusted; nor does an address of trust in a header that Caddy
// takes for the client's.
func TestTrustIsOfTheConnection(t *testing.T) {
	addr := freeport.Addr(t)
	g := start(t, setup{api: "trust 127.0.0.1 192.0.2.1", sites: "http://" + addr + " {\n reverse_proxy {\n to $API\n header_up -X-Forwarded-For\n}\n}"})
	direct := g.do(call{path: "/getOpenData?openid=" + user, body: `{"list":[]}`})
	direct.says(200)
	proxied := g.in(t)
	proxied.url = "http://" + addr
	proxied.do(call{path: "/getOpenData?openid=" + user, body: `{"list":[]}`}).says(401, "trust")

	g = start(t, setup{
		global: "servers {\n trusted_proxies static 127.0.0.1/32\n client_ip_headers X-Client-Ip\n}",
		api:    "trust 192.0.2.0/24",
		site:   "@home client_ip 192.0.2.0/24\n header @home X-Home yes",
	})
	r := g.do(call{path: "/getOpenData?openid=" + user, header: map[string]string{"X-Client-Ip": "192.0.2.7"}, body: `{"list":[]}`})
	r.says(401, "trust")
	if r.header.Get("X-Home") != "yes" {
		t.Error("Caddy did not take the header for the client's address, so this shows nothing")
	}
}

// Where the account has no key, only trusted callers can say who the user is.
func TestAccountWithoutKey(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.1", account: "token static made-up-access-token", keys: "timeout 3s"})
	g.do(call{path: "/getOpenData?openid=" + user, body: `{"list":[]}`}).says(200)
	g.do(call{path: "/getOpenData", token: token(t, user), body: `{"list":[]}`}).says(401, "no key")
}

// Nothing that only the gateway or one user may know is in the log, whatever goes wrong.
func TestLogHasNoSecrets(t *testing.T) {
	g := start(t, setup{api: "relay /wxa/no_such_api", account: "retries 0"})
	query := "?" + url.Values{"openid": {user}, "cloudbase_access_token": {token(t, user)}}.Encode()
	for range 3 {
		for _, api := range []string{"getopendata", "getvoipsign"} {
			g.fault(faultOf(api))
		}
		g.do(call{path: "/getOpenData" + query, body: `{"list":["` + steps + `"]}`})
		g.do(call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":["` + group + `"]}`})
		g.do(call{path: "/getVoIPSign" + query, body: voice})
		g.do(call{path: "/wxa/no_such_api" + query, body: `{}`})
		g.do(call{path: "/getOpenData?cloudbase_access_token=x" + token(t, user), body: `{"list":["` + steps + `"]}`})
	}
	log := g.log.Text(t)
	for _, text := range []string{"open data exchange failed", "voice signature failed"} {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q", text)
		}
	}
	for name, text := range map[string]string{"openid": user, "token": token(t, user)[:20], "secret": appSecret, "key": key, "CloudID": steps[3:], "nonce": "8AP6DT9ybtniUJfb"} {
		if strings.Contains(log, text) {
			t.Errorf("the log has the %s in it", name)
		}
	}
}
