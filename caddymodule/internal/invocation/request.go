package invocation

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// DescribeRequest fills in what a record says of the request itself, as the client sent it, before handle_path and rewrites; and how
// long handlers in front took, of a record that has its Time.
func (r *Record) DescribeRequest(req *http.Request) {
	path, uri := req.URL.Path, req.RequestURI
	if original, ok := req.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		path, uri = original.URL.Path, original.RequestURI
	}
	whole := len(req.Method) + len(uri) + len(req.Proto) + len(req.Host) // net/http cuts most of these from the request's first line
	r.Method, r.Proto = own(req.Method, whole, 32), own(req.Proto, whole, 32)
	r.Host, r.Path = own(req.Host, whole, MaxName), own(path, whole, MaxPath)
	if contentType := req.Header["Content-Type"]; len(contentType) > 0 {
		mediaType, _, _ := strings.Cut(contentType[0], ";")
		r.ContentType = own(strings.ToLower(strings.TrimSpace(mediaType)), len(contentType[0]), MaxName)
	}
	r.Sizes.Received = req.ContentLength
	if start, ok := caddyhttp.GetVar(req.Context(), "start_time").(time.Time); ok {
		r.Timing.Before = r.Time.Sub(start)
	}
}

// own is Cut for a part of a text of at most this length, which it does not keep in memory if that may be long.
func own(text string, whole, limit int) string {
	cut := Cut(text, limit)
	if whole > MaxName {
		return strings.Clone(cut)
	}
	return cut
}

// Cut shortens a text to a number of bytes.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
