package event

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// parser is the state of one Parse.
type parser struct {
	rules *Rules
	visit Visitor // nil: nobody wants to see the members
	event Event

	members     [32]jsonscan.Member // the first of the event's members, for what looks at them again
	memberCount int                 // how many there are

	counted    int    // how many of the declarations count against MaxDeclarations
	seen       []bool // which of Rules.Fields the event has
	repeated   int    // the first of Rules.Fields that the event has twice, or in another spelling
	repeatedAs string // its name as it is written, in quotes

	list         []listEntry
	listMember   jsonscan.Member
	listCount    int  // members of the body's object that read as cloudid_list
	listDeclares bool // one of these declares something

	proto         bool // there is a member __proto__
	base64        bool // there is a member data_base64 beside the event
	userInfoCount int  // members that read as userInfo, which are removed

	ambiguous error // why the body is rejected if something in it is replaced or added
}

func (p *parser) parse() error {
	if len(p.event.body) == 0 {
		return nil
	}
	if err := p.locate(); err != nil {
		return err
	}
	// Before asking whether there is an event: copied member by member, the body may gain one through that name.
	if p.proto {
		return rejectProto()
	}
	if !p.event.found {
		return nil
	}
	replaces := len(p.event.Declarations)+len(p.list) > 0
	if p.ambiguous != nil && (replaces || p.rules.promises()) {
		return p.ambiguous
	}
	if p.repeated != noName {
		return duplicateOf(p.rules.Fields[p.repeated], p.repeatedAs)
	}
	if replaces {
		if err := p.validate(); err != nil {
			return err
		}
		p.declareListed()
		p.event.keepTexts()
	}
	if len(p.list)+p.userInfoCount > 0 {
		p.planRemovals()
	}
	return nil
}

// locate passes over the whole body once, finds the event, and looks at its members on the way where it can.
func (p *parser) locate() error {
	e, r := &p.event, p.rules
	if r.Pointer.IsRoot() && !r.IsString {
		e.text, e.end = e.body, len(e.body)
		if err := jsonscan.Walk(e.body, func(m jsonscan.Member) {
			p.lookForList(m)
			p.visitEventMember(m)
		}); err != nil {
			return err
		}
		p.markEnd()
		return p.useList()
	}

	if err := jsonscan.Walk(e.body, p.visitBodyMember); err != nil {
		return err
	}
	if err := p.locateText(); err != nil || e.text == nil {
		return err
	}
	if err := jsonscan.Walk(e.text, p.visitEventMember); err != nil {
		return fmt.Errorf("in the event's text: %w", err)
	}
	p.markEnd()
	return p.useList()
}

// locateText finds the event's text where it is not the whole body. There may be none.
func (p *parser) locateText() error {
	e, r := &p.event, p.rules
	place, err := p.locatePlace()
	if err == nil && r.CloudEvent {
		err = p.checkCloudEvent(place.Exists())
	}
	if err != nil || !place.Exists() {
		return err
	}
	e.start, e.end = place.Index, place.Index+len(place.Raw)
	if !r.IsString {
		e.text = e.body[e.start:e.end]
		return nil
	}
	if place.Type != gjson.String {
		return nil
	}
	text, err := eventText(place.Raw)
	if err != nil || len(text) == 0 {
		return err
	}
	e.text, e.start, e.end, e.quoted = text, e.start+1, e.end-1, true
	return nil
}

// markEnd notes whether the text that was walked over is an event, and where members are added to it.
func (p *parser) markEnd() {
	e := &p.event
	text := unsafeString(e.text)
	start := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
	e.found = text[start] == '{'
	e.empty = p.memberCount == 0
	if e.found && e.empty {
		e.last = start + 1
	}
}

// visitBodyMember looks at a member of the body's own object, where that is not the event.
func (p *parser) visitBodyMember(m jsonscan.Member) {
	raw := unsafeString(p.event.body[m.NameStart:m.NameEnd])
	p.lookForList(m)
	if p.rules.CloudEvent && base64Names.find(raw[1:len(raw)-1]).index != noName {
		p.base64 = true
	}
}

