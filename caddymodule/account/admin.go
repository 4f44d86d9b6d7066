package account

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
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
// They tell of the config that runs when they are asked, and so do the metrics of accounts at /metrics.
type AdminAPI struct{}

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.cloudid", New: func() caddy.Module { return new(AdminAPI) }}
}

// Provision has the admin endpoint show the metrics of the accounts that run. Its registry is that of the config that was loaded last, also
// after that was rejected: its own accounts, if there are any, do not run then.
func (AdminAPI) Provision(ctx caddy.Context) error {
	return metrics.Register(ctx.GetMetricsRegistry(), func() []*metrics.Account { return runningApp().metrics })
}

// Routes implements caddy.AdminRouter.
func (AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/cloudid/status", Handler: caddy.AdminHandlerFunc(serveStatus)},
		{Pattern: "/cloudid/health", Handler: caddy.AdminHandlerFunc(serveHealth)},
	}
}

func serveStatus(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGET(w, r); err != nil {
		return err
	}
	return respond(w, http.StatusOK, runningApp().Status())
}

func serveHealth(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGET(w, r); err != nil {
		return err
	}
	health := runningApp().Health(r.Context())
	code := http.StatusOK
	if !health.Healthy {
		code = http.StatusServiceUnavailable
	}
	return respond(w, code, health)
}

// onlyGET rejects other methods.
func onlyGET(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", "GET, HEAD")
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed; use GET", r.Method)}
}

// runningApp returns the app of the config that runs now: admin routes are made before apps, and may outlive them. That of a config
// without accounts has none.
func runningApp() *App {
	ctx := caddy.ActiveContext()
	if app, err := ctx.AppIfConfigured("cloudid"); err == nil {
		return app.(*App)
	}
	return new(App)
}

// respond writes JSON. An error of writing would be about a client that is gone.
func respond(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
	return nil
}

// Interface guards
var (
	_ caddy.AdminRouter = AdminAPI{}
	_ caddy.Provisioner = AdminAPI{}
)
