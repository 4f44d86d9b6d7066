package invocation

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

type log struct {
	mu   sync.Mutex
	seen []*Record
}

func (l *log) Observe(live *Live, bodies *Capture) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := live.Read()
	r.Capture = bodies
	l.seen = append(l.seen, r)
}

func TestAFeedShowsRecordsToThoseWhoListen(t *testing.T) {
	var feed Feed
	if listening, capture := feed.Listening(); listening || capture != 0 {
		t.Errorf("somebody listens to a new feed: %t, %d", listening, capture)
	}
	feed.Publish(new(Live), nil) // to nobody

	var names, bodies log
	cancelNames := feed.Subscribe(&names, 0)
	cancelFirst := feed.Subscribe(&bodies, 1) // a single byte is a body too
	feed.Publish(new(Live), &Capture{})
	if len(bodies.seen) != 1 || bodies.seen[0].Capture == nil {
		t.Errorf("who asked for a byte was shown %v", bodies.seen)
	}
	cancelFirst()
	names.seen, bodies.seen = nil, nil
	cancelBodies := feed.Subscribe(&bodies, 100)
	if listening, capture := feed.Listening(); !listening || capture != 100 {
		t.Errorf("listening %t, capture %d; want true and the most that anybody asked for", listening, capture)
	}
	record, captured := &Live{Record: Record{Path: "/fn"}}, &Capture{OpenID: "o-1"}
	feed.Publish(record, captured)
	if len(bodies.seen) != 1 || bodies.seen[0].Path != "/fn" || bodies.seen[0].Capture != captured {
		t.Errorf("who asked for bodies was shown %v", bodies.seen)
	}
	if len(names.seen) != 1 || names.seen[0].Path != "/fn" || names.seen[0].Capture != nil {
		t.Errorf("who asked for no bodies was shown %v", names.seen)
	}

	cancelBodies()
	cancelBodies() // twice does no harm
	if listening, capture := feed.Listening(); !listening || capture != 0 {
		t.Errorf("listening %t, capture %d after the one who wanted bodies left", listening, capture)
	}
	cancelNames()
	if listening, _ := feed.Listening(); listening {
		t.Error("somebody still listens")
	}
	feed.Publish(record, captured)
	if len(names.seen)+len(bodies.seen) != 2 {
		t.Error("a call was shown to somebody who had left")
	}
}

func TestAFeedIsUsedByManyAtOnce(t *testing.T) {
	var (
		feed Feed
		wg   sync.WaitGroup
		l    log
	)
	for range 8 {
		wg.Go(func() {
			for range 200 {
				cancel := feed.Subscribe(&l, 0)
				feed.Publish(&Live{Record: Record{Seq: NextSeq()}}, nil)
				cancel()
			}
		})
	}
	wg.Wait()
	if listening, _ := feed.Listening(); listening || len(l.seen) < 8*200 {
		t.Errorf("listening %t, %d calls were shown", listening, len(l.seen))
	}
}

func TestCallsAreNumberedInTheirOrder(t *testing.T) {
	if first, second := NextSeq(), NextSeq(); second != first+1 || first == 0 {
		t.Errorf("the numbers are %d and %d", first, second)
	}
}

// It is the same on every node and in every version, so that a user can be found again.
func TestACallerIsAShortHash(t *testing.T) {
	for _, test := range []struct{ id, want string }{
		{"", ""},
		{"o-1", "f5906368"},
		{"o6zAJs3k8N5BvL0dZBM2QIXvLzXo", "c976ddcf"},
	} {
		text, err := Caller(test.id).MarshalText()
		if got := Caller(test.id).String(); got != test.want || string(text) != got || err != nil {
			t.Errorf("the hash of %q is %q and %q, want %q", test.id, got, text, test.want)
		}
	}
	if Caller("") != 0 || Caller("o-1")&somebody == 0 {
		t.Error("nobody is zero, and no one else, whatever their hash")
	}
	if allocations := testing.AllocsPerRun(10, func() { Caller("o6zAJs3k8N5BvL0dZBM2QIXvLzXo") }); allocations != 0 {
		t.Errorf("each call makes one, with %v allocations", allocations)
	}
}

