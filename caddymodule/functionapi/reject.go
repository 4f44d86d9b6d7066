package functionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// rejection says why a request is not served: in words for the author of the function, and by the number that each dialect has
// for it. Its words never hold what only the gateway may know.
type rejection struct {
	status  int // HTTP's
	code    int // wx-server-sdk's
	errcode int // WeChat's server API's
	reason  string

	retryAfter time.Duration // when it may be served; 0: waiting does not help
}

func reject(status, code, errcode int, reason string) *rejection {
	return &rejection{status: status, code: code, errcode: errcode, reason: reason}
}

func (r *rejection) Error() string { return r.reason }

// codeSDKArgs is the errCode of what wx-server-sdk rejects itself. The reason is its whole errMsg then.
const codeSDKArgs = -1

// The codes of WeChat's cloud for cloud.openapi and cloud.callFunction.
//
// Source: WeChat's document of the cloud's error codes.
const (
	codeTooLarge         = -604001
	codeUnknownAPI       = -604100
	codeNotPermitted     = -604101
	codeOpenAPITimeout   = -604102
	codeOpenAPIError     = -604103
	codeIllegalSource    = -604104
	codeFunctionTimeout  = -501002
	codeInvalidParameter = -501007
	codeFunctionRequest  = -504001
	codeFunctionFailed   = -504002
)

func badRequest(format string, args ...any) error {
	return reject(http.StatusBadRequest, wechat.CodeArgsError, 40097, fmt.Sprintf(format, args...))
}

func badParameter(reason string) error {
	return reject(http.StatusBadRequest, codeSDKArgs, 40097, reason)
}

func badJSON(reason string) error {
	return reject(http.StatusBadRequest, wechat.CodeArgsError, 47001, reason)
}

func unauthorized(reason string) error {
	return reject(http.StatusUnauthorized, wechat.CodeDenied, 40001, reason)
}

func forbidden(reason string) error {
	return reject(http.StatusForbidden, wechat.CodeDenied, 40003, reason)
}

// notAllowed rejects a connection from elsewhere.
func notAllowed() *rejection {
	const reason = "connections from this address are not answered; its range must be in `allow <cidr>...` of cloudid_api, " +
		"which is loopback and private ranges by default"
	return reject(http.StatusForbidden, wechat.CodeDenied, codeIllegalSource, reason)
}

func unsupportedMediaType(reason string) error {
	return reject(http.StatusUnsupportedMediaType, wechat.CodeArgsError, 47001, reason)
}

func tooLarge(limit int) error {
	reason := fmt.Sprintf("the body is larger than %d bytes", limit)
	return reject(http.StatusRequestEntityTooLarge, wechat.CodeArgsError, 45002, reason)
}

// unsupported rejects what WeChat's cloud has and this gateway has not.
func unsupported(reason string) error {
	return reject(http.StatusNotImplemented, wechat.CodeDenied, codeUnknownAPI, reason)
}

// exchangeFailed is for a call to which WeChat gave no usable response. The account has logged why.
func exchangeFailed(err error) error {
	r := reject(http.StatusBadGateway, wechat.ErrCode(err), -1, "WeChat could not be reached, or its response could not be read")
	if wechat.IsTimeout(err) {
		r.status, r.reason = http.StatusGatewayTimeout, "WeChat did not respond in time"
	}
	if wechat.IsTooLarge(err) {
		r.errcode, r.reason = codeTooLarge, "WeChat's response is larger than 10 MiB"
	}
	if response, ok := errors.AsType[*wechat.Error](err); ok {
		r.errcode, r.reason = response.Code, response.Error()
	}
	r.reason += "; the gateway's log says what to do"
	return r
}

// resolveError rejects a list that was not asked for: the user has had too many CloudIDs exchanged, or the context ended.
func resolveError(err error) error {
	if limit, ok := errors.AsType[*opendata.LimitError](err); ok {
		if limit.NeverAllowed() {
			return badRequest("%s: ask for fewer at once, or raise `limit` of the account in the Caddyfile", limit)
		}
		r := reject(http.StatusTooManyRequests, wechat.CodeDenied, 45011, limit.Error())
		r.retryAfter = limit.RetryAfter()
		return r
	}
	return contextError(err)
}

// contextError ends the work for a function that hung up (499), or that a handler in front gave only so much time.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return reject(http.StatusGatewayTimeout, wechat.CodeTimeout, -1, "the time for this request ended before WeChat responded")
	}
	return httpbody.ContextError(err)
}

// onlyPOST rejects other methods.
func onlyPOST(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	return methodNotAllowed(w, "POST")
}

func methodNotAllowed(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return reject(http.StatusMethodNotAllowed, wechat.CodeArgsError, 43002, "the method must be "+allowed)
}
