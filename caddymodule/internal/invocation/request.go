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
	path := req.URL.Path
	if original, ok := req.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		path = original.URL.Path
	}
	r.Method, r.Host, r.Proto = Cut(req.Method, 32), Cut(req.Host, MaxName), req.Proto
	r.Path = Cut(path, MaxPath)
	if contentType := req.Header["Content-Type"]; len(contentType) > 0 {
		mediaType, _, _ := strings.Cut(contentType[0], ";")
		r.ContentType = Cut(strings.ToLower(strings.TrimSpace(mediaType)), MaxName)
	}
	r.Sizes.Received = req.ContentLength
	if start, ok := caddyhttp.GetVar(req.Context(), "start_time").(time.Time); ok {
		r.Timing.Before = r.Time.Sub(start)
	}
}

// Cut shortens a text to a number of bytes.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
