package session_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, "key "+key), `
		wechat_login /short { ttl 90s }
		wechat_login
	`)

	t.Run("a code becomes a session token of the user", func(t *testing.T) {
		g := g.in(t)
		r := g.login("/", g.code())
		r.wantHeader("Content-Type", "application/json")
		r.wantHeader("Cache-Control", "no-store")
		r.want(http.StatusOK, `"expires_in":7200}`)

		keys, err := usertoken.NewKeys(appA, []string{key})
		if err != nil {
			t.Fatal(err)
		}
		user, err := keys.Verify(usertoken.Session, r.token())
		if want := (usertoken.User{OpenID: openid, UnionID: union}); user != want || err != nil {
			t.Errorf("the token speaks of %v (%v), want %v", user, err, want)
		}
		if _, err := keys.Verify(usertoken.Invocation, r.token()); err == nil {
			t.Error("a function could use it as an invocation token")
		}
	})
	t.Run("which lasts as long as the config says", func(t *testing.T) {
		g := g.in(t)
		g.login("/short", g.code()).want(http.StatusOK, `"expires_in":90}`)
	})
	t.Run("the coding identity is none", func(t *testing.T) {
		g := g.in(t)
		body := fmt.Sprintf(`{"code":%q}`, g.code())
		g.do(g.request("POST", "/", body, "Content-Type: application/json", "Content-Encoding: identity")).want(http.StatusOK, "token")
	})
	t.Run("as large as it may be", func(t *testing.T) {
		g := g.in(t)
		body := fmt.Sprintf(`{"code":%q,"pad":"`, g.code())
		body += strings.Repeat("x", 4<<10-len(body)-2) + `"}`
		g.do(g.request("POST", "/", body, "Content-Type: application/json")).want(http.StatusOK, "token")
	})
	t.Run("the longest code is for WeChat to judge", func(t *testing.T) {
		g := g.in(t)
		g.login("/", strings.Repeat("x", 512)).want(http.StatusBadRequest, "the code is wrong")
	})
	t.Run("other members do not matter, nor do parameters of the type", func(t *testing.T) {
		g := g.in(t)
		body := fmt.Sprintf(` { "code" : %q, "nickName": {"code": 1} } `, g.code())
		g.do(g.request("POST", "/", body, "Content-Type: Application/JSON; Charset=UTF8")).want(http.StatusOK, "token")
	})
}

func TestWhatIsNoLogin(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	const isJSON = "Content-Type: application/json"
	for _, c := range []struct {
		it, method, body string
		header           []string
		status           int
		says             string
	}{
		{"a GET", "GET", "", nil, 405, "a login is a POST"},
		{"a PUT", "PUT", `{"code":"x"}`, []string{isJSON}, 405, "a login is a POST"},
		{"no type", "POST", `{"code":"x"}`, nil, 415, "send it with Content-Type: application/json"},
		{"a form", "POST", "code=x", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json"},
		{"two types", "POST", `{"code":"x"}`, []string{isJSON, isJSON}, 400, "more than one Content-Type"},
		{"another charset", "POST", `{"code":"x"}`, []string{isJSON + "; charset=gbk"}, 415, "utf-8"},
		{"a coding", "POST", `{"code":"x"}`, []string{isJSON, "Content-Encoding: gzip"}, 415, "no Content-Encoding"},
		{"an empty body", "POST", "", []string{isJSON}, 400, "invalid JSON at byte 0"},
		{"broken JSON", "POST", `{"code":"x"`, []string{isJSON}, 400, "invalid JSON at byte 11"},
		{"no UTF-8", "POST", "{\"code\":\"\xff\"}", []string{isJSON}, 400, "not valid UTF-8"},
		{"no object", "POST", `["code","x"]`, []string{isJSON}, 400, "no member code that is a string"},
		{"no code", "POST", `{"Code":"x"}`, []string{isJSON}, 400, "no member code that is a string"},
		{"a number", "POST", `{"code":1}`, []string{isJSON}, 400, "no member code that is a string"},
		{"an empty code", "POST", `{"code":""}`, []string{isJSON}, 400, "the code is empty"},
		{"a long code", "POST", `{"code":"` + strings.Repeat("x", 513) + `"}`, []string{isJSON}, 400, "longer than 512 bytes"},
		{"a large body", "POST", `{"code":"x","pad":"` + strings.Repeat("x", 4<<10) + `"}`, []string{isJSON}, 413, "larger than 4096 bytes"},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			r := g.do(g.request(c.method, "/a/login", c.body, c.header...))
			r.want(c.status, c.says)
			if c.status == http.StatusMethodNotAllowed {
				r.wantHeader("Allow", "POST")
			}
		})
	}
	g.wantCalls(0)
}

func TestHowLongASessionLastsCanStandInAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ttl")
	if err := os.WriteFile(file, []byte("90s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newRig(t)
	g.mustLoad(g.account(appA, ""), "wechat_login { ttl {file."+file+"} }")
	g.login("/", g.code()).want(http.StatusOK, `"expires_in":90}`)
}

func TestBodyThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, ""), "timeouts { read_timeout 200ms }\n wechat_login")
	for _, c := range []struct {
		it     string
		then   func(*net.TCPConn) error
		status int
		says   string
	}{
		{"because it breaks off", (*net.TCPConn).CloseWrite, http.StatusBadRequest, "the body is cut short"},
		{"because it stalls", func(*net.TCPConn) error { return nil }, http.StatusRequestTimeout, "the body did not arrive in time"},
	} {
		t.Run(c.it, func(t *testing.T) {
			address := strings.TrimPrefix(g.url, "http://")
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"code\":\"x\"}", address)
			if err := c.then(conn.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			reply{t: t, status: response.StatusCode, body: string(body)}.want(c.status, c.says)
		})
	}
	g.wantCalls(0)
}

func TestRequestBodyKeepsItsWord(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, ""), "request_body { max_size 10 }\n wechat_login")
	r := g.request("POST", "/", `{"code":"0123456789"}`, "Content-Type: application/json")
	r.ContentLength = -1 // else Caddy looks no further
	g.do(r).want(http.StatusRequestEntityTooLarge, "http: request body too large")
}

// responses is what becomes of a login that fails.
var responses = []struct {
	it     string
	fault  sandbox.Fault
	status int
	says   string
	retry  string // Retry-After
	logs   string // a part of the operator's log line, "" if there is none
	lost   bool   // nobody knows what became of the code
}{
	{it: "busy", fault: errcode(-1), status: 503, says: "wechat is busy; call wx.login again", retry: "1", logs: `"errcode":"-1"`},
	{it: "invalid code", fault: errcode(40029), status: 400, says: "the code is wrong, has expired or is of another mini program; call wx.login again"},
	{it: "used code", fault: errcode(40163), status: 400, says: "the code was used before; call wx.login again"},
	{it: "blocked user", fault: errcode(40226), status: 403, says: "wechat blocks this user"},
	{it: "too often", fault: errcode(45011), status: 429, says: "this user logs in too often", retry: "60"},

	{it: "AppID invalid", fault: errcode(40013), status: 502, says: "wechat rejects this service; its operator", logs: "correct the AppID or the secret"},
	{it: "secret invalid", fault: errcode(40125), status: 502, says: "its operator", logs: "correct the AppID or the secret"},
	{it: "AppID missing", fault: errcode(41002), status: 502, says: "its operator", logs: "correct the AppID or the secret"},
	{it: "secret missing", fault: errcode(41004), status: 502, says: "its operator", logs: "correct the AppID or the secret"},
	{it: "secret frozen", fault: errcode(40243), status: 502, says: "its operator", logs: "unfreeze the secret"},
	{it: "whitelist", fault: errcode(40164), status: 502, says: "its operator", logs: "put the IP address 203.0.113.7 on the IP whitelist"},
	{it: "quota", fault: errcode(45009), status: 502, says: "its operator", logs: "raise or clear the quota"},
	{it: "unheard of", fault: errcode(12345), status: 502, says: "its operator", logs: "errcode 12345"},

	{it: "time-out", fault: sandbox.Fault{Kind: "latency", Latency: 10 * timeout}, status: 504, says: "wechat did not respond in time; call wx.login again", logs: "raise the account's `timeout`", lost: true},
	{it: "connection lost", fault: sandbox.Fault{Kind: "drop"}, status: 502, says: "no usable response; call wx.login again", logs: `"errcode":"network"`, lost: true},
	{it: "half a response", fault: sandbox.Fault{Kind: "half"}, status: 502, says: "no usable response", logs: `"errcode":"network"`, lost: true},
	{it: "proxy's response", fault: sandbox.Fault{Kind: "status", Code: 502}, status: 502, says: "no usable response", logs: "HTTP status 502", lost: true},
	{it: "garbage", fault: sandbox.Fault{Kind: "garbage", Body: "<html>"}, status: 502, says: "no usable response", logs: "no valid JSON", lost: true},
	{it: "no openid", fault: sandbox.Fault{Kind: "null"}, status: 502, says: "no usable response", logs: "no openid", lost: true},
}

func errcode(code int) sandbox.Fault { return sandbox.Fault{Kind: "errcode", Code: code} }

func TestResponsesToFailedLogins(t *testing.T) {
	t.Parallel()
	for _, c := range responses {
		t.Run(c.it, func(t *testing.T) {
			g := newRig(t)
			g.mustLoad(g.account(appA, "timeout "+timeout.String()), "wechat_login")
			code := g.code()
			g.fails(c.fault)
			r := g.login("/", code)
			r.want(c.status, c.says)
			r.wantHeader("Retry-After", c.retry)

			// A code that WeChat spoke of can be sent again: WeChat knows best. One that got no response is not.
			r = g.login("/", code)
			if c.lost {
				r.want(http.StatusBadRequest, "the code got no response before and may be used up; call wx.login again")
				g.wantCalls(1)
			} else {
				r.want(http.StatusOK, "token")
				g.wantCalls(2)
			}

			lines := 0
			for line := range strings.Lines(g.logged()) {
				if strings.Contains(line, `"msg":"login failed"`) {
					lines++
					if !strings.Contains(line, c.logs) || !strings.Contains(line, `"appid":"`+appA) || !strings.Contains(line, `"advice":"`) {
						t.Errorf("the operator reads %swant %s", line, c.logs)
					}
				}
			}
			if want := min(len(c.logs), 1); lines != want {
				t.Errorf("the operator reads %d lines, want %d", lines, want)
			}
		})
	}
}

