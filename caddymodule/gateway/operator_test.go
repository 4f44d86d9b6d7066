package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// Placeholders say the same whether or not somebody watches, for whom members that declare nothing are noted too.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"INFO", "DEBUG"} {
		t.Run(level, func(t *testing.T) { placeholders(t, level) })
	}
}

func placeholders(t *testing.T, level string) {
	names := []string{"found", "resolved", "failed", "keys", "cached", "error", "codes", "skipped", "duration_ms"}
	proxy := "reverse_proxy $UPSTREAM {\n"
	for _, name := range names {
		proxy += "header_up X-" + name + " \"{http.cloudid." + name + "}\"\n"
	}
	g := start(t, setup{level: level, site: "log\nlog_append cloudids {http.cloudid.found}\n$CLOUDID\n" + proxy + "}"})
	told := func(t *testing.T, c call, found, resolved, failed, keys, cached, errorText, codes, skipped string) {
		t.Helper()
		got := g.in(t).do(c).got
		if got == nil {
			t.Fatal("the function was not called")
		}
		for i, want := range []string{found, resolved, failed, keys, cached, errorText, codes, skipped} {
			value := got.header.Get("X-" + names[i])
			value, _, _ = strings.Cut(value, ", rid ") // WeChat's request id is another each time
			if value != want {
				t.Errorf("{http.cloudid.%s} is %q, want %q", names[i], value, want)
			}
		}
		if _, err := strconv.ParseFloat(got.header.Get("X-Duration_ms"), 64); err != nil && got.header["X-Duration_ms"] != nil {
			t.Errorf("{http.cloudid.duration_ms}: %v", err)
		}
	}
	with := func(body string) call { return call{body: body} }
	told(t, with(example), "1", "1", "0", `["weRunData"]`, "0", "", "", "")
	told(t, with(`{"a":"`+steps+`","b":"`+group+`","c":"`+unknownID+`","d":{"cloudID":"`+unknownID+`"}}`),
		"4", "2", "1", `["a","b"]`, "1", "'d': -601005 invalid cloudID", "d=-601005", "")
	told(t, with(`{"a,b=\n步":{"cloudID":"`+unknownID+`"},"c,d":"`+steps+`"}`),
		"2", "1", "1", `["c,d"]`, "2", "'a,b=?步': -601005 invalid cloudID", `a\u002cb\u003d\n\u6b65=-601005`, "")
	told(t, with(`{"a":1}`), "0", "0", "0", "[]", "0", "", "", "")
	told(t, with(`[1]`), "0", "0", "0", "[]", "0", "", "", "no_event")
	told(t, with(``), "0", "0", "0", "[]", "0", "", "", "no_body")
	told(t, call{chunked: true}, "0", "0", "0", "[]", "0", "", "", "no_body")
	told(t, call{kind: "text/plain", body: "x"}, "0", "0", "0", "[]", "0", "", "", "other_type")
	told(t, call{kind: "-", body: "x"}, "0", "0", "0", "[]", "0", "", "", "no_type")
	told(t, call{method: "GET"}, "0", "0", "0", "[]", "0", "", "", "no_body")
	told(t, call{method: "GET", body: example}, "0", "0", "0", "[]", "0", "", "", "method")
	told(t, call{header: map[string]string{"Upgrade": "x"}, body: example}, "0", "0", "0", "[]", "0", "", "", "upgrade")
	g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 48001})
	told(t, with(`{"a":"`+phone+`"}`), "1", "0", "1", "[]", "0", "getopendata: errcode 48001 (API not allowed for this app)", "a=-601004", "")

	t.Run("in an error page", func(t *testing.T) {
		g := start(t, setup{errors: `respond "{http.cloudid.found} {http.cloudid.error}"`})
		if r := g.post(`{"a":`); r.body != "0 invalid JSON at byte 5" {
			t.Errorf("the page is %q", r.body)
		}
	})
	t.Run("in an access log", func(t *testing.T) {
		probe.Eventually(t, "the calls are in the log", func() bool { return len(g.logLines(`"handled request"`)) == 13 })
		if lines := g.logLines(`"cloudids":4`); len(lines) != 1 {
			t.Errorf("in the log: %v", lines)
		}
	})
}

