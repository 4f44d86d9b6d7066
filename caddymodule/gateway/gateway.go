// Package gateway is the handler `cloudid`: it reads an event, finds the CloudIDs that it declares, resolves them, writes open data
// in their place, and forwards the request. ServeHTTP is the way of a request from the top.
package gateway

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/callerheaders"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler gives functions open data where clients sent CloudIDs: it finds the CloudIDs among the top-level members of a
// JSON event, asks WeChat for all of them in one call, puts the open data in their place, and forwards the request. It also
// tells the function who calls, in X-WX-* headers, after removing whatever a client sent under these names.
//
// It needs an account in the app `cloudid`, and an authenticator in front that sets `{http.auth.user.id}` to the openid.
//
// The response has the header X-Request-Id, Caddy's `{http.request.uuid}`, unless the function set one.
type Handler struct {
	// The AppID of the account in whose name WeChat is asked. May hold placeholders, such as `{http.auth.user.appid}`; a request
	// for which they are empty, or name no account, is rejected with 403. So is one whose `{http.auth.user.appid}` is another.
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
	// reaches the function as WeChat's open data or as an error object, never as anything a client made up. A body that is not
	// read as an event is rejected with 415, since function frameworks make events of other types too. Placeholders such as
	// `{env.FIELD}` are replaced when the config is loaded. Default: off, any member may declare a CloudID.
	Fields []string `json:"fields,omitempty"`

	// Media types whose bodies reach the function unread although `fields` or `user_info` is set, such as `multipart/form-data`
	// or `image/*`. What such a body holds was made up by a client: if the function's framework makes an event of that type,
	// neither `fields` nor `user_info` promises anything of it. Default: none.
	Pass []string `json:"pass,omitempty"`

	// Whether an object with strings `encryptedData` and `iv`, and no `cloudID` that looks like one, declares open data too: what
	// clients on PC and Mac, and mini programs without cloud development, get from WeChat. It is decrypted with the caller's
	// session_key, which `wechat_login` must keep (`session_key`); a session without one is rejected with 401. Default: false.
	EncryptedData bool `json:"encrypted_data,omitempty"`

	// Whether a string that only looks like a CloudID is left alone. Default: false, it is asked for, and stays what it was
	// if WeChat says that it is none.
	NoGuess bool `json:"no_guess,omitempty"`

	// How many CloudIDs an event may declare: a number, or a placeholder such as `{env.MAX_IDS}`, which is replaced when the config is
	// loaded. Default: 5, WeChat's own limit.
	MaxIDs placeholder.Number `json:"max_ids,omitempty"`

	// How many bytes a JSON body may have, after decoding: a number, a size such as "1MiB", or a placeholder that is replaced when the
	// config is loaded. Default: 1 MiB.
	MaxSize placeholder.Size `json:"max_size,omitempty"`

	// What happens when WeChat cannot be asked: `embed` puts an error object in each CloudID's place, `reject` responds with 502
	// or 504 without calling the function. Default: `embed`.
	OnError string `json:"on_error,omitempty"`

	// Whether the event gets a member userInfo, {"appId","openId"}, as classic cloud functions know it. What a client sent
	// under that name is removed, and a POST, PUT or PATCH without a body gets one. A body that is not read as an event is
	// rejected with 415, as with `fields`, and a JSON object or string that holds none with 400.
	UserInfo bool `json:"user_info,omitempty"`

	// Whether the function gets the header X-Functions-Extended-Context, which @cloudbase/functions-framework reads.
	ExtendedContext bool `json:"extended_context,omitempty"`

	// Whether inbound X-WX-* headers are kept, and tell who calls: only for a gateway that nothing but WeChat's own gateway
	// can reach.
	TrustHeaders bool `json:"trust_headers,omitempty"`

	account account.Ref
	logger  *zap.Logger
	maxIDs  int
	maxSize int64 // in bytes

	// Whether something is promised of the event: by fields or by user_info. Then no body that is not read reaches the function,
	// except for those of Pass.
	guarded bool

	known     ruleSet // for a caller who is known
	anonymous ruleSet // for one who is not, whose guesses stay strings
}

