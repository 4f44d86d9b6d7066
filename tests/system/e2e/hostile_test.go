package e2e

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf16"
)

// hostile makes up events as somebody would who wants his own words taken for WeChat's. It builds them as text, since
// what matters is what parsers disagree about.
type hostile struct {
	*rand.Rand
	ids []string // CloudIDs to declare: of this user and of others, ended, unknown
}

// member is a member of an object, as written.
type member struct{ name, value string }

// body returns the body of a call whose event is at a place: whole, data, or data string.
func (h *hostile) body(place string) string {
	event, list := h.event()
	if place == "whole" {
		if list != nil {
			event = h.insert(event, *list)
		}
		return h.object(event)
	}
	data := member{`"data"`, h.object(event)}
	if place == "data string" {
		data.value = h.quote(data.value)
	}
	body := []member{data, {`"function_name"`, `"f"`}}
	if list != nil {
		body = h.insert(body, *list)
	}
	if h.oneIn(12) { // another that some parser takes for the event
		other := data
		other.name = h.respell("data")
		other.value = h.object([]member{{h.quote(h.field()), h.forged()}})
		if place == "data string" && h.oneIn(2) {
			other.value = h.quote(other.value)
		}
		body = h.insert(body, other)
	}
	if h.oneIn(20) {
		body = h.insert(body, member{`"__proto__"`, h.object([]member{data})})
	}
	return h.object(body)
}

// event returns an event's members, and a cloudid_list to stand beside it, or nil.
func (h *hostile) event() (event []member, list *member) {
	for range h.IntN(4) {
		event = h.insert(event, member{h.quote(h.field()), h.value()})
	}
	event = append(event, member{`"n"`, `1.10`})
	for range h.IntN(3) { // most bodies are to get through
		if h.oneIn(2) {
			event = h.spoil(event)
		}
	}
	if h.oneIn(3) {
		list = &member{`"cloudid_list"`, h.list(event)}
		if h.oneIn(10) {
			list.name = h.respell("cloudid_list")
		}
	}
	return event, list
}

// spoil adds a member that some parser takes for another.
func (h *hostile) spoil(event []member) []member {
	name := h.field()
	switch h.IntN(6) {
	case 0: // the same again
		return h.insert(event, member{h.quote(name), h.forged()})
	case 1:
		return h.insert(event, member{h.respell(name), h.forged()})
	case 2:
		return h.insert(event, member{h.respell(name), h.value()})
	case 3: // what Object.assign makes members of
		return h.insert(event, member{h.spell("__proto__"), h.object([]member{{h.quote(name), h.forged()}})})
	case 4: // what only looks as if it were in the event
		nested := h.object([]member{{h.quote(name), h.forged()}, {h.quote(h.field()), h.value()}})
		return h.insert(event, member{`"nested"`, h.pick(nested, "["+nested+"]")})
	default: // of that name there are inherited ones
		return h.insert(event, member{h.quote(h.pick("constructor", "toString", "", "data", "userInfo")), h.value()})
	}
}

// list returns a cloudid_list, mostly a good one.
func (h *hostile) list(event []member) string {
	var entries []string
	for range 1 + h.IntN(3) {
		name := h.quote(h.pick(h.field(), "extra", "more"))
		switch {
		case h.oneIn(6):
			name = h.respell(h.field())
		case h.oneIn(6):
			name = event[h.IntN(len(event))].name
		}
		entry := []member{{`"key_name"`, name}, {`"cloud_id"`, h.quote(h.id())}}
		switch h.IntN(14) {
		case 0:
			entry = append(entry, member{`"x"`, `1`})
		case 1:
			entry = h.insert(entry, member{h.pick(`"key_name"`, `"cloud_id"`, `"Key_Name"`), h.quote(h.field())})
		case 2:
			entry[1].value = h.forged()
		}
		entries = append(entries, h.object(entry))
	}
	return "[" + strings.Join(entries, ",") + "]"
}

// value returns what a member may hold: mostly something that declares a CloudID.
func (h *hostile) value() string {
	id := h.quote(h.id())
	switch h.IntN(9) {
	case 0, 1, 2:
		return id
	case 3:
		return `{"cloudID":` + id + `}`
	case 4: // the truth's shape around a CloudID, with a lie in it
		return `{"cloudID":` + id + `,"data":` + lie + `}`
	case 5:
		return h.object([]member{{`"cloudID"`, h.quote(h.id())}, {h.respell("cloudID"), id}, {`"data"`, lie}})
	default:
		return h.forged()
	}
}

// lie is data that WeChat never gave.
const lie = `{"phoneNumber":"forged"}`

// forged returns a value that is none of WeChat's, whoever reads it, and declares nothing.
func (h *hostile) forged() string {
	return h.pick(
		`{"data":`+lie+`}`,
		`{"cloudID":"none","data":`+lie+`}`,
		`{"cloudid":`+h.quote(h.id())+`,"data":`+lie+`}`,
		`{"cloudID":["`+h.id()+`"],"data":`+lie+`}`,
		`{"cloudID":"`+h.id()+`\u0000","data":`+lie+`}`,
		`{"cloudID":"none","errCode":-601005,"errMsg":"forged"}`,
		`{"keys":["phone"]}`, `[`+lie+`]`, `"forged"`, `"forged\ud800"`, `1.10`, `true`, `null`,
	)
}

// field is the name of a member that functions read.
func (h *hostile) field() string { return h.pick(functionsNames...) }

func (h *hostile) id() string { return h.pick(h.ids...) }

// respell writes a name in another way, which is the same name to somebody or just looks so.
func (h *hostile) respell(name string) string {
	switch h.IntN(12) {
	case 6: // dotted and dotless i, which are i to json-iterator, sonic and Java
		return h.spell(strings.NewReplacer("i", h.pick("\u0130", "\u0131"), "I", h.pick("\u0130", "\u0131")).Replace(name))
	case 7: // what fastjson ignores, and pydantic and ActiveSupport add
		at := 1 + h.IntN(len(name)-1)
		return h.spell(name[:at] + h.pick("_", "-", " ", "__") + name[at:])
	case 8: // what lodash and Oj turn into it
		return h.quote(h.pick(name+".data", name+"[0]", ":"+name, "^#1", "<<"))
	case 0:
		return h.quote(strings.ToUpper(name))
	case 1:
		return h.quote(h.flipCase(name))
	case 2: // the Kelvin sign and the long s, which fold to k and s
		return h.spell(strings.NewReplacer("k", "\u212A", "s", "\u017F", "K", "\u212A", "S", "\u017F").Replace(name))
	case 3:
		return `"` + name + `\u0000` + h.pick("", "x", name) + `"`
	case 4: // half a surrogate pair
		return `"` + name + h.pick(`\ud800`, `\udc00`, `\uD83D\u0041`) + `"`
	case 5:
		return h.quote(name + h.pick(" ", "\u200b", "\ufeff", "\u0301", "/", ".data", "😀"))
	default:
		return h.spell(name)
	}
}

func (h *hostile) flipCase(name string) string {
	at := h.IntN(len(name))
	return name[:at] + strings.ToUpper(name[at:at+1]) + name[at+1:]
}

// quote writes a string in JSON, now and then with escapes that it need not have.
func (h *hostile) quote(s string) string {
	if h.oneIn(8) {
		return h.spell(s)
	}
	return h.write(s, func(rune) bool { return false })
}

// spell writes a string with some characters escaped.
func (h *hostile) spell(s string) string {
	return h.write(s, func(rune) bool { return h.oneIn(3) })
}

func (h *hostile) write(s string, escape func(rune) bool) string {
	var text strings.Builder
	text.WriteByte('"')
	for _, c := range s {
		switch {
		case c < ' ' || escape(c):
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&text, h.pick(`\u%04x`, `\u%04X`), unit)
			}
		case c == '"' || c == '\\' || c == '/' && h.oneIn(2):
			text.WriteString(`\` + string(c))
		default:
			text.WriteRune(c)
		}
	}
	text.WriteByte('"')
	return text.String()
}

// object writes an object, with space as the sender likes.
func (h *hostile) object(members []member) string {
	var text strings.Builder
	for i, m := range members {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(h.space() + m.name + h.space() + ":" + h.space() + m.value)
	}
	return h.space() + "{" + text.String() + h.space() + "}" + h.space()
}

func (h *hostile) space() string {
	if h.oneIn(6) {
		return h.pick(" ", "\t", "\r\n", "  ")
	}
	return ""
}

// insert puts a member anywhere among others.
func (h *hostile) insert(members []member, m member) []member {
	at := h.IntN(len(members) + 1)
	return append(members[:at:at], append([]member{m}, members[at:]...)...)
}

func (h *hostile) pick(from ...string) string { return from[h.IntN(len(from))] }

func (h *hostile) oneIn(n int) bool { return h.IntN(n) == 0 }

// seeded returns the maker of the event with this number.
func seeded(seed uint64, number int, ids []string) *hostile {
	return &hostile{rand.New(rand.NewPCG(seed, uint64(number))), ids}
}

// seedFrom reads a seed to repeat a run with; "" chooses one.
func seedFrom(text string) (uint64, error) {
	if text == "" {
		return rand.Uint64(), nil
	}
	return strconv.ParseUint(text, 10, 64)
}
