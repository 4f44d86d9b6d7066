package functionapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
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

// readBody reads a request's body of at most limit bytes to its end. Only then does net/http notice that a caller went away. A large
// one waits until no more than maxLargeBodies are in memory; the caller calls release when it is done with it.
func (h *Handler) readBody(r *http.Request, limit int) (body []byte, release func(), err error) {
	release = func() {}
	if httpbody.Coding(r.Header) != "" {
		return nil, release, unsupportedMediaType("the body is compressed; send it plain")
	}
	begin, err := httpbody.ReadFrom(r, io.LimitReader(r.Body, maxBody+1), maxBody+1, "the body")
	if err != nil {
		return nil, release, bodyError(err)
	}
	if len(begin) <= maxBody {
		return begin, release, nil
	}
	if limit <= maxBody {
		return nil, release, tooLarge(limit)
	}
	select {
	case h.large <- struct{}{}:
	case <-r.Context().Done():
		return nil, release, contextError(r.Context().Err())
	}
	body, err = httpbody.ReadFrom(r, io.MultiReader(bytes.NewReader(begin), r.Body), int64(limit), "the body")
	if err != nil {
		<-h.large
		return nil, release, bodyError(err)
	}
	return body, func() { <-h.large }, nil
}

// bodyError makes a rejection of what each dialect has its own way to say, and leaves what nobody reads any more.
func bodyError(err error) error {
	switch status := httpbody.Status(err); status {
	case http.StatusBadRequest:
		return reject(status, wechat.CodeArgsError, 40097, httpbody.Message(err))
	case http.StatusRequestEntityTooLarge:
		return reject(status, wechat.CodeArgsError, 45002, httpbody.Message(err))
	default:
		return err
	}
}

// readJSONType reports whether a request says that its body is JSON. Its error is a rejection.
func readJSONType(header http.Header) (bool, error) {
	mediaType, err := httpbody.AnyJSON.ContentType(header)
	if err == nil {
		return mediaType.JSON, nil
	}
	return false, reject(httpbody.Status(err), wechat.CodeArgsError, 47001, httpbody.Message(err))
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
	_ = encoder.Encode(object)
	return write(w, status, contentType, body.Bytes())
}
