package opendata_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

const appid = "wx3d289323f5900f8e"

// call is one call of getopendata, as it arrived.
type call struct {
	token, openid string
	ids           []string
}

// fakeWeChat answers getopendata as a test says, and remembers what it was asked.
type fakeWeChat struct {
	response func(ctx context.Context, c call) string // nil: everything is fine

	mu    sync.Mutex
	calls []call
}

func (f *fakeWeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"cloudid_list"`
	}
	text, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(text, &body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c := call{r.URL.Query().Get("access_token"), r.URL.Query().Get("openid"), body.IDs}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	response := good(c.ids...)
	if f.response != nil {
		response = f.response(r.Context(), c)
	}
	if response == "" {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, response)
}

// arrived returns the calls so far.
func (f *fakeWeChat) arrived() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// asked returns how often each id was asked for.
func (f *fakeWeChat) asked() map[string]int {
	counts := map[string]int{}
	for _, c := range f.arrived() {
		for _, id := range c.ids {
			counts[id]++
		}
	}
	return counts
}

// good is the response of a WeChat that knows all ids.
func good(ids ...string) string {
	items := make([]string, 0, len(ids))
	for _, id := range ids {
		items = append(items, item(id, goodJSON(id)))
	}
	return `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
}

func goodJSON(id string) string { return fmt.Sprintf(`{"cloudID":%q,"data":{"of":%q}}`, id, id) }

func errorJSON(id string, code int) string {
	return fmt.Sprintf(`{"cloudID":%q,"errCode":%d,"errMsg":%q}`, id, code, wechat.OpenDataMessage(code))
}

func item(id, text string) string { return fmt.Sprintf(`{"cloud_id":%q,"json":%q}`, id, text) }

func errcode(code int) string { return fmt.Sprintf(`{"errcode":%d,"errmsg":"?"}`, code) }

// fakeTokens hands out t1, and the next one after each rejection.
type fakeTokens struct {
	mu       sync.Mutex
	n        int
	rejected []string
	err      error
	delay    atomic.Int64 // in nanoseconds, before there is one
}

func (f *fakeTokens) Token(context.Context) (string, error) {
	time.Sleep(time.Duration(f.delay.Load()))
	f.mu.Lock()
	defer f.mu.Unlock()
	return "t" + strconv.Itoa(f.n+1), f.err
}

func (f *fakeTokens) Rejected(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rejected = append(f.rejected, token)
	f.n++
}

// rig is a resolver and the WeChat that it asks.
type rig struct {
	*opendata.Resolver
	wechat *fakeWeChat
	tokens *fakeTokens
	client *wechat.Client
}

// newRig returns a resolver with the usual settings, but for those that change makes others.
func newRig(t *testing.T, fake *fakeWeChat, change ...func(*opendata.Config)) *rig {
	t.Helper()
	server := httptest.NewServer(fake)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	client, err := wechat.New(server.URL, func(wechat.Call) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	config := opendata.Config{AppID: appid, Timeout: 20 * time.Second, Cache: opendata.NewCache(time.Minute, 1000)}
	for _, c := range change {
		c(&config)
	}
	tokens := new(fakeTokens)
	resolver := opendata.New(config, client, apicall.NewCaller(apicall.Config{API: wechat.APIGetOpenData, Tokens: tokens, Retries: 2, Semaphore: apicall.NewSemaphore(1024)}))
	t.Cleanup(resolver.Close)
	return &rig{resolver, fake, tokens, client}
}

func noCache(c *opendata.Config) { c.Cache = nil }

// resolve asks in the name of openid o1.
func (r *rig) resolve(t *testing.T, ids ...string) opendata.Result {
	t.Helper()
	return r.resolveAs(t, "o1", ids...)
}

func (r *rig) resolveAs(t *testing.T, openid string, ids ...string) opendata.Result {
	t.Helper()
	result, err := r.Resolve(t.Context(), opendata.Request{OpenID: openid, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.OpenData) != len(ids) {
		t.Fatalf("%d items for %d ids", len(result.OpenData), len(ids))
	}
	return result
}

// texts are a result's open data.
func texts(result opendata.Result) []string {
	list := make([]string, 0, len(result.OpenData))
	for _, data := range result.OpenData {
		list = append(list, string(data.JSON))
	}
	return list
}

// wantOpenData reports open data that is not what is wanted.
func wantOpenData(t *testing.T, result opendata.Result, want ...string) {
	t.Helper()
	if got := texts(result); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantCalls reports calls other than these ids, call by call.
func (r *rig) wantCalls(t *testing.T, want ...[]string) {
	t.Helper()
	var got [][]string
	for _, c := range r.wechat.arrived() {
		got = append(got, c.ids)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("asked for %q, want %q", got, want)
	}
}
