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

// maxBody is the size in bytes of the largest request body that is read.
const maxBody = 1 << 20

// readBody reads a request's body to its end. Only then does net/http notice that a caller went away.
func readBody(r *http.Request) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, unsupportedMediaType("the body is compressed; send it plain")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		if limited, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			return nil, limited // request_body's 413
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, caddyhttp.Error(http.StatusRequestTimeout, err)
		}
		return nil, badRequest("the body broke off")
	}
	if len(body) > maxBody {
		return nil, tooLarge()
	}
	return body, nil
}

// isJSON reports whether a request says that its body is JSON.
func isJSON(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && (mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json"))
}

// parseJSON checks a whole text. Its error says where it is wrong, not what is there.
func parseJSON(text []byte) (gjson.Result, error) {
	if err := jsonscan.Check(text); err != nil {
		return gjson.Result{}, badJSON("the body cannot be read: " + err.Error())
	}
	return gjson.ParseBytes(text), nil
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

// write sends an answer. It is one user's: nobody may keep it.
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
	_, err := w.Write(body)
	return err
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