// noteName notes the names that are rejected whatever their members hold.
func (p *parser) noteName(raw string) {
	if isText(raw, protoName) {
		p.proto = true
	}
	if p.ambiguous == nil && isRewritten(raw) {
		p.ambiguous = rejectRewritten()
	}
}

// visitEventMember looks at a member of the event.
func (p *parser) visitEventMember(m jsonscan.Member) {
	if p.memberCount < len(p.members) {
		p.members[p.memberCount] = m
	}
	p.memberCount++
	p.event.last = m.ValueEnd
	text := unsafeString(p.event.text)
	raw, value := text[m.NameStart:m.NameEnd], text[m.ValueStart:m.ValueEnd]
	p.noteName(raw)
	role := p.roleOf(m, raw, value)
	if p.visit != nil {
		p.visit.Visit(raw, value, role)
	}
}

// roleOf finds out what becomes of a member of the event, and takes note of it.
func (p *parser) roleOf(m jsonscan.Member, raw, value string) Role {
	switch {
	case p.isUserInfo(raw):
		p.userInfoCount++
		return Removed
	case p.rules.Fields != nil:
		return p.visitListed(m, raw, value)
	case p.counted <= p.rules.MaxDeclarations: // one more is too many already
		if d, ok := p.rules.declaration(raw, value); ok {
			p.declare(m, d)
			p.counted++
			return Declares
		}
	}
	return Ordinary
}

// isUserInfo reports whether a member of this name, in quotes, is removed because the gateway adds its own.
func (p *parser) isUserInfo(raw string) bool { return p.rules.ReplaceUserInfo && ReadsAsUserInfo(raw) }

// ReadsAsUserInfo reports whether some parser reads a name, in quotes as it stands in the event, as userInfo.
func ReadsAsUserInfo(raw string) bool { return userInfoNames.find(raw[1:len(raw)-1]).index != noName }

// visitListed looks at a member of the event in strict mode.
func (p *parser) visitListed(m jsonscan.Member, raw, value string) Role {
	found := p.rules.fields.find(raw[1 : len(raw)-1])
	if found.index == noName || p.repeated != noName {
		return Ordinary
	}
	if p.seen == nil {
		p.seen = make([]bool, len(p.rules.Fields))
	}
	if p.seen[found.index] || !found.whole || !isText(raw, p.rules.Fields[found.index]) {
		p.repeated, p.repeatedAs = found.index, raw
		return Ordinary
	}
	p.seen[found.index] = true
	d, ok := p.rules.listedDeclaration(value)
	if ok {
		p.counted++
	}
	p.declare(m, d)
	return Declares
}

// usualDeclarations is how many hardly any event has more of.
const usualDeclarations = 3

// declare notes what a member of the event declares.
func (p *parser) declare(m jsonscan.Member, d Declaration) {
	e := &p.event
	if e.Declarations == nil {
		e.Declarations, e.members = make([]Declaration, 0, usualDeclarations), make([]jsonscan.Member, 0, usualDeclarations)
	}
	e.Declarations, e.members = append(e.Declarations, d), append(e.members, m)
}

// eachMember shows the event's members once more: from memory where they are few, as they nearly always are.
func (p *parser) eachMember(visit func(jsonscan.Member)) {
	if p.memberCount > len(p.members) {
		_ = jsonscan.Walk(p.event.text, visit) // which found no fault the first time
		return
	}
	for _, m := range p.members[:p.memberCount] {
		visit(m)
	}
}

// validate applies the rules that an event with something to replace must keep.
func (p *parser) validate() error {
	if p.counted+len(p.list) > p.rules.MaxDeclarations {
		return tooMany(p.rules.MaxDeclarations)
	}
	for i := range p.event.Declarations {
		d, m := &p.event.Declarations[i], p.event.members[i]
		raw := unsafeString(p.event.text[m.NameStart:m.NameEnd])
		d.Name = unescape(raw)
		if err := p.checkName(raw, d.Name); err != nil {
			return err
		}
	}
	for _, entry := range p.list {
		if err := p.checkName(entry.rawName, entry.name); err != nil {
			return err
		}
	}
	if p.rules.Fields != nil {
		return p.checkListed()
	}
	return p.checkUnique()
}

