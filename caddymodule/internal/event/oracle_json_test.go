package event_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// member is one member of an object. Offsets count from the start of the object's text.
type member struct {
	name, rawName string
	nameStart     int
	value         json.Token // of a scalar
	start, end    int        // of the value
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