// EventLocation is where in the body the event is.
type EventLocation struct {
	// A JSON pointer (RFC 6901) to the event, such as /data. Default: the whole body.
	Pointer string `json:"pointer,omitempty"`

	// Whether the value there is a string that holds the event as JSON text.
	Text bool `json:"text,omitempty"`

	// Whether events come as CloudEvents: the event is the member data in structured mode, and the whole body in binary mode
	// (ce-* headers). Excludes the other two.
	CloudEvents bool `json:"cloudevents,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cloudid", New: func() caddy.Module { return new(Handler) }}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c := h.newCall(w, r, next)
	err := h.identify(r, c) // before the headers that may tell it are removed
	if !h.TrustHeaders {
		callerheaders.Strip(r)
	}
	callerheaders.StripTrailers(r)
	dropHTTPUpgrade(r)
	if err != nil {
		return c.reject(r, err)
	}

	body, err := h.replaceCloudIDs(r, c)
	if err != nil {
		return c.reject(r, err)
	}
	if err := h.setCallerHeaders(r, c); err != nil {
		return c.reject(r, caddyhttp.Error(http.StatusInternalServerError, err))
	}

	c.forward(r, body)
	err = c.serveNext(r)
	if err != nil {
		return err // an error route may send the body elsewhere, so its buffer is left to the garbage collector
	}
	if !isToBeLogged(r) {
		body.release()
	}
	return nil
}

// replaceCloudIDs reads the event, if the request has one, and puts open data in the place of CloudIDs. It returns the body
// that is forwarded; nil where that is the client's own.
func (h *Handler) replaceCloudIDs(r *http.Request, c *call) (*replayableBody, error) {
	if err := h.known.body.CheckQuery(r.URL.RawQuery); err != nil {
		return nil, caddyhttp.Error(http.StatusBadRequest, err)
	}
	body, err := h.readEvent(r, c)
	c.record.Timing.Read = c.lap()
	if err != nil || body == nil {
		return nil, err
	}
	rewritten, changed, err := h.rewrite(r, c, body)
	if err != nil {
		c.keepBodies(body.bytes, nil)
		bufpool.Put(body.bytes)
		return nil, err
	}
	c.keepBodies(body.bytes, rewritten)
	return body.setRequestBody(r, rewritten, changed), nil
}

// rewrite returns the body with open data in the place of CloudIDs, in another buffer, or the body itself if nothing changed.
func (h *Handler) rewrite(r *http.Request, c *call, body *jsonBody) (rewritten []byte, changed bool, err error) {
	found, err := h.parse(c, body)
	c.record.Timing.Find = c.lap()
	if err != nil {
		return nil, false, caddyhttp.Error(http.StatusBadRequest, err)
	}
	if found.Object() == nil {
		c.skip(invocation.NoEvent)
	}
	openData, err := h.resolve(r, c, &found)
	if err != nil {
		return nil, false, err
	}
	var userInfo []byte
	if h.UserInfo && c.caller.openid != "" {
		userInfo = userInfoJSON(c.caller)
	}
	if openData != nil || userInfo != nil {
		c.lap()
	}
	if rewritten, changed = found.Write(openData, userInfo, bufpool.Get); changed {
		c.record.Timing.Write = c.lap()
	}
	return rewritten, changed, nil
}

// parse finds what the event declares.
func (h *Handler) parse(c *call, body *jsonBody) (event.Event, error) {
	rules := &h.known
	if c.caller.openid == "" {
		rules = &h.anonymous
	}
	of := &rules.body
	if body.structured {
		of = &rules.envelope
	}
	if !c.observed() {
		return of.ParseVisiting(body.bytes, nil)
	}
	return c.explain(of, body.bytes)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
