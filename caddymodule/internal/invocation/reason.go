package invocation

// Reason says why a member was kept as it was, was removed, or failed without WeChat having been asked; 0: for none of these reasons.
type Reason uint8

// The reasons.
const (
	Nested Reason = iota + 1
	NotListed
	NotCloudID
	WrongForm
	NamedAsID
	GuessOff
	NoCaller
	OverLimit
	NoKey
	CannotBe
	EncryptOff
	OutsideOfIt
	GatewaySets
)

// reasons are their names and what they say to people. The names are stable: logs are searched for them, and the inspector translates
// them.
var reasons = [...]struct{ name, text string }{
	Nested:      {"nested", "it looks like a CloudID, but only direct members of the event are looked at: send it at the top level of the event, or say with the option `event` where the event is"},
	NotListed:   {"not_listed", "it declares open data, but `fields` does not list this member"},
	NotCloudID:  {"not_a_cloudid", "it looked like a CloudID, but WeChat says that it is none"},
	WrongForm:   {"wrong_form", "an ordinary member, which is no CloudID and declares none"},
	NamedAsID:   {"named_as_id", "it looks like a CloudID, but the member's name says that the function wants the id itself"},
	GuessOff:    {"guess_off", "it looks like a CloudID, but `guess off` leaves strings alone; send it with cloudid_list or as an object with cloudID"},
	NoCaller:    {"no_caller", "it looks like a CloudID, but nobody is logged in"},
	OverLimit:   {"over_limit", "it looks like a CloudID, but the user has used up the account's `limit`"},
	NoKey:       {"no_session_key", "the session holds no session_key to decrypt it with; add `session_key` to wechat_login, and log in again"},
	CannotBe:    {"cannot_be_cloudid", "it can be no CloudID, so WeChat was not asked"},
	EncryptOff:  {"encrypted_data_off", "it is the encryptedData and iv of a device without CloudIDs, which is read only with `encrypted_data` in cloudid, and `session_key` in wechat_login"},
	OutsideOfIt: {"beside_the_event", "it looks like a CloudID, but stands beside the event that the option `event` names"},
	GatewaySets: {"set_by_gateway", "with `user_info` the gateway sets this name itself, so what the client sent under it does not count"},
}

func (r Reason) String() string { return reasons[r].name }

// MarshalText implements encoding.TextMarshaler.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Text is the reason as a clause for people.
func (r Reason) Text() string { return reasons[r].text }

// Reasons are all of them.
func Reasons() []Reason {
	all := make([]Reason, len(reasons)-1)
	for i := range all {
		all[i] = Reason(i + 1)
	}
	return all
}

// Skipped says why a body was not read as an event. The values are stable, as the names of a Reason.
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
