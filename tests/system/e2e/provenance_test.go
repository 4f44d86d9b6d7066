package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	alice = "o-alice"
	bob   = "o-bob"
)

// A member named in X-WX-OPEN-DATA-INFO is what WeChat said about a CloudID of the user who calls; and in strict mode a
// listed member is what WeChat said, an error object, or not there. Both for whatever a client sends, and for whatever
// reads it.
func TestProvenance(t *testing.T) {
	const (
		events   = 5000
		longest  = 40 * time.Second // on a busy machine; then fewer will do
		fewest   = 500
		inFlight = 4
	)
	seed, err := seedFrom(os.Getenv("E2E_SEED"))
	if err != nil {
		t.Fatalf("E2E_SEED: %v", err)
	}
	t.Logf("to repeat: E2E_SEED=%d go test -run '^TestProvenance$' ./e2e (in tests/system)", seed)

	court := newCourt(t, startWitness(t))
	gateway := startStrictAndOther(t, court.url)
	start := time.Now()
	var number, sent atomic.Int64
	var workers sync.WaitGroup
	for range inFlight {
		workers.Go(func() {
			for n := int(number.Add(1)); n <= events && time.Since(start) < longest && !t.Failed(); n = int(number.Add(1)) {
				h := seeded(seed, n, court.ids)
				place, strict := h.pick("whole", "data", "data string"), h.oneIn(2)
				c := letter{body: h.body(place), place: place, strict: strict, openid: h.pick(alice, alice, bob)}
				kind := h.pick("application/json", "application/json", "application/json; charset=utf-8", "text/json", "application/x+json", "")
				received, status, err := gateway.send(n, c, kind)
				if err != nil {
					t.Errorf("event %d: %v", n, err)
					return
				}
				sent.Add(1)
				court.note(place, strict, status)
				if received != nil {
					court.judge(t, n, c, *received)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d events in %s\n%s", sent.Load(), time.Since(start).Round(time.Millisecond), court.report())
	if sent.Load() < fewest && !t.Failed() {
		t.Errorf("only %d events in %s", sent.Load(), longest)
	}
	court.demand(t, int(sent.Load()))
}

// The test above can fail: with a gateway as one might write it in an afternoon, it does, in every language.
func TestProvenanceFindsForgeries(t *testing.T) {
	court := newCourt(t, startWitness(t))
	for n := range 1500 {
		h := seeded(20191121, n, court.ids)
		c := letter{body: h.body("whole"), place: "whole", strict: h.oneIn(2), openid: alice}
		if r, ok := court.naiveGateway(c); ok {
			court.judge(nil, n, c, r)
		}
	}
	t.Logf("with a naive gateway:\n%s", court.report())
	for _, view := range []string{goMap, goStruct, goIter, goSonic, asJava, asFastjson, "Node, JSON.parse", "Node, Object.assign", "Python, json.loads"} {
		for _, crime := range []string{crimeNamed, crimeListed} {
			if court.crimes[crime+": "+view] == 0 {
				t.Errorf("no forgery was found: %s: %s", crime, view)
			}
		}
	}
}

// letter is what a client sends.
type letter struct {
	body, place string
	strict      bool
	openid      string
}

// receipt is what the function is given.
type receipt struct {
	body []byte
	info string
}

// court judges what functions see by what WeChat said.
type court struct {
	*witness
	ids     []string
	parsers []parser

	mu       sync.Mutex
	statuses map[string]int
	seen     map[string]int
	crimes   map[string]int
}

const (
	crimeNamed  = "named in X-WX-OPEN-DATA-INFO, but not what WeChat said"
	crimeListed = "a listed member that is neither WeChat's response nor an error"
)

func newCourt(t *testing.T, w *witness) *court {
	t.Helper()
	c := &court{witness: w, parsers: startParsers(t), statuses: map[string]int{}, seen: map[string]int{}, crimes: map[string]int{}}
	for _, openid := range []string{alice, alice, alice, bob} {
		c.mint(t, sandbox.OpenData{OpenID: openid, Kind: "werun"})
		c.mint(t, sandbox.OpenData{OpenID: openid, Kind: "phone"})
		c.mint(t, sandbox.OpenData{OpenID: openid, Data: []byte(`{ "openGId":"group","cloudID":"x","data":{"n":1.50} }`)})
	}
	c.mint(t, sandbox.OpenData{OpenID: alice, Kind: "phone", TTL: -1}) // has ended
	c.ids = append(c.ids, steps, "12_abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456")
	return c
}

func (c *court) mint(t *testing.T, d sandbox.OpenData) {
	t.Helper()
	id, err := c.MintCloudID(d)
	if err != nil {
		t.Fatal(err)
	}
	c.ids = append(c.ids, id)
}

func (c *court) note(place string, strict bool, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[fmt.Sprintf("%s, strict %v: %d", place, strict, status)]++
}

// judge shows what the function was given to all parsers. Without a t, it only counts what it finds.
func (c *court) judge(t *testing.T, number int, sent letter, got receipt) {
	accuse := func(crime, view string, detail any) {
		c.mu.Lock()
		c.crimes[crime+": "+view]++
		c.mu.Unlock()
		if t != nil {
			t.Errorf("event %d, %s: %s: %s\nsent     %q\nreceived %q\ninfo     %s", number, view, crime, detail, sent.body, got.body, got.info)
		}
	}
	listed := []string{}
	if sent.strict {
		listed = functionsNames
	}
	for _, parse := range c.parsers {
		sight, err := parse(question{got.body, got.info, sent.place, listed})
		if err != nil || sight.Error != "" {
			accuse("cannot be read", "a parser", fmt.Sprint(err, sight.Error))
			continue
		}
		for view, members := range sight.Views {
			for _, key := range sight.Keys {
				if matchers[view] == nil && !slices.ContainsFunc(members, func(m seen) bool { return m.name == key }) {
					accuse(crimeNamed, view, key+" is not there")
				}
			}
			for _, m := range members {
				// A declared field is filled from any member whose name is the same to the matcher.
				named := slices.ContainsFunc(sight.Keys, func(key string) bool {
					match := matchers[view]
					return key == m.name || match != nil && match(key) == match(m.name)
				})
				if named {
					c.count("named: " + view)
					if !c.isOpenData(sent.openid, m.value) {
						accuse(crimeNamed, view, m.name+" is "+string(m.value))
					}
				}
				if slices.Contains(listed, m.name) {
					c.count("listed: " + view)
					if !c.isOpenData(sent.openid, m.value) && !c.isError(sent.openid, m.value) {
						accuse(crimeListed, view, m.name+" is "+string(m.value))
					}
				}
			}
		}
	}
}

func (c *court) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what]++
}

// isOpenData reports whether a value is open data that WeChat gave for a CloudID of this user.
func (c *court) isOpenData(openid string, value []byte) bool {
	return gjson.GetBytes(value, "data").Exists() && c.confirms(openid, gjson.GetBytes(value, "cloudID").String(), value)
}

// isError reports whether a value is an error object: WeChat's, or the gateway's for what declares nothing.
func (c *court) isError(openid string, value []byte) bool {
	return sameJSON(value, []byte(`{"cloudID":"","errCode":-601005,"errMsg":"invalid cloudID"}`)) ||
		gjson.GetBytes(value, "errCode").Exists() && c.confirms(openid, gjson.GetBytes(value, "cloudID").String(), value)
}

// demand fails unless the events were worth the effort: of every sort some came through, with open data and without, and
// some were rejected.
func (c *court) demand(t *testing.T, events int) {
	t.Helper()
	if t.Failed() {
		return
	}
	for _, place := range []string{"whole", "data", "data string"} {
		for _, strict := range []bool{false, true} {
			for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
				if what := fmt.Sprintf("%s, strict %v: %d", place, strict, status); c.statuses[what] < events/50 {
					t.Errorf("only %d events: %s", c.statuses[what], what)
				}
			}
		}
	}
	for _, view := range []string{goMap, goStruct, goIter, goSonic, asJava, asFastjson, "Node, JSON.parse", "Node, Object.assign", "Python, json.loads"} {
		for _, what := range []string{"named: " + view, "listed: " + view} {
			if c.seen[what] < events/10 {
				t.Errorf("only %d members: %s", c.seen[what], what)
			}
		}
	}
}

func (c *court) report() string {
	var text strings.Builder
	for _, counts := range []map[string]int{c.statuses, c.seen, c.crimes} {
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&text, "%6d %s\n", counts[what], what)
		}
	}
	return text.String()
}