func TestCapturedBodiesAreNotInARecordsJSON(t *testing.T) {
	text, err := json.Marshal(Record{Capture: &Capture{OpenID: "o-secret", Received: []byte("o-secret")}})
	if err != nil || strings.Contains(string(text), "o-secret") || strings.Contains(string(text), "apture") {
		t.Errorf("%s, %v", text, err)
	}
}

// What the function was told is in JSON the list of its headers, of which those that it was not sent are missing.
func TestWhatTheFunctionWasToldAsJSON(t *testing.T) {
	for _, test := range []struct {
		it   string
		told Forwarded
		want string
	}{
		{"nothing", Forwarded{}, ""},
		{"that nobody is logged in", Forwarded{OpenDataInfo: `{"keys":[]}`}, `,"forwarded":[{"name":"X-WX-OPEN-DATA-INFO","value":"{\"keys\":[]}"}]`},
		{"everything", Forwarded{Caller("o-1"), Caller("u-1"), "wx1", "wx_client", `{"keys":["a"]}`, 300, 99}, `,"forwarded":[` +
			`{"name":"X-WX-OPENID","value":"` + Caller("o-1").String() + `","masked":true},{"name":"X-WX-UNIONID","value":"` + Caller("u-1").String() + `","masked":true},{"name":"X-WX-APPID","value":"wx1"},` +
			`{"name":"X-WX-SOURCE","value":"wx_client"},{"name":"X-WX-CLOUDBASE-ACCESS-TOKEN","value":"300 bytes","masked":true},` +
			`{"name":"X-WX-OPEN-DATA-INFO","value":"{\"keys\":[\"a\"]}"},{"name":"X-Functions-Extended-Context","value":"99 bytes","masked":true}]`},
	} {
		text, err := json.Marshal(Record{Forwarded: test.told})
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(string(text), `"total":0}`)
		got, _, _ = strings.Cut(got, `,"request_id"`)
		if got != test.want {
			t.Errorf("%s:\n\t%s\nwant\n\t%s", test.it, got, test.want)
		}
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for _, r := range Reasons() {
		if r.Text() == "" {
			t.Errorf("%s has none", r)
		}
	}
	for _, s := range AllSkipped() {
		if s.Text() == "" {
			t.Errorf("%s has none", s)
		}
	}
	if len(AllSkipped()) != len(skippedTexts) {
		t.Error("a reason is missing among all of them")
	}
}

// What is zero is left out.
func TestAMembersWordsAreInItsJSON(t *testing.T) {
	for _, test := range []struct {
		member Member
		want   string
	}{
		{Member{Name: "a", Type: TypeString, Declared: List, Result: OpenData}, `{"name":"a","type":"string","declared":"list","result":"open_data"}`},
		{Member{Name: "a", Type: TypeNull, Declared: Encrypted, Result: Failed, Code: 1}, `{"name":"a","type":"null","declared":"encrypted","result":"failed","code":1}`},
		{Member{Name: "a", Declared: DeclaredAs("guess"), Result: Removed, Cached: true}, `{"name":"a","declared":"guess","result":"removed","cached":true}`},
		{Member{Name: "a", Declared: DeclaredAs("no such way"), Result: Kept, Length: 2}, `{"name":"a","result":"kept","length":2}`},
	} {
		if text, err := json.Marshal(test.member); err != nil || string(text) != test.want {
			t.Errorf("%+v is\n\t%s, %v\nwant\n\t%s", test.member, text, err, test.want)
		}
	}
}

func TestASentenceSaysWhatBecameOfAMemberAndWhy(t *testing.T) {
	for _, test := range []struct {
		member Member
		want   string
	}{
		{Member{Name: "a", Declared: Guess, Result: OpenData}, "a: guess, open data"},
		{Member{Name: "a", Declared: Object, Result: OpenData, Cached: true}, "a: object, open data, from the cache"},
		{Member{Name: "a", Declared: List, Result: OpenData, Shared: true}, "a: list, open data, shared with another call"},
		{Member{Name: "a", Declared: List, Result: OpenData, Cached: true, Shared: true}, "a: list, open data, from the cache"},
		{Member{Name: "a", Declared: Field, Result: Failed, Code: -601006}, "a: field, error -601006"},
		{Member{Name: "a", Declared: Field, Result: Failed, Code: -601005, Type: TypeNumber}, "a: field, error -601005"},
		{Member{Name: "a", Declared: Field, Result: Failed, Code: -601005, Reason: CannotBe}, "a: field, error -601005, cannot_be_cloudid: " + CannotBe.Text()},
		{Member{Name: "a", Declared: Field, Result: Failed, Code: -601005, Reason: WrongForm, Type: TypeNumber}, "a: field, error -601005 for a value of type number, wrong_form: " + WrongForm.Text()},
		{Member{Name: "a", Result: Kept, Type: TypeString, Reason: Nested}, "a: kept, nested: " + Nested.Text()},
		{Member{Name: "a", Declared: Guess, Result: Rejected}, "a: guess, rejected"},
		{Member{Name: "userInfo", Result: Removed, Reason: GatewaySets}, "userInfo: removed, " + GatewaySets.String() + ": " + GatewaySets.Text()},
	} {
		if got := test.member.Sentence(); got != test.want {
			t.Errorf("%+v:\n\t%s\nwant\n\t%s", test.member, got, test.want)
		}
	}
}

// A client can make none of it longer than a record allows.
func TestARecordDescribesTheRequestAsTheClientSentIt(t *testing.T) {
	long := strings.Repeat("x", 2000)
	start := time.Now()
	for _, test := range []struct {
		it       string
		request  func() *http.Request
		original string // the path before Caddy rewrote it
		began    any    // of the variable that Caddy sets
		want     Record
	}{
		{"an event, after half a second in other handlers", func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "http://example.com/fn?secret=x", strings.NewReader("{}"))
			r.Header.Set("Content-Type", " Application/JSON ; charset=utf-8")
			return r
		}, "", start.Add(-time.Second / 2), Record{Method: "POST", Host: "example.com", Path: "/fn", Proto: "HTTP/1.1", ContentType: "application/json", Sizes: Sizes{Received: 2}}},
		{"one whose path was rewritten, after a second", func() *http.Request {
			return httptest.NewRequest(http.MethodGet, "http://example.com/fn", nil)
		}, "/api/fn", start.Add(-time.Second), Record{Method: "GET", Host: "example.com", Path: "/api/fn", Proto: "HTTP/1.1"}},
		{"one that is all too long, and `vars` hides when it began", func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "http://example.com/", http.NoBody)
			r.Method, r.Host, r.URL.Path = long, long, "/"+long
			r.Header.Set("Content-Type", long)
			r.ContentLength = -1
			return r
		}, "", "hidden", Record{Method: long[:32], Host: long[:256], Path: "/" + long[:1023], Proto: "HTTP/1.1", ContentType: long[:256], Sizes: Sizes{Received: -1}}},
	} {
		req := test.request()
		if test.original != "" {
			original := *req
			original.URL = &url.URL{Path: test.original}
			req = req.WithContext(context.WithValue(req.Context(), caddyhttp.OriginalRequestCtxKey, original))
		}
		vars := map[string]any{"start_time": test.began}
		got := NewLive(req.WithContext(context.WithValue(req.Context(), caddyhttp.VarsCtxKey, vars)), "id").Read()
		most := time.Since(start)
		began, ok := test.began.(time.Time)
		if !ok {
			began = got.Time
		}
		if least := start.Sub(began); got.Time != began || got.Timing.Before < least || got.Timing.Before > least+most {
			t.Errorf("%s: it began at %s, and other handlers took %s", test.it, got.Time, got.Timing.Before)
		}
		test.want.RequestID, test.want.Time, test.want.Timing.Before = "id", got.Time, got.Timing.Before
		if !reflect.DeepEqual(got, &test.want) {
			t.Errorf("%s:\n\t%+v\nwant\n\t%+v", test.it, got, test.want)
		}
	}
}

