// Package functionapi is the handler `http.handlers.cloudid_api`: what functions call on the gateway. It speaks three dialects, so
// that code written for WeChat's cloud runs unchanged: plain JSON for any language, the API of api.weixin.qq.com as WeChat Cloud
// Run relays it, and what the unmodified wx-server-sdk sends.
//
// The invocation token that the gateway gave the function with the call says who the user is. A function never sees WeChat's own
// access token.
package functionapi

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler serves functions that ask for open data, for voice signatures, for other APIs of WeChat's, and for each other:
//
//   - `POST /getOpenData` with `{"list":["<CloudID>",...]}`, `POST /getVoIPSign` with `{"groupId","nonce","timestamp"}` and
//     `POST /callFunction` with `{"name","data"}`, in JSON, for any language;
//   - `POST /wxa/getopendata`, `POST /wxa/getvoipsign`, and the paths of `relay` and of the names in `openapi`, in the shapes of
//     WeChat's server API, for code written for WeChat Cloud Run;
//   - `POST /admin`, for the unmodified wx-server-sdk from 2.3.3: getOpenData, getVoIPSign, openapi and callFunction.
//
// A request for any other path gets 404, with what is served. Every request must say for which user it is made: with the
// invocation token that the cloudid handler gave the function in the header X-WX-CLOUDBASE-ACCESS-TOKEN, sent as
// `Authorization: Bearer <token>`, as `cloudbase_access_token=<token>` in the query or, by the SDK, as wxCloudApiToken.
// Without one it gets 401.
type Handler struct {
	// The AppID of the account that functions act for. Default: the only account there is. Placeholders are replaced when the
	// config is loaded.
	Account string `json:"account,omitempty"`

	// The addresses whose connections are answered at all: IP addresses, ranges such as 10.1.0.0/16, or private_ranges. Others get
	// 403. Default: private_ranges, which are loopback, private and link-local ones.
	Allow []string `json:"allow,omitempty"`

	// The addresses of callers that may name any user with `openid=` in the query, or none, instead of sending an invocation
	// token: IP addresses or ranges. They count for the caller's own connection. A request that a proxy forwarded, or a browser
	// sent, is not trusted as far as its headers show that; a proxy on a trusted machine that adds no header lends its trust to
	// all its clients, so list no machine with one. Default: none.
	Trust []string `json:"trust,omitempty"`

	// The APIs that functions may call as cloud.openapi.<name>, by name, such as wxacode.get; * stands for all. Names that WeChat
	// has renamed count under both. Each also opens its path of WeChat's server API, as relay does. A call that names another
	// account of this gateway, cloud.openapi({appid}), is made with that account's token. Default: none.
	OpenAPI []string `json:"openapi,omitempty"`

	// Further paths of WeChat's server API to relay with the account's access token added, such as /wxa/some_new_api. They
	// are exact, and called with GET or POST, with bodies up to 10 MiB. WeChat obeys such a call whomever its body names, so list
	// only what every function may do. Default: none.
	Relay []string `json:"relay,omitempty"`

	// Where cloud.callFunction sends the event: a URL with {name} in its path, which stands for the name of the function that is
	// called, such as http://127.0.0.1:3000/{name}. {env.*} and {file.*} are replaced when the config is loaded. Default: functions
	// cannot call each other.
	Functions string `json:"functions,omitempty"`

	ref       account.Ref
	account   *account.Account
	keys      *usertoken.Keys // nil: the account signs no tokens; all callers are in trust
	allow     allow.Ranges
	trust     allow.Ranges
	open      openPaths
	functions *functionClient // nil: functions cannot call each other
	large     chan struct{}   // a slot for each large body in memory
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cloudid_api", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the account and checks the options. It calls nobody.
func (h *Handler) Provision(ctx caddy.Context) error {
	var err error
	if h.ref, err = account.NewRef(ctx, h.Account); err != nil {
		return err
	}
	if h.account = h.ref.Fixed(); h.account == nil {
		return fmt.Errorf("account: %s has placeholders that are only known for a request; name one account", h.Account)
	}
	if h.allow, err = allow.Load("allow", h.Allow, allow.Private()); err != nil {
		return err
	}
	if h.trust, err = allow.Load("trust", h.Trust, nil); err != nil {
		return err
	}
	if h.keys, err = h.account.UserTokens(); err != nil && len(h.trust) == 0 {
		return fmt.Errorf("nobody could call: %w, or name the functions' addresses with `trust <cidr>...`", err)
	}
	if err := h.openAPIs(ctx.Logger()); err != nil {
		return err
	}
	if h.Functions != "" {
		if h.functions, err = newFunctionClient(h.Functions); err != nil {
			return err
		}
	}
	h.large = make(chan struct{}, maxLargeBodies)
	return nil
}

// openAPIs opens the paths of openapi and relay.
func (h *Handler) openAPIs(logger *zap.Logger) error {
	if err := placeholder.ResolveAll("openapi", h.OpenAPI, checkOpenAPI); err != nil {
		return err
	}
	if err := placeholder.ResolveAll("relay", h.Relay, checkRelay); err != nil {
		return err
	}
	h.open = make(openPaths)
	for _, name := range h.OpenAPI {
		if useless := h.open.addAPI(name); useless != nil {
			logger.Warn("a name in openapi cannot be called", zap.String("name", name), zap.Error(useless))
		}
	}
	for _, path := range h.Relay {
		h.open[path] = true
	}
	return nil
}

// Cleanup closes idle connections to functions.
func (h *Handler) Cleanup() error {
	if h.functions != nil {
		h.functions.close()
	}
	return nil
}

// ServeHTTP serves the calls of functions. No request goes on to the next handler: an empty 200 would read as success.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !h.allow.Contain(r.RemoteAddr) {
		return rejectWeChat(w, http.StatusForbidden, notAllowed())
	}
	switch path := r.URL.Path; path {
	case "/getOpenData":
		return h.serveJSON(w, r, jsonAPI{"getOpenData", maxBody, h.getOpenData})
	case "/getVoIPSign":
		return h.serveJSON(w, r, jsonAPI{"getVoIPSign", maxBody, h.getVoIPSign})
	case "/callFunction":
		return h.serveJSON(w, r, jsonAPI{"callFunction", maxRelayedBody, h.callFunction})
	case "/wxa/getopendata":
		return h.serveWeChat(w, r, h.weChatOpenData)
	case "/wxa/getvoipsign":
		return h.serveWeChat(w, r, h.weChatVoIPSign)
	case "/admin":
		return h.serveSDK(w, r)
	case uploadPath:
		return serveUpload(w, r)
	default:
		if h.open[path] {
			return h.serveRelay(w, r)
		}
		return h.serveNothing(w, path)
	}
}

