package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// badTokens shows sessions and invocation tokens where they do not count.
func (c *campaign) badTokens() {
	c.t.Helper()
	good := c.sessions["a"]
	head, rest, _ := strings.Cut(good, ".")
	claims, _, _ := strings.Cut(rest, ".")
	for _, token := range []string{
		c.sessions["b"], c.invocation, good[:len(good)-5], good + "x", good + " " + good, strings.ToUpper(good),
		"eyJhbGciOiJub25lIn0." + claims + ".", head + "." + claims + ".", c.id, "",
	} {
		for _, site := range c.sites {
			c.do(call{url: site + "/a/fn/embed", body: c.event(), header: bearer(token)})
		}
		if token == c.invocation {
			continue
		}
		c.do(call{url: c.api + "/getOpenData", body: `{"list":["` + c.id + `"]}`, header: bearer(token)})
		c.do(call{url: c.api + "/wxa/msg_sec_check", body: `{}`, header: bearer(token)})
		c.callSDK(token, false)
		c.do(call{url: c.api + "/wxa/getopendata?cloudbase_access_token=" + url.QueryEscape(token), body: `{}`})
	}
	c.do(call{url: c.sites[0] + "/a/fn/embed", body: c.event(), header: map[string]string{"Authorization": "Basic " + good}})
	someoneElse := c.secrets.labelled("other user's openid")[0]
	c.do(call{url: c.api + "/getOpenData?openid=" + someoneElse, body: `{"list":["` + c.id + `"]}`})
	c.do(call{url: c.api + "/getOpenData?openid=" + someoneElse, body: `{"list":["` + c.id + `"]}`, header: bearer(c.invocation)})
	c.do(call{url: c.sites[0] + "/a/fn/embed", body: c.event(), header: map[string]string{"X-WX-OPENID": "o-forged"}})
}

// badRequests sends what cannot be read, with secrets in it.
func (c *campaign) badRequests() {
	c.t.Helper()
	forged := `{"cloudID":"` + c.id + `","data":1}`
	bodies := []string{
		c.event() + "x", c.event()[:40], `{"phone":"` + c.id, "\xef\xbb\xbf" + c.event(), `{"phone":` + forged + `,"Phone":` + forged + `}`,
		`{"__proto__":` + forged + `}`, `{"phone\ud800":` + forged + `}`, `{"` + strings.Repeat("n", 300) + `":` + forged + `}`,
		`["` + c.id + `"]`, strings.Repeat("[", 600) + c.id, "\xff" + c.event(), `{"cloudid_list":[{"key_name":"phone","cloud_id":"` + c.id + `"}],"phone":1}`,
		`{"a":` + forged + `,"b":` + forged + `,"c":` + forged + `,"d":` + forged + `,"e":` + forged + `,"f":` + forged + `}`,
		`{"phone":"` + strings.Repeat(c.id, 20000) + `"}`,
	}
	h := &hostile{rand.New(rand.NewPCG(1, 2)), []string{c.id}}
	for range 100 {
		bodies = append(bodies, h.body("whole"))
	}
	for i, body := range bodies {
		for _, path := range []string{"/a/fn/embed", "/a/fn/strict"} {
			c.do(call{url: c.sites[i%2] + path, body: body, header: bearer(c.sessions["a"])})
		}
	}
	for _, kind := range []string{"application/json; charset=utf-7", "application/json; utf-8", "application/x+json"} {
		c.do(call{url: c.sites[1] + "/a/fn/strict", body: c.event(), kind: kind, header: bearer(c.sessions["a"])})
	}
	header := bearer(c.sessions["a"])
	header["Content-Encoding"] = "gzip"
	c.do(call{url: c.sites[1] + "/a/fn/embed", body: c.event(), header: header})

	code := c.secrets.labelled("login code")[0]
	for _, body := range []string{`{"code":"` + code + `"}`, `{"code":["` + code + `"]}`, `{"code":"` + code, `"` + code + `"`, code, `{"code":"` + strings.Repeat(code, 200) + `"}`} {
		for _, site := range c.sites {
			c.do(call{url: site + "/a/login", body: body})
			c.do(call{url: site + "/a/login", body: body, kind: "text/plain"})
		}
	}
	c.do(call{method: http.MethodDelete, url: c.sites[1] + "/a/login", body: `{"code":"` + code + `"}`})
	for _, path := range []string{"/getOpenData", "/getVoIPSign", "/wxa/getopendata", "/wxa/getvoipsign"} {
		for _, body := range []string{`{"list":"` + c.id + `"}`, `{"list":[1,"` + c.id + `"]`, c.id, `{"cloudid_list":{"x":"` + c.id + `"}}`} {
			c.do(call{url: c.api + path, body: body, header: bearer(c.invocation)})
		}
	}
}

// badFunctions calls functions that are not there, or hang up.
func (c *campaign) badFunctions() {
	c.t.Helper()
	for _, site := range c.sites {
		c.do(call{url: site + "/a/fn/down", body: c.event(), header: bearer(c.sessions["a"])})
		header := bearer(c.sessions["a"])
		header["Cut"] = "yes"
		c.do(call{url: site + "/a/fn/embed", body: c.event(), header: header})
	}
}

