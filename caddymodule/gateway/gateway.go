// Package gateway is the handler `cloudid`: it reads an event, finds the CloudIDs that it declares, has them exchanged,
// writes the answers in their place and hands the request on. ServeHTTP is the way of a request from the top.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Defaults of the handler.
const (
	DefaultOpenID  = "{http.auth.user.id}"
	DefaultUnionID = "{http.auth.user.unionid}"
	DefaultMaxIDs  = 5
	DefaultMaxSize = 1 << 20
)

const maxSizeLimit = 1 << 40

// Handler gives functions open data where clients sent CloudIDs: it finds the CloudIDs among the top-level members of a
// JSON event, asks WeChat for all of them in one call, puts the answers in their place, and hands the request on. It also
// tells the function who calls, in X-WX-* headers, after removing whatever a client sent under these names.
//
// It needs an account in the app `cloudid`, and an authenticator in front that sets `{http.auth.user.id}` to the openid.
type Handler struct {
	// The AppID of the account in whose name WeChat is asked. May hold placeholders, such as `{http.auth.user.appid}`.
	// Default: the only account.
	Account string `json:"account,omitempty"`

	// The openid of the user who calls, as a placeholder that an authenticator sets. A client's own header is no proof of
	// who it is. Default: `{http.auth.user.id}`.
	OpenID string `json:"openid,omitempty"`

	// The unionid of the user, if known. Default: `{http.auth.user.unionid}`.
	UnionID string `json:"unionid,omitempty"`

	// Where the event is in the body. Default: it is the whole body.
	Event *EventLocation `json:"event,omitempty"`

	// Strict mode, recommended for production: exactly these members of the event are looked at, and each that is present
	// reaches the function as WeChat's answer or as an error object, never as anything a client made up. Default: off, any
	// member may declare a CloudID.
	Fields []string `json:"fields,omitempty"`

	// Whether a string that only looks like a CloudID is left alone. Default: false, it is asked for, and stays what it was
	// if WeChat says that it is none.
	NoGuess bool `json:"no_guess,omitempty"`

	// How many CloudIDs an event may declare. Default: 5, WeChat's own limit.
	MaxIDs int `json:"max_ids,omitempty"`

	// How many bytes a JSON body may have, after decoding. Default: 1 MiB.
	MaxSize int64 `json:"max_size,omitempty"`

	// What happens when WeChat cannot be asked: `embed` puts an error object in each CloudID's place, `reject` answers 502 or
	// 504 without calling the function. Default: `embed`.
	OnError string `json:"on_error,omitempty"`

	// Whether the event gets a member userInfo, {"appId","openId"}, as classic cloud functions know it. What a client sent
	// under that name is removed.
	UserInfo bool `json:"user_info,omitempty"`

	// Whether the function gets the header X-Functions-Extended-Context, which @cloudbase/functions-framework reads.
	ExtendedContext bool `json:"extended_context,omitempty"`

	// Whether inbound X-WX-* headers are kept, and tell who calls: only for a gateway that nothing but WeChat's own gateway
	// can reach.
	TrustHeaders bool `json:"trust_headers,omitempty"`

	app            *account.App
	account        *account.Account // nil: Account holds placeholders
	rules          event.Rules      // for a known caller
	anonymousRules event.Rules      // for an unknown one, whose guesses stay strings
}

// EventLocation is where in the body the event is.
type EventLocation struct {
	// A JSON pointer (RFC 6901) to the event, such as /data. Default: the whole body.
	Pointer string `json:"pointer,omitempty"`

	// Whether the value there is a string that holds the event as JSON text.
	Text bool `json:"text,omitempty"`
}

// The values of Handler.OnError.
const (
	Embed  = "embed"
	Reject = "reject"
)

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cloudid", New: func() caddy.Module { return new(Handler) }}
}

// Provision sets the defaults and finds the account.
func (h *Handler) Provision(ctx caddy.Context) error {
	if err := h.setDefaults(); err != nil {
		return err
	}
	app, err := ctx.App("cloudid")
	if err != nil {
		return err
	}
	h.app = app.(*account.App)
	if strings.Contains(h.Account, "{") {
		if len(h.app.Accounts) == 0 {
			_, err = h.app.Account("")
		}
		return err
	}
	h.account, err = h.app.Account(h.Account)
	return err
}

func (h *Handler) setDefaults() error {
	if h.OpenID == "" {
		h.OpenID = DefaultOpenID
	}
	if h.UnionID == "" {
		h.UnionID = DefaultUnionID
	}
	if h.MaxIDs == 0 {
		h.MaxIDs = DefaultMaxIDs
	}
	if h.MaxSize == 0 {
		h.MaxSize = DefaultMaxSize
	}
	if h.MaxIDs < 0 || h.MaxSize < 0 || h.MaxSize > maxSizeLimit {
		return errors.New("max_ids and max_size must be above 0, and max_size at most 1 TiB")
	}
	if h.OnError == "" {
		h.OnError = Embed
	}
	if h.OnError != Embed && h.OnError != Reject {
		return fmt.Errorf("on_error: %q is neither embed nor reject", h.OnError)
	}
	if h.Event == nil {
		h.Event = new(EventLocation)
	}
	at, err := event.ParsePointer(h.Event.Pointer)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	h.rules = event.Rules{
		Pointer:         at,
		IsString:        h.Event.Text,
		Fields:          h.Fields,
		Guess:           !h.NoGuess,
		MaxDeclarations: h.MaxIDs,
		ReplaceUserInfo: h.UserInfo,
	}
	if err := h.rules.Compile(); err != nil {
		return err
	}
	h.anonymousRules = h.rules
	h.anonymousRules.Guess = false
	return nil
}

