package inspector_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

func TestThePageBringsAllItNeeds(t *testing.T) {
	r := start(t, "")
	status, header, body := r.request(http.MethodGet, "/")
	if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", status, header)
	}
	for _, outside := range []string{"src=", "href=", "@import", ": url(", "http-equiv", "innerHTML", "insertAdjacentHTML", "document.write", " style=", " onclick="} {
		if strings.Contains(body, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	policy := header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || header.Get("Cache-Control") != "no-store" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", header)
	}
}

func TestWhoIsLetIn(t *testing.T) {
	r := start(t, "")
	with := func(name, value string) func(*http.Request) {
		return func(req *http.Request) {
			if name == "Host" {
				req.Host = value
			}
			req.Header.Set(name, value)
		}
	}
	for _, c := range []struct {
		sentence, method, path string
		change                 []func(*http.Request)
		want                   int
	}{
		{"this machine by its address", "GET", "/calls.json", nil, 200},
		{"the page's own fetch", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "same-origin"), with("Sec-Fetch-Mode", "cors")}, 200},
		{"a link on another site that opens the page", "GET", "/", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "navigate")}, 200},
		{"a fetch by a page of another site", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "cors")}, 403},
		{"a fetch by a page of another port of this machine", "GET", "/calls.json", []func(*http.Request){with("Sec-Fetch-Site", "same-site"), with("Sec-Fetch-Mode", "cors")}, 403},
		{"a form of another site", "POST", "/clear", []func(*http.Request){with("X-Inspector", "")}, 403},
		{"the page's own button", "POST", "/clear", nil, 204},
		{"the head of the page, as curl -I asks for it", "HEAD", "/", []func(*http.Request){with("X-Inspector", "")}, 200},
		{"a head of what only a POST may ask", "HEAD", "/clear", []func(*http.Request){with("X-Inspector", "")}, 405},
		{"a head, asked for by a page of another site", "HEAD", "/", []func(*http.Request){with("Sec-Fetch-Site", "cross-site"), with("Sec-Fetch-Mode", "navigate")}, 403},
		{"a wrong method", "GET", "/clear", nil, 405},
		{"a wrong method for the page", "PUT", "/", nil, 405},
		{"a call that is not kept", "GET", "/capture?seq=1", nil, 404},
		{"a call without a number", "GET", "/capture?seq=x", nil, 400},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if status, _, body := r.request(c.method, c.path, c.change...); status != c.want {
				t.Errorf("%d, want %d: %s", status, c.want, body)
			}
		})
	}
}