const badCaddyfile = `{
	admin $ADMIN
	log {
		output file $DIR/log.json
		level DEBUG
	}
	cloudid {
		account wx1 {
			$OPTIONS
		}
	}
}
http://127.0.0.1:1 {
	cloudid
}
`

// badConfigs loads configurations in which a secret stands in the wrong place.
func (c *campaign) badConfigs() {
	c.t.Helper()
	secret := c.secrets.labelled("app secret")[0]
	for _, options := range []string{
		"secret " + secret + " twice", "secret " + secret + "\nsecret " + secret, "token " + secret, "token stable " + secret + " twice",
		"token static " + secret + " twice", "token service " + secret, "token service http://" + secret + "@:x/", "token none " + secret,
		"secret {env.E2E_MISSING}" + secret, "secret {file./none}" + secret, "key\nsecret " + secret,
		"secret " + secret + "\nendpoint {file./none}", "secret " + secret + "\ntimeout never", "secret " + secret + "\ncache never",
	} {
		caddyfile := strings.NewReplacer("$ADMIN", strings.TrimPrefix(c.admin, "http://"), "$DIR", c.dir, "$OPTIONS", options).Replace(badCaddyfile)
		for _, path := range []string{"/adapt", "/load"} {
			// The admin API's own server is another after each load, so a connection may end before it responds.
			soon(c.t, "the admin API answers", func() bool {
				res, err := http.Post(c.admin+path, "text/caddyfile", strings.NewReader(caddyfile))
				if err != nil {
					return false
				}
				defer res.Body.Close()
				response, err := io.ReadAll(res.Body)
				if err == nil && res.StatusCode != http.StatusOK { // else it is the configuration, with all that is in it
					c.told.note(path, string(response))
				}
				return err == nil
			})
		}
	}
}

// badWeChat calls all that asks WeChat while WeChat plays a trick, and sees that all is well after it.
func (c *campaign) badWeChat(name string, play trick) {
	c.t.Helper()
	defer c.wechat.trusty()
	everything := strings.Join(c.secrets.words(), " ")

	c.wechat.betray("/wxa/getopendata", play, everything)
	c.do(call{url: c.sites[0] + "/a/fn/embed", body: c.event(), header: bearer(c.sessions["a"])})
	c.do(call{url: c.sites[1] + "/a/fn/reject", body: c.event(), header: bearer(c.sessions["a"])})
	c.do(call{url: c.api + "/getOpenData", body: `{"list":["` + c.id + `"]}`, header: bearer(c.invocation)})
	c.do(call{url: c.api + "/wxa/getopendata", body: `{"cloudid_list":["` + c.id + `"]}`, header: bearer(c.invocation)})
	c.wechat.trusty()
	c.callFunction("a")

	c.wechat.betray("/wxa/getvoipsign", play, everything)
	c.callVoIP(false)
	c.wechat.trusty()
	c.callVoIP(true)

	c.wechat.betray("/wxa/msg_sec_check", play, "") // its response is handed on: what WeChat volunteers there is not ours
	c.callRelay(false)
	c.wechat.trusty()
	c.callRelay(false) // which may meet the connection that was spoilt, and is not one to be made twice
	c.callRelay(true)

	c.wechat.betray("/sns/jscode2session", play, everything)
	for i, site := range c.sites {
		code := fmt.Sprintf("%s-%s-%d", c.secret("login code"), name, i)
		c.do(call{url: site + "/a/login", body: `{"code":"` + code + `"}`})
	}
	c.wechat.trusty()

	for _, source := range []struct{ account, path, appid string }{
		{"a", "/cgi-bin/stable_token", accounts["a"]},
		{"c", "/token", appid}, // the service's tokens are another account's
	} {
		c.wechat.betray(source.path, play, everything)
		if err := c.wechat.KillToken(source.appid); err != nil {
			c.t.Error(err)
		}
		c.do(call{url: c.sites[0] + "/" + source.account + "/fn/embed", body: c.event(), header: bearer(c.sessions[source.account])})
		c.do(call{url: c.sites[1] + "/" + source.account + "/fn/reject", body: c.event(), header: bearer(c.sessions[source.account])})
		c.wechat.trusty()
		c.callFunction(source.account)
	}
	// This one's token, made up as it is, is always rejected.
	c.do(call{url: c.sites[1] + "/b/fn/reject", body: c.event(), header: bearer(c.sessions["b"])})
}

// impatientClients go away while WeChat is silent.
func (c *campaign) impatientClients() {
	c.t.Helper()
	defer c.wechat.trusty()
	for _, path := range []string{"/wxa/getopendata", "/sns/jscode2session"} {
		c.wechat.betray(path, tricks(nil)["silence"], "")
		for _, q := range []call{
			{url: c.sites[1] + "/a/fn/embed", body: c.event(), header: bearer(c.sessions["a"])},
			{url: c.sites[1] + "/a/login", body: `{"code":"` + c.secret("login code") + `"}`},
		} {
			ctx, cancel := context.WithTimeout(c.t.Context(), 50*time.Millisecond)
			c.doContext(ctx, q)
			cancel()
		}
	}
}
