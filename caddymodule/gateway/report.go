package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// debugging reports whether a log has DEBUG lines.
func debugging(logger *zap.Logger) bool { return logger.Core().Enabled(zapcore.DebugLevel) }

// observed reports whether anybody sees the record, beside placeholders and metrics.
func (c *call) observed() bool { return c.debug || c.listening }

// describeRequest fills in what the record says of the request, if anybody sees it.
func (c *call) describeRequest(r *http.Request) {
	if !c.observed() {
		return
	}
	path := r.URL.Path
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		path = original.URL.Path // before handle_path and rewrites
	}
	c.record.Method, c.record.Host, c.record.Proto = cut(r.Method, 32), cut(r.Host, invocation.MaxName), r.Proto
	c.record.Path = cut(path, invocation.MaxPath)
	c.record.ContentType = cut(contentType(r.Header), invocation.MaxName)
	c.record.Sizes.Received = r.ContentLength
	if start, ok := caddyhttp.GetVar(r.Context(), "start_time").(time.Time); ok {
		c.record.Timing.Before = c.record.Time.Sub(start)
	}
	if !c.listening {
		return
	}
	c.record.Seq = invocation.NextSeq()
	_, c.record.Again = invocation.CallerOf(r.Context())
	if c.capture > 0 {
		handler, next := c.handler, c.next
		c.record.Capture = &invocation.Capture{
			URI:         r.RequestURI,
			ContentType: r.Header.Get("Content-Type"),
			Again:       func(w http.ResponseWriter, r *http.Request) error { return handler.ServeHTTP(w, r, next) },
		}
	}
}

// describeCaller does the same for who calls.
func (c *call) describeCaller() {
	if !c.observed() {
		return
	}
	c.record.AppID, c.record.Caller = c.appID(), invocation.Caller(c.caller.openid)
	if c.record.Capture != nil {
		c.record.Capture.OpenID, c.record.Capture.UnionID = c.caller.openid, c.caller.unionid
	}
}

// describeHeaders does the same for what the function is shown. Values that are somebody's are masked.
func (c *call) describeHeaders(header http.Header) {
	if !c.listening {
		return
	}
	for _, name := range []string{headerOpenID, headerUnionID, headerAppID, headerSource, headerToken, headerOpenDataInfo, headerExtendedContext} {
		values := header[name]
		if len(values) == 0 {
			continue
		}
		shown := invocation.Header{Name: displayName(name), Value: values[0]}
		switch name {
		case headerOpenID:
			shown.Value, shown.Masked = c.record.Caller, true
		case headerUnionID:
			shown.Value, shown.Masked = invocation.Caller(values[0]), true
		case headerToken, headerExtendedContext:
			shown.Value, shown.Masked = strconv.Itoa(len(values[0]))+" bytes", true
		}
		c.record.Forwarded = append(c.record.Forwarded, shown)
	}
}

// displayName writes a header as WeChat's documents do.
func displayName(name string) string {
	if name == headerExtendedContext {
		return name
	}
	return strings.ToUpper(name)
}

// publish shows the record to those who subscribed.
func (c *call) publish(done bool) {
	if !c.listening {
		return
	}
	c.record.Done = done
	c.record.Error = message(c.failure)
	c.record.Timing.Total = time.Since(c.record.Time) + c.record.Timing.Before
	shown := c.record
	shown.Members = shown.Members[:min(len(shown.Members), invocation.MaxMembers)]
	c.handler.account.App().Invocations().Publish(&shown)
}

// finish shows and logs a call that has ended.
func (c *call) finish() {
	c.publish(true)
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
		zap.String("caller", c.record.Caller),
		zap.String("method", c.record.Method),
		zap.String("path", c.record.Path),
		zap.String("outcome", string(c.record.Outcome)),
		zap.Int("status", c.record.Status),
		zap.Strings("members", sentences(c.record.Members)),
	}
	if c.record.Skipped != "" {
		fields = append(fields, zap.String("skipped", string(c.record.Skipped)), zap.String("skipped_because", c.record.Skipped.Text()))
	}
	if c.failure != nil {
		fields = append(fields, zap.String("error", message(c.failure)))
	}
	t := c.record.Timing
	entry.Write(append(fields,
		zap.Duration("read", t.Read), zap.Duration("exchange", t.Exchange), zap.Duration("function", t.Function), zap.Duration("total", time.Since(c.record.Time)))...)
}

// sentences say of each member what became of it and why.
func sentences(members []invocation.Member) []string {
	said := make([]string, 0, len(members))
	for i := range members {
		said = append(said, members[i].Sentence())
	}
	return said
}

// placeholders are {http.cloudid.*} of a request: those of the latest call, together with what an earlier one did to the
// same body.
func placeholders(r *http.Request) caddy.ReplacerFunc {
	ctx := r.Context()
	return func(key string) (any, bool) {
		name, ours := strings.CutPrefix(key, "http.cloudid.")
		if !ours {
			return nil, false
		}
		c, ok := caddyhttp.GetVar(ctx, variable).(*call)
		if !ok {
			return nil, false
		}
		return c.placeholder(name)
	}
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
		var name strings.Builder
		quoted := gjson.AppendJSONString(nil, m.Name)
		writeASCII(&name, quoted[1:len(quoted)-1])
		text.WriteString(strings.NewReplacer(",", `\u002c`, "=", `\u003d`).Replace(name.String()))
		text.WriteString("=" + strconv.Itoa(m.Code))
	}
	return text.String()
}

// errorText says what went wrong: that the request was rejected, that the exchange failed, or why members did.
func (c *call) errorText() string {
	if c.failure != nil {
		return message(c.failure)
	}
	var texts []string
	for _, m := range c.members() {
		if m.Result == invocation.Failed {
			texts = append(texts, event.QuoteName(m.Name)+": "+strconv.Itoa(m.Code)+" "+strings.TrimSuffix(wechat.OpenDataMessage(m.Code), "."))
		}
	}
	return strings.Join(texts, ", ")
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