// Where the page is, only the config tells: on a site of its own, or where matchers send requests.
func TestPathsOfTheInspector(t *testing.T) {
	const root, matcher, handle, handlePath, several = "cloudid_inspector", "cloudid_inspector /inspector/*", "handle /inspector* {\ncloudid_inspector\n}",
		"handle_path /a/inspector/* {\ncloudid_inspector\n}", "handle /fn/* {\nrespond fn\n}\n@insp path /x/* /y/*\nhandle @insp {\nroute {\ncloudid_inspector\n}\n}"
	const regexp, named = "@insp path_regexp ^/i[0-9]+\ncloudid_inspector @insp", "invoke insp"
	for _, test := range []struct {
		sentence, site, path string
		want                 int
		says                 string // the beginning of the body
	}{
		{"the root of its site", root, "/", 200, "<!doctype html>"},
		{"with a query", root, "/?seq=1", 200, "<!doctype html>"},
		{"what the page asks for", root, "/calls.json", 200, "{"},
		{"what else there is", root, "/codes.json", 200, "{"},
		{"for a terminal", root, "/calls.txt", 200, ""},
		{"what nobody serves", root, "/nothing", 404, "there is nothing at this path: the inspector has its page"},
		{"as a folder", root, "/nothing/", 404, "there is nothing"},
		{"what browsers look for", root, "/favicon.ico", 404, "there is nothing"},
		{"an endpoint below what nobody serves", root, "/nothing/calls.json", 404, "there is nothing"},
		{"a misspelt endpoint", root, "/call.json", 404, "there is nothing"},

		{"behind a matcher", matcher, "/inspector/", 200, "<!doctype html>"},
		{"what the page asks for", matcher, "/inspector/calls.json", 200, "{"},
		{"in other letters, as Caddy matches", matcher, "/Inspector/", 200, "<!doctype html>"},
		{"what nobody serves below it", matcher, "/inspector/nothing", 404, "there is nothing"},
		{"as a folder", matcher, "/inspector/nothing/", 404, "there is nothing"},
		{"an endpoint below that", matcher, "/inspector/nothing/calls.json", 404, "there is nothing"},

		{"in a handle", handle, "/inspector/", 200, "<!doctype html>"},
		{"without the slash, on the way to it", handle, "/inspector", 302, ""},
		{"what nobody serves below it", handle, "/inspector/nothing", 404, "there is nothing"},
		{"in a handle_path", handlePath, "/a/inspector/", 200, "<!doctype html>"},
		{"what the page asks for", handlePath, "/a/inspector/calls.json", 200, "{"},
		{"what nobody serves below it", handlePath, "/a/inspector/nothing", 404, "there is nothing"},
		{"at one of several paths", several, "/x/", 200, "<!doctype html>"},
		{"at another", several, "/y/calls.json", 200, "{"},
		{"what nobody serves below that", several, "/y/nothing", 404, "there is nothing"},
		{"where a pattern says it, anything may be the page", regexp, "/i42/", 200, "<!doctype html>"},
		{"in a named route", named, "/n/", 200, "<!doctype html>"},
		{"what nobody serves below it", named, "/n/nothing", 404, "there is nothing"},
	} {
		t.Run(test.sentence+" "+test.path, func(t *testing.T) {
			r := &rig{t, freeport.Addr(t)}
			config := strings.Replace(r.caddyfile(""), "\n	cloudid_inspector {\n		\n	}\n", "\n"+test.site+"\n", 1)
			if test.site == named {
				config = strings.Replace(config, "\nhttp://", "\n&(insp) {\ncloudid_inspector /n/*\n}\nhttp://", 1)
			}
			caddyrig.Load(t, config)
			status, header, body := r.request(http.MethodGet, test.path)
			if status != test.want || !strings.HasPrefix(body, test.says) {
				t.Errorf("%d, want %d: %.80s", status, test.want, body)
			}
			if status == http.StatusNotFound && header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("the type is %s", header.Get("Content-Type"))
			}
		})
	}
}

