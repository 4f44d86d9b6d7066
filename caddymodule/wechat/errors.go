package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Error is an errcode in WeChat's response.
type Error struct {
	API  string
	Code int
	RID  string     // WeChat's request id, to quote when asking WeChat; may be empty
	IP   netip.Addr // the address that 40164 complains of; may be invalid
}

func newError(api string, code int, message string) *Error {
	return &Error{API: api, Code: code, RID: ridIn(message), IP: ipIn(message)}
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: errcode %d (%s)", e.API, e.Code, meaningOf(e.Code))
	if e.RID != "" {
		text += ", rid " + e.RID
	}
	return text
}

// Advice says what the operator should do.
func (e *Error) Advice() string { return adviceFor(e) }

// NetworkError is a call that got no complete response.
type NetworkError struct {
	API     string
	Timeout bool
	fault   string
	ctxErr  error // what ended the caller's context; nil if nothing did
}

func (e *NetworkError) Error() string {
	if e.Timeout {
		return e.API + ": no response in time"
	}
	return fmt.Sprintf("%s: network fault: %s", e.API, e.fault)
}

// Unwrap returns the error of the caller's context, so that a canceled call is recognizable as context.Canceled.
func (e *NetworkError) Unwrap() error { return e.ctxErr }

// Advice says what the operator should do.
func (e *NetworkError) Advice() string {
	if e.API == APIServiceToken {
		return "check that the token service runs, and the network between this gateway and it; its URL is in the line `token service`"
	}
	if e.Timeout {
		return "check the network between this gateway and the endpoint; if it is only slow, raise the account's `timeout`, which is 3s unless it is set"
	}
	return "check the network between this gateway and the endpoint, DNS, proxies and TLS included"
}

// ResponseError is a response that is not WeChat's: another status than 200, no JSON, or JSON of another shape.
type ResponseError struct {
	API        string
	reason     string
	unreadable bool // one item of it may be what cannot be read
	outage     bool // its status is 5xx, which may be WeChat's after all
}

func (e *ResponseError) Error() string {
	if e.API == APIServiceToken {
		return fmt.Sprintf("%s: the response is no token: %s", e.API, e.reason)
	}
	if e.outage {
		return fmt.Sprintf("%s: WeChat, or a proxy on the way to it, fails: %s", e.API, e.reason)
	}
	return fmt.Sprintf("%s: the response is not WeChat's: %s", e.API, e.reason)
}

// Advice says what the operator should do.
func (e *ResponseError) Advice() string {
	if e.API == APIServiceToken {
		return "look at the token service, whose URL is in the line `token service`: to a GET it must respond with status 200 and {\"access_token\",\"expires_in\"}"
	}
	if e.outage {
		return "wait: this is an outage of WeChat or of a proxy in between, and calls are made again by themselves; if it goes on, look at the account's endpoint and the proxies"
	}
	return "check that the account's endpoint is WeChat's and that no proxy in between responds in its place"
}

// Advice says what the operator should do about an error of this package; "" for other errors.
func Advice(err error) string {
	if adviser, ok := errors.AsType[interface {
		error
		Advice() string
	}](err); ok {
		return adviser.Advice()
	}
	if IsTimeout(err) {
		return (&NetworkError{Timeout: true}).Advice()
	}
	return ""
}

// Code returns the errcode in err, or 0.
func Code(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return 0
}

// IsUnreadable reports whether a response is JSON except for a fault somewhere in it, so that asking for fewer CloudIDs may
// give a response that can be read.
func IsUnreadable(err error) bool {
	e, ok := errors.AsType[*ResponseError](err)
	return ok && e.unreadable
}

// IsBusy reports whether the same call may succeed in a moment.
func IsBusy(err error) bool { return Code(err) == -1 }

// IsTokenRejected reports whether a call failed because of its access token.
func IsTokenRejected(err error) bool {
	code := Code(err)
	return code == 40001 || code == 40014 || code == 42001
}

// IsTimeout reports whether no response came in time.
func IsTimeout(err error) bool {
	e, ok := errors.AsType[*NetworkError](err)
	return ok && e.Timeout || errors.Is(err, context.DeadlineExceeded)
}

// IsNetwork reports whether the network failed.
func IsNetwork(err error) bool {
	_, ok := errors.AsType[*NetworkError](err)
	return ok
}

// ConcernsEverybody reports whether an error that is not nil says something of WeChat, the network, the account, its token or
// the app's quota, so that other users' calls would fail as well. Any other errcode is about its own call.
func ConcernsEverybody(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		// jscode2session counts the logins of each user.
		return codes[e.Code].everybody && (e.Code != 45011 || e.API != APIJSCode2Session)
	}
	return true
}

// MetricLabel names the result of a call, for metrics and logs: "0", an errcode of WeChat's documents, "timeout", "network", "response",
// "other", or what an error that has a method MetricLabel says.
func MetricLabel(err error) string {
	if labeled, ok := errors.AsType[interface {
		error
		MetricLabel() string
	}](err); ok {
		return labeled.MetricLabel()
	}
	switch {
	case err == nil:
		return "0"
	case IsTimeout(err):
		return "timeout"
	case IsNetwork(err):
		return "network"
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if _, known := codes[e.Code]; known {
			return strconv.Itoa(e.Code)
		}
		return "other"
	}
	return "response"
}

// maxRID is the length of the longest word that is taken for a request id. WeChat's have 26 characters; the secret of an
// AppID, 32 hexadecimal digits, is none, even behind "rid:".
const maxRID = 31

// ridIn finds WeChat's request id: a word of hexadecimal digits and dashes behind "rid:".
func ridIn(message string) string {
	_, after, found := strings.Cut(message, "rid:")
	if !found {
		return ""
	}
	words := strings.Fields(after)
	if len(words) == 0 {
		return ""
	}
	rid := strings.Trim(words[0], wordEnds)
	if len(rid) > maxRID || strings.Trim(rid, "0123456789abcdefABCDEF-") != "" {
		return ""
	}
	if strings.Trim(rid, "0123456789-") == "" {
		return "" // digits alone could be a phone number
	}
	return rid
}

// wordEnds may stand around a word without being a part of it.
const wordEnds = ".,;()[]"

// ipIn finds the first IP address that stands in a message as a word.
func ipIn(message string) netip.Addr {
	for word := range strings.FieldsSeq(message) {
		if ip, err := netip.ParseAddr(strings.Trim(word, wordEnds)); err == nil {
			return ip.Unmap().WithZone("") // a zone may be any text
		}
	}
	return netip.Addr{}
}
