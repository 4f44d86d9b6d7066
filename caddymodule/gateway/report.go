package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/sessionkey"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// debugging reports whether a log has DEBUG lines.
func debugging(logger *zap.Logger) bool { return logger.Core().Enabled(zapcore.DebugLevel) }

// observed reports whether anybody sees the record, beside placeholders and metrics.
func (c *call) observed() bool { return c.debug || c.listening }

// makeRecord makes the record of a request with this id. If nobody sees it, that is all that is in it.
func (c *call) makeRecord(r *http.Request, requestID string) {
	if !c.observed() {
		c.record = new(invocation.Live)
		c.record.RequestID = requestID
		return
	}
	c.record = invocation.NewLive(r, requestID)
	c.lapped = c.record.Timing.Before
	if !c.listening {
		return
	}
	c.record.Seq = invocation.NextSeq()
	if c.capture > 0 {
		c.bodies = &invocation.Capture{URI: r.RequestURI, ContentType: r.Header.Get("Content-Type")}
	}
}

// describeCaller does the same for who calls.
func (c *call) describeCaller(r *http.Request) {
	if !c.observed() {
		return
	}
	c.record.AppID, c.record.Caller = c.appID(), invocation.Caller(c.caller.openid)
	if c.bodies != nil {
		c.bodies.OpenID, c.bodies.UnionID = c.caller.openid, c.caller.unionid
		c.bodies.Again = c.sendAgain(r)
	}
}

// sendAgain returns what sends a request through the same handler, with the session_key that r has. The key is nowhere but in the
// function returned, so that nothing that shows a capture can show it, and it is gone with the capture.
func (c *call) sendAgain(r *http.Request) func(http.ResponseWriter, *http.Request) error {
	handler, next, appid, openid := c.handler, c.next, c.appID(), c.caller.openid
	key, hasKey := sessionkey.Of(r.Context(), appid, openid)
	return func(w http.ResponseWriter, again *http.Request) error {
		if hasKey {
			sessionkey.Set(again, appid, openid, key)
		}
		return handler.ServeHTTP(w, again, next)
	}
}

// describeHeaders does the same for what the function is told of who calls: what this handler told it, and with trust_headers also what
// others did.
func (c *call) describeHeaders(told *callerHeaders, header http.Header) {
	if !c.listening {
		return
	}
	if c.handler.TrustHeaders {
		told = callerHeadersOf(header)
	}
	c.record.Forwarded = invocation.Forwarded{
		OpenID: c.record.Caller, UnionID: invocation.Caller(told.unionid), AppID: told.appid, Source: told.source,
		OpenDataInfo: told.openDataInfo, Token: len(told.token), ExtendedContext: len(told.extendedContext),
	}
}

// publish shows the record to those who subscribed.
func (c *call) publish() {
	if c.listening {
		c.handler.account.App().Invocations().Publish(c.record, c.bodies)
	}
}

// log writes the line of a call that has ended.
func (c *call) log() {
	if !c.debug {
		return
	}
	entry := c.handler.logger.Check(zapcore.DebugLevel, "invocation")
	if entry == nil {
		return
	}
	fields := []zap.Field{
		zap.String("request_id", c.record.RequestID),
		zap.String("appid", c.record.AppID),
		zap.String("caller", c.record.Caller.String()),
		zap.String("method", c.record.Method),
		zap.String("path", c.record.Path),
		zap.String("outcome", string(c.record.Outcome)),
		zap.Int("status", c.record.Status),
		zap.Strings("members", sentences(c.record.AllMembers())),
	}
	if c.record.Skipped != "" {
		fields = append(fields, zap.String("skipped", string(c.record.Skipped)), zap.String("skipped_because", c.record.Skipped.Text()))
	}
	if c.record.Cause != "" {
		fields = append(fields, zap.String("cause", c.record.Cause))
	}
	if c.failure != nil {
		fields = append(fields, zap.String("error", httpbody.Message(c.failure)))
	}
	t := c.record.Timing
	entry.Write(append(fields,
		zap.Duration("read", t.Read), zap.Duration("exchange", t.Exchange), zap.Duration("function", t.Function), zap.Duration("total", c.lapped))...)
}

