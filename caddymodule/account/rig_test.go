package account

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

const (
	appid = "wx3d289323f5900f8e"
	steps = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g" // always valid in the sandbox
)

// process stands for a process that loads configs, one after the other: it has what they leave to each other.
type process struct{ pool *caddy.UsagePool }

func newProcess() process { return process{caddy.NewUsagePool()} }

// config is one config of Caddy, of which there is only our app.
type config struct {
	*App
	registry *prometheus.Registry
	unload   func()
}

// provision does with a config what Caddy does when it validates one, or before it starts one.
func (p process) provision(json string) (config, error) {
	app := &App{pooled: poolRefs{pool: p.pool}}
	if err := caddy.StrictUnmarshalJSON([]byte(json), app); err != nil {
		return config{}, err
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	unload := func() {
		cancel()
		_ = app.Cleanup()
	}
	if err := app.Provision(ctx); err != nil {
		unload()
		return config{}, err
	}
	for _, account := range app.Accounts {
		account.logger = zap.NewNop()
	}
	return config{app, ctx.GetMetricsRegistry(), unload}, nil
}

// load runs a config; unload ends it, as a reload or stop of Caddy does.
func (p process) load(t *testing.T, json string) config {
	t.Helper()
	c, err := p.provision(json)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	cleanup := c.unload
	c.unload = func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		cleanup()
	}
	return c
}

// pooled returns how many values of each kind the pool has.
func (p process) pooled() map[string]int {
	counts := map[string]int{}
	p.pool.Range(func(key any, _ any) bool {
		counts[key.(poolKey).kind]++
		return true
	})
	return counts
}

// unshared names the kinds of which the pool has more than one value.
func (p process) unshared() string {
	var kinds []string
	for kind, n := range p.pooled() {
		if n != 1 {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// wantNothingPooled fails a test that leaves anything in the pool.
func (p process) wantNothingPooled(t *testing.T) {
	t.Helper()
	if left := p.pooled(); len(left) > 0 {
		t.Errorf("left in the pool: %v", left)
	}
}

// load runs a config that is the only one of its process.
func load1(t *testing.T, json string) config {
	t.Helper()
	return newProcess().load(t, json)
}

// only returns the account of a config that has one.
func (c config) only(t *testing.T) *Account {
	t.Helper()
	account, err := c.Account("")
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// resolve exchanges the documented CloudID and returns the code of the response.
func (c config) resolve(t *testing.T) int {
	t.Helper()
	result, err := c.only(t).Resolve(t.Context(), "o1", []string{steps}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.OpenData[0].Code
}

// observed makes an account log to where a test can read it.
func observed(account *Account) *observer.ObservedLogs {
	core, logs := observer.New(zap.DebugLevel)
	account.logger = zap.New(core)
	return logs
}

// startSandbox returns a sandbox and its URL.
func startSandbox(t *testing.T) (*sandbox.Server, string) {
	t.Helper()
	fake := sandbox.New()
	return fake, start(t, fake)
}

func start(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// silent reports a text that holds any of what must be kept.
func silent(t *testing.T, text string, kept ...string) {
	t.Helper()
	for _, secret := range kept {
		if strings.Contains(text, secret) {
			t.Errorf("%q says %q", text, secret)
		}
	}
}
