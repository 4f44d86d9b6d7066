package gateway

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// eventMember is a direct member of an event: its name and its value, as they are written in JSON. They are bytes of the body.
type eventMember struct{ name, value string }

// explain notes what is in the event, and why members of it are left alone, for somebody who wonders why theirs was. It is done
// only where a log line or a subscriber shows it.
func (c *call) explain(body []byte, found *event.Event) {
	if !c.observed() {
		return
	}
	c.record.Explained = true
	e := c.explainer
	e.call, e.declarations = c, found.Declarations
	object := found.Object()
	if object != nil {
		e.members()
	}
	c.addDeclared(found) // those of a cloudid_list have no member
	if object != nil && len(object) == len(body) {
		return
	}
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if looksLikeCloudID(value.Raw) {
			e.keep(key.String(), value.Raw, invocation.OutsideOfIt)
		}
		return !e.full()
	})
}

// forgetExplained leaves in the record what placeholders need after the call has ended, and lets another call have the rest.
func (c *call) forgetExplained() {
	if c.explainer == nil {
		return
	}
	c.record.Members = c.declared()
	c.explainer.release()
	c.explainer = nil
}

// explainer makes the members of a record from those of an event, which it is shown while the event is parsed. Values are texts of
// JSON. What it makes is its own memory, the record's until the call has ended.
type explainer struct {
	call         *call
	declarations []event.Declaration
	noted        []eventMember
	made         []invocation.Member
	names        strings.Builder          // of all that were made, so that they are one allocation
	visit        func(name, value string) // is note
}

// explainers are made once, and used by one call after the other.
var explainers = sync.Pool{New: func() any {
	e := &explainer{noted: make([]eventMember, 0, invocation.MaxMembers), made: make([]invocation.Member, 0, invocation.MaxMembers)}
	e.visit = e.note
	return e
}}

// note remembers a member of the event.
func (e *explainer) note(name, value string) {
	if len(e.noted) < cap(e.noted) {
		e.noted = append(e.noted, eventMember{name, value})
	}
}

// release gives the explainer to other calls.
func (e *explainer) release() {
	e.call, e.declarations = nil, nil
	clear(e.noted) // they are bytes of the body
	e.noted = e.noted[:0]
	e.names.Reset() // others may have strings of it
	explainers.Put(e)
}

// members notes the direct members of the event.
func (e *explainer) members() {
	if len(e.noted) == 0 {
		return
	}
	length := 0
	for _, m := range e.noted {
		length += min(len(m.name), invocation.MaxName)
	}
	e.names.Grow(length)
	e.call.record.Members = e.made
	for _, m := range e.noted {
		if !e.full() {
			e.member(m)
		}
	}
}

func (e *explainer) full() bool { return len(e.call.record.Members) >= invocation.MaxMembers }

