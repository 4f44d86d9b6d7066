package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func errorObject(id string, code int, message string) string {
	return fmt.Sprintf(`{"cloudID":"%s","errCode":%d,"errMsg":"%s"}`, id, code, message)
}

var invalid = errorObject(unknownID, -601005, "invalid cloudID")

func TestTheDocumentedExample(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	for name, c := range map[string]call{
		"with a length":    {body: example},
		"without a length": {body: example, chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.in(t).do(c).forwarded(resolved)
			if got.length != int64(len(resolved)) || len(got.encoding) != 0 {
				t.Errorf("announced are %d bytes, transfer encoding %q; want %d and none", got.length, got.encoding, len(resolved))
			}
			got.has(t, "Content-Length", strconv.Itoa(len(resolved)))
			got.has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
		})
	}
	if calls := g.wechat.Calls(); calls.GetOpenData != 1 || calls.IDs != 1 || calls.StableToken != 1 {
		t.Errorf("the nested id was asked for, or open data was not kept: %+v", calls)
	}
}

func TestWhatDescribesTheOldBodyGoes(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	digests := []string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"}
	send := func(body string) *received {
		req := call{body: body, header: map[string]string{"Expect": "100-continue"}}.request(t.Context(), g.url)
		for _, name := range digests {
			req.Header.Set(name, "made-up")
		}
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), -1
		req.Trailer = http.Header{"X-Sum": {"1"}}
		res, err := g.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := g.read(res)
		if got.got == nil {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
		return got.got
	}
	for body, forwarded := range map[string]string{example: resolved, `{"a":1}`: `{"a":1}`, ``: ``} {
		got := send(body)
		if got.body != forwarded || got.length != int64(len(forwarded)) || len(got.encoding) != 0 {
			t.Errorf("the function received %d bytes, announced %d, transfer encoding %q: %q", len(got.body), got.length, got.encoding, got.body)
		}
		if len(got.trailer) != 0 {
			t.Errorf("trailers came with it: %v", got.trailer)
		}
		for _, name := range []string{"Trailer", "Expect", "Transfer-Encoding"} {
			got.has(t, name, "")
		}
		for _, name := range digests {
			if body == forwarded {
				got.has(t, name, "made-up")
			} else {
				got.has(t, name, "")
			}
		}
	}
}

// FastCGI is told the length by the header, and not every reader takes 0010 for ten.
func TestTheLengthIsSpelledPlainly(t *testing.T) {
	t.Parallel()
	g := start(t, setup{site: `$CLOUDID
respond "{http.request.header.Content-Length}"`})
	if got := g.raw("POST / HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Type: application/json\nContent-Length: 0010", `{"a":1234}`); got.body != "10" {
		t.Errorf("status %d: %q", got.status, got.body)
	}
}

