package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

const (
	appid  = "wx3d289323f5900f8e"
	openid = "oOpenidOpenidOpenidOpenidOpe"
	secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
)

// function is what stands behind the gateway: it remembers what it was called with.
type function struct {
	url string

	mu    sync.Mutex
	calls []received
}

type received struct {
	body string
	keys string // X-WX-OPEN-DATA-INFO
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.calls = append(f.calls, received{string(body), r.Header.Get("X-WX-OPEN-DATA-INFO")})
	f.mu.Unlock()
	_, _ = io.WriteString(w, "the function's response")
}

// take returns the calls since it was last asked.
func (f *function) take() []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// startFunction returns a function and its address.
func startFunction(t *testing.T) *function {
	t.Helper()
	f := new(function)
	f.url = startServer(t, f)
	return f
}

// startSandbox returns a WeChat and its URL.
func startSandbox(t *testing.T) (*sandbox.Server, string) {
	t.Helper()
	fake := sandbox.New()
	fake.SetSecret(appid, secret)
	return fake, startServer(t, fake)
}

func startServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// gateway is where Caddy listens.
type gateway struct {
	t   *testing.T
	url string
}

// caddyfileOf is a gateway of one account, with options of the account and of the directive, in front of a function.
func caddyfileOf(address, account, directive, upstream string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 5s
	log {
		exclude http.log.error # which shows the header that names the user here
		output memory
		format json
		level INFO
	}
	cloudid {
		account %s {
			limit off
			%s
		}
	}
}
http://%s {
	map {http.request.header.X-User} {user} {
		~(.+)   ${1}
		default `+openid+`
	}
	cloudid {
		openid {user}
		%s
	}
	reverse_proxy %s {
		transport http {
			keepalive off
		}
	}
}
`, appid, account, address, directive, upstream)
}

// load makes Caddy run a config; the one before it goes.
func load(t *testing.T, config string) {
	t.Helper()
	caddyrig.Reload(t, config)
}

// stop makes Caddy run nothing.
func stop(t *testing.T) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
}

// response is what a client gets.
type response struct {
	status int
	body   string
	took   time.Duration
}

// client has no connections from one test to another.
func (g gateway) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// try posts an event in a user's name.
func (g gateway) try(user, body string) (response, error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.url, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User", user)
	res, err := g.client().Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return response{res.StatusCode, string(got), time.Since(start)}, err
}

func (g gateway) post(body string) response {
	g.t.Helper()
	return g.postAs(openid, body)
}

func (g gateway) postAs(user, body string) response {
	g.t.Helper()
	got, err := g.try(user, body)
	if err != nil {
		g.t.Error(err)
	}
	return got
}

// insist posts an event, again where the connection is dropped: Caddy, whatever its config, drops some of those that come in
// at the moment of a reload.
func (g gateway) insist(body string) response {
	g.t.Helper()
	for range 100 {
		if got, err := g.try(openid, body); err == nil {
			return got
		}
	}
	return g.post(body)
}

// logged is what Caddy logs, line by line.
var logged = new(memoryLog)

type memoryLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *memoryLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *memoryLog) Close() error { return nil }

// take returns all since it was last asked.
func (l *memoryLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// entries returns the lines with this message.
func entries(t *testing.T, text, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(text) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// memoryWriter is the log writer `memory`.
type memoryWriter struct{}

func init() { caddy.RegisterModule(memoryWriter{}) }

func (memoryWriter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.writers.memory", New: func() caddy.Module { return new(memoryWriter) }}
}

func (memoryWriter) String() string                                { return "memory" }
func (memoryWriter) WriterKey() string                             { return "memory" }
func (memoryWriter) OpenWriter() (io.WriteCloser, error)           { return logged, nil }
func (memoryWriter) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }
