package event

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// edit puts text where a range of bytes was.
type edit struct {
	span
	text string
}

// Write returns the body with values[i], a JSON text, as the value that Declarations[i] names; nil leaves the value as
// the client sent it. UserInfo, a JSON text, is added as a member of that name unless it is nil: only for an event that
// was read with Rules.ReplaceUserInfo. Where nothing is changed, Write returns the body itself and false; else it appends
// to what alloc returns for the new size, an empty slice.
func (e *Event) Write(values [][]byte, userInfo []byte, alloc func(size int) []byte) (written []byte, changed bool) {
	var few [2 * usualDeclarations]edit // on the stack
	edits := slices.Grow(few[:0], len(e.members)+len(e.removed)+1)
	for _, cut := range e.removed {
		edits = append(edits, edit{span: cut})
	}
	var added strings.Builder
	empty := e.empty
	add := func(name string, value []byte) {
		if !empty {
			added.WriteByte(',')
		}
		empty = false
		added.Write(gjson.AppendJSONString(nil, name))
		added.WriteByte(':')
		added.Write(value)
	}
	for i, m := range e.members {
		switch {
		case values[i] == nil:
		case m == jsonscan.Member{}:
			add(e.Declarations[i].Name, values[i])
		default:
			edits = append(edits, edit{span{m.ValueStart, m.ValueEnd}, unsafeString(values[i])})
		}
	}
	if userInfo != nil && e.found {
		add(userInfoName, userInfo)
	}
	if added.Len() > 0 {
		edits = append(edits, edit{span{e.last, e.last}, added.String()})
	}
	// Cuts and replacements never overlap, and what is added stands behind them all.
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	if e.quoted {
		e.quote(edits)
	}
	for i := range edits {
		edits[i].start += e.start
		edits[i].end += e.start
	}
	if e.list != (span{}) {
		edits = insertSorted(edits, edit{span: e.list})
	}
	if len(edits) == 0 {
		return e.body, false
	}
	return splice(e.body, edits, alloc), true
}

func insertSorted(edits []edit, one edit) []edit {
	at, _ := slices.BinarySearchFunc(edits, one, func(a, b edit) int { return a.start - b.start })
	return slices.Insert(edits, at, one)
}

// quote turns edits of the event's text into edits of the string that holds it.
func (e *Event) quote(edits []edit) {
	characters := unsafeString(e.body[e.start:e.end])
	raw, text := 0, 0
	advance := func(to int) int {
		for text < to {
			n, m := nextUnit(characters[raw:])
			raw += n
			text += m
		}
		return raw
	}
	for i := range edits {
		edits[i].start = advance(edits[i].start)
		edits[i].end = advance(edits[i].end)
		quoted := gjson.AppendJSONString(nil, edits[i].text)
		edits[i].text = string(quoted[1 : len(quoted)-1])
	}
}

// nextUnit returns how many bytes of a string's characters make up the next unit, and of how many bytes of text it is the
// writing.
func nextUnit(characters string) (rawLen, textLen int) {
	if characters[0] != '\\' {
		return 1, 1
	}
	r, rawLen, _ := decodeEscape(characters) // no half of a surrogate pair, which eventText rejects
	return rawLen, utf8.RuneLen(r)
}

// splice applies edits, which are sorted and do not overlap.
func splice(body []byte, edits []edit, alloc func(size int) []byte) []byte {
	size := len(body)
	for _, e := range edits {
		size += len(e.text) - (e.end - e.start)
	}
	out := alloc(size)
	from := 0
	for _, e := range edits {
		out = append(out, body[from:e.start]...)
		out = append(out, e.text...)
		from = e.end
	}
	return append(out, body[from:]...)
}
