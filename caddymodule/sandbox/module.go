package sandbox

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// poolKey is the only key of the pool: all handlers of a process play one WeChat.
const poolKey = "sandbox"

// pool keeps the server across config reloads, which would otherwise make every token and CloudID unknown.
var pool = caddy.NewUsagePool()

// Handler plays WeChat's server API (api.weixin.qq.com) for development and tests: POST /cgi-bin/stable_token, GET
// /cgi-bin/token, POST /wxa/getopendata, POST /wxa/getvoipsign, GET /sns/jscode2session, and every API that functions call as
// cloud.openapi, with WeChat's shapes and errors. At POST /sandbox/cloudid, /sandbox/code, /sandbox/encrypted, /sandbox/fault,
// /sandbox/token and /sandbox/reset and at GET /sandbox/calls it takes orders from tests. GET /sandbox is a page that lists all of
// it, with a command for each.
//
// It answers every request that reaches it. All handlers in one process share their state, which survives config reloads. It gives
// made-up open data to anybody who may connect: never run it in production.
type Handler struct {
	// The addresses whose connections are answered: IP addresses, ranges such as 10.1.0.0/16, or private_ranges. Others get 403.
	// The connection counts, not what a proxy's header says. Default: loopback only.
	Allow []string `json:"allow,omitempty"`

	allow  allow.Ranges
	server *Server
	pooled bool // this handler counts as a user of the pool's server
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.cloudid_sandbox",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the server that the handlers before this config's left, or makes one.
func (h *Handler) Provision(ctx caddy.Context) error {
	ranges, err := allow.Load("allow", h.Allow, allow.Loopback())
	if err != nil {
		return err
	}
	h.allow = ranges
	server, _ := pool.LoadOrStore(poolKey, New())
	h.server = server.(*Server)
	h.pooled = true
	ctx.Logger().Warn("this is the sandbox, not WeChat: it gives made-up open data to anybody; never run it in production")
	return nil
}

// Cleanup releases the server. Requests that are still under way keep it.
func (h *Handler) Cleanup() error {
	if !h.pooled {
		return nil
	}
	h.pooled = false
	_, err := pool.Delete(poolKey)
	return err
}

// ServeHTTP responds as WeChat would; no request goes on to the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !h.allow.Contain(r.RemoteAddr) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":"the sandbox answers connections from this machine only; add the line allow <cidr>... to cloudid_sandbox for others"}`)
		return nil
	}
	h.server.ServeHTTP(w, r)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
