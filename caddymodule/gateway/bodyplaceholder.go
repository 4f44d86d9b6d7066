package gateway

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// setBodyPlaceholders makes {http.request.body} show the body that r has. Caddy's own placeholder shows the request that
// came in, of which r is a copy where tracing is on: it would find that body read to its end.
func setBodyPlaceholders(r *http.Request) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.request.body", (*bodyPlaceholder)(r))
	repl.Set("http.request.body_base64", (*bodyBase64Placeholder)(r))
}

// bodyPlaceholder and bodyBase64Placeholder are a request as a placeholder's value: its body, which is read when somebody asks
// for it.
type (
	bodyPlaceholder       http.Request
	bodyBase64Placeholder http.Request
)

func (r *bodyPlaceholder) String() string { return string(peek((*http.Request)(r))) }

func (r *bodyBase64Placeholder) String() string {
	return base64.StdEncoding.EncodeToString(peek((*http.Request)(r)))
}

// isToBeLogged reports whether a line of the access log is going to show the body, which it does after the request is over:
// log_append keeps the placeholder's value, and its text is made when the line is written. Caddy does not say which values are kept,
// so they are looked for by reflection. Where their list has another form, the answer is yes: that costs no more than a buffer.
func isToBeLogged(r *http.Request) bool {
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return false
	}
	if !extraFieldsKnown {
		return true
	}
	fields := reflect.ValueOf(extra).Elem().FieldByIndex(extraFields.Index)
	for i := range fields.Len() {
		value := fields.Index(i).FieldByIndex(fieldValue.Index)
		if value.IsNil() {
			continue
		}
		switch value.Elem().Type() {
		case reflect.TypeFor[*bodyPlaceholder](), reflect.TypeFor[*bodyBase64Placeholder]():
			return true
		}
	}
	return false
}

// The fields that a request adds to its line of the access log, in Caddy 2.11.9, and the value of one.
var (
	extraFields, hasExtraFields = reflect.TypeFor[caddyhttp.ExtraLogFields]().FieldByName("fields")
	fieldValue, _               = reflect.TypeFor[zapcore.Field]().FieldByName("Interface")
	extraFieldsKnown            = hasExtraFields && extraFields.Type == reflect.TypeFor[[]zapcore.Field]()
)

// peek returns the body of a request, which stays to be read.
func peek(r *http.Request) []byte {
	if body, ours := r.Body.(*replayableBody); ours {
		return body.text()
	}
	if r.Body == nil {
		return nil
	}
	body, _ := io.ReadAll(r.Body) // a handler behind us set another; as with Caddy's placeholder, an error ends it
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}
