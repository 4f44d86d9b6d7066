package sandbox

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// poolKey is the only key of the pool: all handlers of a process play one WeChat.
const poolKey = "sandbox"

// pool keeps the server across config reloads, which would otherwise make every token and CloudID unknown.
var pool = caddy.NewUsagePool()

// Handler plays WeChat's server API (api.weixin.qq.com) for development and tests: POST /cgi-bin/stable_token, GET
// /cgi-bin/token, POST /wxa/getopendata, POST /wxa/getvoipsign and GET /sns/jscode2session, with WeChat's shapes and
// errors. At POST /sandbox/cloudid, /sandbox/code, /sandbox/fault, /sandbox/token and /sandbox/reset and at GET
// /sandbox/calls it takes orders from tests.
//
// It has no options and answers every request that reaches it. All handlers in one process share their state, which
// survives config reloads. It hands out made-up open data to anybody: never run it in production.
type Handler struct {
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
	server, _ := pool.LoadOrStore(poolKey, New())
	h.server = server.(*Server)
	h.pooled = true
	ctx.Logger().Warn("this is the sandbox, not WeChat: it hands out made-up open data to anybody; never run it in production")
	return nil
}

// Cleanup lets go of the server. Requests that are still under way keep it.
func (h *Handler) Cleanup() error {
	if !h.pooled {
		return nil
	}
	h.pooled = false
	_, err := pool.Delete(poolKey)
	return err
}

// ServeHTTP answers as WeChat would; no request goes on to the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h.server.ServeHTTP(w, r)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
