package gateway

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/uuid"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/httpbody"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
)

// call is one request on its way through the handler, and its outcome.
type call struct {
	handler *Handler
	next    caddyhttp.Handler
	repl    *caddy.Replacer
	caller  caller
	// With which encrypted data of this caller is decrypted; "" unless the event has some.
	sessionKey string
	record     *invocation.Live
	bodies     *invocation.Capture // nil: nobody asked for them
	response   response
	body       *replayableBody // that was forwarded; nil: the client's own
	added      int             // how many bytes longer it is than the one that came
	cached     int             // how many CloudIDs were known
	failure    error           // why the exchange failed, or why the request was not forwarded
	earlier    *call           // of another `cloudid` in front, for the same body
	latest     *call           // of the same request; only the first one has it
	lapped     time.Duration   // since record.Time, when the latest lap ended

	debug     bool // the log wants a line of each call
	listening bool // somebody subscribed to calls
	inList    bool // what is explained is a cloudid_list, or in it
	capture   int  // up to how many bytes of each body they want to see
}

// caller is the user who calls, and the account that they belong to.
type caller struct {
	account *account.Account
	openid  string // "": unknown, and so is the rest
	unionid string
}

// variable is the request's variable that holds its first call. It is set once: a transport that still dials for a client who has gone
// reads the request's variables while error routes run.
const variable = "cloudid.call"

// String is shown where all variables of a request are printed.
func (c *call) String() string { return "cloudid " + c.record.RequestID }

func (h *Handler) newCall(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) *call {
	c := &call{handler: h, next: next, repl: r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer), debug: debugging(h.logger)}
	c.listening, c.capture = h.account.App().Invocations().Listening()
	first, _ := caddyhttp.GetVar(r.Context(), variable).(*call)
	if first == nil {
		first = c
		caddyhttp.SetVar(r.Context(), variable, c)
		c.repl.Map(c.placeholders)
		c.makeRecord(r, requestID(r, c.repl))
	} else {
		c.makeRecord(r, first.record.RequestID)
	}
	c.earlier, first.latest = first.latest, c
	c.response = response{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, record: c.record}
	if body, _ := r.Body.(*replayableBody); c.earlier != nil && (body == nil || body != c.earlier.body) {
		c.earlier = nil // it had no event, or something between the two set another body
	}
	return c
}

// requestID returns {http.request.uuid}. Caddy 2.11.9 makes it when it is asked for first, and adds it to the request's line in the
// access log, which takes longer than all else about it; so where there is no access log, it is made here.
func requestID(r *http.Request, repl *caddy.Replacer) string {
	const placeholder = "http.request.uuid"
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs != nil || caddyhttp.GetVar(r.Context(), "uuid") != nil {
		id, _ := repl.GetString(placeholder)
		return id
	}
	id := newUUID().String()
	repl.Set(placeholder, id)
	return id
}

// newUUID returns a random UUID (RFC 9562, version 4). It is no secret, so it need not come from the system, which is a system
// call.
func newUUID() (id uuid.UUID) {
	binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	return id
}

// lap returns how long it took since the lap before, where anybody sees that. Elsewhere it is zero: to ask for the time a dozen times
// is a hundredth of what a small call costs.
func (c *call) lap() time.Duration {
	if !c.observed() {
		return 0
	}
	before := c.lapped
	c.lapped = time.Since(c.record.Time)
	return c.lapped - before
}

// skip notes why the body is not read.
func (c *call) skip(reason invocation.Skipped) { c.record.Skipped = reason }

// reject ends a call that is not forwarded. It returns err, for the caller to return.
func (c *call) reject(r *http.Request, err error) error {
	dropBody(r)
	status := httpbody.Status(err)
	if c.failure == nil {
		c.failure = err
	}
	for i := range c.record.Members {
		c.record.Members[i].Result = invocation.Rejected
	}
	c.record.Rejection = &invocation.Rejection{Status: status, Reason: httpbody.Message(err)}
	switch {
	case status == httpbody.StatusClientClosedRequest:
		c.record.Outcome = invocation.Canceled
	case status < http.StatusInternalServerError:
		c.record.Outcome = invocation.ClientError
	default:
		c.record.Outcome = invocation.UpstreamError
	}
	c.count()
	c.response.setRequestID()
	c.lap()
	c.record.Done, c.record.Status, c.record.Error = true, status, httpbody.Message(c.failure)
	c.record.Timing.Total = c.lapped
	c.publish()
	c.log()
	return err
}

