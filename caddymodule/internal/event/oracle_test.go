package event_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

// The oracle reads an event by DESIGN.md, section 4, with the tokens of encoding/json alone: slow, and without a line in
// common with the package. What it says, the package must say.

// verdict is what the oracle makes of a body.
type verdict struct {
	rejected bool
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

var rejected = verdict{rejected: true}

func (s spec) judge(body []byte) verdict {
	if len(body) == 0 {
		return verdict{rejected: s.fields != nil}
	}
	root, isObject, ok := membersOf(body)
	if !ok || has(root, "__proto__") {
		return rejected
	}
	v := verdict{}
	value, start, way := s.place(body)
	if way.rejected || s.cloudEvent && s.otherEvent(body, root, value != nil) {
		return rejected
	}
	v.start, v.end, v.text = start, start+len(value), value
	if s.text && value != nil {
		v.text = nil
		if value[0] == '"' && len(value) > 2 {
			var text string
			if halfAPair.MatchString(withoutPairs(string(value))) || json.Unmarshal(value, &text) != nil {
				return rejected
			}
			v.start, v.end, v.text = v.start+1, v.end-1, []byte(text)
		}
	}
	if v.text != nil {
		if v.members, v.event, ok = membersOf(v.text); !ok || has(v.members, "__proto__") {
			return rejected
		}
	}
	if !v.event {
		return verdict{rejected: s.fields != nil || s.ownUserInfo && strings.ContainsAny(strings.TrimSpace(string(body))[:1], `{"`)}
	}

	var entries []declared
	if isObject && !s.claimsList() {
		if v.list, entries, ok = s.listIn(body, root); !ok {
			return rejected
		}
	}
	v = s.declarations(v, entries)
	promises := s.fields != nil || s.ownUserInfo || len(v.declared) > 0
	if promises && (way.ambiguous || slices.ContainsFunc(v.members, rewritten)) {
		return rejected
	}
	return v
}

func (s spec) declarations(v verdict, entries []declared) verdict {
	asked := 0
	var members []member // those that stay
	for _, m := range v.members {
		if s.ownUserInfo && ownNames.reads(m.name, "userInfo") {
			v.removed = append(v.removed, m)
			continue
		}
		members = append(members, m)
		d := declared{member: m}
		declares := false
		d.Declaration, declares = s.declaration(v.text, m)
		d.Name = m.name
		isField := slices.ContainsFunc(s.fields, func(field string) bool { return memberNames.reads(m.name, field) })
		if isField && !slices.Contains(s.fields, m.name) {
			return rejected
		}
		if s.fields != nil && isField || s.fields == nil && declares && (s.guess || d.Kind != event.Guess) {
			v.declared = append(v.declared, d)
			if declares {
				asked++
			}
		}
	}
	for _, e := range entries {
		asked++
		members = append(members, member{name: e.Name})
		if s.fields != nil && !slices.Contains(s.fields, e.Name) || s.ownUserInfo && ownNames.reads(e.Name, "userInfo") {
			return rejected
		}
	}
	v.declared = append(v.declared, entries...)
	for _, d := range v.declared {
		readers := 0
		for _, m := range members {
			if memberNames.reads(m.name, d.Name) {
				readers++
			}
		}
		rawName := d.member.rawName
		if readers != 1 || len(d.Name) > 256 || halfAPair.MatchString(withoutPairs(rawName)) || d.Name == "__proto__" || rewritten(member{name: d.Name}) {
			return rejected
		}
	}
	if asked > s.max {
		return rejected
	}
	return v
}

// otherEvent reports whether the SDKs of CloudEvents read other events than the one at data.
func (s spec) otherEvent(body []byte, root []member, hasData bool) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) ||
		(hasData || s.fields != nil || s.ownUserInfo) &&
			slices.ContainsFunc(root, func(m member) bool { return memberNames.reads(m.name, "data_base64") })
}

// claimsList: the rules mean something else by the member cloudid_list.
func (s spec) claimsList() bool {
	if s.pointer == "" {
		return s.text || slices.Contains(s.fields, "cloudid_list")
	}
	return s.pointer == "/cloudid_list" || strings.HasPrefix(s.pointer, "/cloudid_list/")
}

var (
	cloudID    = regexp.MustCompile(`\A[0-9]{1,4}_[A-Za-z0-9_-]{40,128}\z`)
	possibleID = regexp.MustCompile(`\A[A-Za-z0-9_-]{16,256}\z`)
)

