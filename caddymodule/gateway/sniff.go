package gateway

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
)

// sniffLen is how many bytes of a body without a Content-Type are looked at.
const sniffLen = 512

// sniffJSON reports whether a body without a Content-Type begins like a JSON object: some frameworks parse it all the same.
// Space, NULs, byte order marks or gzip before the brace do not hide it, since they do not from all of those. What its beginning
// does not tell counts as JSON. The body stays to be read.
func sniffJSON(r *http.Request) (bool, error) {
	coding := httpbody.Coding(r.Header)
	if coding != "" && coding != "gzip" {
		return true, nil
	}
	start := make([]byte, sniffLen)
	n, err := 0, error(nil)
	for err == nil && len(skipJSONPadding(coding, start[:n])) == 0 && n < len(start) {
		var more int
		more, err = r.Body.Read(start[n:])
		n += more
	}
	if err != nil && err != io.EOF {
		return false, httpbody.Error(r, err)
	}
	start = start[:n]
	unread(r, start)
	text := skipJSONPadding(coding, start)
	switch {
	case len(text) > 0:
		return text[0] == '{', nil
	case n == 0:
		return false, nil
	case coding != "":
		return true, nil // no gzip at all, or one with a long header or many empty blocks
	default:
		// More space than anybody would look at can only be there to hide something. Zeros alone begin many a file.
		return n == sniffLen && bytes.ContainsAny(start, " \t\r\n"), nil
	}
}

// isEmpty reports whether a body has no content. It stays to be read.
func isEmpty(r *http.Request) (bool, error) {
	if r.ContentLength > 0 {
		return false, nil
	}
	start := make([]byte, 1)
	n, err := io.ReadFull(r.Body, start)
	if err != nil && err != io.EOF {
		return false, httpbody.Error(r, err)
	}
	unread(r, start[:n])
	return n == 0, nil
}

// unread puts bytes that were read back in front of a body.
func unread(r *http.Request, start []byte) {
	r.Body = prefixedBody{io.MultiReader(bytes.NewReader(start), r.Body), r.Body}
}

type prefixedBody struct {
	io.Reader
	io.Closer
}

// skipJSONPadding returns what of a body's beginning is text, without what may stand before a JSON text.
func skipJSONPadding(coding string, start []byte) []byte {
	if coding == "gzip" {
		start = unzipStart(start)
	}
	return bytes.TrimLeftFunc(start, func(c rune) bool {
		return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0 || c == 0xFEFF || c == 0xFFFD
	})
}

// unzipStart returns as much as the beginning of a gzip stream yields.
func unzipStart(start []byte) []byte {
	unzipped, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return nil
	}
	plain := make([]byte, sniffLen)
	n, _ := io.ReadFull(unzipped, plain) // it breaks off, of course
	return plain[:n]
}
