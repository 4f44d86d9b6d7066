package session

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// Why a session is rejected, beside what usertoken.Invalid says of its token.
const (
	reasonMissing        = "missing"         // there is no bearer token
	reasonSeveral        = "several"         // there are several Authorization fields
	reasonUnknownAccount = "unknown_account" // the request names no account that is configured
)

// reasonTexts say it to the operator, with what to do. Clients are told nothing of it.
var reasonTexts = map[string]string{
	reasonMissing:               "no session token was sent: the client must log in, and send Authorization: Bearer and the token with each call",
	reasonSeveral:               "several Authorization fields were sent; send one",
	reasonUnknownAccount:        "the request names no account of this gateway: compare what wechat_session has as `account` with the request",
	string(usertoken.Malformed): "what was sent is no session token: send the member `token` of the login's response, unchanged",
	string(usertoken.Account):   "the token was issued for another account: wechat_login and wechat_session must name the same `account`, and the client must log in here",
	string(usertoken.Purpose):   "the token is of another kind, such as the invocation token of a function: send what wechat_login gave",
	string(usertoken.Signature): "the token was signed with another key: the account's `secret` or `key` changed since, or another gateway with another key issued it; the client must log in again",
	string(usertoken.Expired):   "the token has expired: the client must log in again",
}

// notIssuedHere are the reasons for which a client's next token would be rejected as well.
var notIssuedHere = []string{string(usertoken.Malformed), string(usertoken.Account), string(usertoken.Purpose), string(usertoken.Signature)}

const headerRequestID = "X-Request-Id"

// nameRequest puts the request's id, which log lines and the inspector have too, into a response that ends here.
func nameRequest(w http.ResponseWriter, r *http.Request) (id string) {
	id, _ = replacerOf(r).GetString("http.request.uuid")
	if w.Header()[headerRequestID] == nil {
		w.Header()[headerRequestID] = []string{id}
	}
	return id
}

// show completes the record of a request that got no further than here, and shows it to those who listen, as `cloudid` shows those
// that reach it. The error is what its client is told; what only the operator is told is the record's cause.
func show(app *account.App, record *invocation.Live, err error) {
	listening, _ := app.Invocations().Listening()
	if !listening {
		return
	}
	status := httpbody.Status(err)
	record.Seq, record.Done, record.Outcome, record.Status = invocation.NextSeq(), true, outcomeOf(status), status
	record.Rejection = &invocation.Rejection{Status: status, Reason: httpbody.Message(err)}
	record.Sizes.Forwarded, record.Timing.Total = -1, record.Timing.Before
	app.Invocations().Publish(record, nil)
}

func outcomeOf(status int) invocation.Outcome {
	switch {
	case status == httpbody.StatusClientClosedRequest:
		return invocation.Canceled
	case status < http.StatusInternalServerError:
		return invocation.ClientError
	default:
		return invocation.UpstreamError
	}
}

// reasonFields are what a line of the log says of a request that was rejected.
func reasonFields(requestID, appid, reason string) []zap.Field {
	return []zap.Field{
		zap.String("appid", appid), zap.String("reason", reason), zap.String("because", reasonTexts[reason]), zap.String("request_id", requestID),
	}
}