// TestMetrics checks what each kind of call adds to the metrics.
func TestMetrics(t *testing.T) {
	t.Parallel()
	outcome := func(name string) string {
		return `caddy_cloudid_invocations_total{appid="` + appid + `",outcome="` + name + `"}`
	}
	ids := func(code string) string { return `caddy_cloudid_ids_total{appid="` + appid + `",code="` + code + `"}` }
	wechat := func(api, code string) string {
		return `caddy_cloudid_wechat_calls_total{api="` + api + `",appid="` + appid + `",errcode="` + code + `"}`
	}
	const (
		cached  = `caddy_cloudid_cache_hits_total{appid="` + appid + `"}`
		perCall = `caddy_cloudid_ids_per_call_sum{appid="` + appid + `"}`
		took    = `caddy_cloudid_wechat_call_duration_seconds_count{api="getopendata",appid="` + appid + `"}`
		tokens  = `caddy_cloudid_token_fetches_total{appid="` + appid + `",result="ok"}`
		noToken = `caddy_cloudid_token_fetches_total{appid="` + appid + `",result="failed"}`
		added   = `caddy_cloudid_added_bytes_total{appid="` + appid + `"}`
	)
	longer := float64(len(resolved) - len(example))
	type counts map[string]float64
	for _, c := range []struct {
		name   string
		setup  setup
		fault  sandbox.Fault
		call   call
		repeat int
		counts counts
	}{
		{"open data", setup{}, sandbox.Fault{}, call{body: example}, 1, counts{
			outcome("resolved"): 1, ids("ok"): 1, wechat("getopendata", "0"): 1, wechat("stable_token", "0"): 1,
			took: 1, perCall: 1, tokens: 1, added: longer, cached: 0,
		}},
		{"open data from the cache", setup{}, sandbox.Fault{}, call{body: example}, 3, counts{
			outcome("resolved"): 3, ids("ok"): 3, wechat("getopendata", "0"): 1, cached: 2, perCall: 1, added: 3 * longer,
		}},
		{"some of it", setup{}, sandbox.Fault{}, call{body: `{"a":{"cloudID":"` + unknownID + `"},"b":"` + steps + `"}`}, 1, counts{
			outcome("partial"): 1, ids("ok"): 1, ids("-601005"): 1, perCall: 2,
		}},
		{"none of it", setup{}, sandbox.Fault{}, call{body: `{"a":{"cloudID":"` + unknownID + `"}}`}, 1, counts{outcome("failed"): 1, ids("-601005"): 1}},
		{"none after all", setup{}, sandbox.Fault{}, call{body: `{"a":"` + unknownID + `"}`}, 1, counts{outcome("untouched"): 1, added: 0}},
		{"no CloudID", setup{}, sandbox.Fault{}, call{body: `{}`}, 1, counts{outcome("untouched"): 1}},
		{"no JSON", setup{}, sandbox.Fault{}, call{kind: "text/plain"}, 1, counts{outcome("untouched"): 1}},
		{"a rejection", setup{}, sandbox.Fault{}, call{body: `{`}, 1, counts{outcome("rejected"): 1}},
		{"a foreign account", setup{cloudid: "account {http.request.header.X-App}"}, sandbox.Fault{}, call{header: map[string]string{"X-App": "wxno"}}, 1, counts{`caddy_cloudid_invocations_total{appid="",outcome="rejected"}`: 1}},
		{"a failed exchange", setup{}, sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 48001}, call{body: example}, 1, counts{
			outcome("failed"): 1, ids("-601004"): 1, wechat("getopendata", "48001"): 1, took: 1,
		}},
		{"a rejected one", setup{cloudid: "on_error reject"}, sandbox.Fault{API: "getopendata", Kind: "garbage"}, call{body: example}, 1, counts{
			outcome("upstream_error"): 1, wechat("getopendata", "response"): 1,
		}},
		{"no token", setup{}, sandbox.Fault{API: "stable_token", Kind: "errcode", Code: 40125}, call{body: example}, 1, counts{
			outcome("failed"): 1, noToken: 1, wechat("stable_token", "40125"): 1, took: 0,
		}},
		{"a code nobody knows", setup{}, sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 123456}, call{body: example}, 1, counts{wechat("getopendata", "other"): 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := start(t, c.setup)
			if c.fault.API != "" {
				g.fault(c.fault)
			}
			for range c.repeat {
				g.do(c.call)
			}
			for name, want := range c.counts {
				if got := g.metric(name); got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
		})
	}

	t.Run("nothing in them is a user's, and there are no more than a few", func(t *testing.T) {
		g := start(t, setup{})
		g.post(example).forwarded(resolved)
		res, err := http.Get(g.metrics)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "caddy_cloudid_") {
				lines++
			}
			labels, _, _ := strings.Cut(line, "} ")
			for _, private := range []string{secret, user, steps, unknownID, "123456"} {
				if strings.Contains(labels, private) {
					t.Errorf("the metrics show %s", private)
				}
			}
		}
		if lines == 0 || lines > 300 {
			t.Errorf("%d lines of metrics", lines)
		}
	})
}

