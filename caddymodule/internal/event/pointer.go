package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Pointer is a JSON Pointer (RFC 6901) to the place of the event in a body. The zero Pointer is the whole body.
type Pointer struct {
	steps []string
	names []*nameSet // of each step alone
}

// ParsePointer reads the text of a JSON Pointer: nothing, or steps that each begin with a slash, in which ~1 stands for a
// slash and ~0 for a tilde. Its errors stand behind the text in a sentence, and do not repeat it.
func ParsePointer(text string) (Pointer, error) {
	if text == "" {
		return Pointer{}, nil
	}
	if text[0] != '/' {
		return Pointer{}, errors.New("is no JSON pointer: it must begin with a slash, as in /data")
	}
	var p Pointer
	for step := range strings.SplitSeq(text[1:], "/") {
		name, err := unescapeStep(step)
		if err != nil {
			return Pointer{}, fmt.Errorf("is no JSON pointer: %w", err)
		}
		if len(name) > maxName {
			return Pointer{}, fmt.Errorf("has a step that is longer than %d bytes", maxName)
		}
		p.steps = append(p.steps, name)
		p.names = append(p.names, eventNames.with(name))
	}
	return p, nil
}

func unescapeStep(step string) (string, error) {
	for i := range len(step) {
		if step[i] == '~' && (i+1 == len(step) || step[i+1] != '0' && step[i+1] != '1') {
			return "", errors.New("a tilde is written ~0, a slash ~1")
		}
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step), nil
}

// IsRoot reports whether the pointer names the whole body.
func (p Pointer) IsRoot() bool { return len(p.steps) == 0 }

// locatePlace returns the value at the pointer, with its Index in body; one that does not exist for a place that is not
// there. A step that more than one member could be taken for is rejected, since functions would differ in what the event is.
func (p *parser) locatePlace() (gjson.Result, error) {
	body := unsafeString(p.event.body)
	place := gjson.Parse(body)
	place.Index = len(body) - len(strings.TrimLeft(body, " \t\r\n"))
	place.Raw = strings.TrimSpace(place.Raw)
	for i, step := range p.rules.Pointer.steps {
		next, err := p.child(place.Raw, step, p.rules.Pointer.names[i])
		if err != nil || !next.Exists() {
			return gjson.Result{}, err
		}
		next.Index += place.Index
		place = next
	}
	return place, nil
}

// child returns the value at one step below parent, with its Index in parent. Names is the set of the step alone.
func (p *parser) child(parent, step string, names *nameSet) (found gjson.Result, err error) {
	value := gjson.Parse(parent)
	if value.IsArray() {
		return element(value, step), nil
	}
	if !value.IsObject() {
		return gjson.Result{}, nil
	}
	matches, exact := 0, false
	value.ForEach(func(key, value gjson.Result) bool {
		p.noteName(key.Raw)
		m := names.find(key.Raw[1 : len(key.Raw)-1])
		switch {
		case m.whole:
			matches++
			exact = isText(key.Raw, step)
			found = value
		case m.index != noName && p.ambiguous == nil:
			p.ambiguous = duplicate(step)
		}
		return true
	})
	if matches > 1 || matches == 1 && !exact {
		return gjson.Result{}, duplicate(step)
	}
	return found, nil
}

func element(parent gjson.Result, step string) (found gjson.Result) {
	index, err := strconv.ParseUint(step, 10, 31)
	if err != nil || strconv.FormatUint(index, 10) != step {
		return gjson.Result{} // RFC 6901 allows no leading zeros and no sign
	}
	parent.ForEach(func(_, value gjson.Result) bool {
		if index == 0 {
			found = value
			return false
		}
		index--
		return true
	})
	return found
}
