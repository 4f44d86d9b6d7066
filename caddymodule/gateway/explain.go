package gateway

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// explain finds what the event declares, and has the record say what else is in it, and why members are left alone, for somebody who
// wonders why theirs was. It is done only where a log line or a subscriber shows it.
func (c *call) explain(rules *event.Rules, body []byte) (event.Event, error) {
	e := (*explainer)(c)
	found, err := rules.ParseVisiting(body, e)
	if err != nil {
		c.record.Outline = invocation.Outline{}
		return found, err
	}
	if len(found.Object()) != len(body) {
		e.outside(body)
	}
	c.record.Explained = true
	return found, nil
}

// explainer is a call that is shown the members of its event while the event is parsed, and notes them. Values are texts of JSON, and
// bytes of the body.
type explainer call

// Visit implements event.Visitor.
func (e *explainer) Visit(rawName, value string, role event.Role) {
	switch {
	case role == event.Declares:
		e.declared(value)
	case role == event.Removed:
		e.add(unquote(rawName), value, invocation.Removed, invocation.GatewaySets)
	case len(value) < minEncrypted && len(rawName) < minIDText && strings.IndexByte(rawName, '\\') < 0:
		// As nearly all are: too short to be open data, or to have a name that is a CloudID.
		m := invocation.Member{Name: rawName[1 : len(rawName)-1], Result: invocation.Kept, Reason: invocation.WrongForm}
		m.Type, m.Length = describeValue(value)
		e.record.Outline.Add(&m)
	default:
		name := unquote(rawName)
		e.inList = name == "cloudid_list" && value[0] == '['
		e.undeclared(name, value)
		e.inList = false
	}
}

// minEncrypted is the length of the shortest JSON text of what is open data: an object with encryptedData and iv.
const minEncrypted = len(`{"encryptedData":"","iv":""}`)

// declared notes the place of a member that declares something. Others are going to note what became of it.
func (e *explainer) declared(value string) {
	var m invocation.Member
	m.Type, m.Length = describeValue(value)
	if isEncrypted(value) {
		m.Reason = invocation.EncryptOff // with the option, it would be declared as such
	}
	e.record.Outline.AddDeclared(&m)
}

// undeclared notes a member that may look like open data, and declares none.
func (e *explainer) undeclared(name, value string) {
	switch {
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

// outside notes what looks like a CloudID beside the event, which is only a part of the body.
func (e *explainer) outside(body []byte) {
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if looksLikeCloudID(value.Raw) {
			e.keep(key.String(), value.Raw, invocation.OutsideOfIt)
		}
		return !e.record.Outline.Full()
	})
}

// whyKept says why a string that looks like a CloudID declares none.
func (e *explainer) whyKept() invocation.Reason {
	h := e.handler
	switch {
	case h.Fields != nil:
		return invocation.NotListed
	case h.NoGuess:
		return invocation.GuessOff
	case e.caller.openid == "":
		return invocation.NoCaller
	default:
		return invocation.NamedAsID
	}
}

// whyNotDecrypted says why an object with encrypted data declares none.
func (e *explainer) whyNotDecrypted() invocation.Reason {
	if e.handler.EncryptedData {
		return invocation.NotListed
	}
	return invocation.EncryptOff
}

// nested looks for strings that look like CloudIDs where none are looked for.
func (e *explainer) nested(path, value string) {
	if !isObject(value) && value[0] != '[' || e.record.Outline.Full() || len(path) > invocation.MaxName || !mayHoldCloudID(value) {
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
		return !e.record.Outline.Full()
	})
}

// keep notes a value that is left as it is.
func (e *explainer) keep(name, value string, reason invocation.Reason) {
	e.add(name, value, invocation.Kept, reason)
}

func (e *explainer) add(name, value string, result invocation.Result, reason invocation.Reason) {
	m := invocation.Member{Name: showableName(name), Result: result, Reason: reason}
	m.Type, m.Length = describeValue(value)
	if e.inList {
		e.record.Outline.AddList(&m)
		return
	}
	e.record.Outline.Add(&m)
}

// showableName is a name as a log may show it.
func showableName(name string) string {
	if event.LooksLikeCloudID(name) {
		return "(a CloudID)"
	}
	return invocation.Cut(name, invocation.MaxName)
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
