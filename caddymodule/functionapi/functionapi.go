// Package functionapi is the handler `http.handlers.cloudid_api`: what functions call on the gateway. It speaks three
// dialects of the same two questions, so that code written for WeChat's cloud runs unchanged: plain JSON for any language,
// the API of api.weixin.qq.com as WeChat Cloud Run relays it, and what the unmodified wx-server-sdk sends.
//
// Who the user is comes from the invocation token that the gateway gave the function with the call. A function never sees
// WeChat's own access token.
package functionapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler answers functions that ask for open data and voice signatures:
//
//   - `POST /getOpenData` with `{"list":["<CloudID>",...]}` and `POST /getVoIPSign` with
//     `{"groupId","nonce","timestamp"}`, in JSON, for any language;
//   - `POST /wxa/getopendata` and `POST /wxa/getvoipsign`, in the shapes of WeChat's server API, for code written for
//     WeChat Cloud Run;
//   - `POST /admin`, for the unmodified wx-server-sdk: getOpenData, getVoIPSign, openapi.cloudbase.getOpenData and
//     openapi.cloudbase.getVoIPSign.
//
// A request for any other path goes on to the next handler. Every request must say for which user it is made: with the
// invocation token that the cloudid handler gave the function in the header X-WX-CLOUDBASE-ACCESS-TOKEN, sent as
// `Authorization: Bearer <token>`, as `cloudbase_access_token=<token>` in the query or, by the SDK, as wxCloudApiToken.
// Without one it is answered 401. Let it listen where only functions can reach it.
type Handler struct {
	// The AppID of the account that functions act for. Default: the only account there is.
	Account string `json:"account,omitempty"`

	// The addresses of callers that may name any user with `openid=` in the query instead of sending an invocation token:
	// IP addresses or ranges such as 10.1.0.0/16. They count for the caller's own connection: a request that a proxy passed
	// on, or a browser sent, is never trusted. Default: none.
	Trust []string `json:"trust,omitempty"`

	// Further paths of WeChat's server API to relay with the account's access token added, such as /wxa/msg_sec_check. They
	// are exact, and called with GET or POST. WeChat obeys such a call whomever its body names, so list only what every
	// function may do. Default: none.
	Relay []string `json:"relay,omitempty"`

	account *account.Account
	keys    *usertoken.Keys // nil: the account signs no tokens; all callers are in trust
	trust   []netip.Prefix
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cloudid_api", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the account and checks the options. It calls nobody.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("cloudid")
	if err != nil {
		return err
	}
	if h.account, err = app.(*account.App).Account(h.Account); err != nil {
		return err
	}
	for _, text := range h.Trust {
		prefix, err := parsePrefix(text)
		if err != nil {
			return err
		}
		h.trust = append(h.trust, prefix)
	}
	if h.keys, err = h.account.UserTokens(); err != nil && len(h.trust) == 0 {
		return fmt.Errorf("nobody could call: %w, or name the functions' addresses with `trust <cidr>...`", err)
	}
	for _, path := range h.Relay {
		if err := checkRelay(path); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP answers what functions ask.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch path := r.URL.Path; path {
	case "/getOpenData":
		return h.serveJSON(w, r, "getOpenData", h.getOpenData)
	case "/getVoIPSign":
		return h.serveJSON(w, r, "getVoIPSign", h.getVoIPSign)
	case "/wxa/getopendata":
		return h.serveWeChat(w, r, h.weChatOpenData)
	case "/wxa/getvoipsign":
		return h.serveWeChat(w, r, h.weChatVoIPSign)
	case "/admin":
		return h.serveSDK(w, r)
	default:
		if slices.Contains(h.Relay, path) {
			return h.serveRelay(w, r)
		}
		return next.ServeHTTP(w, r)
	}
}

// maxList bounds the CloudIDs of one request. WeChat documents no limit; a failed call for many is repeated singly, so
// there must be one.
const maxList = 100

// resolve exchanges CloudIDs, one for one and in order. They share cache and calls with those of the gateway.
func (h *Handler) resolve(ctx context.Context, openid string, ids []string) (opendata.Result, error) {
	if len(ids) > maxList {
		return opendata.Result{}, badRequest("the list has %d CloudIDs; at most %d are answered at once", len(ids), maxList)
	}
	for i, id := range ids {
		if !utf8.ValidString(id) {
			return opendata.Result{}, badRequest("CloudID %d of the list is no valid UTF-8", i+1)
		}
	}
	result, err := h.account.Resolve(ctx, openid, ids)
	if err != nil {
		return opendata.Result{}, contextError(err)
	}
	for _, answer := range result.OpenData {
		metrics.IDs.WithLabelValues(h.account.AppID(), answer.MetricLabel()).Inc()
	}
	return result, nil
}

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
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
