package gateway

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// sniffLen is how many bytes of a body without a Content-Type are looked at.
const sniffLen = 512

// sniffJSON looks at the beginning of a body without a Content-Type: some frameworks parse it all the same. Space, NULs,
// byte order marks or gzip before the brace do not hide it, since they do not from all of those.
func sniffJSON(r *http.Request) (bool, error) {
	start := make([]byte, sniffLen)
	n, err := 0, error(nil)
	for err == nil && len(skipJSONPadding(r.Header, start[:n])) == 0 && n < len(start) {
		var more int
		more, err = r.Body.Read(start[n:])
		n += more
	}
	if err != nil && err != io.EOF {
		return false, readError(r, err)
	}
	r.Body = prefixedBody{io.MultiReader(bytes.NewReader(start[:n]), r.Body), r.Body}
	text := skipJSONPadding(r.Header, start[:n])
	if len(text) == 0 {
		// More space than anybody would look at can only be there to hide something. Zeros alone begin many a file.
		return n == len(start) && bytes.ContainsAny(start, " \t\r\n"), nil
	}
	return text[0] == '{', nil
}

// skipJSONPadding returns what of a body's beginning is text, without what may stand before a JSON text.
func skipJSONPadding(header http.Header, start []byte) []byte {
	if gzipped(header) {
		start = unzipStart(start)
	}
	return bytes.TrimLeftFunc(start, func(c rune) bool {
		return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0 || c == 0xFEFF || c == 0xFFFD
	})
}

func gzipped(header http.Header) bool {
	return strings.EqualFold(strings.TrimSpace(strings.Join(header["Content-Encoding"], ",")), "gzip")
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

type prefixedBody struct {
	io.Reader
	io.Closer
}
