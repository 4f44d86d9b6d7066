package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

const headerRequestID = "X-Request-Id"

// response is the client's response. It gets the request's id before its header is sent, unless the function named one, and
// notes what the record of the call says of it.
type response struct {
	caddyhttp.ResponseWriterWrapper
	record    *invocation.Live // of the call
	status    int              // 0: the header was not sent
	size      int64
	firstByte time.Duration // since the call began; zero: the header was not sent, or nobody sees how long it takes
}

// complete is called before the header is sent. Without a Content-Type of the function, net/http would choose one by the body's
// first bytes, text/plain for JSON: the client shall see what the function said.
func (w *response) complete() {
	if w.status != 0 {
		return
	}
	w.setRequestID()
	if header := w.Header(); header["Content-Type"] == nil {
		header["Content-Type"] = nil
	}
}

// setRequestID names the request, unless something has already, or it is too late.
func (w *response) setRequestID() {
	if w.status == 0 && w.Header()[headerRequestID] == nil && w.record.RequestID != "" {
		w.Header()[headerRequestID] = []string{w.record.RequestID}
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.complete()
		w.begin(status)
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *response) begin(status int) {
	if w.status == 0 {
		w.status = status
		if !w.record.Time.IsZero() {
			w.firstByte = time.Since(w.record.Time)
		}
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.complete()
	w.begin(http.StatusOK)
	n, err := w.ResponseWriterWrapper.Write(p)
	w.size += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (w *response) ReadFrom(from io.Reader) (int64, error) {
	w.complete()
	w.begin(http.StatusOK)
	n, err := w.ResponseWriterWrapper.ReadFrom(from)
	w.size += n
	return n, err
}

// FlushError is for http.ResponseController. It sends the header, if that was not sent.
func (w *response) FlushError() error {
	w.complete()
	w.begin(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}
