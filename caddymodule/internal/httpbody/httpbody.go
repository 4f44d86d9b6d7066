// Package httpbody reads request bodies that are wanted whole, and gives every way in which that can fail its HTTP status. It
// also decides whether a body is JSON, and says when a request may be made again. All handlers of this plugin read bodies by it.
package httpbody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
)

// StatusClientClosedRequest is the status for a client that went away, as nginx and Caddy call it. Only logs and metrics see it.
const StatusClientClosedRequest = 499

// initialSize is how many bytes are allocated for a body before any of it has arrived: what a client announces costs
// nothing.
const initialSize = 64 << 10

// Read reads the request's body to its end, which is also what makes net/http notice from then on that a client went away. what
// names the body in error messages, as in "the event".
//
// The result comes from package bufpool: give it back with bufpool.Put when nothing refers to it any more, or leave it to the
// garbage collector. Errors are a caddyhttp.HandlerError with status 413 (larger than limit bytes), 400 (shorter than
// announced, or damaged), 408 (it did not arrive in time), 499 or 504 (see ContextError), or what request_body in front says.
func Read(r *http.Request, limit int64, what string) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, TooLarge(what, limit)
	}
	body, err := ReadFrom(r, r.Body, limit, what)
	if err != nil {
		return nil, err
	}
	if r.ContentLength >= 0 && int64(len(body)) != r.ContentLength {
		bufpool.Put(body)
		return nil, Error(r, io.ErrUnexpectedEOF)
	}
	return body, nil
}

// ReadFrom is Read for a source other than the body itself, such as what decompresses it.
func ReadFrom(r *http.Request, source io.Reader, limit int64, what string) ([]byte, error) {
	body, err := readLimited(source, limit, r.ContentLength)
	if err != nil {
		return nil, Error(r, err)
	}
	if int64(len(body)) > limit {
		bufpool.Put(body)
		return nil, TooLarge(what, limit)
	}
	return body, nil
}

// TooLarge is the error for a body of more than limit bytes.
func TooLarge(what string, limit int64) error {
	return caddyhttp.Error(http.StatusRequestEntityTooLarge, fmt.Errorf("%s is larger than %d bytes", what, limit))
}

// readLimited reads to the end of source, or one byte more than limit. Memory is taken as bytes arrive: about four times as
// much at the most, and no more than announced (-1: unknown) while that holds.
func readLimited(source io.Reader, limit, announced int64) ([]byte, error) {
	body := bufpool.Get(int(min(max(announced, 0), initialSize)) + 1) // one more, to meet the end in
	for {
		if len(body) == cap(body) {
			size := min(4*int64(len(body)), limit+1)
			if announced >= int64(len(body)) {
				size = min(size, announced+1)
			}
			longer := append(bufpool.Get(int(size)), body...)
			bufpool.Put(body)
			body = longer
		}
		n, err := source.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF || int64(len(body)) > limit:
			return body, nil
		case err != nil:
			bufpool.Put(body)
			return nil, err
		}
	}
}

// Error gives an error of reading the body of r its status.
func Error(r *http.Request, err error) error {
	if known, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return known // request_body in front has a limit of its own, and says so itself
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return caddyhttp.Error(http.StatusRequestEntityTooLarge, errors.New("the body is larger than this server allows"))
	}
	switch {
	// These first: net/http ends the request's context after them too.
	case errors.Is(err, os.ErrDeadlineExceeded):
		return caddyhttp.Error(http.StatusRequestTimeout, errors.New("the body did not arrive in time"))
	case r.Context().Err() != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return ContextError(r.Context().Err())
	default:
		return caddyhttp.Error(http.StatusBadRequest, errors.New("the body is cut short or damaged"))
	}
}

// ContextError is the error for a request whose context ended: 504 if a handler in front gave it only so much time, else 499,
// which the client that went away will not read.
func ContextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return caddyhttp.Error(http.StatusGatewayTimeout, errors.New("the time for this request ended before it was complete"))
	}
	return caddyhttp.Error(StatusClientClosedRequest, errors.New("the client went away"))
}

// SetRetryAfter tells a client for how long to wait before it tries again, in whole seconds; nothing if waiting does not help (0).
func SetRetryAfter(header http.Header, after time.Duration) {
	if after > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
}

// Message is what an error says, without the identifier and the place in the code that Caddy's error type adds; "" for nil.
func Message(err error) string {
	if err == nil {
		return ""
	}
	if known, ok := errors.AsType[caddyhttp.HandlerError](err); ok && known.Err != nil {
		return known.Err.Error()
	}
	return err.Error()
}

// Status returns the HTTP status that an error carries; 500 for one that carries none, as with Caddy.
func Status(err error) int {
	if known, ok := errors.AsType[caddyhttp.HandlerError](err); ok && known.StatusCode != 0 {
		return known.StatusCode
	}
	return http.StatusInternalServerError
}
