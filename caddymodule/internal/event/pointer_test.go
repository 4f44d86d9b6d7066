package event_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

func TestParsePointer(t *testing.T) {
	for _, test := range []struct {
		sentence string
		text     string
		ok       bool
	}{
		{"nothing is the whole body", "", true},
		{"one step", "/data", true},
		{"several steps", "/a/b/c", true},
		{"the member with the empty name", "/", true},
		{"empty steps", "//a/", true},
		{"a tilde and a slash in a step", "/a~0b~1c", true},
		{"an index", "/records/0", true},
		{"any other character", "/步 %20.\"\\", true},
		{"a pointer begins with a slash", "data", false},
		{"not with a number sign either, as in a URI", "#/data", false},
		{"nor with a path's root", "$.data", false},
		{"a tilde alone", "/a~", false},
		{"a tilde before anything else", "/a~2", false},
		{"a tilde at the end of a step", "/a~/b", false},
		{"two tildes", "/~~0", false},
		{"a step of 256 bytes", "/a/" + strings.Repeat("b", 256), true},
		{"a longer step", "/a/" + strings.Repeat("b", 257), false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			p, err := event.ParsePointer(test.text)
			if (err == nil) != test.ok {
				t.Fatalf("ParsePointer(%q): %v", test.text, err)
			}
			if p.IsRoot() != (test.text == "" || !test.ok) {
				t.Errorf("IsRoot() = %v", p.IsRoot())
			}
		})
	}
}

func TestWhereTheEventIs(t *testing.T) {
	for _, test := range []struct {
		sentence string
		pointer  string
		body     string
		found    bool
	}{
		{"in a member", "/data", `{"data":{}}`, true},
		{"in a member of a member", "/a/b", `{"x":{"b":1},"a":{"x":1,"b":{}}}`, true},
		{"behind space of all kinds", "/a/b", " \t\r\n{ \"a\" :\n{ \"b\" :\t{ } } }", true},
		{"in an array's element", "/a/2", `{"a":[{},[],{}]}`, true},
		{"in an array of arrays", "/1/0/0", `[0,[[{}]]]`, true},
		{"an index is a name where the parent is an object", "/0/00", `{"0":{"00":{}}}`, true},
		{"an index counts from 0", "/1", `[{}]`, false},
		{"an index may have several digits", "/10", `[0,1,2,3,4,5,6,7,8,9,{}]`, true},
		{"an index may be in the middle", "/1", `[0,{},2]`, true},
		{"an index has no leading zero", "/00", `[{}]`, false},
		{"an index has no sign", "/+0", `[{}]`, false},
		{"an index may be larger than any array", "/99999999999999999999", `[{}]`, false},
		{"a dash is behind the end", "/-", `[{}]`, false},
		{"an array has no members", "/a", `[{"a":{}}]`, false},
		{"a scalar has none", "/a/b", `{"a":1}`, false},
		{"a string has none", "/a/b", `{"a":"{\"b\":{}}"}`, false},
		{"no such member", "/data", `{"dat":{},"data2":{}}`, false},
		{"the empty name", "/", `{"":{}}`, true},
		{"a name that is a path to gjson", "/a.b*", `{"a":{"b":1},"a.b*":{}}`, true},
		{"a name with a slash and a tilde", "/~1~0~01", `{"/~~1":{}}`, true},
		{"a name with an escape", "/é", `{"\u00e9":{}}`, true},
		{"duplicates beside the way are no matter", "/a/b", `{"x":1,"x":2,"a":{"y":1,"y":2,"b":{}}}`, true},
		{"the same name further down is no duplicate", "/a", `{"a":{"a":1},"b":{"a":2}}`, true},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			found, err := specOf(t, "event: "+test.pointer).rules(t).Parse([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if (found.Object() != nil) != test.found {
				t.Errorf("the event is %q", found.Object())
			}
		})
	}
}

var rfc6901 = regexp.MustCompile(`\A(?s:/([^/~]|~[01])*)*\z`)

// FuzzParsePointer: RFC 6901's grammar, and a body made after the pointer has its event there.
func FuzzParsePointer(f *testing.F) {
	for _, seed := range []string{"", "/", "/data", "/a~1b/~0", "/a/0/b", "/~01", "a", "/~", "/\x00", "/é/😀", "/cloudid_list/0", "/__proto__/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := event.ParsePointer(text)
		long := slices.ContainsFunc(strings.Split(text, "/"), func(step string) bool { return len(step) > 256 })
		if !long && (err == nil) != rfc6901.MatchString(text) {
			t.Fatalf("ParsePointer(%q): %v", text, err)
		}
		if err != nil || !utf8.ValidString(text) || strings.Count(text, "/") > 500 {
			return
		}
		if p.IsRoot() != (text == "") {
			t.Errorf("IsRoot() = %v", p.IsRoot())
		}
		body := []byte(`{"k":"` + runID + `"}`)
		steps := strings.Split(text, "/")[1:]
		for _, step := range slices.Backward(steps) {
			name, err := json.Marshal(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
			if err != nil {
				t.Fatal(err)
			}
			body = slices.Concat([]byte("{"), name, []byte(":"), body, []byte("}"))
		}
		rules := event.Rules{Pointer: p, Guess: true, MaxDeclarations: 1}
		found, err := rules.Parse(body)
		if reason := rejectedStep(steps); reason != "" {
			if reasonOf(err) != reason {
				t.Errorf("%s: %v", body, err)
			}
			return
		}
		if err != nil || summary(found.Declarations) != "k?"+runID {
			t.Errorf("%s: declared %s, %v", body, summary(found.Declarations), err)
		}
	})
}

// rejectedStep returns why an event behind these steps is rejected, if it is.
func rejectedStep(steps []string) (reason string) {
	for _, step := range steps {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch {
		case name == "__proto__":
			return "proto"
		case rewritten(member{name: name}):
			reason = "rewritten"
		}
	}
	return reason
}
