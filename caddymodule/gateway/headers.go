package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"unicode/utf16"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

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

// validID reports whether an id can be one of WeChat's, and so may stand in a header: printable ASCII without space.
func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7F {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// ours reports whether a header's name is one by which the gateway speaks to functions.
func isReservedHeader(name string) bool {
	const context = "x-functions-extended-context"
	return hasReservedPrefix(name, "x-wx-") || hasReservedPrefix(name, "x-cloudid-") || len(name) == len(context) && hasReservedPrefix(name, context)
}

// hasReservedPrefix reports whether a header's name begins with prefix, in whatever letter case. CGI and its heirs read any separator
// as a dash.
func hasReservedPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// stripReservedHeaders removes what a client sent under our names.
func stripReservedHeaders(r *http.Request) {
	for name := range r.Header {
		if isReservedHeader(name) {
			delete(r.Header, name)
		}
	}
}

// pruneConnectionHeader takes names out of the Connection header, by which a client could have the proxy behind us remove what we
// say, or what says of a body that it is no JSON.
func pruneConnectionHeader(r *http.Request) {
	connection := r.Header["Connection"]
	for i, field := range connection {
		if !strings.ContainsAny(field, "xXcC") {
			continue
		}
		var kept []string
		for option := range strings.SplitSeq(field, ",") {
			if name := strings.TrimSpace(option); !isReservedHeader(name) && !describesBody(name) {
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

// stripReservedTrailers removes our names from the trailers, also from those that arrive only at the end of a body.
func stripReservedTrailers(r *http.Request) {
	for name := range r.Trailer {
		if isReservedHeader(name) {
			delete(r.Trailer, name)
		}
	}
	if r.Body != nil && (r.ContentLength < 0 || r.Trailer != nil) {
		r.Body = trailerFilter{r.Body, r}
	}
}

type trailerFilter struct {
	io.ReadCloser
	request *http.Request
}

func (g trailerFilter) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range g.request.Trailer {
			if isReservedHeader(name) {
				delete(g.request.Trailer, name)
			}
		}
	}
	return n, err
}

// setCallerHeaders tells the function who calls, and which members hold open data that WeChat really gave.
func (h *Handler) setCallerHeaders(r *http.Request, repl *caddy.Replacer, who caller, keys []string) error {
	pruneConnectionHeader(r)
	r.Header[headerOpenDataInfo] = []string{openDataInfo(keys)}
	if who.openid == "" {
		return nil
	}
	r.Header[headerOpenID] = []string{who.openid}
	r.Header[headerAppID] = []string{who.account.AppID()}
	if who.unionid != "" {
		r.Header[headerUnionID] = []string{who.unionid}
	}
	// With trust_headers, WeChat's own word on these stands.
	if r.Header[headerSource] == nil {
		r.Header[headerSource] = []string{source}
	}
	if r.Header[headerToken] == nil {
		if err := setInvocationToken(r, who); err != nil {
			return err
		}
	}
	if h.ExtendedContext {
		r.Header[headerExtendedContext] = []string{extendedContext(repl, who)}
	}
	return nil
}

// setInvocationToken gives the function what proves, when it asks the gateway for more, in whose name it runs.
func setInvocationToken(r *http.Request, who caller) error {
	token, err := who.account.InvocationToken(usertoken.User{OpenID: who.openid, UnionID: who.unionid})
	if err == nil && token != "" {
		r.Header[headerToken] = []string{token}
	}
	return err
}

// openDataInfo is {"keys":[…]} in ASCII, as a header takes it.
func openDataInfo(keys []string) string {
	if len(keys) == 0 {
		return `{"keys":[]}`
	}
	var text strings.Builder
	text.WriteString(`{"keys":[`)
	for i, key := range keys {
		if i > 0 {
			text.WriteByte(',')
		}
		writeASCII(&text, gjson.AppendJSONString(nil, key))
	}
	text.WriteString(`]}`)
	return text.String()
}

// writeASCII writes a JSON string with every character that is no printable ASCII escaped.
func writeASCII(text *strings.Builder, quoted []byte) {
	const hex = "0123456789abcdef"
	for _, c := range string(quoted) {
		if c >= ' ' && c < 0x7F {
			text.WriteByte(byte(c))
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			text.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				text.WriteByte(hex[unit>>shift&0xF])
			}
		}
	}
}

// userInfoJSON is event.userInfo, as classic cloud functions find it.
func userInfoJSON(who caller) []byte {
	object, _ := sjson.SetBytes([]byte(`{}`), "appId", who.account.AppID())
	object, _ = sjson.SetBytes(object, "openId", who.openid)
	return object
}

// extendedContext is base64(gzip(JSON)), as @cloudbase/functions-framework reads it.
func extendedContext(repl *caddy.Replacer, who caller) string {
	callID, _ := repl.GetString("http.request.uuid")
	object, _ := sjson.SetBytes([]byte(`{}`), "wechatContext.callId", callID)
	object, _ = sjson.SetBytes(object, "wechatContext.source", source)
	object, _ = sjson.SetBytes(object, "wechatContext.appId", who.account.AppID())
	object, _ = sjson.SetBytes(object, "wechatContext.openId", who.openid)
	object, _ = sjson.SetBytes(object, "wechatContext.unionId", who.unionid)
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write(object) // a bytes.Buffer takes everything
	_ = writer.Close()
	return base64.StdEncoding.EncodeToString(zipped.Bytes())
}
