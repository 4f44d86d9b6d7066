package caddyrig

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Instance is a Caddy of a test's own, of which any number run in a process at once. It has no admin endpoint, and is not the config
// that caddy.ActiveContext returns. What is logged by caddy.Log() goes to the log of the instance that was started last, and
// all share a cache of certificates, as one process's configs do.
type Instance struct {
	running *config
}

// config is a config whose apps run.
type config struct {
	ctx    caddy.Context
	cancel func()
	apps   []caddy.App
}

// New returns an instance that runs nothing yet. What it runs is stopped when the test ends.
func New(t testing.TB) *Instance {
	i := new(Instance)
	t.Cleanup(func() { i.Stop(t) })
	return i
}

// Start returns an instance that runs a Caddyfile.
func Start(t testing.TB, caddyfile string) *Instance {
	t.Helper()
	i := New(t)
	i.Reload(t, caddyfile)
	return i
}

// Reload makes a Caddyfile the running config, in the place of the one before it.
func (i *Instance) Reload(t testing.TB, caddyfile string) {
	t.Helper()
	if err := i.ReloadJSON(MustAdapt(t, caddyfile)); err != nil {
		t.Fatalf("load: %v\n%s", err, caddyfile)
	}
}

// ReloadJSON is Reload of a config in JSON, or returns why Caddy does not run it. The one before it goes on running then.
func (i *Instance) ReloadJSON(json []byte) error {
	var cfg *caddy.Config
	if err := caddy.StrictUnmarshalJSON(json, &cfg); err != nil {
		return err
	}
	next, err := run(cfg)
	if err != nil {
		return err
	}
	before := i.running
	i.running = next
	return before.stop()
}

// Stop ends the running config, after which its log is complete.
func (i *Instance) Stop(t testing.TB) {
	t.Helper()
	if err := i.running.stop(); err != nil {
		t.Error(err)
	}
	i.running = nil
}

// Metrics returns the registry of the running config.
func (i *Instance) Metrics() *prometheus.Registry { return i.running.ctx.GetMetricsRegistry() }

// App returns an app of the running config.
func (i *Instance) App(t testing.TB, name string) any {
	t.Helper()
	app, err := i.running.ctx.App(name)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// changing is held while a config is provisioned or cleaned up, when Caddy uses variables of its packages.
var changing sync.Mutex

// run does what caddy.Run does, but for the variables of package caddy that hold the one running config, and the admin endpoint.
func run(cfg *caddy.Config) (*config, error) {
	changing.Lock()
	defer changing.Unlock()
	names := cfg.AppsRaw
	cfg.AppsRaw = nil
	base, err := caddy.ProvisionContext(cfg) // opens the logs
	if err != nil {
		return nil, err
	}
	cfg.AppsRaw = names
	c := new(config)
	c.ctx, c.cancel = caddy.NewContext(base) // of base we are not given what cancels it
	for name := range names {
		if _, err := c.ctx.App(name); err != nil {
			c.cancel()
			return nil, err
		}
	}
	for _, id := range caddy.Modules() { // also those that other apps have loaded
		app, err := c.ctx.AppIfConfigured(id)
		if err != nil {
			continue
		}
		if err := app.(caddy.App).Start(); err != nil {
			c.cancel()
			return nil, errors.Join(err, c.stopApps())
		}
		c.apps = append(c.apps, app.(caddy.App))
	}
	return c, nil
}

// stop ends a config; nil is none.
func (c *config) stop() error {
	if c == nil {
		return nil
	}
	err := c.stopApps()
	changing.Lock()
	defer changing.Unlock()
	c.cancel()
	return err
}

func (c *config) stopApps() error {
	var errs []error
	for _, app := range slices.Backward(c.apps) {
		errs = append(errs, app.Stop())
	}
	return errors.Join(errs...)
}
