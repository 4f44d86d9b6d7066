package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// observer keeps the records of a gateway's calls.
type observer struct {
	cancel func()

	mu   sync.Mutex
	seen []*invocation.Record
}

func (o *observer) Observe(live *invocation.Live, bodies *invocation.Capture) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := live.Read()
	r.Capture = bodies
	o.seen = append(o.seen, r)
}

// take waits until n records are there, and returns and forgets them.
func (o *observer) take(t *testing.T, n int) []*invocation.Record {
	t.Helper()
	probe.Eventually(t, "the records are there", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.seen) >= n
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.seen
	o.seen = nil
	if len(seen) != n {
		t.Fatalf("%d records, want %d", len(seen), n)
	}
	return seen
}

// observe subscribes to the calls of a gateway.
func observe(g *testGateway, capture int) *observer {
	g.t.Helper()
	o := new(observer)
	o.cancel = g.caddy.App(g.t, "cloudid").(*account.App).Invocations().Subscribe(o, capture)
	g.t.Cleanup(o.cancel)
	return o
}

func TestARecordSaysWhatBecameOfEachMember(t *testing.T) {
	t.Parallel()
	explicit := `{"cloudID":"` + unknownID + `"}`
	for _, c := range []struct {
		it, cloudid, body string
		want              []string // sentences of the members, up to the reason's code
	}{
		{
			"a guess, and whatever stands beside it", "",
			`{"weRunData":"` + steps + `","n":1,"s":"short","obj":{"shareInfo":"` + group + `","l":[{"x":"` + phone + `"}]},"cloudID":"` + steps + `"}`,
			[]string{
				"weRunData: guess, open data", "n: kept, wrong_form", "s: kept, wrong_form", "obj: kept, wrong_form", "obj.shareInfo: kept, nested",
				"obj.l[0].x: kept, nested", "cloudID: kept, named_as_id",
			},
		},
		{"a guess that is none after all", "", `{"a":"` + unknownID + `"}`, []string{"a: guess, kept, not_a_cloudid"}},
		{"an object", "", `{"a":` + explicit + `}`, []string{"a: object, error -601005"}},
		{"a list", "", `{"cloudid_list":[{"key_name":"a","cloud_id":"` + steps + `"}],"b":true}`, []string{"b: kept, wrong_form", "a: list, open data"}},
		{"a list that can declare nothing", "", `{"cloudid_list":[{"key_name":"a","cloud_id":"no"}],"b":true}`, []string{"b: kept, wrong_form", "a: list, error -601005, cannot_be_cloudid"}},
		{
			"a list that is none", "", `{"cloudid_list":[{"key_name":"a","cloud_id":"` + steps + `"},1],"b":true}`,
			[]string{"cloudid_list: kept, wrong_form", "cloudid_list[0].cloud_id: kept, nested", "b: kept, wrong_form"},
		},
		{
			"listed members, and others", "fields a b", `{"a":"` + steps + `","b":1,"c":"` + steps + `","d":` + explicit + `,"e":null}`,
			[]string{"a: field, open data", "b: field, error -601005 for a value of type number, cannot_be_cloudid", "c: kept, not_listed", "d: kept, not_listed", "e: kept, wrong_form"},
		},
		{
			"encrypted data without the option", "fields a", `{"a":` + encryptedObject("eA==") + `,"b":` + encryptedObject("eA==") + `}`,
			[]string{"a: field, error -601005 for a value of type object, encrypted_data_off", "b: kept, encrypted_data_off"},
		},
		{"encrypted data that is not listed", "fields a\nencrypted_data", `{"b":` + encryptedObject("eA==") + `}`, []string{"b: kept, not_listed"}},
		{"guesses that are off", "guess off", `{"a":"` + steps + `"}`, []string{"a: kept, guess_off"}},
		{"guesses of nobody", "openid {http.auth.user.id}", `{"a":"` + steps + `"}`, []string{"a: kept, no_caller"}},
		{"what nobody declares", "openid {http.auth.user.id}", `{"a":` + explicit + `}`, []string{"a: object, rejected"}},
		{"what stands beside the event", "event /data", `{"data":{"a":"` + steps + `"},"b":"` + group + `"}`, []string{"a: guess, open data", "b: kept, beside_the_event"}},
		{
			"what user_info removes", "user_info", `{"a":"` + steps + `","userInfo":{"openId":"x"},"USER\u0049NFO":"` + group + `","user_info":1}`,
			[]string{"a: guess, open data", "userInfo: removed, set_by_gateway", "USERINFO: removed, set_by_gateway", "user_info: kept, wrong_form"},
		},
		{"userInfo without user_info", "", `{"userInfo":{"openId":"x"}}`, []string{"userInfo: kept, wrong_form"}},
		{
			"rows, behind so many of which no CloudID is looked for", "",
			`{"few":{"a":"` + strings.Repeat("x_", 400) + `","b":"` + group + `"},"many":{"a":"` + strings.Repeat("x_", 600) + `","b":"` + group + `"}}`,
			[]string{"few: kept, wrong_form", "few.b: kept, nested", "many: kept, wrong_form"},
		},
		{"an empty list", "", `{"cloudid_list":[],"b":true}`, []string{"cloudid_list: kept, wrong_form", "b: kept, wrong_form"}},
		{"a name with escapes, of a short value", "", `{"\u0061":1,"\"":null}`, []string{"a: kept, wrong_form", `": kept, wrong_form`}},
		{"the shortest name that looks like a CloudID, of a short value", "", `{"1_` + strings.Repeat("x", 40) + `":1}`, []string{"(a CloudID): kept, wrong_form"}},
		{"the shortest encrypted data", "", `{"a":{"encryptedData":"","iv":""}}`, []string{"a: kept, encrypted_data_off"}},
		{"a name that looks like a CloudID", "", `{"` + steps + `":"` + steps + `x y"}`, []string{"(a CloudID): kept, wrong_form"}},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := start(t, setup{cloudid: c.cloudid, level: "DEBUG"})
			seen := observe(g, 0)
			g.post(c.body)
			last := slices.DeleteFunc(seen.all(t), func(r *invocation.Record) bool { return !r.Done })
			if len(last) != 1 {
				t.Fatalf("%d records of calls that ended", len(last))
			}
			var got []string
			for i := range last[0].Members {
				parts := strings.SplitN(last[0].Members[i].Sentence(), ": ", 3) // the name, what became of it, the reason in words
				got = append(got, parts[0]+": "+parts[1])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("members are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
			t.Run("and so does the log", func(t *testing.T) {
				probe.Eventually(t, "the line is there", func() bool { return len(g.logLines(`"msg":"invocation"`)) == 1 })
				line := g.logLines(`"msg":"invocation"`)[0]
				var entry struct {
					Members            []string
					RequestID, Outcome string
					Status             int
				}
				if err := json.Unmarshal([]byte(line), &entry); err != nil || len(entry.Members) != len(c.want) || entry.Outcome == "" || entry.Status != last[0].Status {
					t.Errorf("the line is %s (%v)", line, err)
				}
				for i := range entry.Members {
					if !strings.HasPrefix(entry.Members[i], c.want[i]) {
						t.Errorf("it says %q, want %q and why", entry.Members[i], c.want[i])
					}
				}
				for _, private := range []string{user, steps, group, phone, unknownID, secret} {
					if strings.Contains(line, private) {
						t.Errorf("the line holds %s", private)
					}
				}
			})
		})
	}
}

