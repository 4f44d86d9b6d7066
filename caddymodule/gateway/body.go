package gateway

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// jsonBody is a JSON body that was read whole.
type jsonBody struct {
	bytes      []byte // from bufpool
	mediaType  string // as the function is going to see it
	decoded    bool   // it came compressed
	structured bool   // it is a CloudEvent, whose event is its data
}

// readEvent reads the request's body if it is JSON. It returns nil, and notes the reason, for a body that is left to stream.
// An error says why the request must not be forwarded.
//
// No decision rests on a missing Content-Length: HTTP/2 and HTTP/3 bodies may have none (compare GHSA-rw47-hm26-6wr7).
func (h *Handler) readEvent(r *http.Request, c *call) (*jsonBody, error) {
	if r.Method == http.MethodConnect {
		return nil, h.checkConnect(r, c)
	}
	mediaType, err := httpbody.AnyJSON.ContentType(r.Header)
	if err != nil && (h.guarded || mayHaveBody(r)) && !h.streams(r) {
		return nil, err
	}
	structured, err := h.checkCloudEvent(r, mediaType.Name)
	if err != nil {
		return nil, err
	}
	empty, err := h.hasNoBody(r)
	if err != nil {
		return nil, err
	}
	if empty {
		return h.withoutBody(r, c, mediaType)
	}
	if h.streams(r) {
		c.skip(streamReason(r))
		return nil, nil
	}
	if h.Event.CloudEvents && !structured && !hasCloudEventHeaders(r.Header) {
		return nil, h.skipOrReject(c, invocation.NotCloudEvent, notCloudEvent)
	}
	isJSON := mediaType.JSON
	if !mediaType.Given {
		if isJSON, err = sniffJSON(r); err != nil {
			return nil, err
		}
	}
	if !isJSON {
		return h.leaveUnread(c, mediaType)
	}
	if caddyhttp.IsIncremental(r.Header) {
		return nil, caddyhttp.Error(http.StatusNotImplemented, errors.New("a JSON event is read whole before it is forwarded; send it without Incremental"))
	}
	body, err := h.readBody(r)
	if err != nil {
		return nil, err
	}
	if len(body.bytes) == 0 {
		bufpool.Put(body.bytes)
		dropBody(r)
		return h.withoutBody(r, c, mediaType)
	}
	body.mediaType, body.structured = forwardedType(mediaType.Name), structured
	return body, nil
}

// mayHaveBody reports whether a request can have a body. One of unknown length can.
func mayHaveBody(r *http.Request) bool { return r.Body != nil && r.ContentLength != 0 }

// hasNoBody reports whether a request has no body. Where something is promised of the event, one of unknown length is begun to
// be read to find out.
func (h *Handler) hasNoBody(r *http.Request) (bool, error) {
	if !mayHaveBody(r) || !h.guarded {
		return !mayHaveBody(r), nil
	}
	return isEmpty(r)
}

// streams reports whether the request's body is left alone, whatever its type. Where something is promised of the event, none
// is: a function that reads events from GET, or whose server ignores an Upgrade, must not be told what a client made up.
func (h *Handler) streams(r *http.Request) bool {
	return !h.guarded && streamReason(r) != ""
}

func streamReason(r *http.Request) invocation.Skipped {
	switch {
	case methodWithoutBody(r.Method):
		return invocation.Method
	case r.Header.Get("Upgrade") != "":
		return invocation.Upgrade
	}
	return ""
}

