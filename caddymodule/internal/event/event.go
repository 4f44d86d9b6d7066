// Package event reads the JSON of a call: it finds the CloudIDs that an event declares among its top-level members and
// puts the answers in their place. Bytes in, bytes out: it knows neither HTTP nor WeChat, and no byte outside of what it
// replaces, adds or takes out ever changes.
//
// The client is hostile and the function's parser may be any. So a text that parsers read differently is refused
// wherever the difference could let a client pass off something of its own as open data.
package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// MaxName is the length in bytes of the longest name whose value is replaced: names travel in a header.
const MaxName = 256

// MaxID is the length in bytes of the longest string that is taken for a CloudID at all. Those of WeChat's documentation
// have 62; strict mode takes any string up to here.
const MaxID = 256

// ErrNoEvent is returned in strict mode, where the body, or the place that Rules.At names, holds no object.
var ErrNoEvent = errors.New("there is no event: a JSON object is expected")

// Rejection says which rule an event breaks, in words for the client.
type Rejection struct{ reason string }

func (r *Rejection) Error() string { return r.reason }

func reject(format string, args ...any) error {
	return &Rejection{fmt.Sprintf(format, args...)}
}

// Rules say where the event is and what counts as a declaration in it.
type Rules struct {
	// Where in the body the event is; the zero Pointer is the whole body.
	Pointer Pointer

	// The value at At is a string that holds the event as JSON text, as in WeChat's own callFunction.
	IsString bool

	// Strict mode: exactly these members are looked at, and each of them that is present becomes an answer. Nil: off.
	Fields []string

	// Whether a string that looks like a CloudID declares one. Strict mode does without.
	Guess bool

	// How many declarations an event may hold.
	MaxDeclarations int

	// Whether userInfo belongs to the gateway: what a client sent under that name is taken out.
	ReplaceUserInfo bool
}

// Declaration is one member that is to be replaced.
type Declaration struct {
	// The member's name, unescaped.
	Name string

	// The CloudID. Empty where what stands in its place cannot be one (a listed member of strict mode that holds a number, a
	// string longer than MaxID): that is invalid without asking WeChat.
	ID string

	// The string only looks like a CloudID; nobody said that it is one.
	Guess bool
}

// Event is a body that was read and refused nothing. It refers to the body's bytes, which must not change.
type Event struct {
	// What the event declares, in the order of the body; those of a cloudid_list come last.
	Declarations []Declaration

	body []byte
	text []byte // the event's own JSON text: a part of body, or the unescaped text of a string in it

	// Where text stands in body. For a string: where its characters begin and end, between the quotes.
	start, end int
	quoted     bool

	found   bool   // there is an event: an object
	values  []span // of text: what the declarations replace; a member to be added has none
	removed []span // of text: members taken out of the event
	list    span   // of body: the cloudid_list taken out beside the event
	last    int    // of text: behind the last member, or behind the opening brace
	empty   bool   // no member is left before last
}

// span is a range of bytes; the zero span is none.
type span struct{ start, end int }

// Parse reads a body. It returns a *Refusal, ErrNoEvent or an error of package jsonscan for a body that must not be
// handed on. A body without an event, without declarations, or without JSON content at all (no bytes) is none of these.
func (r *Rules) Parse(body []byte) (Event, error) {
	f := parser{rules: r, event: Event{body: body}}
	if err := f.parse(); err != nil {
		return Event{}, err
	}
	if r.Fields != nil && !f.event.found {
		return Event{}, ErrNoEvent
	}
	return f.event, nil
}