// naiveGateway replaces CloudIDs by their names, as the usual libraries do it: of members with equal names the first.
func (c *court) naiveGateway(sent letter) (receipt, bool) {
	got := receipt{body: []byte(sent.body)}
	keys := []string{}
	for _, name := range functionsNames {
		value := gjson.Get(sent.body, name)
		id := value.String()
		if value.IsObject() {
			id = value.Get("cloudID").String()
		}
		if !slices.Contains(c.ids, id) {
			continue
		}
		response := json.RawMessage(fmt.Sprintf(`{"cloudID":%q,"data":{"of":%q}}`, id, sent.openid))
		c.hear(userID{sent.openid, id}, response)
		var err error
		if got.body, err = sjson.SetRawBytes(got.body, name, response); err != nil {
			return got, false
		}
		keys = append(keys, name)
	}
	info, err := json.Marshal(map[string]any{"keys": keys})
	got.info = string(info)
	return got, err == nil && json.Valid(got.body)
}

// postOffice is the real gateway, and a function behind it that keeps what it is given.
type postOffice struct {
	url      string
	receipts sync.Map // by number
}

func startStrictAndOther(t *testing.T, wechat string) *postOffice {
	t.Helper()
	p := &postOffice{url: "http://" + freeport.Addr(t)}
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // cut short, it cannot be parsed either
		p.receipts.Store(r.Header.Get("Number"), &receipt{body, r.Header.Get("X-WX-OPEN-DATA-INFO")})
	}))
	t.Cleanup(upstream.Close)
	var routes strings.Builder
	for place, option := range map[string]string{"whole": "", "data": "event /data", "data string": "event /data string"} {
		for strict, fields := range map[bool]string{true: "fields " + strings.Join(functionsNames, " "), false: ""} {
			// Who calls is said by a header: here the client is not hostile about it.
			fmt.Fprintf(&routes, "handle %s {\n cloudid {\n openid {http.request.header.User}\n %s\n %s\n }\n reverse_proxy %s\n }\n",
				pathOf(place, strict), option, fields, upstream.Listener.Addr())
		}
	}
	caddyrig.Load(t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		level ERROR
	}
	cloudid {
		account %s {
			secret made-up
			endpoint %s
			cache 1m 10
			limit off
		}
	}
}
%s {
	bind 127.0.0.1
	%s
}
`, appid, wechat, p.url, routes.String()))
	return p
}

func pathOf(place string, strict bool) string {
	return fmt.Sprintf("/%s/%v", strings.ReplaceAll(place, " ", "-"), strict)
}

// send returns what the function received; nil if it was not called.
func (p *postOffice) send(number int, c letter, kind string) (*receipt, int, error) {
	req, err := http.NewRequest(http.MethodPost, p.url+pathOf(c.place, c.strict), strings.NewReader(c.body))
	if err != nil {
		return nil, 0, err
	}
	name := fmt.Sprint(number)
	req.Header.Set("User", c.openid)
	req.Header.Set("Number", name)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, 0, err
	}
	got, called := p.receipts.LoadAndDelete(name)
	if called != (res.StatusCode == http.StatusOK) {
		return nil, 0, fmt.Errorf("status %d, function called: %v", res.StatusCode, called)
	}
	if !called {
		return nil, res.StatusCode, nil
	}
	return got.(*receipt), res.StatusCode, nil
}
