package invocation

import "strconv"

// Reason says why a member was kept as it was, was removed, or failed without WeChat having been asked. The values are stable: logs are
// searched for them, and the inspector translates them.
type Reason string

// The reasons.
const (
	Nested      Reason = "nested"
	NotListed   Reason = "not_listed"
	NotCloudID  Reason = "not_a_cloudid"
	WrongForm   Reason = "wrong_form"
	NamedAsID   Reason = "named_as_id"
	GuessOff    Reason = "guess_off"
	NoCaller    Reason = "no_caller"
	OverLimit   Reason = "over_limit"
	NoKey       Reason = "no_session_key"
	CannotBe    Reason = "cannot_be_cloudid"
	EncryptOff  Reason = "encrypted_data_off"
	OutsideOfIt Reason = "beside_the_event"
	GatewaySets Reason = "set_by_gateway"
)

var reasonTexts = map[Reason]string{
	Nested:      "it looks like a CloudID, but only direct members of the event are looked at: send it at the top level of `data`",
	NotListed:   "it declares open data, but `fields` does not list this member",
	NotCloudID:  "it looked like a CloudID, but WeChat says that it is none",
	WrongForm:   "an ordinary member, which is no CloudID and declares none",
	NamedAsID:   "it looks like a CloudID, but the member's name says that the function wants the id itself",
	GuessOff:    "it looks like a CloudID, but `guess off` leaves strings alone; send it with cloudid_list or as an object with cloudID",
	NoCaller:    "it looks like a CloudID, but nobody is logged in",
	OverLimit:   "it looks like a CloudID, but the user has used up the account's `limit`",
	NoKey:       "the session holds no session_key to decrypt it with; add `session_key` to wechat_login, and log in again",
	CannotBe:    "it can be no CloudID, so WeChat was not asked",
	EncryptOff:  "it is the encryptedData and iv of a device without CloudIDs, which is read only with `encrypted_data` in cloudid, and `session_key` in wechat_login",
	OutsideOfIt: "it looks like a CloudID, but stands beside the event that the option `event` names",
	GatewaySets: "with `user_info` the gateway sets this name itself, so what the client sent under it does not count",
}

// Text is the reason as a clause for people.
func (r Reason) Text() string { return reasonTexts[r] }

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Nested, NotListed, NotCloudID, WrongForm, NamedAsID, GuessOff, NoCaller, OverLimit, NoKey, CannotBe, EncryptOff, OutsideOfIt, GatewaySets}
}

// Skipped says why a body was not read as an event. The values are stable, as those of Reason.
type Skipped string

// Why bodies are not read.
const (
	NoBody        Skipped = "no_body"
	OtherType     Skipped = "other_type"
	Passed        Skipped = "pass"
	NoType        Skipped = "no_type"
	Method        Skipped = "method"
	Upgrade       Skipped = "upgrade"
	NoEvent       Skipped = "no_event"
	NotCloudEvent Skipped = "not_a_cloudevent"
)

var skippedTexts = map[Skipped]string{
	NoBody:        "there is no body",
	OtherType:     "the Content-Type is not JSON: the client must send application/json",
	Passed:        "`pass` names its media type",
	NoType:        "there is no Content-Type, and the body does not begin like a JSON object",
	Method:        "bodies of GET and HEAD are not read without `fields` or `user_info`",
	Upgrade:       "the request asks for another protocol (Upgrade or CONNECT)",
	NoEvent:       "the body is JSON, but there is no object where the event should be",
	NotCloudEvent: "the request is not the CloudEvent that `event cloudevents` expects",
}

// Text is the reason as a clause for people.
func (s Skipped) Text() string { return skippedTexts[s] }

// AllSkipped are all of them.
func AllSkipped() []Skipped {
	return []Skipped{NoBody, OtherType, Passed, NoType, Method, Upgrade, NoEvent, NotCloudEvent}
}

// Sentence says what became of the member and why, for a log.
func (m *Member) Sentence() string {
	text := m.Name + ": "
	if m.Declared != "" {
		text += string(m.Declared) + ", "
	}
	switch m.Result {
	case OpenData:
		text += "open data"
	case Failed:
		text += "error " + strconv.Itoa(m.Code)
		if m.Reason != "" && m.Type != "" {
			text += " for a value of type " + m.Type
		}
	case Kept:
		text += "kept"
	case Removed:
		text += "removed"
	case Rejected:
		text += "rejected"
	}
	switch {
	case m.Cached:
		text += ", from the cache"
	case m.Shared:
		text += ", shared with another call"
	}
	if m.Reason != "" {
		text += ", " + string(m.Reason) + ": " + m.Reason.Text()
	}
	return text
}