// TestErrorsInsideJSON renders each rejection as Caddyfile.example does: the message stands inside of a JSON text.
func TestErrorsInsideJSON(t *testing.T) {
	t.Parallel()
	page := setup{errors: "header Content-Type application/json\nrespond `{\"error\":{err.status_code},\"message\":\"{err.message}\"}`"}
	type errorPage struct {
		Error   int
		Message string
	}
	read := func(t *testing.T, r reply) errorPage {
		t.Helper()
		var p errorPage
		d := json.NewDecoder(strings.NewReader(r.body))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil || p.Error != r.status || p.Message == "" || d.More() {
			t.Fatalf("status %d, page %q: %v", r.status, r.body, err)
		}
		return p
	}
	g := start(t, page)
	t.Run("whatever a member's name is", func(t *testing.T) {
		for _, name := range []string{
			`a\"b`, `\\`, `\"},\"x\":{\"`, `\n\r\t\u0000\u001f\u007f`, `\u2028\u2029`, `'`, `<script>&`, `\ud800`, `\udc00\ud800`,
			`{err.status_code}`, `{http.request.host}`, `{env.HOME}`, `%s%d`, `步数`, `\ud83d\ude00`, "\u200b\u202e", ``, strings.Repeat(`\"`, 300),
		} {
			for _, value := range []string{`"` + steps + `"`, `{"cloudID":"` + steps + `"}`} {
				p := read(t, g.in(t).post(`{"`+name+`":`+value+`,"`+name+`":1}`))
				if name == "步数" && !strings.Contains(p.Message, "步数") {
					t.Errorf("the message does not name the member: %s", p.Message)
				}
				if strings.Contains(name, "{") && !strings.Contains(name, `"`) && !strings.Contains(p.Message, strings.Trim(name, "{}")) {
					t.Errorf("a placeholder in a name was replaced: %s", p.Message)
				}
			}
			p := read(t, g.in(t).post(`{"cloudid_list":[{"key_name":"`+name+`","cloud_id":"`+steps+`"}],"`+name+`":1}`))
			if strings.Contains(p.Message, steps) {
				t.Error("the message shows a CloudID")
			}
		}
	})
	t.Run("whatever the fault is", func(t *testing.T) {
		many := `{"a":"` + steps + `","b":"` + steps + `","c":"` + steps + `","d":"` + steps + `","e":"` + steps + `","f":"` + steps + `"}`
		for _, c := range []call{
			{body: `{`},
			{body: "\xFF"},
			{body: "\xEF\xBB\xBF{}"},
			{body: nested(513)},
			{body: many},
			{body: `{"__proto__":1}`},
			{body: strings.Repeat(" ", 2<<20)},
			{kind: "application/json; charset=\"\\\"\"", body: "{}"},
			{kind: "application/json; charset=x\"y", body: "{}"},
			{header: map[string]string{"Content-Encoding": `"x\`}, body: "{}"},
			{header: map[string]string{"Content-Encoding": "gzip"}, body: "{}"},
			{header: map[string]string{"Incremental": "?1"}, body: "{}"},
		} {
			r := g.in(t).do(c)
			if r.got != nil {
				t.Errorf("%+v was forwarded", c)
				continue
			}
			read(t, r)
		}
	})
	t.Run("where nobody is logged in", func(t *testing.T) {
		page.cloudid = "openid {http.auth.user.id}"
		p := read(t, start(t, page).post(`{"we\"run":{"cloudID":"`+steps+`"}}`))
		if p.Error != 401 || !strings.Contains(p.Message, "we?run") {
			t.Errorf("the page is %+v", p)
		}
	})
	t.Run("where WeChat fails", func(t *testing.T) {
		page.cloudid = "on_error reject"
		g := start(t, page)
		g.fault(sandbox.Fault{API: "getopendata", Kind: "garbage", Body: `"`})
		if p := read(t, g.post(example)); p.Error != 502 {
			t.Errorf("the page is %+v", p)
		}
	})
	t.Run("in strict mode", func(t *testing.T) {
		page.cloudid = `fields a "b\"c"`
		g := start(t, page)
		for _, body := range []string{``, `[]`, `{"A":1}`, `{"b\"c":1,"B\"C":2}`, `{"cloudid_list":[{"key_name":"x\"y","cloud_id":"` + steps + `"}]}`} {
			read(t, g.post(body))
		}
	})
}