// checkName applies the rules for the name of a member that is replaced.
func (p *parser) checkName(raw, name string) error {
	switch {
	case len(name) > maxName:
		return reject("the name of a member with a CloudID is %d bytes long; at most %d are allowed", len(name), maxName)
	case hasLoneSurrogate(raw):
		return reject("the name of a member with a CloudID holds half a surrogate pair, which parsers read differently")
	case name == protoName:
		return rejectProto()
	case isRewritten(raw):
		return rejectRewritten()
	case p.isUserInfo(raw):
		return reject("userInfo is set by the gateway; send the CloudID under another name")
	}
	return nil
}

// checkListed checks, in strict mode, that a cloudid_list names listed members that the event does not have. That
// the event's own members are unique, visitListed has checked.
func (p *parser) checkListed() error {
	for _, entry := range p.list {
		i := p.rules.fields.find(entry.rawName[1 : len(entry.rawName)-1]).index
		if i == noName || p.rules.Fields[i] != entry.name {
			return reject("cloudid_list names %s, which is not among the fields that this gateway replaces", QuoteName(entry.name))
		}
		if p.seen == nil {
			p.seen = make([]bool, len(p.rules.Fields))
		}
		if p.seen[i] {
			return duplicate(entry.name)
		}
		p.seen[i] = true
	}
	return nil
}

// checkUnique rejects an event in which some parser would take another member for one that is replaced.
func (p *parser) checkUnique() error {
	if p.hasPlainNames() {
		return nil
	}
	e := &p.event
	names := eventNames.empty(len(e.Declarations) + len(p.list))
	for i := range e.Declarations {
		if name := e.Declarations[i].Name; names.add(name) != noName {
			return duplicate(name)
		}
	}
	for _, entry := range p.list {
		if names.add(entry.name) != noName {
			return duplicate(entry.name)
		}
	}
	for _, entry := range p.list {
		// What the event has is checked below; this is about what it gains.
		if found := names.find(entry.rawName[1 : len(entry.rawName)-1]); !found.whole {
			return duplicate(p.nameAt(found.index))
		}
	}
	repeated, repeatedAs := noName, ""
	p.eachMember(func(m jsonscan.Member) {
		raw := unsafeString(e.text[m.NameStart:m.NameEnd])
		found := names.find(raw[1 : len(raw)-1])
		if found.index == noName || repeated != noName || p.isUserInfo(raw) {
			return
		}
		if found.index >= len(e.members) || e.members[found.index] != m {
			repeated, repeatedAs = found.index, raw
		}
	})
	if repeated != noName {
		return duplicateOf(p.nameAt(repeated), repeatedAs)
	}
	return nil
}

// hasPlainNames reports whether the event has few members, with names of ASCII letters and digits alone, of which no two are the same
// but for letter case where one is replaced. That is the usual event, and every parser tells these names apart.
func (p *parser) hasPlainNames() bool {
	if p.memberCount > len(p.members) || len(p.list) > 0 {
		return false
	}
	text := unsafeString(p.event.text)
	for _, m := range p.members[:p.memberCount] {
		name := text[m.NameStart+1 : m.NameEnd-1]
		if !isAlphanumeric(name) {
			return false
		}
		for _, other := range p.event.members {
			if other != m && strings.EqualFold(name, text[other.NameStart+1:other.NameEnd-1]) {
				return false
			}
		}
	}
	return true
}

// nameAt returns the name of the i-th declaration.
func (p *parser) nameAt(i int) string {
	if own := len(p.event.Declarations); i >= own {
		return p.list[i-own].name
	}
	return p.event.Declarations[i].Name
}

// declareListed adds what a cloudid_list declares to the event.
func (p *parser) declareListed() {
	for _, entry := range p.list {
		p.declare(jsonscan.Member{}, Declaration{Name: entry.name, ID: entry.id, Kind: List})
	}
}
