package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// initialBufferSize is how many bytes are set aside for a body before any of it has arrived: what a client promises costs it
// nothing.
const initialBufferSize = 64 << 10

// jsonBody is a JSON body that was read whole.
type jsonBody struct {
	bytes   []byte
	decoded bool // it came compressed
}

// setRequestBody makes rewritten the request's body. All that describes a body has to agree, or some transport sends it wrong.
func (b *jsonBody) setRequestBody(r *http.Request, rewritten []byte) *replayableBody {
	body := &replayableBody{bytes: rewritten}
	r.Body = body
	setBodyPlaceholders(r)
	r.ContentLength = int64(len(rewritten))
	r.Header["Content-Length"] = []string{strconv.Itoa(len(rewritten))} // FastCGI reads it, and a client may have written 0010
	r.TransferEncoding = nil
	r.Trailer = nil
	delete(r.Header, "Trailer")
	delete(r.Header, "Expect")
	if b.decoded {
		delete(r.Header, "Content-Encoding")
	}
	replaced := unsafe.SliceData(rewritten) != unsafe.SliceData(b.bytes)
	if replaced {
		putBuffer(b.bytes)
	}
	if replaced || b.decoded {
		// What the client said of its bytes does not hold for these.
		for _, digest := range []string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"} {
			r.Header.Del(digest)
		}
	}
	return body
}

// dropBody takes the body from a request that is refused. It was read, at least in part, and an error page may be proxied
// like any other: it would be announced a body that does not come.
func dropBody(r *http.Request) {
	r.Body = http.NoBody
	r.ContentLength = 0
	r.TransferEncoding = nil
	r.Trailer = nil
	for _, name := range []string{"Content-Length", "Content-Encoding", "Trailer", "Expect"} {
		r.Header.Del(name)
	}
}

// setBodyPlaceholders makes {http.request.body} show the body that r has. Caddy's own placeholder speaks of the request that
// came in, of which r is a copy where tracing is on: it would find that body read to its end.
func setBodyPlaceholders(r *http.Request) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.request.body", (*bodyPlaceholder)(r))
	repl.Set("http.request.body_base64", (*bodyBase64Placeholder)(r))
}

// bodyPlaceholder and bodyBase64 are a request as a placeholder's value: its body, which is looked at when somebody asks for it.
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
	body, _ := io.ReadAll(r.Body) // some handler behind us set another; as with Caddy's placeholder, an error ends it
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// readEvent reads the request's body if it is JSON. It returns nil for anything else, which is left to stream.
//
// It never decides by Content-Length: HTTP/2 and HTTP/3 bodies may have none (compare GHSA-rw47-hm26-6wr7).
func (h *Handler) readEvent(r *http.Request) (*jsonBody, error) {
	if r.Body == nil || r.ContentLength == 0 && h.Fields == nil || h.skipBody(r) {
		return nil, nil
	}
	isJSON, err := isJSONContentType(r.Header)
	if err != nil {
		return nil, err
	}
	if !isJSON {
		if r.Header.Get("Content-Type") != "" {
			return nil, nil
		}
		if isJSON, err = sniffJSON(r); err != nil || !isJSON {
			return nil, err
		}
	}
	if caddyhttp.IsIncremental(r.Header) {
		return nil, caddyhttp.Error(http.StatusNotImplemented, errors.New("a JSON event is read whole before it is handed on; send it without Incremental"))
	}
	body, err := h.readBody(r)
	if err != nil {
		return nil, err
	}
	if len(body.bytes) == 0 && (h.Fields == nil || methodWithoutBody(r.Method)) {
		body.setRequestBody(r, body.bytes)
		return nil, nil
	}
	return body, nil
}

// skipBody reports whether the request's body is none of our business, whatever its type. In strict mode, and where
// the event says who calls, only a tunnel's is: a function that reads events from GET, or whose server ignores an Upgrade,
// must not be told what a client made up.
func (h *Handler) skipBody(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return true
	}
	return h.Fields == nil && !h.UserInfo && (methodWithoutBody(r.Method) || r.Header.Get("Upgrade") != "")
}

