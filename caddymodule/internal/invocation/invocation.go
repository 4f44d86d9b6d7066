// Package invocation is the record of one call through the `cloudid` handler: what the client sent, which members were looked
// at, what became of each and why, and how long each part took. The handler fills one Record per request; its log line, its
// placeholders and its metrics are made from it, and a Feed shows it to those who subscribed, such as the inspector, while it is Live.
//
// A Record holds names, sizes, codes and durations. It holds no secret, token, openid, CloudID or open data: the caller is a
// short hash, and bodies are in it only where a subscriber asked for them (Capture).
package invocation

import (
	"net/http"
	"time"
)

// Record is one call. What becomes known last, when it is forwarded and when it ends, stands together at the beginning: so it is in few
// lines of the processor's cache, from which the others may be gone by then.
type Record struct {
	// A number of the process that no other call has, in the order in which calls came in. Zero unless somebody listens. A call
	// that is shown twice, first when it was forwarded and then when it ended, has the same number both times.
	Seq uint64 `json:"seq"`

	// Whether the call has ended. A record that was shown when the request was forwarded has neither a status nor the times
	// that come after it.
	Done bool `json:"done"`

	// Whether it was sent again by way of Capture.Again.
	Again bool `json:"again,omitempty"`

	// Whether all members of the event were noted, in Outline too: for a subscriber or a DEBUG log, if the event could be read.
	Explained bool `json:"explained"`

	// When Caddy got the request.
	Time time.Time `json:"time"`

	Outcome Outcome `json:"outcome"`

	// The status that the client was sent. 0: none yet, or the handlers in front send it, as for an error.
	Status int `json:"status"`

	// What the operator must know and the client is not told: why a session does not count, why a login failed, why the function
	// gave no response. Without secrets; "" if there is nothing of the kind.
	Cause string `json:"cause,omitempty"`

	Sizes  Sizes  `json:"sizes"`
	Timing Timing `json:"timing"`

	// The headers by which the function was told who calls. In JSON a list of Header.
	Forwarded Forwarded `json:"forwarded,omitzero"`

	// Caddy's {http.request.uuid}, which the client gets as X-Request-Id.
	RequestID string `json:"request_id"`

	Method string `json:"method"`
	Host   string `json:"host"`

	// The path as the client sent it, without the query, which may hold anything.
	Path string `json:"path"`

	// The version of HTTP, such as HTTP/2.0.
	Proto string `json:"proto"`

	// The AppID of the account, or "" where it is not known.
	AppID string `json:"appid"`

	// A short hash of the caller's openid, or "" where nobody is logged in.
	Caller CallerHash `json:"caller"`

	// The media type of the body, as the client named it, without parameters; "" where there was none.
	ContentType string `json:"content_type"`

	// What was looked at in the event, in the order of the body. In a Live record these are only the members that declare something,
	// and AllMembers has the others.
	Members []Member `json:"members"`

	// The other members of the event, and strings in nested places that look like CloudIDs. Empty unless the record is Explained.
	Outline Outline `json:"-"`

	// Why the body was not read as an event; "" if it was.
	Skipped Skipped `json:"skipped,omitempty"`

	// Why the request was not forwarded; nil if it was.
	Rejection *Rejection `json:"rejection,omitempty"`

	// The directive that the request got no further than, wechat_login or wechat_session; "" for `cloudid` itself.
	Directive string `json:"directive,omitempty"`

	// Why the exchange with WeChat failed as a whole, without secrets; "" if it did not.
	Error string `json:"error,omitempty"`

	// The bodies and what else is needed to send the call again. Nil in a Live record, beside which it is shown to those who asked for it.
	Capture *Capture `json:"-"`
}

// The bounds of what clients can make a record hold.
const (
	MaxMembers = 100
	MaxName    = 256  // bytes of a member's name; what is longer is cut
	MaxPath    = 1024 // bytes of a path
)

// Outcome is what became of the whole call. It is a label of a metric.
type Outcome string

// The outcomes.
const (
	Untouched     Outcome = "untouched"      // forwarded, with nothing declared or nothing after all
	Resolved      Outcome = "resolved"       // every declared member became open data
	Partial       Outcome = "partial"        // some did; error objects stand in the places of the others
	AllFailed     Outcome = "failed"         // none did
	ClientError   Outcome = "rejected"       // 4xx: not forwarded, the client's fault
	UpstreamError Outcome = "upstream_error" // 5xx: not forwarded, WeChat's or the gateway's fault
	Canceled      Outcome = "canceled"       // 499: the client went away before it was forwarded
)

// Rejection is why a request was not forwarded.
type Rejection struct {
	Status int    `json:"status"`
	Reason string `json:"reason"` // the message that the client may see as {err.message}
}

// Sizes are in bytes.
type Sizes struct {
	Received  int64 `json:"received"`  // the body that was read, decoded; -1 where it was not read and its length not announced
	Forwarded int64 `json:"forwarded"` // the body that the function was sent; -1 where unknown
	Response  int64 `json:"response"`  // the body of the response
}

// Timing says how long each part took. The parts follow each other; those of WeChat are one after the other inside of
// Exchange.
type Timing struct {
	Before   time.Duration `json:"before"`   // in handlers in front: sessions, limits
	Read     time.Duration `json:"read"`     // until the body was there
	Find     time.Duration `json:"find"`     // checking the event and finding declarations
	Exchange time.Duration `json:"exchange"` // until every CloudID was resolved: Wait and WeChat, and little else
	Wait     time.Duration `json:"wait"`     // for a turn, where max_calls were in flight, and for an access token
	WeChat   time.Duration `json:"wechat"`   // for WeChat's response, retries included
	Write    time.Duration `json:"write"`    // making the new body
	Function time.Duration `json:"function"` // from forwarding to the first byte of the response
	Respond  time.Duration `json:"respond"`  // from there to the last
	Total    time.Duration `json:"total"`    // since Caddy got the request
}

// Capture is what an operator must ask for: bodies hold open data.
type Capture struct {
	URI         string // path and query
	ContentType string // as the client sent it
	OpenID      string
	UnionID     string
	Received    []byte // the body that was read, decoded, at most as much of it as was asked for
	Forwarded   []byte // the body that the function was sent
	Truncated   bool   // one of them was longer

	// Again sends a request through the same handler and what lies behind it. Give the request's context the caller by
	// WithCaller: there is no session in the way. The session_key that the first request's session had goes with it, so that
	// encrypted data is decrypted as it was then.
	Again func(http.ResponseWriter, *http.Request) error
}