// While WeChat cannot be asked, logins are told so at once, and their codes stay good.
func TestLoginsWhileTheBreakerIsOpen(t *testing.T) {
	t.Parallel()
	for it, c := range map[string]struct {
		fault sandbox.Fault
		says  string
	}{
		"since it rejects the secret": {errcode(40125), "its operator"},
		"since it cannot be reached":  {sandbox.Fault{Kind: "drop"}, "no usable response"},
	} {
		t.Run(it, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			g.mustLoad(g.account(appA, ""), "wechat_login")
			c.fault.Times = 5
			g.fails(c.fault)
			for range 5 {
				g.login("/", g.code()).want(http.StatusBadGateway, c.says)
			}
			code := g.code()
			for range 2 {
				r := g.login("/", code)
				r.want(http.StatusServiceUnavailable, "wechat cannot be asked at the moment; try again later")
				if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < 1 || after > 5 {
					t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
				}
			}
			g.wantCalls(5)
			if got := probe.Sum(t, g.caddy.Metrics(), "logins_total", appA, "not_called"); got != 2 {
				t.Errorf("counted %v, want 2", got)
			}
			time.Sleep(5100 * time.Millisecond)
			g.login("/", code).want(http.StatusOK, "token")
			if n := count(g.logged(), `"msg":"login failed"`); n != 5 {
				t.Errorf("the operator reads %d lines, want one for each login that was sent", n)
			}
		})
	}
}

// Too many logins at once wait for their turn, within the timeout.
func TestLoginsShareTheCallsOfTheAccount(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.account(appA, "max_calls 1\n timeout "+timeout.String()), "wechat_login")
	g.fails(sandbox.Fault{Kind: "latency", Latency: 10 * timeout})
	var waiting sync.WaitGroup
	waiting.Go(func() { g.login("/", g.code()).want(http.StatusGatewayTimeout, "") })
	probe.Eventually(t, "the first login is on its way", func() bool { return g.calls() == 1 })
	code := g.code()
	started := time.Now()
	waiting.Go(func() {
		r := g.login("/", code)
		if r.status == http.StatusOK { // its turn came just when the first was given up
			return
		}
		r.want(http.StatusServiceUnavailable, "wechat cannot be asked")
		r.wantHeader("Retry-After", "1")
		if waited := time.Since(started); waited > 2*timeout {
			t.Errorf("it waited %s", waited)
		}
	})
	waiting.Wait()
}

func TestLoginsAreCounted(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.mustLoad(g.accounts("timeout "+timeout.String()), site)
	lost := g.code()
	for _, c := range []struct {
		result string
		login  func()
	}{
		{"ok", func() { g.login("/a/login", g.code()) }},
		{"40029", func() { g.login("/a/login", "unknown-"+g.code()) }},
		{"40125", func() { g.fails(errcode(40125)); g.login("/a/login", g.code()) }},
		{"network", func() { g.fails(sandbox.Fault{Kind: "drop"}); g.login("/a/login", lost) }},
		{"code_may_be_used", func() { g.login("/a/login", lost) }},
		{"rejected", func() { g.do(g.request("GET", "/a/login", "")) }},
	} {
		c.login()
		if got := probe.Sum(t, g.caddy.Metrics(), "logins_total", appA, c.result); got != 1 {
			t.Errorf("%s: counted %v", c.result, got)
		}
	}
	if logs := g.logged(); count(logs, `"msg":"login","appid":"`+appA+`","result":"code_may_be_used"`) != 1 {
		t.Error("at DEBUG the operator does not read what became of a login")
	}
	for _, because := range []string{"a login is a POST request", "the code got no response before"} {
		if len(g.log.Lines(t, `"msg":"login"`, `"because":"`+because)) != 1 {
			t.Errorf("nor that it was because %s", because)
		}
	}
}

// A browser asks without credentials whether a page of another origin may log in.
func TestPreflightOfALogin(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	g.do(g.request("OPTIONS", "/a/login", "", "Origin: https://h5.example", "Access-Control-Request-Method: POST")).want(http.StatusOK, "authorization=") // of what is behind it
	g.wantCalls(0)
}

func TestUsedCodeIsRejected(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.run()
	code := g.code()
	g.login("/a/login", code).want(http.StatusOK, "token")
	g.login("/a/login", code).want(http.StatusBadRequest, "the code was used before")
}
