// Package callerheaders removes from requests the headers by which a function learns who calls it. Only the gateway may set them,
// so what a client sent under these names must not reach anything behind it, error pages included.
package callerheaders

import (
	"io"
	"net/http"
)

const extendedContext = "x-functions-extended-context"

// Reserved reports whether a name is one of those headers: X-WX-*, X-CloudID-* or X-Functions-Extended-Context. CGI and what
// follows it (FastCGI, WSGI, PHP) read every separator as a dash, so X_WX_OPENID is one too.
func Reserved(name string) bool {
	return hasPrefix(name, "x-wx-") || hasPrefix(name, "x-cloudid-") || len(name) == len(extendedContext) && hasPrefix(name, extendedContext)
}

// hasPrefix compares letters without case, and takes every character that is neither letter nor digit for a dash.
func hasPrefix(name, prefix string) bool {
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

// Strip removes these headers from a request. Trailers keep theirs: see StripTrailers.
func Strip(r *http.Request) { strip(r.Header) }

func strip(header http.Header) {
	for name := range header {
		if Reserved(name) {
			delete(header, name)
		}
	}
}

// StripTrailers removes these names from a request's trailers, also from those that arrive only at the end of the body.
func StripTrailers(r *http.Request) {
	strip(r.Trailer)
	if r.Body != nil && (r.ContentLength < 0 || r.Trailer != nil) {
		r.Body = trailerFilter{r.Body, r}
	}
}

type trailerFilter struct {
	io.ReadCloser
	request *http.Request
}

func (f trailerFilter) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err == io.EOF {
		strip(f.request.Trailer)
	}
	return n, err
}