// Who is not let in, or asks wrongly, is told why.
func TestWhatTheInspectorRejectsHasWords(t *testing.T) {
	r := start(t, "")
	for _, test := range []struct {
		method, path string
		change       func(*http.Request)
		status       int
		says         string
	}{
		{"POST", "/clear", func(req *http.Request) { req.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "the inspector does not answer pages of other sites\n"},
		{"GET", "/clear", func(*http.Request) {}, 405, "this answers POST only\n"},
		{"GET", "/capture?seq=1", func(*http.Request) {}, 404, "this call is not kept any more\n"},
	} {
		if status, _, body := r.request(test.method, test.path, test.change); status != test.status || !strings.HasPrefix(body, test.says) {
			t.Errorf("%s %s: %d, %q", test.method, test.path, status, body)
		}
	}
}

func TestNamesOfTheSite(t *testing.T) {
	r := start(t, "")
	port := r.address[strings.LastIndexByte(r.address, ':'):]
	config := `{"admin":{"disabled":true},"apps":{"cloudid":{"accounts":{"wx3d289323f5900f8e":{"secret":"made-up-but-long-enough"}}},"http":{"servers":{"s":{"listen":["127.0.0.1` + port + `"],"automatic_https":{"disable":true},"routes":[
		{"match":[{"host":["inspector.example"]}],"handle":[{"handler":"cloudid_inspector"}]},
		{"handle":[{"handler":"cloudid_inspector"}]}]}}}}}`
	caddyrig.LoadJSON(t, []byte(config))
	for host, want := range map[string]int{
		"127.0.0.1" + port:             200,
		"[::1]" + port:                 200,
		"localhost" + port:             200,
		"LOCALHOST." + port:            200,
		"a.localhost" + port:           200,
		"inspector.example" + port:     200,
		"rebound.attacker" + port:      403,
		"127.0.0.1.attacker" + port:    403,
		"localhost.attacker" + port:    403,
		"attackerlocalhost" + port:     403,
		"sub.inspector.example" + port: 403,
	} {
		if status, _, _ := r.request(http.MethodGet, "/", func(req *http.Request) { req.Host = host }); status != want {
			t.Errorf("%s: %d, want %d", host, status, want)
		}
	}
}

func TestOtherMachinesAreKeptOut(t *testing.T) {
	r := start(t, "allow 192.0.2.0/24")
	for _, path := range []string{"/", "/calls.json", "/events", "/codes.json"} {
		status, _, body := r.request(http.MethodGet, path, func(req *http.Request) { req.Header.Set("X-Forwarded-For", "192.0.2.1") })
		if status != http.StatusForbidden || strings.Contains(body, "calls") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestTheLatestCallsAreKept(t *testing.T) {
	r := start(t, "calls 3")
	for i := range 5 {
		r.publish(invocation.Record{Path: fmt.Sprint("/", i), Done: true})
	}
	var paths []string
	for _, call := range r.calls() {
		paths = append(paths, call.Path)
	}
	if got := strings.Join(paths, " "); got != "/2 /3 /4" {
		t.Errorf("kept are %s", got)
	}
}

func TestHowManyAreKeptMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("INSPECTOR_TEST_CALLS", "2")
	r := start(t, "calls {env.INSPECTOR_TEST_CALLS}")
	for range 3 {
		r.publish(invocation.Record{Path: "/fn", Done: true})
	}
	if n := len(r.calls()); n != 2 {
		t.Errorf("%d calls are kept", n)
	}
}

func TestACallIsShownWhenItIsForwardedAndWhenItEnds(t *testing.T) {
	r := start(t, "")
	next, _ := r.stream()
	seq := r.publish(invocation.Record{Path: "/fn"})
	if first := next("call"); !strings.Contains(first, `"done":false`) {
		t.Error(first)
	}
	r.publish(invocation.Record{Seq: seq, Path: "/fn", Done: true, Status: 200, Outcome: invocation.Resolved})
	if second := next("call"); !strings.Contains(second, `"status":200`) {
		t.Error(second)
	}
	if calls := r.calls(); len(calls) != 1 || !calls[0].Done {
		t.Errorf("%+v", calls)
	}
}

func TestCallsThatEndLateKeepTheirPlace(t *testing.T) {
	r := start(t, "calls 2")
	slow := r.publish(invocation.Record{Path: "/slow"})
	r.publish(invocation.Record{Path: "/a", Done: true})
	r.publish(invocation.Record{Path: "/b", Done: true})
	r.publish(invocation.Record{Seq: slow, Path: "/slow", Done: true}) // pushed out already
	if calls := r.calls(); len(calls) != 2 || calls[0].Path != "/a" || calls[1].Path != "/b" {
		t.Errorf("%+v", calls)
	}
}

func TestBodiesAreKeptOnlyWithCaptureAndWithinBounds(t *testing.T) {
	body := &invocation.Capture{URI: "/fn?x=1", Received: []byte(`{"a":1}`), Forwarded: []byte(`{"a":2}`)}
	t.Run("without capture there are none", func(t *testing.T) {
		r := start(t, "")
		seq := r.publish(invocation.Record{Done: true, Capture: body})
		if status, _, text := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", seq)); status != http.StatusNotFound {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("with it they are", func(t *testing.T) {
		r := start(t, "capture")
		seq := r.publish(invocation.Record{Done: true, Capture: body})
		if status, _, text := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", seq)); status != http.StatusOK || !strings.Contains(text, `"forwarded":"{\"a\":2}"`) {
			t.Errorf("%d %s", status, text)
		}
		if _, _, text := r.request(http.MethodGet, "/calls.json"); strings.Contains(text, `{\"a\"`) || !strings.Contains(text, `"captured":true`) {
			t.Error("the list must say that there are bodies, and not show them")
		}
	})
	t.Run("the oldest bodies go when there are too many bytes", func(t *testing.T) {
		r := start(t, "capture")
		first := r.publish(invocation.Record{Done: true, Capture: &invocation.Capture{Received: make([]byte, 9<<20)}})
		second := r.publish(invocation.Record{Done: true, Capture: &invocation.Capture{Received: make([]byte, 9<<20)}})
		if status, _, _ := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", first)); status != http.StatusNotFound {
			t.Errorf("the first: %d", status)
		}
		if status, _, _ := r.request(http.MethodGet, fmt.Sprint("/capture?seq=", second)); status != http.StatusOK {
			t.Errorf("the second: %d", status)
		}
		if len(r.calls()) != 2 {
			t.Error("the calls themselves stay")
		}
	})
}

// A client that sends long names in great number gets fewer calls kept, not more memory.
func TestHowMuchMemoryCallsTakeIsNotTheClientsChoice(t *testing.T) {
	r := start(t, "calls 10000")
	members := make([]invocation.Member, invocation.MaxMembers)
	for i := range members {
		members[i] = invocation.Member{Name: strings.Repeat("x", invocation.MaxName), Result: invocation.Kept}
	}
	for range 2000 { // some 27 KB each
		seq := r.publish(invocation.Record{Path: "/large", Members: members})
		r.publish(invocation.Record{Seq: seq, Path: "/large", Members: members, Done: true})
	}
	if kept := len(r.calls()); kept < 1000 || kept > 1250 {
		t.Errorf("%d calls with very many members are kept", kept)
	}
	for range 5000 {
		r.publish(invocation.Record{Path: "/small", Done: true})
	}
	if kept := len(r.calls()); kept < 5000 {
		t.Errorf("%d small calls are kept", kept)
	}
}

func TestAReloadKeepsTheCallsAndEndsTheStreams(t *testing.T) {
	r := start(t, "")
	r.publish(invocation.Record{Path: "/before", Done: true})
	_, closed := r.stream()
	done := make(chan struct{})
	go func() { caddyrig.Reload(t, r.caddyfile("calls 200")); close(done) }() // the same by other words
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the reload waits for an open page")
	}
	closed()
	if calls := r.calls(); len(calls) != 1 || calls[0].Path != "/before" {
		t.Errorf("%+v", calls)
	}
	if _, _, body := r.request(http.MethodGet, "/calls.json"); !strings.Contains(body, `"text":"reloaded"`) {
		t.Error("the page is not told that the config was reloaded")
	}
	r.publish(invocation.Record{Path: "/after", Done: true})
	if len(r.calls()) != 2 {
		t.Error("calls of the new config do not appear")
	}
}

func TestAConfigWithoutAnInspectorDoesNotWaitForOpenPages(t *testing.T) {
	r := start(t, "")
	_, closed := r.stream()
	done := make(chan error)
	go func() { done <- caddy.Load([]byte(`{"admin":{"disabled":true}}`), true) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reload waits for an open page")
	}
	closed()
}

func TestAPageThatDoesNotReadSlowsNobody(t *testing.T) {
	r := start(t, "")
	next, _ := r.stream() // read below, after the calls
	for range 3000 {      // more than all buffers on the way hold; were a call to wait for the page, this would never end
		r.publish(invocation.Record{Path: "/" + strings.Repeat("x", 8000), Done: true})
	}
	next("missed")
}

func TestParallelCallsAndPages(t *testing.T) {
	r := start(t, "calls 50\ncapture")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				seq := r.publish(invocation.Record{Path: "/fn", Capture: &invocation.Capture{Received: []byte("{}")}})
				r.publish(invocation.Record{Seq: seq, Path: "/fn", Done: true})
			}
		})
		wg.Go(func() {
			for range 20 {
				r.calls()
				r.request(http.MethodPost, "/clear")
			}
		})
	}
	wg.Wait()
	if calls := r.calls(); len(calls) > 50 {
		t.Errorf("%d calls are kept", len(calls))
	}
}