func TestARecordNamesTypesAndLengths(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	seen := observe(g, 0)
	g.post(`{"a":"` + steps + `","b":"步\u6570\n","c":-1.5e3,"d":{"e":1},"f":[1],"g":false,"h":true,"i":null,"j":""}`)
	records := seen.all(t)
	members, err := json.Marshal(records[len(records)-1].Members)
	if err != nil {
		t.Fatal(err)
	}
	kept := func(name, kind string) string {
		return `,{"name":"` + name + `","type":` + kind + `,"result":"kept","reason":"wrong_form"`
	}
	want := fmt.Sprintf(`[{"name":"a","type":"string","declared":"guess","result":"open_data","length":%d}`, len(steps)) + kept("b", `"string"`) + `,"length":7}` +
		kept("c", `"number"`) + `}` + kept("d", `"object"`) + `}` + kept("f", `"array"`) + `}` + kept("g", `"boolean"`) + `}` + kept("h", `"boolean"`) + `}` +
		kept("i", `"null"`) + `}` + kept("j", `"string"`) + `}]`
	if string(members) != want {
		t.Errorf("members are\n\t%s\nwant\n\t%s", members, want)
	}
}

// Records are kept while the memory of the bodies that they are made from goes to other calls.
func TestARecordIsItsOwnWhileOtherCallsGoOn(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	seen := observe(g, 0)
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for i := range 50 {
				g.status(call{path: fmt.Sprintf("/%d-%d", caller, i), body: fmt.Sprintf(`{"a\u002d%d":1,"b%d":{"c-%d":"%s"}}`, caller, i, i, steps)})
			}
		})
	}
	wg.Wait()
	for _, r := range seen.take(t, 400) {
		var names []string
		for _, m := range r.Members {
			names = append(names, m.Name)
		}
		caller, i, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "-")
		if want := []string{"a-" + caller, "b" + i, "b" + i + ".c-" + i}; !slices.Equal(names, want) {
			t.Errorf("the members of %s are %q, want %q", r.Path, names, want)
		}
	}
}