// forward is called before the next handler is.
func (c *call) forward(r *http.Request, body *replayableBody) {
	c.body = body
	c.record.Sizes.Forwarded = r.ContentLength
	c.record.Outcome = c.outcome()
	c.count()
	if c.added > 0 {
		c.metrics().AddedBytes.Add(float64(c.added))
	}
	c.record.Error, c.record.Timing.Total = httpbody.Message(c.failure), c.lapped
	c.publish()
}

// serveNext calls the next handler, and sees to it that the call has an end. A handler panics with http.ErrAbortHandler, as
// reverse_proxy does, where a response breaks off in the middle.
func (c *call) serveNext(r *http.Request) (err error) {
	cause := brokeOff
	defer func() { c.end(err, cause) }()
	if err = c.next.ServeHTTP(&c.response, r); err == nil || c.response.status != 0 {
		cause = ""
	} else {
		cause = whyNoResponse(err)
	}
	return err
}

// end is called after the next handler returned, or panicked. err is what it returned, and cause why there was no response, or not all
// of it; "" if there was.
func (c *call) end(err error, cause string) {
	status := c.response.status
	if err != nil {
		c.response.setRequestID()
		if status == 0 {
			status = httpbody.Status(err)
		}
	}
	forwarded, first := c.lapped, c.response.firstByte
	if c.lap(); first == 0 {
		first = c.lapped
	}
	c.record.Change(func(r *invocation.Record) {
		r.Done, r.Status, r.Cause, r.Sizes.Response = true, status, cause, c.response.size
		r.Timing.Function, r.Timing.Respond, r.Timing.Total = first-forwarded, c.lapped-first, c.lapped
	})
	c.publish()
	c.log()
}

// outcome is what became of a call that is forwarded.
func (c *call) outcome() invocation.Outcome {
	resolved, failed := 0, 0
	for i := range c.record.Members {
		switch c.record.Members[i].Result {
		case invocation.OpenData:
			resolved++
		case invocation.Failed:
			failed++
		}
	}
	switch {
	case resolved+failed == 0:
		return invocation.Untouched
	case failed == 0:
		return invocation.Resolved
	case resolved > 0:
		return invocation.Partial
	default:
		return invocation.AllFailed
	}
}

func (c *call) count() {
	c.metrics().Invocations.With(string(c.record.Outcome)).Inc()
}

// metrics returns the collectors of the account.
func (c *call) metrics() *metrics.Counts { return c.handler.account.App().Metrics(c.account()) }

// account returns the account that the call is about; nil where that depends on the request, and is not known.
func (c *call) account() *account.Account {
	if c.caller.account != nil {
		return c.caller.account
	}
	return c.handler.account.Fixed()
}

// appID is the account's AppID; "" where the account is not known.
func (c *call) appID() string { return c.account().AppID() }

// keepBodies notes how long the bodies are, and keeps them for those who asked for them.
func (c *call) keepBodies(received, forwarded []byte) {
	c.added = len(forwarded) - len(received)
	c.record.Sizes.Received = int64(len(received))
	if c.bodies == nil {
		return
	}
	c.bodies.Received = bytes.Clone(received[:min(len(received), c.capture)])
	c.bodies.Forwarded = bytes.Clone(forwarded[:min(len(forwarded), c.capture)])
	c.bodies.Truncated = max(len(received), len(forwarded)) > c.capture
}

// members are those that declare something: of this call, and of one for the same body in front of it, as far as this one left
// them alone.
func (c *call) members() []invocation.Member {
	own := c.record.Members
	if c.earlier == nil {
		return own
	}
	var all []invocation.Member
	for _, m := range c.earlier.members() {
		if !hasMember(own, m.Name) {
			all = append(all, m)
		}
	}
	return append(all, own...)
}

func hasMember(members []invocation.Member, name string) bool {
	for i := range members {
		if members[i].Name == name {
			return true
		}
	}
	return false
}

// keys are the names of the members that hold open data which WeChat really gave.
func (c *call) keys() []string {
	var keys []string
	for _, m := range c.members() {
		if m.Result == invocation.OpenData {
			keys = append(keys, m.Name)
		}
	}
	return keys
}