// maxList bounds the CloudIDs of one request. WeChat documents no limit; a failed call for many is repeated singly, so
// there must be one.
const maxList = 100

func listTooLong() error { return badRequest("the list has more than %d CloudIDs", maxList) }

// resolve exchanges CloudIDs, one for one and in order. They share cache and calls with those of the gateway. What has other
// characters than a CloudID, or is longer than any, is not asked for, and not repeated in its error: a client may have made it up.
func (h *Handler) resolve(ctx context.Context, openid string, ids []string) (opendata.Result, error) {
	var asked []string
	for i, id := range ids {
		if !utf8.ValidString(id) {
			return opendata.Result{}, badRequest("CloudID %d of the list is no valid UTF-8", i+1)
		}
		if askable.MatchString(id) {
			asked = append(asked, id)
		}
	}
	result, err := h.account.Resolve(ctx, openid, asked, nil)
	if err != nil {
		return opendata.Result{}, resolveError(err)
	}
	all, next := make([]wechat.OpenData, len(ids)), 0
	for i, id := range ids {
		if askable.MatchString(id) {
			all[i] = result.OpenData[next]
			next++
		} else {
			all[i] = wechat.OpenDataError("", wechat.CodeInvalidCloudID)
		}
		h.ref.App().Metrics(h.account).IDs.With(all[i].MetricLabel()).Inc()
	}
	result.OpenData = all
	return result, nil
}

// askable has the characters of CloudIDs. Their length is WeChat's business: it has changed before.
var askable = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// sign asks for a voice signature.
func (h *Handler) sign(ctx context.Context, openid string, request wechat.VoIPSignRequest) (string, error) {
	signature, err := h.account.VoIPSign(ctx, openid, request)
	if err != nil && ctx.Err() != nil {
		return "", contextError(ctx.Err())
	}
	if err != nil {
		return "", exchangeFailed(err)
	}
	return signature, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
