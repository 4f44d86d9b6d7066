package event_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

// The oracle reads an event by DESIGN.md, section 4, with the tokens of encoding/json alone: slow, and without a line in
// common with the package. What it says, the package must say.

// verdict is what the oracle makes of a body.
type verdict struct {
	refused  bool
	event    bool // there is one: an object
	declared []declared
	removed  []member // of the event
	list     *member  // of the body's own object

	// Where the event's text stands in the body. Of a string: what is between its quotes.
	start, end int
	text       []byte
	members    []member // of the event
}

type declared struct {
	event.Declaration
	member member // none for an entry of a list
	listed bool
}

// member is one member of an object. Offsets count from the start of the object's text.
type member struct {
	name, rawName string
	nameStart     int
	value         json.Token // of a scalar
	start, end    int        // of the value
}

var refused = verdict{refused: true}

func (s spec) judge(body []byte) verdict {
	if len(body) == 0 {
		return verdict{refused: s.fields != nil}
	}
	root, isObject, ok := membersOf(body)
	if !ok || has(root, "__proto__") {
		return refused
	}
	v := verdict{}
	value, start, ok := s.place(body)
	if !ok {
		return refused
	}
	v.start, v.end, v.text = start, start+len(value), value
	if s.text && value != nil {
		v.text = nil
		if value[0] == '"' && len(value) > 2 {
			var text string
			if halfAPair.MatchString(withoutPairs(string(value))) || json.Unmarshal(value, &text) != nil {
				return refused
			}
			v.start, v.end, v.text = v.start+1, v.end-1, []byte(text)
		}
	}
	if v.text != nil {
		if v.members, v.event, ok = membersOf(v.text); !ok || has(v.members, "__proto__") {
			return refused
		}
	}
	if !v.event {
		return verdict{refused: s.fields != nil}
	}

	var entries []declared
	if isObject && !s.claimsList() {
		if v.list, entries, ok = listIn(body, root); !ok {
			return refused
		}
	}
	return s.declarations(v, entries)
}

func (s spec) declarations(v verdict, entries []declared) verdict {
	asked, names := 0, map[string]int{}
	for _, m := range v.members {
		if s.ownUserInfo && fold(m.name) == fold("userInfo") {
			v.removed = append(v.removed, m)
			continue
		}
		names[fold(m.name)]++
		d := declared{member: m}
		d.Name = m.name
		d.ID, d.Guess = s.idIn(v.text, m)
		isField := slices.ContainsFunc(s.fields, func(field string) bool { return fold(field) == fold(m.name) })
		if isField && !slices.Contains(s.fields, m.name) {
			return refused
		}
		if s.fields != nil && isField || s.fields == nil && d.ID != "" && (s.guess || !d.Guess) {
			v.declared = append(v.declared, d)
		}
	}
	for _, e := range entries {
		names[fold(e.Name)]++
		if s.fields != nil && !slices.Contains(s.fields, e.Name) || s.ownUserInfo && fold(e.Name) == fold("userInfo") {
			return refused
		}
	}
	v.declared = append(v.declared, entries...)
	for _, d := range v.declared {
		if d.ID != "" || d.listed {
			asked++
		}
		rawName := d.member.rawName
		if names[fold(d.Name)] != 1 || len(d.Name) > 256 || halfAPair.MatchString(withoutPairs(rawName)) || d.Name == "__proto__" {
			return refused
		}
	}
	if asked > s.max {
		return refused
	}
	return v
}

// claimsList: the rules mean something else by the member cloudid_list.
func (s spec) claimsList() bool {
	if s.pointer == "" {
		return s.text || slices.Contains(s.fields, "cloudid_list")
	}
	return s.pointer == "/cloudid_list" || strings.HasPrefix(s.pointer, "/cloudid_list/")
}

var cloudID = regexp.MustCompile(`\A[0-9]{1,4}_[A-Za-z0-9_-]{40,128}\z`)

// idIn returns the CloudID that a member declares, as strict mode reads it or as it looks.
func (s spec) idIn(text []byte, m member) (id string, guess bool) {
	if str, ok := m.value.(string); ok {
		if s.fields != nil && len(str) <= 256 || cloudID.MatchString(str) {
			return str, s.fields == nil
		}
		return "", false
	}
	inner, _, _ := membersOf(text[m.start:m.end])
	for _, c := range inner {
		if str, ok := c.value.(string); ok && c.name == "cloudID" && cloudID.MatchString(str) {
			id = str
		}
	}
	return id, false
}

// listIn returns the cloudid_list of the body's own object, if one declares anything; ok is false if there are several.
func listIn(body []byte, root []member) (list *member, entries []declared, ok bool) {
	lists, declaring := 0, false
	for i, m := range root {
		if fold(m.name) != fold("cloudid_list") {
			continue
		}
		lists++
		if found := entriesIn(body[m.start:m.end]); found != nil {
			declaring = true
			if m.name == "cloudid_list" {
				list, entries = &root[i], found
			}
		}
	}
	return list, entries, !declaring || lists == 1
}

