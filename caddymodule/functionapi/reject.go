package functionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// rejection says why a request is not served: in words for who wrote the function, and by the number that each dialect has
// for it. Its words never hold what only the gateway may know.
type rejection struct {
	status  int // HTTP's
	code    int // wx-server-sdk's
	errcode int // WeChat's server API's
	reason  string
}

func (r *rejection) Error() string { return r.reason }

// codeSDKArgs is the errCode of what wx-server-sdk refuses itself. The reason is its whole errMsg then.
const codeSDKArgs = -1

func badRequest(format string, args ...any) error {
	return &rejection{http.StatusBadRequest, wechat.CodeArgsError, 40097, fmt.Sprintf(format, args...)}
}

func badParameter(reason string) error {
	return &rejection{http.StatusBadRequest, codeSDKArgs, 40097, reason}
}

func badJSON(reason string) error {
	return &rejection{http.StatusBadRequest, wechat.CodeArgsError, 47001, reason}
}

func unauthorized(reason string) error {
	return &rejection{http.StatusUnauthorized, wechat.CodeDenied, 40001, reason}
}

func forbidden(reason string) error {
	return &rejection{http.StatusForbidden, wechat.CodeDenied, 40003, reason}
}

func unsupportedMediaType(reason string) error {
	return &rejection{http.StatusUnsupportedMediaType, wechat.CodeArgsError, 47001, reason}
}

func tooLarge() error {
	reason := fmt.Sprintf("the body is larger than %d bytes", maxBody)
	return &rejection{http.StatusRequestEntityTooLarge, wechat.CodeArgsError, 45002, reason}
}

// unsupported refuses an API that WeChat's cloud has and this gateway has not.
func unsupported(api string) error {
	reason := fmt.Sprintf("%.100s is not served by this gateway", api)
	return &rejection{http.StatusNotImplemented, wechat.CodeDenied, 48001, reason}
}

// exchangeFailed refuses what WeChat did not answer. The account has logged why.
func exchangeFailed(err error) error {
	r := &rejection{http.StatusBadGateway, wechat.ErrCode(err), -1, "WeChat could not be reached, or its answer could not be read"}
	if wechat.IsTimeout(err) {
		r.status, r.reason = http.StatusGatewayTimeout, "WeChat did not answer in time"
	}
	if answer, ok := errors.AsType[*wechat.Error](err); ok {
		r.errcode, r.reason = answer.Code, answer.Error()
	}
	r.reason += "; the gateway's log says what to do"
	return r
}

// contextError ends the work for a function that hung up (499, as Caddy and nginx call it), or that a handler in front gave
// only so much time.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &rejection{http.StatusGatewayTimeout, wechat.CodeTimeout, -1, "the time for this request ended before WeChat answered"}
	}
	return caddyhttp.Error(499, errors.New("the caller went away"))
}

// onlyPOST refuses other methods.
func onlyPOST(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	return methodNotAllowed(w, "POST")
}

func methodNotAllowed(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return &rejection{http.StatusMethodNotAllowed, wechat.CodeArgsError, 43002, "the method must be " + allowed}
}