// LooksLikeCloudID reports whether s has the form that all CloudIDs known to the public have:
// ^[0-9]{1,4}_[A-Za-z0-9_-]{40,128}$. Access tokens and media ids have it too.
func LooksLikeCloudID(s string) bool {
	digits := 0
	for digits < len(s) && s[digits]-'0' <= 9 {
		digits++
	}
	if digits < 1 || digits > 4 || digits == len(s) || s[digits] != '_' {
		return false
	}
	rest := s[digits+1:]
	if len(rest) < 40 || len(rest) > 128 {
		return false
	}
	for i := range len(rest) {
		switch c := rest[i]; {
		case c-'0' <= 9, c-'A' <= 25, c-'a' <= 25, c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// parser is the state of one Find.
type parser struct {
	rules *Rules
	event Event

	members       [32]jsonscan.Member // the first of the event's members, for what looks at them again
	memberCount   int                 // how many there are
	candidates    []candidate
	list          []entry
	listMember    jsonscan.Member
	listCount     int  // members of the body's object that read as "cloudid_list"
	proto         bool // a member named "__proto__" was passed
	userInfoCount int  // members that read as "userInfo", which are taken out
}

// candidate is a member of the event whose value is to be replaced.
type candidate struct {
	member jsonscan.Member
	Declaration
}

func (f *parser) parse() error {
	if len(f.event.body) == 0 {
		return nil
	}
	if err := f.locate(); err != nil {
		return err
	}
	// Before asking whether there is an event: copied member by member, the body may gain one through that name.
	if f.proto {
		return rejectProto()
	}
	if !f.event.found {
		return nil
	}
	if len(f.candidates)+len(f.list)+f.userInfoCount == 0 {
		f.findInsertPoint()
		return nil
	}
	if err := f.validate(); err != nil {
		return err
	}
	f.finish()
	return nil
}

// locate passes over the whole body once, finds the event and looks at its members on the way where it can.
func (f *parser) locate() error {
	e, r := &f.event, f.rules
	if r.Pointer.IsRoot() && !r.IsString {
		e.text, e.end = e.body, len(e.body)
		if err := jsonscan.Walk(e.body, func(m jsonscan.Member) {
			f.visitBodyMember(m)
			f.visitEventMember(m)
		}); err != nil {
			return err
		}
		e.found = isObject(e.body)
		return f.readList()
	}

	if err := jsonscan.Walk(e.body, f.visitBodyMember); err != nil {
		return err
	}
	place, err := r.Pointer.locate(e.body)
	if err != nil || !place.Exists() {
		return err
	}
	e.start, e.end = place.Index, place.Index+len(place.Raw)
	e.text = e.body[e.start:e.end]
	if r.IsString {
		if place.Type != gjson.String {
			return nil
		}
		if e.text, err = unquote(place.Raw); err != nil {
			return err
		}
		if len(e.text) == 0 {
			return nil
		}
		e.start, e.end, e.quoted = e.start+1, e.end-1, true
	}
	if err := jsonscan.Walk(e.text, f.visitEventMember); err != nil {
		return fmt.Errorf("in the event's text: %w", err)
	}
	e.found = isObject(e.text)
	return f.readList()
}

// visitBodyMember looks at a member of the body's own object, beside the event or in it.
func (f *parser) visitBodyMember(m jsonscan.Member) {
	name := unsafeString(f.event.body[m.NameStart:m.NameEnd])
	if isProto(name) {
		f.proto = true
	}
	if sameName(name, listName) {
		f.listCount++
		f.listMember = m
	}
}

// visitEventMember looks at a member of the event.
func (f *parser) visitEventMember(m jsonscan.Member) {
	if f.memberCount < len(f.members) {
		f.members[f.memberCount] = m
	}
	f.memberCount++
	text := unsafeString(f.event.text)
	name := text[m.NameStart:m.NameEnd]
	if isProto(name) {
		f.proto = true
	}
	if f.rules.ReplaceUserInfo && sameName(name, userInfoName) {
		f.userInfoCount++
		return
	}
	if f.rules.Fields != nil {
		// More members than fields are refused for certain, one being there twice; it takes no more of them to see that.
		if len(f.candidates) <= len(f.rules.Fields) && listed(f.rules.Fields, name) {
			id, _ := declaredIn(text[m.ValueStart:m.ValueEnd], true)
			f.candidates = append(f.candidates, candidate{m, Declaration{ID: id}})
		}
		return
	}
	if id, guess := declaredIn(text[m.ValueStart:m.ValueEnd], false); id != "" && (f.rules.Guess || !guess) {
		f.candidates = append(f.candidates, candidate{m, Declaration{ID: id, Guess: guess}})
	}
}

// eachMember shows the event's members once more: from memory where they are few, as they nearly always are.
func (f *parser) eachMember(visit func(jsonscan.Member)) {
	if f.memberCount > len(f.members) {
		_ = jsonscan.Walk(f.event.text, visit) // which found no fault the first time
		return
	}
	for _, m := range f.members[:f.memberCount] {
		visit(m)
	}
}

// validate applies the rules that an event with something to replace, add or take out must keep.
func (f *parser) validate() error {
	declared := len(f.list)
	for i := range f.candidates {
		c := &f.candidates[i]
		raw := unsafeString(f.event.text[c.member.NameStart:c.member.NameEnd])
		c.Name = nameOf(raw)
		if c.ID != "" {
			declared++
		}
		if err := f.checkName(raw, c.Name); err != nil {
			return err
		}
	}
	for _, entry := range f.list {
		if err := f.checkName(entry.rawName, entry.name); err != nil {
			return err
		}
		if f.rules.Fields != nil && !slices.Contains(f.rules.Fields, entry.name) {
			return reject("cloudid_list names %s, which is not among the fields that this gateway replaces", QuoteName(entry.name))
		}
	}
	if declared > f.rules.MaxDeclarations {
		return reject("the event declares %d CloudIDs; at most %d are replaced in one call", declared, f.rules.MaxDeclarations)
	}
	return f.checkUnique()
}

func (f *parser) checkName(raw, name string) error {
	switch {
	case len(name) > MaxName:
		return reject("the name of a member with a CloudID is %d bytes long; at most %d are allowed", len(name), MaxName)
	case hasLoneSurrogate(raw):
		return reject("the name of a member with a CloudID holds half a surrogate pair, which parsers read differently")
	case name == protoName:
		return rejectProto()
	case f.rules.ReplaceUserInfo && sameName(raw, userInfoName):
		return reject(`userInfo is set by the gateway; send the CloudID under another name`)
	}
	return nil
}

func rejectProto() error {
	return reject(`a member named __proto__ is refused: copying the event would turn its content into members`)
}

// checkUnique refuses an event in which some parser would take another member for one that is replaced.
func (f *parser) checkUnique() error {
	names := slices.Clone(f.rules.Fields)
	if f.rules.Fields == nil {
		for _, c := range f.candidates {
			names = append(names, c.Name)
		}
	}
	inEvent := len(names) // the names from here on come from the list, so the event must not have them
	for _, entry := range f.list {
		if slices.ContainsFunc(names[inEvent:], func(other string) bool { return sameFolded(entry.name, other) }) {
			return duplicate(entry.name)
		}
		names = append(names, entry.name)
	}

	readers := make([]int, len(names)) // how many of the event's members read as names[i]
	exact := make([]int, len(names))   // how many of those are to be replaced, and spelled just so
	for _, c := range f.candidates {
		for i, name := range names[:inEvent] {
			if c.Name == name {
				exact[i] = 1
			}
		}
	}
	f.eachMember(func(m jsonscan.Member) {
		raw := unsafeString(f.event.text[m.NameStart:m.NameEnd])
		for i, name := range names {
			if sameName(raw, name) {
				readers[i]++
			}
		}
	})
	for i, name := range names {
		if readers[i] > exact[i] {
			return duplicate(name)
		}
	}
	return nil
}

func duplicate(name string) error {
	return reject("the member %s must be sent once, spelled exactly so: letter case, escapes and what follows a NUL do not tell names apart in every language", QuoteName(name))
}

// finish hands over what was found to the event.
func (f *parser) finish() {
	e, declared := &f.event, len(f.candidates)+len(f.list)
	e.Declarations, e.values = make([]Declaration, 0, declared), make([]span, 0, declared)
	for _, c := range f.candidates {
		e.Declarations = append(e.Declarations, c.Declaration)
		e.values = append(e.values, span{c.member.ValueStart, c.member.ValueEnd})
	}
	for _, entry := range f.list {
		e.Declarations = append(e.Declarations, Declaration{Name: entry.name, ID: entry.id})
		e.values = append(e.values, span{})
	}
	f.planRemovals()
}

// planRemovals notes what is removed, and where members are added.
func (f *parser) planRemovals() {
	if !f.rules.ReplaceUserInfo && len(f.list) == 0 {
		return
	}
	e := &f.event
	inEvent := len(f.list) > 0 && f.rules.Pointer.IsRoot() && !f.rules.IsString
	e.removed, e.last, e.empty = removals(e.text, func(name string, start int) bool {
		return f.rules.ReplaceUserInfo && sameName(name, userInfoName) || inEvent && start == f.listMember.NameStart
	})
	if len(f.list) > 0 && !inEvent {
		spans, _, _ := removals(e.body, func(_ string, start int) bool { return start == f.listMember.NameStart })
		e.list = spans[0]
	}
}

// findInsertPoint finds where members would be added to an event that is otherwise left alone.
func (f *parser) findInsertPoint() {
	if !f.rules.ReplaceUserInfo {
		return
	}
	_, f.event.last, f.event.empty = removals(f.event.text, func(string, int) bool { return false })
}

// removals returns the ranges to cut so that the members which remove reports go, each with one comma, the end of the
// last member (or the place behind the opening brace), and whether no member is left.
func removals(object []byte, remove func(name string, start int) bool) (cuts []span, last int, empty bool) {
	previous := -1 // end of the last member that stays
	empty = true
	open := -1 // start of a cut that waits for the next member's begin
	gjson.Parse(unsafeString(object)).ForEach(func(key, value gjson.Result) bool {
		if open >= 0 {
			cuts = append(cuts, span{open, key.Index})
			open = -1
		}
		last = value.Index + len(value.Raw)
		switch {
		case !remove(key.Raw, key.Index):
			previous, empty = last, false
		case previous >= 0:
			cuts = append(cuts, span{previous, last})
			previous = last
		default:
			open = key.Index
		}
		return true
	})
	if open >= 0 {
		cuts = append(cuts, span{open, last})
	}
	if last == 0 {
		last = strings.IndexByte(unsafeString(object), '{') + 1
	}
	return cuts, last, empty
}