func methodWithoutBody(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// checkConnect lets a CONNECT through where nothing is promised of the event, and where it opens a WebSocket (RFC 8441, RFC
// 9220), which reverse_proxy turns into an Upgrade. The condition is the one of reverse_proxy.
func (h *Handler) checkConnect(r *http.Request, c *call) error {
	webSocket := r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket"
	if h.guarded && !webSocket {
		return caddyhttp.Error(http.StatusNotImplemented, errors.New("CONNECT is not served here, except for WebSockets"))
	}
	c.skip(invocation.Upgrade)
	return nil
}

// withoutBody is for a request without a body. That is no event, except that user_info makes one, to say who calls.
func (h *Handler) withoutBody(r *http.Request, c *call, mediaType httpbody.MediaType) (*jsonBody, error) {
	if h.UserInfo && c.caller.openid != "" && h.eventIsBody(r) && writesBody(r.Method) {
		return &jsonBody{bytes: append(bufpool.Get(2), "{}"...), mediaType: forwardedType(mediaType.Name)}, nil
	}
	if h.Fields != nil && mediaType.JSON && !methodWithoutBody(r.Method) {
		return nil, caddyhttp.Error(http.StatusBadRequest, event.ErrNoEvent)
	}
	c.skip(invocation.NoBody)
	return nil, nil
}

func writesBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// eventIsBody reports whether the event of a request is its whole body.
func (h *Handler) eventIsBody(r *http.Request) bool {
	if h.Event.CloudEvents {
		return hasCloudEventHeaders(r.Header)
	}
	return h.Event.Pointer == "" && !h.Event.Text
}

// leaveUnread is for a body that is not JSON. Function frameworks make events of many types, so where something is promised of
// the event only those that `pass` names are let through.
func (h *Handler) leaveUnread(c *call, mediaType httpbody.MediaType) (*jsonBody, error) {
	switch {
	case h.guarded && mediaType.Given && h.passes(mediaType.Name):
		c.skip(invocation.Passed)
		return nil, nil
	case mediaType.Given:
		return nil, h.skipOrReject(c, invocation.OtherType, otherType)
	default:
		return nil, h.skipOrReject(c, invocation.NoType, otherType)
	}
}

func otherType() error {
	return caddyhttp.Error(http.StatusUnsupportedMediaType,
		errors.New("this gateway forwards JSON events only; send one as application/json (its operator can let other types through with the option pass)"))
}

// skipOrReject leaves a body unread, or rejects the request where something is promised of the event.
func (h *Handler) skipOrReject(c *call, reason invocation.Skipped, rejection func() error) error {
	if h.guarded {
		return rejection()
	}
	c.skip(reason)
	return nil
}

// passes reports whether `pass` names a media type.
func (h *Handler) passes(name string) bool {
	for _, pattern := range h.Pass {
		if kind, all := strings.CutSuffix(pattern, "*"); pattern == name || all && strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// forwardedType is the Content-Type with which a body goes on that was read as JSON. A body can be JSON and a form at once, and
// many readers choose by type, or take a form where there is none: so a type that could be read in another way does not stay.
func forwardedType(name string) string {
	subtype, isApplication := strings.CutPrefix(name, "application/")
	switch {
	case name == "text/json":
		return name
	case isApplication && strings.HasSuffix(subtype, "+json") && !strings.Contains(subtype, "form") && !strings.Contains(subtype, "multipart"):
		return name
	}
	return "application/json"
}

// readBody reads a body to its end, decompressed.
func (h *Handler) readBody(r *http.Request) (*jsonBody, error) {
	const what = "the event"
	switch httpbody.Coding(r.Header) {
	case "":
		plain, err := httpbody.Read(r, h.maxSize, what)
		return &jsonBody{bytes: plain}, err
	case "gzip":
	default:
		return nil, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the Content-Encoding of a JSON event must be gzip or none"))
	}
	if r.ContentLength > h.maxSize {
		return nil, httpbody.TooLarge(what, h.maxSize)
	}
	// A valid body of this size is hardly longer compressed than plain; members of no content could go on for ever.
	unzipped, err := gzip.NewReader(io.LimitReader(r.Body, 2*h.maxSize+1024))
	if err != nil {
		return nil, httpbody.Error(r, err)
	}
	plain, err := httpbody.ReadFrom(r, unzipped, h.maxSize, what)
	return &jsonBody{bytes: plain, decoded: true}, err
}

// setRequestBody makes rewritten, which may be b's own bytes, the request's body.
func (b *jsonBody) setRequestBody(r *http.Request, rewritten []byte, changed bool) *replayableBody {
	body := &replayableBody{bytes: rewritten}
	setBody(r, body)
	setBodyPlaceholders(r)
	if value := r.Header["Content-Type"]; len(value) != 1 || value[0] != b.mediaType {
		r.Header["Content-Type"] = []string{b.mediaType}
	}
	delete(r.Header, "Content-Encoding")
	if changed {
		bufpool.Put(b.bytes)
	}
	if changed || b.decoded {
		// What the client said of its bytes does not hold for these.
		for _, digest := range []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
			delete(r.Header, digest)
		}
	}
	return body
}

// setBody sets a request's body, or removes it (nil). All fields that describe a body have to agree, or some transport sends it
// wrong.
func setBody(r *http.Request, body *replayableBody) {
	r.TransferEncoding = nil
	r.Trailer = nil
	delete(r.Header, "Trailer")
	delete(r.Header, "Expect")
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
		delete(r.Header, "Content-Length")
		return
	}
	r.Body, r.ContentLength = body, int64(len(body.bytes))
	// FastCGI reads it, and a client may have written 0010.
	length := strconv.AppendInt(make([]byte, 0, 20), r.ContentLength, 10)
	if written := r.Header["Content-Length"]; len(written) != 1 || written[0] != string(length) {
		r.Header["Content-Length"] = []string{string(length)}
	}
}

// dropBody removes the body of a request that is rejected. It was read, at least in part, and an error page may be proxied
// like any other: it would be announced a body that does not come.
func dropBody(r *http.Request) {
	setBody(r, nil)
	delete(r.Header, "Content-Encoding")
}