func methodWithoutBody(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// isJSONContentType reports whether the Content-Type is JSON's. What some framework may take for JSON, though it cannot be read
// as a media type, is an error.
func isJSONContentType(header http.Header) (bool, error) {
	fields := header["Content-Type"]
	if len(fields) == 0 {
		return false, nil
	}
	if len(fields) > 1 {
		return false, caddyhttp.Error(http.StatusBadRequest, errors.New("more than one Content-Type; send one"))
	}
	if fields[0] == "application/json" {
		return true, nil // the usual one, without a closer look
	}
	if !strings.Contains(strings.ToLower(fields[0]), "json") {
		return false, nil // the usual other types, without a closer look
	}
	mediaType, params, err := mime.ParseMediaType(fields[0])
	if err != nil {
		return false, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the Content-Type cannot be read; send application/json"))
	}
	if mediaType != "application/json" && mediaType != "text/json" && !strings.HasSuffix(mediaType, "+json") {
		return false, nil
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return false, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the charset of a JSON event must be utf-8"))
	}
	return true, nil
}

// readBody reads a body to its end, which is also what makes net/http notice from then on that a client went away.
func (h *Handler) readBody(r *http.Request) (*jsonBody, error) {
	if r.ContentLength > h.MaxSize {
		return nil, h.tooLarge()
	}
	body := new(jsonBody)
	source := io.Reader(r.Body)
	switch {
	case gzipped(r.Header):
		// A valid body of this size is hardly longer compressed than plain; members of no content could go on for ever.
		unzipped, err := gzip.NewReader(io.LimitReader(r.Body, 2*h.MaxSize+1024))
		if err != nil {
			return nil, readError(r, err)
		}
		source, body.decoded = unzipped, true
	case strings.Join(r.Header["Content-Encoding"], "") != "":
		return nil, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the Content-Encoding of a JSON event must be gzip or none"))
	}

	var err error
	if body.bytes, err = readLimited(source, h.MaxSize, r.ContentLength); err != nil {
		return nil, readError(r, err)
	}
	if int64(len(body.bytes)) > h.MaxSize {
		putBuffer(body.bytes)
		return nil, h.tooLarge()
	}
	if !body.decoded && r.ContentLength >= 0 && int64(len(body.bytes)) != r.ContentLength {
		putBuffer(body.bytes)
		return nil, readError(r, io.ErrUnexpectedEOF)
	}
	return body, nil
}

func (h *Handler) tooLarge() error {
	return caddyhttp.Error(http.StatusRequestEntityTooLarge, fmt.Errorf("the event is larger than %d bytes", h.MaxSize))
}

// readLimited reads to the end of source, or one byte more than limit, into borrowed memory. That is borrowed as bytes arrive:
// about four times of them at the most, and no more than promised while that holds.
func readLimited(source io.Reader, limit, promised int64) ([]byte, error) {
	size := int64(512)
	if promised >= 0 {
		size = min(promised, initialBufferSize)
	}
	body := getBuffer(int(size) + 1) // one more, to meet the end in
	for {
		if len(body) == cap(body) {
			size = min(4*int64(len(body)), limit+1)
			if promised >= int64(len(body)) {
				size = min(size, promised+1)
			}
			longer := append(getBuffer(int(size)), body...)
			putBuffer(body)
			body = longer
		}
		n, err := source.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF || int64(len(body)) > limit:
			return body, nil
		case err != nil:
			putBuffer(body)
			return nil, err
		}
	}
}

// readError gives an error of reading a body its status.
func readError(r *http.Request, err error) error {
	if known, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return known // request_body in front set a limit, and says so itself
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return caddyhttp.Error(http.StatusRequestEntityTooLarge, tooLarge)
	}
	switch {
	// These first: net/http ends the request's context after them too.
	case errors.Is(err, os.ErrDeadlineExceeded):
		return caddyhttp.Error(http.StatusRequestTimeout, errors.New("the body did not arrive in time"))
	case r.Context().Err() != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return contextError(r.Context().Err())
	default:
		return caddyhttp.Error(http.StatusBadRequest, errors.New("the body is cut short or damaged"))
	}
}
