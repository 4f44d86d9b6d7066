package functionapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

const (
	// maxBody is the size in bytes of the largest body in the dialects of our own.
	maxBody = 1 << 20

	// maxRelayedBody is that of a body for WeChat: the largest file that its media API takes.
	maxRelayedBody = 10 << 20

	// maxSDKBody is that of what wx-server-sdk sends around such a file.
	maxSDKBody = maxRelayedBody + 64<<10

	// maxLargeBodies is how many bodies above maxBody are in memory at once, of one handler; other callers wait. Each takes some
	// 30 MiB until WeChat has responded.
	maxLargeBodies = 16
)

// readBody reads a request's body of at most limit bytes to its end. Only then does net/http notice that a caller went away.
func readBody(r *http.Request, limit int) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, unsupportedMediaType("the body is compressed; send it plain")
	}
	return readUpTo(r, nil, limit)
}

// readLargeBody is readBody for bodies that may be large. The caller calls release when it is done with the body.
func (h *Handler) readLargeBody(r *http.Request, limit int) (body []byte, release func(), err error) {
	none := func() {}
	body, err = readBody(r, min(limit, maxBody))
	if limit <= maxBody {
		return body, none, err
	}
	if rejected, ok := errors.AsType[*rejection](err); !ok || rejected.status != http.StatusRequestEntityTooLarge {
		return body, none, err
	}
	select {
	case h.large <- struct{}{}:
	case <-r.Context().Done():
		return nil, none, contextError(r.Context().Err())
	}
	release = func() { <-h.large }
	if body, err = readUpTo(r, body, limit); err != nil {
		release()
		return nil, none, err
	}
	return body, release, nil
}

// readUpTo reads on behind what was read. With the rejection for a body that is larger than limit it returns what it has.
func readUpTo(r *http.Request, read []byte, limit int) ([]byte, error) {
	body := bytes.NewBuffer(read)
	_, err := body.ReadFrom(io.LimitReader(r.Body, int64(limit+1-len(read))))
	switch {
	case err == nil && body.Len() > limit:
		return body.Bytes(), tooLarge(limit)
	case err == nil:
		return body.Bytes(), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, caddyhttp.Error(http.StatusRequestTimeout, err)
	}
	if limited, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return nil, limited // request_body's 413
	}
	return nil, badRequest("the body broke off")
}

// isJSON reports whether a request says that its body is JSON, in UTF-8.
func isJSON(header http.Header) bool {
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return err == nil && (mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json"))
}

// parseJSON checks a whole text. Its error says where it is wrong, not what is there.
func parseJSON(text []byte) (gjson.Result, error) {
	if err := jsonscan.Check(text); err != nil {
		return gjson.Result{}, badJSON("the body cannot be read: " + err.Error())
	}
	return gjson.ParseBytes(text), nil
}

// stringList reads a list of at most maxList strings, and stops where it is too long or has anything else in it.
func stringList(list gjson.Result, wrong func(index int, value gjson.Result) error) (strings []string, err error) {
	list.ForEach(func(_, value gjson.Result) bool {
		switch {
		case len(strings) == maxList:
			err = listTooLong()
		case value.Type != gjson.String:
			err = wrong(len(strings), value)
		default:
			strings = append(strings, value.String())
		}
		return err == nil
	})
	return strings, err
}

// jsTypeOf names a value's type as JavaScript's developers know it.
func jsTypeOf(value gjson.Result) string {
	switch {
	case !value.Exists():
		return "undefined"
	case value.IsArray():
		return "array"
	case value.IsObject():
		return "object"
	case value.IsBool():
		return "boolean"
	case value.Type == gjson.Number:
		return "number"
	case value.Type == gjson.String:
		return "string"
	default:
		return "null"
	}
}

// write sends a response. It is one user's: nobody may keep it. That a caller hung up while it was sent is no error of this
// handler, and it is too late for another response.
func write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", contentType)
	if contentType == "" {
		header["Content-Type"] = nil // none, and net/http is not to guess one
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// writeJSON sends an object of strings and numbers, which can always be written.
func writeJSON(w http.ResponseWriter, status int, contentType string, object any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // people read this
	if err := encoder.Encode(object); err != nil {
		return err
	}
	return write(w, status, contentType, body.Bytes())
}
