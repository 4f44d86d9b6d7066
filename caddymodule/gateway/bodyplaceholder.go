package gateway

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
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
