package gateway

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// eventMember is a direct member of an event: its name and its value in JSON, which are bytes of the body.
type eventMember struct{ name, value string }

// noteMember remembers a member of the event for explain.
func (c *call) noteMember(name, value string) {
	if c.eventMembers == nil {
		c.eventMembers = make([]eventMember, 0, 8) // few events have more
	}
	if len(c.eventMembers) < invocation.MaxMembers {
		c.eventMembers = append(c.eventMembers, eventMember{name, value})
	}
}

// explain notes what is in the event, and why members of it are left alone, for somebody who wonders why theirs was. It is done
// only where a log line or a subscriber shows it.
func (c *call) explain(body []byte, found *event.Event) {
	if !c.observed() {
		return
	}
	c.record.Explained = true
	e := explainer{call: c, declared: make(map[string]invocation.Declared, len(found.Declarations))}
	for _, d := range found.Declarations {
		e.declared[d.Name] = invocation.Declared(d.Kind)
		e.list = e.list || d.Kind == event.List
	}
	object := found.Object()
	if object != nil {
		c.record.Members = make([]invocation.Member, 0, min(len(c.eventMembers)+len(found.Declarations), invocation.MaxMembers))
		for _, m := range c.eventMembers {
			if !e.full() {
				e.member(m)
			}
		}
	}
	c.eventMembers = nil                   // they are bytes of the body
	for _, d := range found.Declarations { // those of a cloudid_list have no member
		e.add(invocation.Member{Name: d.Name, Declared: invocation.Declared(d.Kind)})
	}
	if object != nil && len(object) == len(body) {
		return
	}
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if value.Type == gjson.String && event.LooksLikeCloudID(value.Str) {
			e.keep(key.String(), value, invocation.OutsideOfIt)
		}
		return !e.full()
	})
}

// parseValue is gjson.Parse, without a look at each byte of a string.
func parseValue(json string) gjson.Result {
	if json[0] == '"' && strings.IndexByte(json, '\\') < 0 {
		return gjson.Result{Type: gjson.String, Raw: json, Str: json[1 : len(json)-1]}
	}
	return gjson.Parse(json)
}

type explainer struct {
	call     *call
	declared map[string]invocation.Declared // those that the event was not passed by yet
	list     bool                           // a cloudid_list was read, so that it is no member
}

func (e *explainer) full() bool { return len(e.call.record.Members) >= invocation.MaxMembers }

func (e *explainer) add(m invocation.Member) {
	if _, waiting := e.declared[m.Name]; m.Declared != "" && !waiting {
		return
	}
	delete(e.declared, m.Name)
	m.Name = strings.Clone(m.Name)
	e.call.record.Members = append(e.call.record.Members, m)
}

// member notes a direct member of the event.
func (e *explainer) member(m eventMember) {
	name, value := parseValue(m.name).String(), parseValue(m.value)
	kind, length := describeValue(value)
	if e.call.handler.UserInfo && event.ReadsAsUserInfo(m.name) {
		e.add(invocation.Member{Name: showableName(name), Type: kind, Length: length, Result: invocation.Removed, Reason: invocation.GatewaySets})
		return
	}
	if how, ok := e.declared[name]; ok && how != invocation.List {
		m := invocation.Member{Name: name, Type: kind, Length: length, Declared: how}
		if how == invocation.Field && isEncrypted(value) {
			m.Reason = invocation.EncryptOff // with the option, it would be declared as such
		}
		e.add(m)
		return
	}
	if e.list && name == "cloudid_list" {
		return
	}
	looksLike := value.Type == gjson.String && event.LooksLikeCloudID(value.Str)
	switch {
	case looksLike:
		e.keep(name, value, e.whyKept())
	case hasCloudID(value):
		e.keep(name, value, invocation.NotListed)
	case isEncrypted(value):
		e.keep(name, value, e.whyNotDecrypted())
	default:
		e.keep(name, value, invocation.WrongForm)
		e.nested(name, value)
	}
}

// whyKept says why a string that looks like a CloudID declares none.
func (e *explainer) whyKept() invocation.Reason {
	h := e.call.handler
	switch {
	case h.Fields != nil:
		return invocation.NotListed
	case h.NoGuess:
		return invocation.GuessOff
	case e.call.caller.openid == "":
		return invocation.NoCaller
	default:
		return invocation.NamedAsID
	}
}

// whyNotDecrypted says why an object with encrypted data declares none.
func (e *explainer) whyNotDecrypted() invocation.Reason {
	if e.call.handler.EncryptedData {
		return invocation.NotListed
	}
	return invocation.EncryptOff
}

// hasCloudID reports whether a value is an object with a cloudID that looks like one.
func hasCloudID(value gjson.Result) bool {
	if !value.IsObject() || !mayHoldCloudID(value.Raw) {
		return false
	}
	id := value.Get("cloudID")
	return id.Type == gjson.String && event.LooksLikeCloudID(id.Str)
}

// mayHoldCloudID reports whether a JSON text may hold a string that looks like a CloudID: a digit, an underscore and forty characters
// more. That is much faster found out than what is in the text. Escaped letters, which no client writes there, are not seen.
func mayHoldCloudID(json string) bool {
	for {
		at := strings.IndexByte(json, '_')
		if at < 0 || len(json)-at < minIDTail {
			return false
		}
		if at > 0 && '0' <= json[at-1] && json[at-1] <= '9' && strings.IndexByte(json[at:at+minIDTail], '"') < 0 {
			return true
		}
		json = json[at+1:]
	}
}

// minIDTail is the least length of a CloudID from its underscore on.
const minIDTail = 41

// isEncrypted reports whether a value is what a device is given that gets no CloudID.
func isEncrypted(value gjson.Result) bool {
	return value.IsObject() && strings.Contains(value.Raw, "encryptedData") && value.Get("encryptedData").Type == gjson.String && value.Get("iv").Type == gjson.String
}

// nested looks for strings that look like CloudIDs where none are looked for.
func (e *explainer) nested(path string, value gjson.Result) {
	if !value.IsObject() && !value.IsArray() || e.full() || len(path) > invocation.MaxName || !mayHoldCloudID(value.Raw) {
		return
	}
	index := 0
	value.ForEach(func(key, inner gjson.Result) bool {
		at := path + "." + key.String()
		if value.IsArray() {
			at = path + "[" + strconv.Itoa(index) + "]"
			index++
		}
		if inner.Type == gjson.String && event.LooksLikeCloudID(inner.Str) {
			e.keep(at, inner, invocation.Nested)
		} else {
			e.nested(at, inner)
		}
		return !e.full()
	})
}

func (e *explainer) keep(name string, value gjson.Result, reason invocation.Reason) {
	kind, length := describeValue(value)
	e.add(invocation.Member{Name: showableName(name), Type: kind, Length: length, Result: invocation.Kept, Reason: reason})
}

// showableName is a name as a log may show it.
func showableName(name string) string {
	if event.LooksLikeCloudID(name) {
		return "(a CloudID)"
	}
	return strings.ToValidUTF8(invocation.Cut(name, invocation.MaxName), "?")
}

// describeValue names a value's type, and of a string how many bytes it has.
func describeValue(value gjson.Result) (kind string, length int) {
	switch {
	case value.Type == gjson.String:
		return "string", len(value.Str)
	case value.IsObject():
		return "object", 0
	case value.IsArray():
		return "array", 0
	case value.IsBool():
		return "boolean", 0
	case value.Type == gjson.Number:
		return "number", 0
	default:
		return "null", 0
	}
}
