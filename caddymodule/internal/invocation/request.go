package invocation

import (
	"net/http"
	"strings"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// NewLive returns the record of a call that somebody sees, with what it says of the request as the client sent it, before handle_path
// and rewrites.
func NewLive(req *http.Request, requestID string) *Live {
	began, ok := caddyhttp.GetVar(req.Context(), "start_time").(time.Time)
	if !ok { // a directive `vars` set another value
		began = time.Now()
	}
	l, texts := new(Live), make([]byte, 0, usualTexts)
	keep := func(text string, limit int) (kept string) {
		kept, texts = keepIn(texts, Cut(text, limit))
		return kept
	}
	path := req.URL.Path
	if original, ok := req.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		path = original.URL.Path
	}
	r := &l.Record
	r.Time, r.Timing.Before = began, time.Since(began)
	r.RequestID, r.Method, r.Host = keep(requestID, MaxName), keep(req.Method, maxMethod), keep(req.Host, MaxName)
	r.Path, r.Proto = keep(path, MaxPath), keep(req.Proto, maxMethod)
	if contentType := req.Header["Content-Type"]; len(contentType) > 0 {
		mediaType, _, _ := strings.Cut(contentType[0], ";")
		r.ContentType = keep(strings.ToLower(strings.TrimSpace(mediaType)), MaxName)
	}
	r.Sizes.Received = req.ContentLength
	r.Outline.bytes = texts[len(texts):]
	return l
}

// usualTexts is how many bytes there are for the texts of a request, and behind them for what is noted of the event's members. Most often
// all of it fits. Then a call that is kept is two objects to the garbage collector, which has to look at each of them, and it keeps nothing
// of what net/http cut the texts from. They are not one, since the collector of Go 1.26 is several times faster with objects of up to 512
// bytes, which is what a Live takes.
const usualTexts = 192

// keepIn copies a text behind those that there are in a room, which it returns as well, or elsewhere if there is no space left.
func keepIn(room []byte, text string) (kept string, _ []byte) {
	start := len(room)
	if len(text) > cap(room)-start {
		return strings.Clone(text), room
	}
	room = append(room, text...)
	return unsafe.String(unsafe.SliceData(room[start:]), len(text)), room // nothing writes there again
}

// maxMethod is how many bytes of a method, and of a version of HTTP, are kept.
const maxMethod = 32

// Cut shortens a text to a number of bytes.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
