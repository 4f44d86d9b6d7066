package event

import (
	"slices"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// listEntry is one entry of a cloudid_list.
type listEntry struct {
	rawName string // in quotes
	name    string
	id      string // empty if the string there can be no CloudID
}

// lookForList reads a member of the body's own object if it is named cloudid_list, or nearly so.
func (p *parser) lookForList(m jsonscan.Member) {
	if !listNames.find(unsafeString(p.event.body[m.NameStart+1 : m.NameEnd-1])).whole {
		return
	}
	if p.listCount++; p.listCount > 1 && p.listDeclares {
		return // a second list is rejected, whatever it holds: reading thousands would be for nothing
	}
	body := unsafeString(p.event.body)
	entries, ok := entriesOf(body[m.ValueStart:m.ValueEnd], p.rules.MaxDeclarations+1)
	if !ok {
		return
	}
	p.listDeclares = true
	if isText(body[m.NameStart:m.NameEnd], listName) {
		p.list, p.listMember = entries, m
	}
}

// useList decides whether the cloudid_list that was read is one.
func (p *parser) useList() error {
	if p.listCount == 0 {
		return nil
	}
	if !p.event.found || p.rules.ownsList() {
		p.list = nil
		return nil
	}
	if p.listDeclares && p.listCount > 1 {
		return duplicate(listName)
	}
	return nil
}

// ownsList reports whether the rules use the member cloudid_list for something else: for what holds the event, or for
// a field of it.
func (r *Rules) ownsList() bool {
	if r.Pointer.IsRoot() {
		return slices.Contains(r.Fields, listName)
	}
	return r.Pointer.steps[0] == listName
}

// entriesOf returns the entries of a list, at most so many. It returns false for a value that is not a list of nothing else.
func entriesOf(value string, most int) (entries []listEntry, ok bool) {
	list := gjson.Parse(value)
	if !list.IsArray() {
		return nil, false
	}
	ok = true
	list.ForEach(func(_, item gjson.Result) bool {
		var rawName, rawID string
		if rawName, rawID, ok = entryOf(item); ok && len(entries) < most {
			entries = append(entries, listEntry{rawName, unescape(rawName), possibleID(rawID)})
		}
		return ok
	})
	return entries, ok && len(entries) > 0
}

// entryOf returns the two strings of {"key_name":K,"cloud_id":ID}, in quotes, and false for anything else.
func entryOf(item gjson.Result) (rawName, rawID string, ok bool) {
	if !item.IsObject() {
		return "", "", false
	}
	var names, ids, others int
	item.ForEach(func(key, value gjson.Result) bool {
		switch {
		case value.Type != gjson.String:
			others++
		case isText(key.Raw, "key_name"):
			names++
			rawName = value.Raw
		case isText(key.Raw, "cloud_id"):
			ids++
			rawID = value.Raw
		default:
			others++
		}
		return names <= 1 && ids <= 1 && others == 0
	})
	return rawName, rawID, names == 1 && ids == 1 && others == 0
}
