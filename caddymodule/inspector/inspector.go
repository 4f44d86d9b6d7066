// Package inspector is the handler `cloudid_inspector`: a page that shows what became of each call through the `cloudid`
// handlers of the same config, and why. It is for the people who build and run the functions, not for the world.
//
// The handlers publish an invocation.Record for each call; a store keeps the latest of them across reloads of the config;
// the page reads them as JSON and as an event stream. Nothing here ever waits inside of a call, and what takes time, such as JSON,
// is done for pages that are open.
package inspector

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

const (
	// defaultCalls is how many calls are shown.
	defaultCalls = 200

	// maxCalls bounds `calls`: a page with more is of no use to people.
	maxCalls = 10_000

	// captureBytes is how much of each body is kept with `capture`.
	captureBytes = 64 << 10
)

// Handler serves a page that shows the latest calls through the `cloudid` handlers of this config, live: which member of
// an event became what, and why not; how long each part took; what was rejected or not read. It keeps names, sizes, codes
// and times only, unless `capture` is set.
//
// Anybody who can open it sees the calls of all users. So only this machine is let in, unless `allow` names others.
type Handler struct {
	// How many calls are kept: a number, or a placeholder such as {env.INSPECTOR_CALLS}, which is replaced when the config is loaded. At
	// most 10000, and no more than take 32 MiB without their bodies. Default: 200.
	Calls placeholder.Number `json:"calls,omitempty"`

	// Whether bodies are kept too, up to 64 KiB of each and 16 MiB in all, and calls can be sent again from the page. Bodies
	// hold open data: for development. Default: false.
	Capture bool `json:"capture,omitempty"`

	// The addresses, as CIDR, whose connections are answered. Default: this machine only (127.0.0.0/8 and ::1).
	Allow []string `json:"allow,omitempty"`

	calls   int
	allowed allow.Ranges
	store   *store
	cancel  func()
	app     *account.App
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cloudid_inspector", New: func() caddy.Module { return new(Handler) }}
}

// stores keeps the calls of an inspector when the config is reloaded, by what shapes it.
var stores = caddy.NewUsagePool()

// Provision subscribes to the calls of the config.
func (h *Handler) Provision(ctx caddy.Context) error {
	var err error
	if h.calls, err = h.Calls.Resolve("calls", defaultCalls, 1, maxCalls); err != nil {
		return err
	}
	if h.allowed, err = allow.Load("allow", h.Allow, allow.Loopback()); err != nil {
		return err
	}
	module, err := ctx.App("cloudid")
	if err != nil {
		return err
	}
	h.app = module.(*account.App)
	value, loaded, err := stores.LoadOrNew(h.key(), func() (caddy.Destructor, error) { return newStore(h.calls), nil })
	if err != nil {
		return err
	}
	h.store = value.(*store)
	if loaded {
		h.store.noteReload()
	}
	capture := 0
	if h.Capture {
		capture = captureBytes
	}
	h.cancel = h.app.Invocations().Subscribe(h.store, capture)
	return nil
}

func (h *Handler) key() string { return fmt.Sprintf("%d %t %v", h.calls, h.Capture, h.Allow) }

// Cleanup lets the store go, and with it the calls, unless another config shows the same.
func (h *Handler) Cleanup() error {
	if h.store == nil {
		return nil
	}
	h.cancel()
	_, err := stores.Delete(h.key())
	return err
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if err := h.serve(w, r); err != nil {
		return say(w, err)
	}
	return nil
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if err := h.checkAccess(r); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	name, found := h.asked(r)
	if !found {
		return errNothingHere
	}
	serve, method := h.endpoint(name)
	if serve == nil {
		return h.servePage(w, r)
	}
	if r.Method != method {
		header.Set("Allow", method)
		return caddyhttp.Error(http.StatusMethodNotAllowed, fmt.Errorf("this answers %s only", method))
	}
	return serve(w, r)
}

// endpoint returns what serves the last part of a path; nil for the page itself.
func (h *Handler) endpoint(name string) (serve func(http.ResponseWriter, *http.Request) error, method string) {
	switch name {
	case "calls.json":
		return h.serveCalls, http.MethodGet
	case "calls.txt":
		return h.serveText, http.MethodGet
	case "codes.json":
		return h.serveCodes, http.MethodGet
	case "events":
		return h.serveEvents, http.MethodGet
	case "clear":
		return h.serveClear, http.MethodPost
	case "capture":
		return h.serveCapture, http.MethodGet
	case "again":
		return h.serveAgain, http.MethodPost
	}
	return nil, ""
}

var errCallGone = caddyhttp.Error(http.StatusNotFound, errors.New("this call is not kept any more"))

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