func TestTimelineCountsWhatIsNoLongerKept(t *testing.T) {
	r := start(t, "calls 1")
	for range 10 {
		r.publish(invocation.Record{Done: true, Outcome: invocation.Resolved, Timing: invocation.Timing{Total: 3 * time.Millisecond}})
	}
	_, _, body := r.request(http.MethodGet, "/calls.json")
	var all struct {
		Timeline []struct {
			Outcomes map[string]int `json:"outcomes"`
			Half     int            `json:"p50_ms"`
		} `json:"timeline"`
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, b := range all.Timeline {
		sum += b.Outcomes["resolved"]
		if b.Half != 4 {
			t.Errorf("half of calls of 3 ms ended within %d ms", b.Half)
		}
	}
	if sum != 10 {
		t.Errorf("%d calls are counted", sum)
	}
}

// The words for a code are those of log lines and of the command explain, in both languages of the page.
func TestEveryCodeIsExplained(t *testing.T) {
	r := start(t, "")
	_, _, body := r.request(http.MethodGet, "/codes.json")
	var all struct {
		Codes map[string]map[string]string `json:"codes"`
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	for _, code := range wechat.Codes() {
		text := all.Codes[strconv.Itoa(code.Number)]
		if text["meaning"] != code.English.Meaning || text["advice"] != code.English.Advice || text["meaning_zh"] != code.Chinese.Meaning ||
			text["advice_zh"] != code.Chinese.Advice || text["party"] == "" || text["party_zh"] == "" {
			t.Errorf("%d: %v", code.Number, text)
		}
	}
}

func TestRangesMayBePlaceholders(t *testing.T) {
	t.Setenv("INSPECTOR_OFFICE", "192.0.2.0/24")
	r := start(t, "allow {env.INSPECTOR_OFFICE}")
	if status, _, _ := r.request(http.MethodGet, "/"); status != http.StatusForbidden {
		t.Errorf("%d: this machine is not among the ranges", status)
	}
}

func TestMaxReaders(t *testing.T) {
	r := start(t, "")
	for range 32 {
		r.stream()
	}
	if status, header, _ := r.request(http.MethodGet, "/events"); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("the 33rd page: %d", status)
	}
}

// A page in Chinese has words of its own for every reason; the English ones come from the table that the log has too.
func TestReasonsInChinese(t *testing.T) {
	r := start(t, "")
	_, _, page := r.request(http.MethodGet, "/")
	_, chinese, _ := strings.Cut(page, "  zh: {")
	_, _, english := r.request(http.MethodGet, "/codes.json")
	for _, reason := range invocation.Reasons() {
		if !strings.Contains(chinese, " "+reason.String()+": '") || !strings.Contains(english, `"`+reason.String()+`":"`) {
			t.Errorf("the reason %s is not in both languages", reason)
		}
	}
	for _, skipped := range invocation.AllSkipped() {
		if !strings.Contains(chinese, " "+string(skipped)+": '") || !strings.Contains(english, `"`+string(skipped)+`":"`) {
			t.Errorf("the reason %s for not reading a body is not in both languages", skipped)
		}
	}
}

// In a terminal, the calls are text that holds what the page does and nothing that a terminal obeys.
func TestCallsAsText(t *testing.T) {
	r := start(t, "")
	if _, _, body := r.request(http.MethodGet, "/calls.txt"); !strings.Contains(body, "No call yet") {
		t.Errorf("without calls it is %q", body)
	}
	r.publish(invocation.Record{
		Method: "POST", Path: "/fn/steps\x1b[2J\u202e", Done: true, Status: 200, Outcome: invocation.AllFailed, AppID: "wx0", Caller: invocation.Caller("o-1"), RequestID: "7c1e",
		Members: []invocation.Member{{Name: "weRunData", Declared: invocation.Field, Result: invocation.Failed, Code: -601006}, {Name: "x\n\r\x9b", Result: invocation.Kept, Reason: invocation.Nested}},
	})
	r.publish(invocation.Record{
		Method: "POST", Path: "/login", Done: true, Status: 502, Outcome: invocation.UpstreamError, Directive: "wechat_login",
		Rejection: &invocation.Rejection{Status: 502, Reason: "wechat rejects this service"}, Cause: "errcode 40125",
	})
	r.publish(invocation.Record{Method: "POST", Path: "/fn/up", Skipped: invocation.OtherType, ContentType: "text/plain", Outcome: invocation.Untouched})
	_, header, body := r.request(http.MethodGet, "/calls.txt")
	if got := header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("its type is %s", got)
	}
	for _, want := range []string{
		`POST /fn/steps\x1b[2J\u202e  200 failed  `, "account wx0  caller " + invocation.Caller("o-1").String() + "  request 7c1e\n",
		"    weRunData: field, error -601006; cloudID expired, the developer of the mini program: CloudIDs live for five minutes, and so does encryptedData",
		`    x\n\r\x9b: kept, nested: it looks like`,
		"POST /login  502 upstream_error", "    the client was told: wechat rejects this service\n    rejected by: wechat_login\n    cause: errcode 40125\n",
		"untouched (running)", "    the body was not read: the Content-Type is not JSON: the client must send application/json (text/plain)\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the text has no %q:\n%s", want, body)
		}
	}
	if strings.ContainsAny(strings.ReplaceAll(body, "\n", ""), "\x1b\r\u009b\u202e") {
		t.Error("a control character came through")
	}
}