// sentences say of each member what became of it and why.
func sentences(members []invocation.Member) []string {
	said := make([]string, 0, len(members))
	for i := range members {
		said = append(said, wechat.ExplainMember(members[i].Sentence(), members[i].Code))
	}
	return said
}

// placeholders are {http.cloudid.*} of a request, of which c is the first call: those of the latest one, together with what an earlier one
// did to the same body.
func (c *call) placeholders(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, "http.cloudid.")
	if !ours {
		return nil, false
	}
	return c.latest.placeholder(name)
}

func (c *call) placeholder(name string) (any, bool) {
	switch name {
	case "found":
		return len(c.members()), true
	case "resolved":
		return c.number(func(m *invocation.Member) bool { return m.Result == invocation.OpenData }), true
	case "failed":
		return c.number(func(m *invocation.Member) bool { return m.Result == invocation.Failed }), true
	case "cached":
		return c.cached, true
	case "keys":
		return quotedNames(c.keys()), true
	case "codes":
		return c.codes(), true
	case "skipped":
		return string(c.record.Skipped), true
	case "duration_ms":
		return float64(c.record.Timing.Exchange.Microseconds()) / 1000, true
	case "error":
		return c.errorText(), true
	}
	return nil, false
}

func (c *call) number(counts func(*invocation.Member) bool) int {
	n := 0
	for _, m := range c.members() {
		if counts(&m) {
			n++
		}
	}
	return n
}

// codes are the errCodes of members that failed, as in weRunData=-601006,phone=-601005. A comma or an equals sign in a name is
// written as in JSON, with \u.
func (c *call) codes() string {
	var text strings.Builder
	for _, m := range c.members() {
		if m.Result != invocation.Failed {
			continue
		}
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		quoted := appendASCII(nil, m.Name)
		text.WriteString(strings.NewReplacer(",", `\u002c`, "=", `\u003d`).Replace(string(quoted[1 : len(quoted)-1])))
		text.WriteString("=" + strconv.Itoa(m.Code))
	}
	return text.String()
}

// errorText says what went wrong: that the request was rejected, that the exchange failed, or why members did.
func (c *call) errorText() string {
	if c.failure != nil {
		return httpbody.Message(c.failure)
	}
	var texts []string
	for _, m := range c.members() {
		if m.Result == invocation.Failed {
			texts = append(texts, event.QuoteName(m.Name)+": "+strconv.Itoa(m.Code)+" "+strings.TrimSuffix(wechat.OpenDataMessage(m.Code), "."))
		}
	}
	return strings.Join(texts, ", ")
}

// brokeOff is why a response did not reach its end.
const brokeOff = "the response broke off: the function, or the client, closed its connection in the middle of it, or a handler failed; Caddy's log has the error"

// whyNoResponse says why there was no response from behind the handler, in words that hold nothing of the response: an error of
// net/http may quote it.
func whyNoResponse(err error) string {
	status := httpbody.Status(err)
	if dialing, ok := errors.AsType[reverseproxy.DialError](err); ok {
		return "the function cannot be reached: " + invocation.Cut(dialing.Error(), invocation.MaxName) + "; does it run, and is its address in reverse_proxy right?"
	}
	var timeout net.Error
	switch {
	case status == httpbody.StatusClientClosedRequest:
		return "the client went away before the function responded"
	case errors.As(err, &timeout) && timeout.Timeout(), status == http.StatusGatewayTimeout:
		return "the function did not respond in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the function closed the connection before it had responded: it may have crashed"
	case status < http.StatusInternalServerError:
		return "a handler behind cloudid rejected the call"
	}
	return "the function, or a handler in front of it, failed; Caddy's log has the error"
}
