package session

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// statusClientGone is nginx's status for a client that did not wait; nobody reads it but logs and metrics.
const statusClientGone = 499

// rejection is what a client is told of a login that failed. The message says what the client can do; the cause, which is
// the operator's business, is not in it.
type rejection struct {
	status     int
	message    string
	retryAfter int  // in seconds; 0: waiting does not help
	client     bool // the client or its user is the cause, so the operator's log has no line of it
}

// rejections has the errcodes that are about the code or the user, or that pass by themselves.
var rejections = map[int]rejection{
	-1:    {status: http.StatusServiceUnavailable, message: "wechat is busy; call wx.login again in a moment", retryAfter: 1},
	40029: {status: http.StatusBadRequest, message: "the code is wrong or has ended; call wx.login again and send the fresh one", client: true},
	40163: {status: http.StatusBadRequest, message: "the code was used before; call wx.login again for every login", client: true},
	40226: {status: http.StatusForbidden, message: "wechat blocks this user as high risk; another login does not help", client: true},
	// WeChat's limit is a number of logins a minute for each user.
	45011: {status: http.StatusTooManyRequests, message: "this user logs in too often; call wx.login again in a minute", retryAfter: 60, client: true},
}

var errNotSetUp = errors.New("this service cannot log in users of this mini program; its operator can tell from its log")

func rejectionFor(err error) rejection {
	if known, ok := rejections[wechat.Code(err)]; ok {
		return known
	}
	switch {
	case errors.Is(err, errCodeMayBeUsed):
		return rejection{status: http.StatusBadRequest, message: "the code got no answer before and may be used up; call wx.login again and send the fresh one", client: true}
	case isWeChatError(err):
		return rejection{status: http.StatusBadGateway, message: "wechat refuses this service; its operator can tell from its log"}
	case wechat.IsTimeout(err):
		return rejection{status: http.StatusGatewayTimeout, message: "wechat did not answer in time; call wx.login again and send the fresh code"}
	}
	return rejection{status: http.StatusBadGateway, message: "wechat gave no usable answer; call wx.login again and send the fresh code"}
}

func isClientError(err error) bool { return rejectionFor(err).client }

// reject returns the error to answer a failed login with, and sets the header that belongs to it.
func reject(w http.ResponseWriter, err error) error {
	if errors.Is(err, context.Canceled) {
		return caddyhttp.Error(statusClientGone, errors.New("the client did not wait"))
	}
	told := rejectionFor(err)
	if told.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(told.retryAfter))
	}
	return caddyhttp.Error(told.status, errors.New(told.message))
}
