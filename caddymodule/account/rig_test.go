package account

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

const (
	appid = "wx3d289323f5900f8e"
	steps = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g" // always valid in the sandbox
)

// config is one config of Caddy, of which there is only our app.
type config struct {
	*App
	unload func()
}

// emptyCaddy is a config without apps, in which others are provisioned.
var emptyCaddy = sync.OnceValues(func() (caddy.Context, error) {
	off := false
	return caddy.ProvisionContext(&caddy.Config{
		Admin: &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}},
	})
})

// tryLoad provisions the app as Caddy does; unload cleans it up, as a reload or stop does.
func tryLoad(t *testing.T, json string) (config, error) {
	t.Helper()
	base, err := emptyCaddy()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(base)
	module, err := ctx.LoadModuleByID("cloudid", []byte(json))
	if err != nil {
		cancel()
		return config{}, err
	}
	app := module.(*App)
	for _, account := range app.Accounts {
		account.logger = zap.NewNop()
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	return config{app, func() {
		if err := app.Stop(); err != nil {
			t.Error(err)
		}
		cancel()
	}}, nil
}

func load1(t *testing.T, json string) config {
	t.Helper()
	c, err := tryLoad(t, json)
	if err != nil {
		t.Fatal(err)
	}
	return c
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

// resolve exchanges the documented CloudID and returns the code of the answer.
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

// inPool returns how many values of each kind are in the pool.
func inPool() map[string]int {
	counts := map[string]int{}
	pool.Range(func(key any, _ any) bool {
		counts[key.(poolKey).kind]++
		return true
	})
	return counts
}

// wantNothingPooled fails a test that leaves anything in the pools.
func wantNothingPooled(t *testing.T) {
	t.Helper()
	if left := inPool(); len(left) > 0 {
		t.Errorf("left in the pools: %v", left)
	}
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