// caller is who calls, and in which account.
type caller struct {
	account *account.Account
	openid  string // "": unknown, and so is the rest
	unionid string
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	o := new(outcome)
	repl.Map(o.placeholder)

	who, err := h.identify(r, repl)
	if !h.TrustHeaders {
		stripReservedHeaders(r)
	}
	stripReservedTrailers(r)
	var body *replayableBody
	if err == nil {
		body, err = h.replaceCloudIDs(r, who, o)
	}
	if err != nil {
		o.recordRejected(err)
		dropBody(r)
		return err
	}
	o.recordForwarded()
	if err := h.setCallerHeaders(r, repl, who, o.keys); err != nil {
		dropBody(r)
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	if err := next.ServeHTTP(w, r); err != nil {
		return err // an error route may send the body elsewhere; the collector takes it when nobody does
	}
	body.release()
	return nil
}

// identify reads who calls, before the headers that might tell it are removed.
func (h *Handler) identify(r *http.Request, repl *caddy.Replacer) (caller, error) {
	openid := repl.ReplaceAll(h.OpenID, "")
	if openid == "" && h.TrustHeaders {
		openid = r.Header.Get("X-WX-OPENID")
	}
	if !validID(openid) {
		return caller{}, nil
	}
	unionid := repl.ReplaceAll(h.UnionID, "")
	if unionid == "" && h.TrustHeaders {
		unionid = r.Header.Get("X-WX-UNIONID")
	}
	if !validID(unionid) {
		unionid = ""
	}
	if h.account != nil {
		return caller{h.account, openid, unionid}, nil
	}
	found, err := h.app.Account(repl.ReplaceAll(h.Account, ""))
	if err != nil {
		return caller{}, caddyhttp.Error(http.StatusForbidden, errors.New("this gateway does not serve the mini program that the call comes from"))
	}
	return caller{found, openid, unionid}, nil
}

// replaceCloudIDs reads the event, if the request has one, and puts open data in the place of CloudIDs. It returns the body
// that is handed on; nil where that is the client's own.
func (h *Handler) replaceCloudIDs(r *http.Request, who caller, o *outcome) (*replayableBody, error) {
	body, err := h.readEvent(r)
	if err != nil || body == nil {
		return nil, err
	}
	rewritten, err := h.rewrite(r, who, body.bytes, o)
	if err != nil {
		putBuffer(body.bytes)
		return nil, err
	}
	o.addedBytes = len(rewritten) - len(body.bytes)
	return body.setRequestBody(r, rewritten), nil
}

// rewrite returns the body with open data in the place of CloudIDs: the body itself where there are none, else borrowed
// memory.
func (h *Handler) rewrite(r *http.Request, who caller, body []byte, o *outcome) ([]byte, error) {
	rules := &h.rules
	if who.openid == "" {
		rules = &h.anonymousRules
	}
	found, err := rules.Parse(body)
	if err != nil {
		return nil, caddyhttp.Error(http.StatusBadRequest, err)
	}
	answers, err := h.resolve(r, who, found.Declarations, o)
	if err != nil {
		return nil, err
	}
	var userInfo []byte
	if h.UserInfo && who.openid != "" {
		userInfo = userInfoJSON(who)
	}
	return found.Write(answers, userInfo, getBuffer), nil
}

// answer returns what is to stand in the place of each declaration; nil for one that stays as it is.
func (h *Handler) resolve(r *http.Request, who caller, declarations []event.Declaration, o *outcome) ([][]byte, error) {
	if len(declarations) == 0 {
		return nil, nil
	}
	o.found = len(declarations)
	var ids []string
	for _, d := range declarations {
		if d.ID == "" {
			continue
		}
		if who.openid == "" {
			return nil, caddyhttp.Error(http.StatusUnauthorized, fmt.Errorf("the member %s holds a CloudID, but nobody is logged in: log in, and send what proves it with the call", event.QuoteName(d.Name)))
		}
		ids = append(ids, d.ID)
	}
	start := time.Now()
	result, err := h.exchange(r.Context(), who, ids)
	o.duration = time.Since(start)
	if err != nil {
		return nil, contextError(err)
	}
	o.cached, o.err = result.Cached, result.Err
	if result.Err != nil && h.OnError == Reject {
		return nil, upstreamError(result.Err)
	}
	return o.assign(declarations, result.OpenData), nil
}

// contextError answers a client that will not read it (499, as Caddy and nginx call it), or one that a handler in front gave
// only so much time.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return caddyhttp.Error(http.StatusGatewayTimeout, errors.New("the time for this request ended before WeChat answered"))
	}
	return caddyhttp.Error(statusClientClosedRequest, errors.New("the client went away"))
}

const statusClientClosedRequest = 499

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