// What a record says of the request stands beside what is noted of its members, and either may be longer than there is room for.
func TestARecordHasRoomForEverything(t *testing.T) {
	for _, length := range []int{1, 20, 40, 60, 80, 100, 150, 184, 200, MaxPath} {
		path, member := "/"+strings.Repeat("p", length-1), Member{Name: strings.Repeat("m", 20), Result: Kept}
		live := NewLive(httptest.NewRequest(http.MethodPost, path, http.NoBody), "id")
		for range 10 {
			live.Outline.Add(&member)
		}
		r := live.Read()
		if r.RequestID != "id" || r.Method != http.MethodPost || r.Host != "example.com" || r.Path != path || r.Proto != "HTTP/1.1" {
			t.Errorf("with a path of %d bytes, the request is %+v", length, r)
		}
		if len(r.Members) != 10 || r.Members[0] != member || r.Members[9] != member {
			t.Errorf("with a path of %d bytes, the members are %+v", length, r.Members)
		}
	}
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{{"abc", 4, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"步数", 6, "步数"}, {"步数", 5, "步"}, {"步数", 2, ""}} {
		if got := Cut(test.text, test.limit); got != test.want {
			t.Errorf("%q cut to %d bytes is %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

// A record is kept for long, and net/http cuts texts from larger ones. Each of its own would be one more for the garbage collector to look at.
func TestARecordKeepsNoMoreInMemoryThanItShows(t *testing.T) {
	long := strings.Repeat("x", MaxPath)
	for _, test := range []struct {
		it, head  string
		rewritten bool // before the record is made, as by `rewrite`
		protocol  string
	}{
		{it: "nothing that is long", head: "POST /fn HTTP/1.1\r\nHost: example.com\r\nContent-Type: text/plain;charset=utf-8\r\n"},
		{it: "a long query", head: "POST http://example.com/fn?" + long + " HTTP/1.1\r\nHost: example.com\r\n"},
		{it: "a query that is rather long", head: "POST /fn?" + long[:MaxName] + " HTTP/1.1\r\nHost: example.com\r\n"},
		{it: "a long URI that was rewritten to a short one", head: "POST /fn/" + long + " HTTP/1.1\r\nHost: example.com\r\n", rewritten: true},
		{it: "a long host and type", head: "POST /fn HTTP/1.1\r\nHost: " + long + "\r\nContent-Type: text/plain;" + long + "\r\n"},
		{it: "a long :protocol of HTTP/3", head: "CONNECT /fn HTTP/1.1\r\nHost: example.com\r\n", protocol: long},
	} {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(test.head + "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		if test.protocol != "" {
			req.Proto = test.protocol
		}
		sent := []string{req.RequestURI, req.Proto, req.Host, req.Header.Get("Content-Type")}
		if test.rewritten {
			req = req.WithContext(context.WithValue(req.Context(), caddyhttp.OriginalRequestCtxKey, *req))
			req.URL, req.RequestURI = &url.URL{Path: "/short"}, "/short"
		}
		r := NewLive(req, "id").Read()
		for _, shown := range []string{r.Method, r.Host, r.Path, r.Proto, r.ContentType} {
			for _, whole := range sent {
				if isCutFrom(shown, whole) {
					t.Errorf("%s: %.20q keeps %d bytes", test.it, shown, len(whole))
				}
			}
		}
	}
}

// isCutFrom reports whether a text stands in the memory of another, or beside it in the same line.
func isCutFrom(text, whole string) bool {
	const beside = 40
	distance := int(uintptr(unsafe.Pointer(unsafe.StringData(text)))) - int(uintptr(unsafe.Pointer(unsafe.StringData(whole))))
	return text != "" && -beside < distance && distance < len(whole)+beside
}

// Who a call is sent again for travels in its context, where no client can put anything.
func TestTheCallerOfACallThatIsSentAgain(t *testing.T) {
	want := Credentials{AppID: "wx1", OpenID: "o-1", UnionID: "u-1"}
	if got, ok := CallerOf(WithCaller(t.Context(), want)); !ok || got != want {
		t.Errorf("the caller is %+v, %t", got, ok)
	}
	if got, ok := CallerOf(t.Context()); ok || got != (Credentials{}) {
		t.Errorf("the caller of any other call is %+v, %t", got, ok)
	}
}