func TestFourKindsOfDeclarations(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	list := func(entries string) string { return `"cloudid_list":[` + entries + `]` }
	entry := func(name, id string) string { return `{"key_name":"` + name + `","cloud_id":"` + id + `"}` }
	made := `{"cloudID":"` + steps + `","data":{"step":1000000},"x":1}`
	for _, c := range []struct{ name, body, want, keys string }{
		{"a list beside the members", `{"n":1,` + list(entry("weRunData", steps)) + `}`, `{"n":1,"weRunData":` + stepsData + `}`, `"weRunData"`},
		{"a list of several", `{` + list(entry("b", group)+`,`+entry("a", steps)) + `,"n":1}`, `{"n":1,"b":` + groupData + `,"a":` + stepsData + `}`, `"b","a"`},
		{"a list alone", `{` + list(entry("a", steps)) + `}`, `{"a":` + stepsData + `}`, `"a"`},
		{"a list of an id that is none", `{` + list(entry("a", unknownID)) + `}`, `{"a":` + invalid + `}`, ``},
		{"no list, but something else of that name", `{"cloudid_list":[1,` + entry("a", steps) + `]}`, ``, ``},
		{"an empty list", `{"cloudid_list":[]}`, ``, ``},
		{"an object with a cloudID", `{"a":{"cloudID":"` + steps + `"}}`, `{"a":` + stepsData + `}`, `"a"`},
		{"made-up open data around a CloudID", `{"a":` + made + `}`, `{"a":` + stepsData + `}`, `"a"`},
		{"an event that went through already", resolved, resolved, `"weRunData"`},
		{"an object with a cloudID that is none", `{"a":{"cloudID":"` + unknownID + `"}}`, `{"a":` + invalid + `}`, ``},
		{"an object with a cloudID of another look", `{"a":{"cloudID":"x","data":1}}`, ``, ``},
		{"a string of that look", `{"a":"` + group + `"}`, `{"a":` + groupData + `}`, `"a"`},
		{"a string in escapes", `{"a":"\u0032` + group[1:] + `"}`, ``, ``}, // 2, not 3
		{"a string in escapes that is one", `{"a":"\u0033` + group[1:] + `"}`, `{"a":` + groupData + `}`, `"a"`},
		{"a string that is none after all", `{"a":"` + unknownID + `"}`, ``, ``},
		{"a string in an array", `{"a":["` + steps + `"]}`, ``, ``},
		{"an object deeper down", `{"a":{"b":{"cloudID":"` + steps + `"}}}`, ``, ``},
		{"the same id in two members", `{"a":"` + steps + `","b":{"cloudID":"` + steps + `"}}`, `{"a":` + stepsData + `,"b":` + stepsData + `}`, `"a","b"`},
		{
			"all else stays as it was",
			"\t{ \"z\" : 1.10 , \"a\":12345678901234567890,\"a\" : -0.0e-00,\"\\u0041\":\"\\/\\u00e9\",\r\n\"w\":  \"" + steps + "\"  , \"é\":{\"x\":1,\"x\":2}} \n",
			"\t{ \"z\" : 1.10 , \"a\":12345678901234567890,\"a\" : -0.0e-00,\"\\u0041\":\"\\/\\u00e9\",\r\n\"w\":  " + stepsData + "  , \"é\":{\"x\":1,\"x\":2}} \n",
			`"w"`,
		},
		{"an empty name", `{"":"` + steps + `"}`, `{"":` + stepsData + `}`, `""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "" {
				c.want = c.body
			}
			g.in(t).post(c.body).forwarded(c.want).has(t, "X-WX-OPEN-DATA-INFO", `{"keys":[`+c.keys+`]}`)
		})
	}
	t.Run("a list must not name a member that the event has", func(t *testing.T) {
		g.in(t).post(`{"a":1,` + list(entry("a", steps)) + `}`).rejected(400)
		g.in(t).post(`{"A":1,` + list(entry("a", steps)) + `}`).rejected(400)
		g.in(t).post(`{` + list(entry("a", steps)+`,`+entry("A", group)) + `}`).rejected(400)
	})
}

func TestEventsInEnvelopes(t *testing.T) {
	t.Parallel()
	t.Run("CloudEvents in structured mode", func(t *testing.T) {
		g := start(t, setup{cloudid: "event /data"})
		envelope := func(data string) call {
			return call{
				kind: "application/cloudevents+json",
				body: `{"specversion":"1.0","id":"` + group + `","type":"t","source":"/s","data":` + data + `}`,
			}
		}
		g.do(envelope(example)).forwarded(envelope(resolved).body)
		for _, data := range []string{`"` + steps + `"`, `[1]`, `null`} {
			g.do(envelope(data)).forwarded(envelope(data).body)
		}
		g.post(`{"id":"` + steps + `"}`).forwarded(`{"id":"` + steps + `"}`)
		g.post(`{"data":{"a":"` + steps + `"},"Data":{}}`).rejected(400)
	})
	t.Run("WeChat's own callFunction", func(t *testing.T) {
		g := start(t, setup{cloudid: "event /data string"})
		inString := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		envelope := func(data, list string) string {
			return `{"function_name":"myFunction","data":"` + inString.Replace(data) + `"` + list + `}`
		}
		list := `,"cloudid_list":[{"key_name":"weRunData","cloud_id":"` + steps + `"}]`
		g.post(envelope(`{"obj":{"shareInfo":"yyy"}}`, list)).
			forwarded(envelope(`{"obj":{"shareInfo":"yyy"},"weRunData":`+stepsData+`}`, "")).
			has(t, "X-WX-OPEN-DATA-INFO", `{"keys":["weRunData"]}`)
		g.post(envelope(`{}`, list)).forwarded(envelope(`{"weRunData":`+stepsData+`}`, ""))
		g.post(envelope(example, "")).forwarded(envelope(resolved, ""))
		g.post(envelope(`{"weRunData":1}`, list)).rejected(400)
		g.post(envelope(`{"a":`, list)).rejected(400)
		g.post(`{"data":{"a":"` + steps + `"}}`).forwarded(`{"data":{"a":"` + steps + `"}}`)
	})
	t.Run("an envelope without its event is rejected in strict mode", func(t *testing.T) {
		g := start(t, setup{cloudid: "event /data\nfields weRunData"})
		g.post(`{"data":` + example + `}`).forwarded(`{"data":` + resolved + `}`)
		g.post(`{"a":` + example + `}`).rejected(400)
		g.post(`{"data":[]}`).rejected(400)
	})
}

func TestStrictMode(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "fields weRunData phone\nmax_ids 2"})
	invalidEmpty := errorObject("", -601005, "invalid cloudID")
	for _, c := range []struct{ name, body, want, keys string }{
		{"a listed string is asked for", `{"weRunData":"` + steps + `","n":1}`, `{"weRunData":` + stepsData + `,"n":1}`, `"weRunData"`},
		{"whatever its look", `{"weRunData":"No_CloudID-Looks"}`, `{"weRunData":` + errorObject("No_CloudID-Looks", -601005, "invalid cloudID") + `}`, ``},
		{"one that can be no CloudID is an error that does not repeat it", `{"weRunData":"<script>"}`, `{"weRunData":` + invalidEmpty + `}`, ``},
		{"others are not", `{"other":"` + steps + `","o":{"cloudID":"` + group + `"}}`, ``, ``},
		{"a listed object with a cloudID is asked for", `{"phone":{"cloudID":"` + phone + `","data":{"phoneNumber":"1"}}}`, `{"phone":` + phoneData + `}`, `"phone"`},
		{"a listed number is an error", `{"phone":1}`, `{"phone":` + invalidEmpty + `}`, ``},
		{"a listed null is an error", `{"phone":null}`, `{"phone":` + invalidEmpty + `}`, ``},
		{"a listed object without cloudID is an error", `{"phone":{"data":{"phoneNumber":"1"}}}`, `{"phone":` + invalidEmpty + `}`, ``},
		{"a list may name listed members", `{"cloudid_list":[{"key_name":"phone","cloud_id":"` + phone + `"}]}`, `{"phone":` + phoneData + `}`, `"phone"`},
		{"absent members stay absent", `{}`, ``, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "" {
				c.want = c.body
			}
			g.in(t).post(c.body).forwarded(c.want).has(t, "X-WX-OPEN-DATA-INFO", `{"keys":[`+c.keys+`]}`)
		})
	}
	g.check([]verdict{
		{"a list must name no other", call{body: `{"cloudid_list":[{"key_name":"o","cloud_id":"` + phone + `"}]}`}, 400, ""},
		{"a listed member in another spelling", call{body: `{"Phone":"` + phone + `"}`}, 400, ""},
		{"a listed member twice", call{body: `{"phone":"` + phone + `","phone":1}`}, 400, ""},
		{"a root that is no object", call{body: `[]`}, 400, ""},
		{"an empty body", call{}, 400, ""},
		{"an empty body without a length", call{chunked: true}, 400, ""},
		{"other types", call{kind: "text/plain", body: "x"}, 415, ""},
		{"no type and no body goes on", call{kind: "-"}, 200, ""},
	})
}

func TestMaxIDs(t *testing.T) {
	t.Parallel()
	five := `"a":"` + steps + `","b":"` + group + `","c":"` + phone + `","d":"` + steps + `"`
	g := start(t, setup{})
	g.post(`{` + five + `,"e":"` + unknownID + `"}`).forwarded(`{"a":` + stepsData + `,"b":` + groupData + `,"c":` + phoneData + `,"d":` + stepsData + `,"e":"` + unknownID + `"}`)
	g.wechat.Reset()
	g.post(`{` + five + `,"e":"` + unknownID + `","f":{"cloudID":"` + steps + `"}}`).rejected(400)
	if calls := g.wechat.Calls(); calls.GetOpenData != 0 {
		t.Error("half of the work was done")
	}
	g = start(t, setup{cloudid: "max_ids 1\nguess off"})
	g.post(`{` + five + `,"e":{"cloudID":"` + steps + `"}}`).forwarded(`{` + five + `,"e":` + stepsData + `}`)
	g.post(`{"d":{"cloudID":"` + steps + `"},"e":{"cloudID":"` + steps + `"}}`).rejected(400)
}

func TestBoundsCanStandInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"max_ids": "1\n", "max_size": "200B\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := start(t, setup{cloudid: "max_ids {file." + dir + "/max_ids}\nmax_size {file." + dir + "/max_size}\nguess off"})
	g.post(`{"e":{"cloudID":"` + steps + `"}}`).forwarded(`{"e":` + stepsData + `}`)
	g.post(`{"d":{"cloudID":"` + steps + `"},"e":{"cloudID":"` + phone + `"}}`).rejected(400)
	g.post(`{"e":"` + strings.Repeat("x", 200) + `"}`).rejected(413)
}

func TestWithoutAnOpenID(t *testing.T) {
	t.Parallel()
	for _, openid := range []string{"{http.auth.user.id}", "{http.request.header.X-Nobody}", `"has space"`, "ä", strings.Repeat("o", 129)} {
		g := start(t, setup{cloudid: "openid " + openid})
		g.check([]verdict{
			{"guesses stay strings", call{body: example}, 200, ""},
			{"an object is rejected", call{body: `{"a":{"cloudID":"` + steps + `"}}`}, 401, ""},
			{"a list is rejected", call{body: `{"cloudid_list":[{"key_name":"a","cloud_id":"` + steps + `"}]}`}, 401, ""},
			{"rules that have nothing to do with CloudIDs still count", call{body: `{"a":`}, 400, ""},
		})
		if calls := g.wechat.Calls(); calls != (sandbox.Calls{}) {
			t.Errorf("WeChat was called: %+v", calls)
		}
	}
	longest := strings.Repeat("o", 128)
	start(t, setup{cloudid: "openid " + longest}).post(`{}`).forwarded(`{}`).has(t, "X-WX-OPENID", longest)
	g := start(t, setup{cloudid: "openid {http.auth.user.id}\nfields a"})
	g.post(`{"a":"No_CloudID-Looks"}`).rejected(401)
	g.post(`{"a":1}`).forwarded(`{"a":` + errorObject("", -601005, "invalid cloudID") + `}`)
	g.post(`{"b":"` + steps + `"}`).forwarded(`{"b":"` + steps + `"}`)
}

func TestSeveralAccounts(t *testing.T) {
	t.Parallel()
	const other = "wxaaaaaaaaaaaaaaaa"
	g := start(t, setup{
		global:  "cloudid {\naccount " + other + " {\nsecret other-secret\nendpoint $WECHAT\n}\n}",
		cloudid: "openid {http.request.header.X-Test-User}\naccount {http.request.header.X-Test-App}",
	})
	with := func(user, app string) call {
		return call{header: map[string]string{"X-Test-User": user, "X-Test-App": app}, body: example}
	}
	g.do(with(user, appid)).forwarded(resolved).has(t, "X-WX-APPID", appid)
	g.do(with(user, other)).forwarded(strings.ReplaceAll(resolved, appid, other)).has(t, "X-WX-APPID", other)
	if calls := g.wechat.Calls(); calls.StableToken != 2 || calls.GetOpenData != 2 {
		t.Errorf("accounts share what they must not: %+v", calls)
	}
	g.do(with(user, "wxunknown")).rejected(403)
	g.do(with(user, "")).rejected(403)
	g.do(with("", "wxunknown")).forwarded(example) // who does not say who calls needs no account
	t.Run("a placeholder for nothing names no account, also if there is only one", func(t *testing.T) {
		g := start(t, setup{cloudid: "account {http.request.header.X-Test-App}"})
		g.do(with(user, appid)).forwarded(resolved)
		g.post(example).rejected(403)
		g.do(with(user, other)).rejected(403)
	})
}

// What is no request's is known when the config is loaded.
func TestPlaceholdersOfEventAndOnError(t *testing.T) {
	t.Setenv("GATEWAY_TEST_POINTER", "/data")
	t.Setenv("GATEWAY_TEST_WORD", "reject")
	g := start(t, setup{cloudid: "event {env.GATEWAY_TEST_POINTER}\non_error {env.GATEWAY_TEST_WORD}"})
	g.post(`{"data":{"a":"` + steps + `"},"b":"` + steps + `"}`).forwarded(`{"data":{"a":` + stepsData + `},"b":"` + steps + `"}`)
	g.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 48001})
	if got := g.post(`{"data":{"a":"` + group + `"}}`); got.status != http.StatusBadGateway {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}