// declaration returns what a member declares, as strict mode reads it or as it looks, and whether it declares anything.
func (s spec) declaration(text []byte, m member) (d event.Declaration, declares bool) {
	if str, ok := m.value.(string); ok {
		if s.fields != nil {
			d.Kind = event.Field
			if possibleID.MatchString(str) {
				d.ID = str
			}
			return d, d.ID != ""
		}
		if cloudID.MatchString(str) && idNames.key(m.name) != "cloudid" {
			d.ID, d.Kind = str, event.Guess
		}
		return d, d.Kind == event.Guess
	}
	inner, _, _ := membersOf(text[m.start:m.end])
	last := map[string]any{}
	for _, c := range inner {
		last[c.name] = c.value
		if str, ok := c.value.(string); ok && c.name == "cloudID" && cloudID.MatchString(str) {
			d.ID = str
		}
	}
	if d.ID != "" {
		d.Kind = event.Object
		return d, true
	}
	data, hasData := last["encryptedData"].(string)
	iv, hasIV := last["iv"].(string)
	if !s.encrypted || !hasData || !hasIV {
		if s.fields != nil {
			d.Kind = event.Field
		}
		return d, false
	}
	d.Kind = event.Encrypted
	if data != "" && iv != "" && len(data) <= 32<<10 && len(iv) <= 64 {
		d.EncryptedData, d.IV = data, iv
	}
	return d, true
}

// listIn returns the cloudid_list of the body's own object, if one declares anything; ok is false if there are several.
func (s spec) listIn(body []byte, root []member) (list *member, entries []declared, ok bool) {
	lists, declaring := 0, false
	for i, m := range root {
		if ownNames.key(m.name) != ownNames.key("cloudid_list") {
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

// entriesIn returns what a list declares.
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
		if !possibleID.MatchString(id) {
			id = ""
		}
		rawName := string(item[members[0].start:members[0].end])
		entries = append(entries, declared{Declaration: event.Declaration{Name: name, ID: id, Kind: event.List}, member: member{rawName: rawName}, listed: true})
	}
	return entries
}

// way is what is wrong with the members that stand on the way to an event and beside it.
type way struct {
	rejected  bool // whatever the event holds
	ambiguous bool // if something is promised about the event
}

// place returns the value at the spec's pointer and where it stands; none if there is no such place.
func (s spec) place(body []byte) (value []byte, start int, w way) {
	value = bytes.Trim(body, " \t\r\n")
	start = bytes.Index(body, value)
	root, _, _ := membersOf(body)
	w.ambiguous = slices.ContainsFunc(root, rewritten)
	if s.pointer == "" {
		if s.text {
			return value, start, w
		}
		return body, 0, w
	}
	for step := range strings.SplitSeq(s.pointer[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		var steps []member
		if value[0] == '[' {
			steps = elementsOf(value)
		} else {
			members, _, _ := membersOf(value)
			for _, m := range members {
				if memberNames.key(m.name) == memberNames.key(step) && !memberNames.begins(m.name, step) {
					steps = append(steps, m)
				}
				w.ambiguous = w.ambiguous || memberNames.begins(m.name, step) || rewritten(m)
			}
			w.rejected = w.rejected || has(members, "__proto__")
			if len(steps) > 1 || len(steps) == 1 && steps[0].name != step {
				w.rejected = true
			}
		}
		at := slices.IndexFunc(steps, func(m member) bool { return m.name == step })
		if at < 0 {
			return nil, 0, w
		}
		start += steps[at].start
		value = value[steps[at].start:steps[at].end]
	}
	return value, start, w
}

// The oracle is a program like another: what the vectors say, it must say.
func TestOracle(t *testing.T) {
	for _, v := range readVectors(t) {
		judged := v.spec.judge(v.body)
		if judged.rejected != (v.rejected != "") {
			t.Errorf("%s: rejected is %v", v.name, judged.rejected)
		}
		if judged.rejected {
			continue
		}
		var got []event.Declaration
		for _, d := range judged.declared {
			got = append(got, asInVectors(d.Declaration))
		}
		if !slices.Equal(got, v.declared) {
			t.Errorf("%s: declared %+v, want %+v", v.name, got, v.declared)
		}
	}
}
