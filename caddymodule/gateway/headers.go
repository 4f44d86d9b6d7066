package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf16"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/callerheaders"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// The headers by which a function learns who calls, as WeChat Cloud Run has them, in the form of net/http's keys.
const (
	headerOpenID          = "X-Wx-Openid"
	headerUnionID         = "X-Wx-Unionid"
	headerAppID           = "X-Wx-Appid"
	headerSource          = "X-Wx-Source"
	headerToken           = "X-Wx-Cloudbase-Access-Token"
	headerOpenDataInfo    = "X-Wx-Open-Data-Info"
	headerExtendedContext = "X-Functions-Extended-Context"
)

// source is what X-WX-SOURCE says of a call by a mini program.
const source = "wx_client"

// pruneConnectionHeader removes names from the Connection header by which a client could make the proxy behind the gateway drop
// what the gateway says, or what says of a body that it is no JSON.
func pruneConnectionHeader(r *http.Request) {
	connection := r.Header["Connection"]
	for i, field := range connection {
		if !strings.ContainsAny(field, "xXcC") {
			continue
		}
		var kept []string
		for option := range strings.SplitSeq(field, ",") {
			if name := strings.TrimSpace(option); !callerheaders.Reserved(name) && !describesBody(name) {
				kept = append(kept, option)
			}
		}
		connection[i] = strings.Join(kept, ",")
	}
}

func describesBody(name string) bool {
	const prefix = "content-"
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// dropHTTPUpgrade removes the Upgrade header from a request that asks for another version of HTTP, or for TLS, which a server may
// ignore. A function that accepted it would speak HTTP with the client past the gateway.
func dropHTTPUpgrade(r *http.Request) {
	for _, field := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(field, ",") {
			name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(protocol)), "/")
			if name == "h2c" || name == "h2" || name == "http" || name == "tls" {
				delete(r.Header, "Upgrade")
				return
			}
		}
	}
}

// callerHeaders are what the function is told in headers; "" is a header that it is not sent.
type callerHeaders struct {
	openDataInfo, openid, appid, unionid, source, token, extendedContext string
}

// setCallerHeaders tells the function who calls, and which members hold open data that WeChat really gave.
func (h *Handler) setCallerHeaders(r *http.Request, c *call) error {
	pruneConnectionHeader(r)
	told := callerHeaders{openDataInfo: openDataInfo(c.keys())}
	if c.caller.openid != "" {
		if err := h.tellCaller(&told, r.Header, c); err != nil {
			return err
		}
	}
	told.set(r.Header)
	c.describeHeaders(&told, r.Header)
	return nil
}

// tellCaller fills in who calls.
func (h *Handler) tellCaller(told *callerHeaders, header http.Header, c *call) error {
	told.openid, told.unionid, told.appid = c.caller.openid, c.caller.unionid, c.caller.account.AppID()
	// With trust_headers, WeChat's own word on these stands.
	if header[headerSource] == nil {
		told.source = source
	}
	if header[headerToken] == nil {
		// It proves, when the function calls the gateway's API, in whose name it runs.
		var err error
		if told.token, err = c.caller.account.InvocationToken(usertoken.User{OpenID: c.caller.openid, UnionID: c.caller.unionid}); err != nil {
			return err
		}
	}
	if h.ExtendedContext {
		told.extendedContext = extendedContext(c)
	}
	return nil
}

// set sets the headers. The values stand in one slice, which is one allocation for all of them.
func (t *callerHeaders) set(header http.Header) {
	values := make([]string, 0, 7)
	set := func(name, value string) {
		if value == "" {
			return
		}
		values = append(values, value)
		last := len(values)
		header[name] = values[last-1 : last : last]
	}
	set(headerOpenDataInfo, t.openDataInfo)
	set(headerOpenID, t.openid)
	set(headerAppID, t.appid)
	set(headerUnionID, t.unionid)
	set(headerSource, t.source)
	set(headerToken, t.token)
	set(headerExtendedContext, t.extendedContext)
}

// callerHeadersOf reads the headers of a request.
func callerHeadersOf(header http.Header) *callerHeaders {
	value := func(name string) string {
		if values := header[name]; len(values) > 0 {
			return values[0]
		}
		return ""
	}
	return &callerHeaders{
		value(headerOpenDataInfo), value(headerOpenID), value(headerAppID), value(headerUnionID),
		value(headerSource), value(headerToken), value(headerExtendedContext),
	}
}

// openDataInfo is what X-WX-OPEN-DATA-INFO says of the members that hold open data.
func openDataInfo(keys []string) string {
	if len(keys) == 0 {
		return `{"keys":[]}`
	}
	return `{"keys":` + quotedNames(keys) + `}`
}

// quotedNames returns names as a JSON array in ASCII, which can stand in a header.
func quotedNames(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	text := make([]byte, 0, 128) // on the stack
	for i, name := range names {
		text = appendASCII(append(text, "[,"[min(i, 1)]), name)
	}
	return string(append(text, ']'))
}

// appendASCII appends a text as a JSON string with every character that is no printable ASCII escaped.
func appendASCII(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	var few [64]byte // on the stack
	for _, c := range string(gjson.AppendJSONString(few[:0], text)) {
		if c >= ' ' && c < 0x7F {
			to = append(to, byte(c))
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			to = append(to, `\u`...)
			for shift := 12; shift >= 0; shift -= 4 {
				to = append(to, hex[unit>>shift&0xF])
			}
		}
	}
	return to
}

// userInfoJSON is event.userInfo, as classic cloud functions find it.
func userInfoJSON(c caller) []byte {
	object, _ := sjson.SetBytes([]byte(`{}`), "appId", c.account.AppID())
	object, _ = sjson.SetBytes(object, "openId", c.openid)
	return object
}

// extendedContext is base64(gzip(JSON)), as @cloudbase/functions-framework reads it.
func extendedContext(c *call) string {
	object, _ := sjson.SetBytes([]byte(`{}`), "wechatContext.callId", c.record.RequestID)
	object, _ = sjson.SetBytes(object, "wechatContext.source", source)
	object, _ = sjson.SetBytes(object, "wechatContext.appId", c.caller.account.AppID())
	object, _ = sjson.SetBytes(object, "wechatContext.openId", c.caller.openid)
	object, _ = sjson.SetBytes(object, "wechatContext.unionId", c.caller.unionid)
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write(object) // a bytes.Buffer takes everything
	_ = writer.Close()
	return base64.StdEncoding.EncodeToString(zipped.Bytes())
}
