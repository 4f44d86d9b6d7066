package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
)

// expectation is the body that the function must receive of one worker's next request.
type expectation struct {
	ids   []string
	forms *forms
}

func (e *expectation) check(body []byte) error { return e.forms.check(e.ids, body) }

// forms knows how one proxy writes the bodies of one case. To parse every body would take longer than some proxies take, so
// a body is compared as JSON once and then by its bytes, with this request's CloudIDs where the first one's were.
type forms struct {
	work     workCase
	replaces bool // the proxy puts open data in the place of CloudIDs
	exact    bool // and leaves every other byte as it was

	mu    sync.RWMutex
	known []form
}

// form is one spelling of a body: the text around CloudIDs, and which of the request's CloudIDs stand between.
type form struct {
	around [][]byte // one more than ids
	ids    []int
}

// maxForms bounds what is learned of a proxy that writes members in an order of its own each time.
const maxForms = 64

func (f *forms) check(ids []string, body []byte) error {
	f.mu.RLock()
	known := f.known
	f.mu.RUnlock()
	for _, form := range known {
		if form.matches(ids, body) {
			return nil
		}
	}
	want := f.work.sent(ids)
	if f.replaces {
		want = f.work.received(ids)
	}
	if f.exact && !bytes.Equal(want, body) || !f.exact && !sameJSON(want, body) {
		return fmt.Errorf("the function received a wrong body:\n%.3000s\nexpected was:\n%.3000s", body, want)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) < maxForms {
		f.known = append(f.known[:len(f.known):len(f.known)], formOf(ids, body))
	}
	return nil
}

func formOf(ids []string, body []byte) (f form) {
	rest := bytes.Clone(body)
	for {
		at := bytes.Index(rest, []byte(idPrefix))
		if at < 0 {
			f.around = append(f.around, rest)
			return f
		}
		f.around = append(f.around, rest[:at])
		for i, id := range ids {
			if bytes.HasPrefix(rest[at:], []byte(id)) {
				f.ids = append(f.ids, i)
			}
		}
		rest = rest[at+idLength:]
	}
}

func (f *form) matches(ids []string, body []byte) bool {
	for i, text := range f.around {
		if !bytes.HasPrefix(body, text) {
			return false
		}
		body = body[len(text):]
		if i == len(f.ids) {
			break
		}
		if id := ids[f.ids[i]]; len(body) < len(id) || string(body[:len(id)]) != id {
			return false
		}
		body = body[idLength:]
	}
	return len(body) == 0
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
