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

// setCallerHeaders tells the function who calls, and which members hold open data that WeChat really gave.
func (h *Handler) setCallerHeaders(r *http.Request, c *call) error {
	pruneConnectionHeader(r)
	set := headerSetter{r.Header, make([]string, 0, 7)}
	set.value(headerOpenDataInfo, openDataInfo(c.keys()))
	if c.caller.openid == "" {
		return nil
	}
	set.value(headerOpenID, c.caller.openid)
	set.value(headerAppID, c.caller.account.AppID())
	if c.caller.unionid != "" {
		set.value(headerUnionID, c.caller.unionid)
	}
	// With trust_headers, WeChat's own word on these stands.
	if r.Header[headerSource] == nil {
		set.value(headerSource, source)
	}
	if r.Header[headerToken] == nil {
		// It proves, when the function calls the gateway's API, in whose name it runs.
		token, err := c.caller.account.InvocationToken(usertoken.User{OpenID: c.caller.openid, UnionID: c.caller.unionid})
		if err != nil {
			return err
		}
		if token != "" {
			set.value(headerToken, token)
		}
	}
	if h.ExtendedContext {
		set.value(headerExtendedContext, extendedContext(c))
	}
	return nil
}

// headerSetter sets header fields of one value each. The values stand in one slice, which is one allocation for all of them.
type headerSetter struct {
	header http.Header
	values []string
}

func (s *headerSetter) value(name, value string) {
	s.values = append(s.values, value)
	last := len(s.values)
	s.header[name] = s.values[last-1 : last : last]
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