// all waits for a call that ended.
func (o *observer) all(t testing.TB) []*invocation.Record {
	t.Helper()
	var seen []*invocation.Record
	probe.Eventually(t, "a call has ended", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		seen = slices.Clone(o.seen)
		return len(seen) > 0 && seen[len(seen)-1].Done
	})
	return seen
}

func TestARecordIsShownWhenTheCallIsForwardedAndWhenItEnds(t *testing.T) {
	t.Parallel()
	g := start(t, setup{site: "log\nhandle_path /api/* {\n$CLOUDID\nreverse_proxy $UPSTREAM\n}", cloudid: "extended_context"})
	seen := observe(g, 0)
	got := g.do(call{path: "/api/fn/steps?secret=x", body: example})
	got.forwarded(resolved)
	records := seen.take(t, 2)
	first, last := records[0], records[1]
	if first.Done || first.Status != 0 || !last.Done || first.Seq == 0 || first.Seq != last.Seq {
		t.Errorf("the records are %+v and %+v", first, last)
	}
	if last.Path != "/api/fn/steps" || last.Method != http.MethodPost || last.Host != g.addr || last.AppID != appid || last.Caller != invocation.Caller(user) ||
		last.ContentType != "application/json" || last.Outcome != invocation.Resolved || last.Status != 200 || last.Proto != "HTTP/1.1" || last.Capture != nil || last.Again {
		t.Errorf("the record is %+v", last)
	}
	if last.RequestID == "" || last.RequestID != got.header.Get("X-Request-Id") {
		t.Errorf("the request is %s in the record, and %s to the client", last.RequestID, got.header.Get("X-Request-Id"))
	}
	if want := (invocation.Sizes{Received: int64(len(example)), Forwarded: int64(len(resolved)), Response: 2}); last.Sizes != want {
		t.Errorf("sizes are %+v, want %+v", last.Sizes, want)
	}
	timing := last.Timing
	if timing.Exchange <= 0 || timing.Function <= 0 || timing.WeChat <= 0 || timing.Wait+timing.WeChat > timing.Exchange || timing.Total < timing.Read+timing.Exchange+timing.Function {
		t.Errorf("times are %+v", timing)
	}
	text, _ := json.Marshal(records)
	for _, private := range []string{user, steps, secret, "secret=x", got.got.header.Get("X-WX-CLOUDBASE-ACCESS-TOKEN")} {
		if strings.Contains(string(text), private) {
			t.Errorf("the record holds %q", private)
		}
	}
	var names []string
	for _, h := range last.Forwarded.Headers() {
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != "X-WX-OPENID X-WX-APPID X-WX-SOURCE X-WX-CLOUDBASE-ACCESS-TOKEN X-WX-OPEN-DATA-INFO X-Functions-Extended-Context" {
		t.Errorf("headers are %s", got)
	}
}

func TestARecordSaysWhyABodyWasNotReadAndWhyACallWasRejected(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "fields weRunData\npass image/*"})
	seen := observe(g, 0)
	ended := func(c call) *invocation.Record {
		r := g.do(c)
		records := seen.all(t)
		last := records[len(records)-1]
		seen.take(t, len(records))
		if last.Status != r.status {
			t.Errorf("the record says %d, the client got %d", last.Status, r.status)
		}
		return last
	}
	if r := ended(call{kind: "image/png", body: "x"}); r.Skipped != invocation.Passed || r.Outcome != invocation.Untouched || r.Sizes.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
	if r := ended(call{kind: "text/plain", body: "x"}); r.Rejection == nil || r.Rejection.Status != 415 || !strings.Contains(r.Rejection.Reason, "application/json") || r.Outcome != invocation.ClientError {
		t.Errorf("%+v", r)
	}
	if r := ended(call{path: "/" + strings.Repeat("p", 3000), body: `{"` + strings.Repeat("n", 400) + `":1}`}); len(r.Path) != invocation.MaxPath || len(r.Members) != 1 || len(r.Members[0].Name) != invocation.MaxName {
		t.Errorf("a path of %d bytes, members %+v", len(r.Path), r.Members)
	}
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `"m%d":{"a":["%s"]},`, i, steps)
	}
	if r := ended(call{body: "{" + many.String() + `"weRunData":1}`}); len(r.Members) != invocation.MaxMembers || r.Members[invocation.MaxMembers-1].Name != "weRunData" {
		t.Errorf("%d members, the last is %+v", len(r.Members), r.Members[len(r.Members)-1])
	}
}

