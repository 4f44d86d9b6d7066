// Package event reads the JSON of a call: it finds the CloudIDs that an event declares among its top-level members, and
// puts open data in their place. It takes bytes and returns bytes, knows neither HTTP nor WeChat, and changes no byte
// outside of what it replaces, adds or removes.
//
// Make Rules, Compile them once, Parse each body with them, and Write the body with what stands in the place of each
// Declaration:
//
//	rules := event.Rules{Fields: []string{"weRunData"}, MaxDeclarations: 5}
//	if err := rules.Compile(); err != nil { … }
//	parsed, err := rules.Parse(body) // err: reject the request
//	body, changed := parsed.Write(values, nil, buffer)
//
// The client is hostile and the function's parser may be any. So a text that parsers read differently is rejected
// wherever the difference could let a client pass off something of its own as open data.
package event

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// maxName is the length in bytes of the longest name whose value is replaced: these names travel in a header.
const maxName = 256

// Rules say where the event is and what counts as a declaration in it. Compiled rules may be copied, and used by many
// goroutines at once.
type Rules struct {
	// Where in the body the event is. Default: the whole body.
	Pointer Pointer

	// Whether the value at Pointer is a string that holds the event as JSON text, as in WeChat's own callFunction.
	IsString bool

	// Whether the body is a CloudEvent in structured mode, whose event is the member data. Pointer and IsString are not
	// used then. A batch is rejected, and data_base64 wherever it could be taken for the event.
	CloudEvent bool

	// Strict mode: exactly these members are looked at, and each that is present is replaced. Default: off.
	Fields []string

	// What the errors of Compile call the fields, one for one. Default: by their names.
	Written []string

	// Whether a string that looks like a CloudID declares one. Strict mode does without.
	Guess bool

	// Whether an object with strings encryptedData and iv, and no cloudID that looks like one, declares open data.
	EncryptedData bool

	// How many declarations an event may hold.
	MaxDeclarations int

	// Whether userInfo belongs to the gateway: whatever a client sent that reads as this name is removed. An object or a
	// string that holds no event is rejected: a function that looks elsewhere in it would find the client's.
	ReplaceUserInfo bool

	fields     *nameSet   // of Fields; nil without strict mode
	queryNames queryNames // that a query may not have
}

// Event is a body that was accepted. It refers to the body's bytes, which must not change while it is used.
type Event struct {
	// What the event declares, in the order of the body; what a cloudid_list declares comes last.
	Declarations []Declaration

	body []byte
	text []byte // the event's own JSON text: a part of body, or the unescaped text of a string in it

	// Where text stands in body. For a string: where its characters begin and end, between the quotes.
	start, end int
	quoted     bool

	found   bool              // there is an event: an object
	members []jsonscan.Member // of text, one for one with Declarations; of one that is to be added zero
	removed []span            // of text: members that are removed from the event
	list    span              // of body: the cloudid_list that is removed beside the event
	last    int               // of text: behind the last member, or behind the opening brace
	empty   bool              // no member is left before last
}

// span is a range of bytes; the zero span is none.
type span struct{ start, end int }

// Object returns the event's own JSON text, which must not be changed; nil if the body holds no event: no object, at the
// place that the rules name.
func (e *Event) Object() []byte {
	if !e.found {
		return nil
	}
	return e.text
}

// keepTexts gives the declarations texts of their own, in one piece of memory. Until then theirs may be the body's bytes.
func (e *Event) keepTexts() {
	size := 0
	for i := range e.Declarations {
		for _, text := range e.Declarations[i].texts() {
			size += len(*text)
		}
	}
	var all strings.Builder
	all.Grow(size)
	for i := range e.Declarations {
		for _, text := range e.Declarations[i].texts() {
			start := all.Len()
			all.WriteString(*text)
			*text = all.String()[start:]
		}
	}
}

// Parse reads a body. It returns a *Rejection, ErrNoEvent or an error of package jsonscan for a body that must not reach
// a function. A body without an event, without declarations, or without any bytes is none of these.
func (r *Rules) Parse(body []byte) (Event, error) { return r.ParseVisiting(body, nil) }

// Visitor is shown the direct members of an event: of each its name and its value, as they are written in JSON, and its role. The strings
// must not be kept, they are the body's bytes.
type Visitor interface {
	Visit(name, value string, role Role)
}

// Role is what becomes of a member of the event.
type Role uint8

// The roles.
const (
	Ordinary Role = iota // it stays as it is
	Declares             // it is the next one of Event.Declarations
	Removed              // it reads as userInfo, which belongs to the gateway
)

// ParseVisiting is Parse for somebody who wants to see every direct member of the event on the way, in the order of the body. It is
// not known then whether the rest of the body is valid: if an error is returned, the roles mean nothing. visit may be nil.
func (r *Rules) ParseVisiting(body []byte, visit Visitor) (Event, error) {
	p := parser{rules: r, visit: visit, event: Event{body: body}, repeated: noName}
	if err := p.parse(); err != nil {
		return Event{}, err
	}
	if !p.event.found && (r.Fields != nil || r.ReplaceUserInfo && mayHoldEvent(body)) {
		return Event{}, r.noEvent()
	}
	return p.event, nil
}

// noEvent is ErrNoEvent with the place where the object is expected.
func (r *Rules) noEvent() error {
	place := ""
	if !r.Pointer.IsRoot() {
		place = " at " + QuoteName("/"+strings.Join(r.Pointer.steps, "/"))
	}
	if r.IsString {
		place += ", as JSON text in a string"
	}
	return fmt.Errorf("%w%s", ErrNoEvent, place)
}

// mayHoldEvent reports whether a function could find an event in a body that holds none where it is expected: an object, by looking
// elsewhere in it, or a string, by unwrapping it.
func mayHoldEvent(body []byte) bool {
	text := bytes.TrimLeft(body, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '"')
}
