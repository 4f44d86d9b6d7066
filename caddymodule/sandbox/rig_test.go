package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

// The documented CloudIDs, and the AppID of the documented vector.
const (
	steps = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	group = "39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"
	phone = "46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc"
	appid = "wx20afc706a711eefc"
)

// rig is a sandbox behind real HTTP, with a clock that only moves when told to.
type rig struct {
	t      *testing.T
	wechat *sandbox.Server
	url    string
	offset *atomic.Int64
}

func newRig(t *testing.T) rig {
	t.Helper()
	wechat := sandbox.New()
	offset := new(atomic.Int64)
	// Whole seconds, so that what is left of a token's life is one too.
	start := time.Now().Truncate(time.Second)
	wechat.Now = func() time.Time { return start.Add(time.Duration(offset.Load())) }
	srv := httptest.NewServer(wechat)
	t.Cleanup(srv.Close)
	return rig{t, wechat, srv.URL, offset}
}

// in is the same rig for a subtest.
func (g rig) in(t *testing.T) rig {
	g.t = t
	return g
}

func (g rig) pass(d time.Duration) { g.offset.Add(int64(d)) }

// reply is a response that was read to its end.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (g rig) do(method, path, body string) (reply, error) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return reply{g.t, resp.StatusCode, resp.Header, string(read)}, err
}

func (g rig) get(path string) reply { return g.must("GET", path, "") }

func (g rig) post(path, body string) reply { return g.must("POST", path, body) }

func (g rig) must(method, path, body string) reply {
	g.t.Helper()
	r, err := g.do(method, path, body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// text returns a string member of the response's object.
func (r reply) text(name string) string {
	r.t.Helper()
	s, ok := r.object()[name].(string)
	if !ok {
		r.t.Fatalf("no string %q in %.200s", name, r.body)
	}
	return s
}

// number returns a number member of the response's object, 0 if it has none.
func (r reply) number(name string) int {
	r.t.Helper()
	n, _ := r.object()[name].(float64)
	return int(n)
}

func (r reply) object() map[string]any {
	r.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		r.t.Fatalf("response is no JSON object: %v: %.200s", err, r.body)
	}
	return m
}

var ridAtEnd = regexp.MustCompile(` rid: [0-9a-f]+$`)

// wantErrcode checks for a response of WeChat's: 0 for success, else an errcode with its message and request id.
func (r reply) wantErrcode(errcode int) {
	r.t.Helper()
	if r.status != http.StatusOK {
		r.t.Errorf("HTTP status is %d, want 200", r.status)
	}
	if got := r.number("errcode"); got != errcode {
		r.t.Fatalf("errcode is %d, want %d: %.200s", got, errcode, r.body)
	}
	if errcode != 0 && !ridAtEnd.MatchString(r.text("errmsg")) {
		r.t.Errorf("errmsg %q has no request id at its end", r.text("errmsg"))
	}
}

func (g rig) stable(more string) reply {
	g.t.Helper()
	return g.post("/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"`+appid+`","secret":"s"`+more+`}`)
}

func (g rig) token() string {
	g.t.Helper()
	return g.stable("").text("access_token")
}

func query(token, openid string) string {
	return "?" + url.Values{"access_token": {token}, "openid": {openid}}.Encode()
}

// ask calls getopendata with a good token.
func (g rig) ask(openid string, ids ...string) reply {
	g.t.Helper()
	list, err := json.Marshal(map[string]any{"cloudid_list": ids})
	if err != nil {
		g.t.Fatal(err)
	}
	return g.post("/wxa/getopendata"+query(g.token(), openid), string(list))
}

// item is one of a data_list; Text is its json if that is a string.
type item struct {
	CloudID string          `json:"cloud_id"`
	JSON    json.RawMessage `json:"json"`
	Text    string          `json:"-"`
}

func (r reply) items() []item {
	r.t.Helper()
	var body struct {
		DataList []item `json:"data_list"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		r.t.Fatalf("%v: %.200s", err, r.body)
	}
	for i := range body.DataList {
		_ = json.Unmarshal(body.DataList[i].JSON, &body.DataList[i].Text)
	}
	return body.DataList
}

// one returns the text of the only item.
func (r reply) one() string {
	r.t.Helper()
	r.wantErrcode(0)
	items := r.items()
	if len(items) != 1 {
		r.t.Fatalf("%d items, want 1: %.200s", len(items), r.body)
	}
	return items[0].Text
}

func (g rig) mint(d sandbox.OpenData) string {
	g.t.Helper()
	id, err := g.wechat.MintCloudID(d)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

func (g rig) fault(f sandbox.Fault) {
	g.t.Helper()
	if err := g.wechat.Fault(f); err != nil {
		g.t.Fatal(err)
	}
}

// wantText fails unless got is want.
func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is\n\t%s\nwant\n\t%s", what, got, want)
	}
}