func TestARecordOfACallThatSharesOrKnows(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	seen := observe(g, 0)
	g.post(example)
	g.post(example)
	records := seen.take(t, 4)
	if m := records[1].Members[0]; m.Cached || m.Shared {
		t.Errorf("the first is %+v", m)
	}
	if m := records[3].Members[0]; !m.Cached || m.Shared || records[3].Timing.WeChat != 0 {
		t.Errorf("the second is %+v", m)
	}
	id := g.mint(sandbox.OpenData{OpenID: user, Data: []byte(`1`)})
	g.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 300_000_000})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { g.status(call{body: `{"a":"` + id + `"}`}) })
	}
	wg.Wait()
	shared := 0
	for _, r := range seen.take(t, 4) {
		if r.Done && r.Members[0].Shared {
			shared++
		}
	}
	if shared != 1 || g.metric(`caddy_cloudid_coalesced_ids_total{appid="`+appid+`"}`) != 1 {
		t.Errorf("%d calls shared another's", shared)
	}
}

func TestCapture(t *testing.T) {
	t.Parallel()
	g := start(t, setup{cloudid: "openid {http.request.header.X-Test-User}"})
	seen := observe(g, 100)
	g.do(call{path: "/fn?x=1", header: map[string]string{"X-Test-User": user}, body: example}).forwarded(resolved)
	last := seen.take(t, 2)[1]
	c := last.Capture
	if c == nil || c.URI != "/fn?x=1" || c.ContentType != "application/json" || c.OpenID != user || string(c.Received) != example[:100] || string(c.Forwarded) != resolved[:100] || !c.Truncated {
		t.Fatalf("captured is %+v", c)
	}
	for sent, truncated := range map[string]bool{
		`{"a":1}`:               false,
		`{"a":"` + steps + `"}`: true, // only what is forwarded is too long
		`{"cloudid_list":[{"key_name":"a","cloud_id":"` + unknownID + `"}],"b":[` + strings.Repeat(" ", 100) + `]}`: true,
	} {
		g.do(call{header: map[string]string{"X-Test-User": user}, body: sent})
		if c := seen.take(t, 2)[1].Capture; c.Truncated != truncated || !strings.HasPrefix(sent, string(c.Received)) {
			t.Errorf("of %s is captured %+v", sent, c)
		}
	}
	t.Run("and it can be sent again in the same name", func(t *testing.T) {
		server := "http://" + g.addr
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/fn", strings.NewReader(`{"a":"`+group+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		w := newRecorder()
		sendAgain(t, w, r, last, appid, user)
		g.upstream.take().has(t, "X-WX-OPENID", user)
		again := seen.take(t, 2)[1]
		if !again.Again || again.Outcome != invocation.Resolved || w.status != 200 {
			t.Errorf("status %d, the record is %+v", w.status, again)
		}
	})
}

func TestTheLogLineSaysWhyABodyWasNotReadAndWhyACallWasRejected(t *testing.T) {
	t.Parallel()
	g := start(t, setup{level: "DEBUG", cloudid: "fields weRunData\npass image/*"})
	for _, c := range []struct {
		call call
		says []string
	}{
		{call{kind: "image/png", body: "x"}, []string{`"skipped":"pass"`, `"skipped_because":"` + invocation.Passed.Text(), `"outcome":"untouched"`, `"status":200`}},
		{call{kind: "text/plain", body: "x"}, []string{`"error":"this gateway forwards JSON events only`, `"outcome":"rejected"`, `"status":415`}},
		{call{body: `{`}, []string{`"error":"invalid JSON`, `"outcome":"rejected"`, `"status":400`}},
	} {
		before := len(g.logLines(`"msg":"invocation"`))
		g.do(c.call)
		probe.Eventually(t, "the line is there", func() bool { return len(g.logLines(`"msg":"invocation"`)) == before+1 })
		line := g.logLines(`"msg":"invocation"`)[before]
		for _, text := range c.says {
			if !strings.Contains(line, text) {
				t.Errorf("the line has no %s: %s", text, line)
			}
		}
	}
}
