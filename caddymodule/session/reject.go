package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// rejection is what a client is told of a login that failed. The message says what the client can do; the cause, which concerns
// the operator, is not in it.
type rejection struct {
	status     int
	message    string
	retryAfter time.Duration // 0: waiting does not help
	client     bool          // the client or its user is the cause, so the operator's log has no line about it
}

const errcodeInvalidCode = 40029

// rejections has the errcodes that are about the code or the user, or that pass by themselves.
var rejections = map[int]rejection{
	-1:                 {status: http.StatusServiceUnavailable, message: "wechat is busy; call wx.login again in a moment", retryAfter: time.Second},
	errcodeInvalidCode: {status: http.StatusBadRequest, message: "the code is wrong, has expired or is of another mini program; call wx.login again and send the fresh one", client: true},
	40163:              {status: http.StatusBadRequest, message: "the code was used before; call wx.login again for every login", client: true},
	40226:              {status: http.StatusForbidden, message: "wechat blocks this user as high risk; another login does not help", client: true},
	// WeChat's limit is a number of logins a minute for each user.
	45011: {status: http.StatusTooManyRequests, message: "this user logs in too often; call wx.login again in a minute", retryAfter: time.Minute, client: true},
}

var errNotSetUp = errors.New("this service cannot log in users of this mini program; its operator can tell from its log")

func rejectionFor(err error) rejection {
	if after, notCalled := apicall.NotCalled(err); notCalled { // before others: it may repeat an earlier failure of WeChat
		return rejection{status: http.StatusServiceUnavailable, message: "wechat cannot be asked at the moment; try again later, with the same code or a fresh one", retryAfter: after}
	}
	if known, ok := rejections[wechat.Code(err)]; ok {
		return known
	}
	switch {
	case errors.Is(err, errCodeMayBeUsed):
		return rejection{status: http.StatusBadRequest, message: "the code got no response before and may be used up; call wx.login again and send the fresh one", client: true}
	case isWeChatError(err):
		return rejection{status: http.StatusBadGateway, message: "wechat rejects this service; its operator can tell from its log"}
	case wechat.IsTimeout(err):
		return rejection{status: http.StatusGatewayTimeout, message: "wechat did not respond in time; call wx.login again and send the fresh code"}
	}
	return rejection{status: http.StatusBadGateway, message: "wechat gave no usable response; call wx.login again and send the fresh code"}
}

func isClientError(err error) bool { return rejectionFor(err).client }

// reject returns the error to respond to a failed login with, and sets the header that belongs to it.
func reject(w http.ResponseWriter, err error) error {
	if errors.Is(err, context.Canceled) {
		return httpbody.ContextError(err)
	}
	rejection := rejectionFor(err)
	httpbody.SetRetryAfter(w.Header(), rejection.retryAfter)
	return caddyhttp.Error(rejection.status, errors.New(rejection.message))
}

// resultOf names what became of a login in a metric: ok, an errcode of WeChat or another label of wechat.MetricLabel, not_called
// (the breaker is open, or max_calls are in flight), code_may_be_used, or canceled (the client went away).
func resultOf(err error) string {
	_, notCalled := apicall.NotCalled(err)
	switch {
	case err == nil:
		return "ok"
	case notCalled:
		return "not_called"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, errCodeMayBeUsed):
		return "code_may_be_used"
	}
	return wechat.MetricLabel(err)
}
