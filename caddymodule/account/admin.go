package account

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(AdminAPI{})
}

// AdminAPI adds the state of the accounts to Caddy's admin API, which decides by its own rules who may ask:
//
//   - GET /cloudid/status: for each account, in JSON, age and end of its access token, its breakers, its latest failure with what
//     to do about it, its calls and its cache;
//   - GET /cloudid/health: 200, or 503 with the accounts that cannot serve, and why.
//
// They tell of the config that runs when they are asked.
type AdminAPI struct{}

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.cloudid", New: func() caddy.Module { return new(AdminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/cloudid/status", Handler: caddy.AdminHandlerFunc(serveStatus)},
		{Pattern: "/cloudid/health", Handler: caddy.AdminHandlerFunc(serveHealth)},
	}
}

func serveStatus(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r)
	if err != nil {
		return err
	}
	status, err := app.Status()
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	return respond(w, http.StatusOK, status)
}

func serveHealth(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp(w, r)
	if err != nil {
		return err
	}
	health := app.Health(r.Context())
	code := http.StatusOK
	if !health.Healthy {
		code = http.StatusServiceUnavailable
	}
	return respond(w, code, health)
}

// runningApp returns the app of the config that runs now: admin routes are made before apps, and may outlive them.
func runningApp(w http.ResponseWriter, r *http.Request) (*App, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return nil, caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed; use GET", r.Method)}
	}
	ctx := caddy.ActiveContext()
	module, err := ctx.AppIfConfigured("cloudid")
	if err != nil || module == nil {
		return new(App), nil //nolint:nilerr // a config without accounts has none that cannot serve
	}
	app, ok := module.(*App)
	if !ok {
		return nil, caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: fmt.Errorf("the app cloudid is a %T, which is not this plugin's", module)}
	}
	return app, nil
}

// respond writes JSON. An error of writing would be about a client that is gone.
func respond(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body)
	return nil
}

// Interface guard
var _ caddy.AdminRouter = AdminAPI{}