func entriesIn(text []byte) (entries []declared) {
	var items []json.RawMessage
	if text[0] != '[' || json.Unmarshal(text, &items) != nil {
		return nil
	}
	for _, item := range items {
		members, isObject, _ := membersOf(item)
		if !isObject || len(members) != 2 {
			return nil
		}
		if members[0].name != "key_name" {
			members[0], members[1] = members[1], members[0]
		}
		name, named := members[0].value.(string)
		id, identified := members[1].value.(string)
		if !named || !identified || members[0].name != "key_name" || members[1].name != "cloud_id" {
			return nil
		}
		if len(id) > 256 {
			id = ""
		}
		rawName := string(item[members[0].start:members[0].end])
		entries = append(entries, declared{Declaration: event.Declaration{Name: name, ID: id}, member: member{rawName: rawName}, listed: true})
	}
	return entries
}

// place returns the value at the spec's pointer and where it stands; none if there is no such place. ok is false if several
// members could be meant.
func (s spec) place(body []byte) (value []byte, start int, ok bool) {
	value = bytes.Trim(body, " \t\r\n")
	start = bytes.Index(body, value)
	if s.pointer == "" {
		if s.text {
			return value, start, true
		}
		return body, 0, true
	}
	for step := range strings.SplitSeq(s.pointer[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		var steps []member
		if value[0] == '[' {
			steps = elementsOf(value)
		} else {
			members, _, _ := membersOf(value)
			for _, m := range members {
				if fold(m.name) == fold(step) {
					steps = append(steps, m)
				}
			}
			if len(steps) > 1 || len(steps) == 1 && steps[0].name != step {
				return nil, 0, false
			}
		}
		at := slices.IndexFunc(steps, func(m member) bool { return m.name == step })
		if at < 0 {
			return nil, 0, true
		}
		start += steps[at].start
		value = value[steps[at].start:steps[at].end]
	}
	return value, start, true
}

// membersOf walks over a text's tokens and returns the members of its outermost object. ok is false for what is no JSON,
// no UTF-8, or too deep.
func membersOf(text []byte) (members []member, isObject, ok bool) {
	if !json.Valid(text) || !utf8.Valid(text) {
		return nil, false, false
	}
	w := walk{text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	w.decoder.UseNumber()
	if isObject = w.next() == json.Delim('{'); !isObject {
		if w.last == json.Delim('[') {
			w.skip()
		}
		return nil, false, !w.tooDeep
	}
	for w.next() != json.Delim('}') {
		m := member{name: w.last.(string), nameStart: w.start, rawName: string(text[w.start:w.end])}
		m.value = w.next()
		m.start = w.start
		w.skip()
		m.end = w.end
		members = append(members, m)
	}
	return members, true, !w.tooDeep
}

// elementsOf returns an array's elements as members named by their index.
func elementsOf(text []byte) (elements []member) {
	w := walk{text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	w.next()
	for w.next() != json.Delim(']') {
		m := member{name: strconv.Itoa(len(elements)), start: w.start}
		w.skip()
		m.end = w.end
		elements = append(elements, m)
	}
	return elements
}

// walk is a Decoder that knows where its last token begins and ends.
type walk struct {
	text       []byte
	decoder    *json.Decoder
	last       json.Token
	start, end int
	depth      int
	tooDeep    bool
}

func (w *walk) next() json.Token {
	w.start = w.end
	for strings.IndexByte(" \t\r\n,:", w.text[w.start]) >= 0 {
		w.start++
	}
	w.last, _ = w.decoder.Token()
	w.end = int(w.decoder.InputOffset())
	switch w.last {
	case json.Delim('{'), json.Delim('['):
		w.depth++
	case json.Delim('}'), json.Delim(']'):
		w.depth--
	}
	w.tooDeep = w.tooDeep || w.depth > 512
	return w.last
}

// skip passes over the rest of an array or object whose opening was the last token.
func (w *walk) skip() {
	if w.last != json.Delim('{') && w.last != json.Delim('[') {
		return
	}
	for outside := w.depth - 1; w.depth > outside; {
		w.next()
	}
}

func has(members []member, name string) bool {
	return slices.ContainsFunc(members, func(m member) bool { return m.name == name })
}

// fold maps names that some parser takes for one another to one: cut at NUL, each character to the least that folds to it.
func fold(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

var (
	wholeEscapes = regexp.MustCompile(`\\[^u]|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|\\u[dD][0-7][0-9a-fA-F]{2}`)
	halfAPair    = regexp.MustCompile(`\\u`)
)

// withoutPairs takes all escapes out of a string that stand for a character; an escape that is left is half of one.
func withoutPairs(raw string) string { return wholeEscapes.ReplaceAllLiteralString(raw, "") }

// The oracle is a program like another: what the vectors say, it must say.
func TestOracle(t *testing.T) {
	for _, v := range readVectors(t) {
		judged := v.spec.judge(v.body)
		if judged.refused != (v.refused != "") {
			t.Errorf("%s: refused is %v", v.name, judged.refused)
		}
		if judged.refused {
			continue
		}
		var got []event.Declaration
		for _, d := range judged.declared {
			got = append(got, d.Declaration)
		}
		if !slices.Equal(got, v.declared) {
			t.Errorf("%s: declared %+v, want %+v", v.name, got, v.declared)
		}
	}
}