// member notes a direct member of the event.
func (e *explainer) member(m eventMember) {
	name, value := unquote(m.name), m.value
	if e.call.handler.UserInfo && event.ReadsAsUserInfo(m.name) {
		e.add(name, value, invocation.Removed, invocation.GatewaySets)
		return
	}
	if d := e.declaredBy(name); d != nil {
		e.addDeclared(d, value)
		return
	}
	switch {
	case name == "cloudid_list" && e.hasList(): // it is removed
	case looksLikeCloudID(value):
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

// addDeclared notes the member that a declaration is. Others are going to note what became of it.
func (e *explainer) addDeclared(d *event.Declaration, value string) {
	m := invocation.Member{Name: d.Name, Declared: invocation.DeclaredAs(string(d.Kind))}
	m.Type, m.Length = describeValue(value)
	if d.Kind == event.Field && isEncrypted(value) {
		m.Reason = invocation.EncryptOff // with the option, it would be declared as such
	}
	e.call.record.Members = append(e.call.record.Members, m)
}

// declaredBy returns the declaration that the member of a name is; nil if it is none, or another member of that name was.
func (e *explainer) declaredBy(name string) *event.Declaration {
	for i := range e.declarations {
		if d := &e.declarations[i]; d.Name == name && d.Kind != event.List && e.call.member(name) == nil {
			return d
		}
	}
	return nil
}

// hasList reports whether a cloudid_list was read.
func (e *explainer) hasList() bool {
	return slices.ContainsFunc(e.declarations, func(d event.Declaration) bool { return d.Kind == event.List })
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

// nested looks for strings that look like CloudIDs where none are looked for.
func (e *explainer) nested(path, value string) {
	if !isObject(value) && value[0] != '[' || e.full() || len(path) > invocation.MaxName || !mayHoldCloudID(value) {
		return
	}
	index := 0
	gjson.Parse(value).ForEach(func(key, inner gjson.Result) bool {
		at := path + "." + key.String()
		if !isObject(value) {
			at = path + "[" + strconv.Itoa(index) + "]"
			index++
		}
		if looksLikeCloudID(inner.Raw) {
			e.keep(at, inner.Raw, invocation.Nested)
		} else {
			e.nested(at, inner.Raw)
		}
		return !e.full()
	})
}

// keep notes a value that is left as it is.
func (e *explainer) keep(name, value string, reason invocation.Reason) {
	e.add(name, value, invocation.Kept, reason)
}

func (e *explainer) add(name, value string, result invocation.Result, reason invocation.Reason) {
	m := invocation.Member{Name: e.copyName(showableName(name)), Result: result, Reason: reason}
	m.Type, m.Length = describeValue(value)
	e.call.record.Members = append(e.call.record.Members, m)
}

// copyName returns a copy of a name, which may be bytes of the body.
func (e *explainer) copyName(name string) string {
	e.names.WriteString(name)
	all := e.names.String()
	return all[len(all)-len(name):]
}

// showableName is a name as a log may show it.
func showableName(name string) string {
	if event.LooksLikeCloudID(name) {
		return "(a CloudID)"
	}
	return strings.ToValidUTF8(invocation.Cut(name, invocation.MaxName), "?")
}

// unquote returns what a JSON string says; if it can, as a part of it.
func unquote(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	return gjson.Parse(text).Str
}

// looksLikeCloudID reports whether a value is a string that looks like a CloudID.
func looksLikeCloudID(value string) bool {
	if !isString(value) || len(value) < minIDText || len(value) > maxIDText {
		return false
	}
	mayBeDigit := value[1] == '\\' || '0' <= value[1] && value[1] <= '9'
	return mayBeDigit && event.LooksLikeCloudID(unquote(value))
}

// minIDText is the length of the shortest JSON text of a CloudID: a digit, an underscore and forty characters, in quotes.
const minIDText = 1 + 1 + 40 + 2

// maxIDText is the length of the longest JSON text of a CloudID: of 133 characters, all of them escaped.
const maxIDText = 133*len(`\u0000`) + 2

// hasCloudID reports whether a value is an object with a cloudID that looks like one.
func hasCloudID(value string) bool {
	return isObject(value) && mayHoldCloudID(value) && looksLikeCloudID(gjson.Get(value, "cloudID").Raw)
}

// isEncrypted reports whether a value is what a device is given that gets no CloudID.
func isEncrypted(value string) bool {
	return isObject(value) && strings.Contains(value, "encryptedData") && isString(gjson.Get(value, "encryptedData").Raw) && isString(gjson.Get(value, "iv").Raw)
}

func isString(value string) bool { return value != "" && value[0] == '"' }

func isObject(value string) bool { return value != "" && value[0] == '{' }

// mayHoldCloudID reports whether a JSON text may hold a string that looks like a CloudID: a digit, an underscore and forty characters
// more. That is much faster found out than what is in the text. Escaped letters, which no client writes there, are not seen, nor what
// stands behind the first maxUnderscores, as in many rows with names like created_at.
func mayHoldCloudID(json string) bool {
	for range maxUnderscores {
		at := strings.IndexByte(json, '_')
		if at < 0 || len(json)-at < minIDTail {
			return false
		}
		if at > 0 && '0' <= json[at-1] && json[at-1] <= '9' && strings.IndexByte(json[at:at+minIDTail], '"') < 0 {
			return true
		}
		json = json[at+1:]
	}
	return false
}

// maxUnderscores bounds the time that the search takes to a few microseconds.
const maxUnderscores = 500

// minIDTail is the least length of a CloudID from its underscore on.
const minIDTail = 41

// describeValue names a value's type, and of a string how many bytes it has.
func describeValue(value string) (kind invocation.Type, length int) {
	switch value[0] {
	case '"':
		return invocation.TypeString, event.TextLength(value)
	case '{':
		return invocation.TypeObject, 0
	case '[':
		return invocation.TypeArray, 0
	case 't', 'f':
		return invocation.TypeBoolean, 0
	case 'n':
		return invocation.TypeNull, 0
	default:
		return invocation.TypeNumber, 0
	}
}
