package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/bytedance/sonic"
	jsoniter "github.com/json-iterator/go"
)

// question is what a parser is asked: which of these members does a function see in this event?
type question struct {
	Body  []byte   `json:"body"`  // as the function received it
	Info  string   `json:"info"`  // X-WX-OPEN-DATA-INFO; its keys are looked for too
	Place string   `json:"place"` // of the event in the body: whole, data, or data string
	Names []string `json:"names"`
}

// sight is a parser's response.
type sight struct {
	Keys  []string          `json:"keys"`  // as read from Info
	Views map[string][]seen `json:"views"` // by the way of reading
	Error string            `json:"error"`
}

// seen is one member that a function sees. In JSON it is a pair.
type seen struct {
	name  string
	value json.RawMessage
}

func (s *seen) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&s.name, &s.value})
}

// A parser answers as a function in its language would see it.
type parser func(question) (sight, error)

// startParsers starts one program for each language.
func startParsers(t *testing.T) []parser {
	t.Helper()
	script := filepath.Join(root(), "tests", "system", "e2e", "node", "parser.js")
	return []parser{
		goParser,
		startParser(t, program(t, "node"), script),
		startParser(t, program(t, "python3"), filepath.Join(root(), "tests", "system", "e2e", "parser.py")),
	}
}

func startParser(t *testing.T, name string, args ...string) parser {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, name, cmd)
	t.Cleanup(func() { in.Close() }) // which ends it
	var (
		mu    sync.Mutex
		lines = bufio.NewReaderSize(out, 1<<20)
	)
	return func(q question) (s sight, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err := json.NewEncoder(in).Encode(q); err != nil {
			return s, fmt.Errorf("%s: %w, %s", name, err, p.Output.Tail())
		}
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return s, fmt.Errorf("%s: %w, %s", name, err, p.Output.Tail())
		}
		return s, json.Unmarshal(line, &s)
	}
}

// function is an event as a function in Go declares it, and its bodies.
type (
	function struct {
		WeRunData json.RawMessage `json:"weRunData"`
		Phone     json.RawMessage `json:"phone"`
		ShareInfo json.RawMessage `json:"shareInfo"`
		Kiosk     json.RawMessage `json:"kiosk"`
	}
	bodyWithEvent struct {
		Data json.RawMessage `json:"data"`
	}
	bodyWithText struct {
		Data string `json:"data"`
	}
)

// functionsNames are the members of function.
var functionsNames = []string{"weRunData", "phone", "shareInfo", "kiosk"}

const (
	goMap      = "Go, map"
	goStruct   = "Go, struct"
	goIter     = "Go, json-iterator"
	goSonic    = "Go, sonic"
	asJava     = "matched as in Java"
	asFastjson = "matched as in fastjson"
)

// matchers say which names a way of reading takes for one: none for a way that reads into a map, by exact names. All of these
// fill what the function declares, and nothing else.
var matchers = map[string]func(name string) string{
	goStruct: foldedName,
	goIter:   strings.ToLower,
	goSonic:  foldedName, // sonic asks for the exact name first, then for one in other letters
	asJava:   javaName,
	asFastjson: func(name string) string {
		return javaName(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	},
}

// foldedName is what encoding/json compares: U+212A is a k to it, and U+017F an s.
func foldedName(name string) string {
	return strings.ToLower(strings.NewReplacer("\u212A", "k", "\u017F", "s", "\u0130", "i").Replace(name))
}

// javaName is what String.equalsIgnoreCase compares: each character in upper case, then in lower case.
func javaName(name string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, name)
}

// matched gives each declared member the last value whose name is the same to a matcher.
func matched(text []byte, fold func(string) string) (members []seen) {
	found := map[string]json.RawMessage{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	for decoder.More() {
		token, _ := decoder.Token()
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil
		}
		for _, field := range functionsNames {
			if name, isName := token.(string); isName && fold(name) == fold(field) {
				found[field] = value
			}
		}
	}
	for field, value := range found {
		members = append(members, seen{field, value})
	}
	return members
}

func goParser(q question) (sight, error) {
	var info struct {
		Keys []string `json:"keys"`
	}
	if err := json.Unmarshal([]byte(q.Info), &info); err != nil {
		return sight{Error: err.Error()}, nil
	}
	s := sight{Keys: info.Keys, Views: map[string][]seen{goMap: {}}}

	var body any
	if err := json.Unmarshal(q.Body, &body); err != nil {
		return sight{Error: err.Error()}, nil
	}
	event := map[string]json.RawMessage{}
	if json.Unmarshal(eventOfMap(q), &event) == nil {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(info.Keys, q.Names)))) {
			if value, ok := event[name]; ok {
				s.Views[goMap] = append(s.Views[goMap], seen{name, value})
			}
		}
	}
	text := eventOfStruct(q)
	for view, unmarshal := range map[string]func([]byte, any) error{goStruct: json.Unmarshal, goIter: jsoniter.Unmarshal, goSonic: sonic.Unmarshal} {
		s.Views[view] = declaredBy(unmarshal, text)
	}
	for _, view := range []string{asJava, asFastjson} {
		s.Views[view] = matched(text, matchers[view])
	}
	return s, nil
}

// declaredBy returns the declared members that a decoder finds.
func declaredBy(unmarshal func([]byte, any) error, text []byte) (members []seen) {
	var declared function
	if unmarshal(text, &declared) != nil {
		return nil
	}
	fields := reflect.ValueOf(declared)
	for i, name := range functionsNames {
		if value := fields.Field(i).Bytes(); value != nil {
			members = append(members, seen{name, value})
		}
	}
	return members
}

// eventOfMap is the event's text to a function that reads its body into a map; nil if it finds none.
func eventOfMap(q question) []byte {
	if q.Place == "whole" {
		return q.Body
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(q.Body, &body) != nil {
		return nil
	}
	if q.Place == "data" {
		return body["data"]
	}
	var text string
	if json.Unmarshal(body["data"], &text) != nil {
		return nil
	}
	return []byte(text)
}

// eventOfStruct is the same for a function that reads its body into a struct.
func eventOfStruct(q question) []byte {
	switch q.Place {
	case "data":
		var body bodyWithEvent
		_ = json.Unmarshal(q.Body, &body)
		return body.Data
	case "data string":
		var body bodyWithText
		_ = json.Unmarshal(q.Body, &body)
		return []byte(body.Data)
	}
	return q.Body
}

// sameJSON reports whether two JSON texts mean the same.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// All ways to read an event see what stands in it, where it is said to stand.
func TestParsersSeeEvents(t *testing.T) {
	event := `{"phone":{"cloudID":"c","data":1},"n\u0061me":[2]}`
	text, _ := json.Marshal(event)
	for place, body := range map[string]string{
		"whole": event, "data": `{"data":` + event + `}`, "data string": `{"data":` + string(text) + `}`,
	} {
		views := 0
		for _, parse := range startParsers(t) {
			s, err := parse(question{[]byte(body), `{"keys":["phone"]}`, place, []string{"name", "absent", "toString"}})
			if err != nil || s.Error != "" {
				t.Fatal(err, s.Error)
			}
			for view, members := range s.Views {
				views++
				want := []seen{{"name", json.RawMessage(`[2]`)}, {"phone", json.RawMessage(`{"cloudID":"c","data":1}`)}}
				if matchers[view] != nil {
					want = want[1:]
				}
				slices.SortFunc(members, func(a, b seen) int { return strings.Compare(a.name, b.name) })
				same := func(a, b seen) bool { return a.name == b.name && sameJSON(a.value, b.value) }
				if !slices.EqualFunc(members, want, same) || !slices.Equal(s.Keys, []string{"phone"}) {
					t.Errorf("%s, event at %s: sees %s, keys %v", view, place, members, s.Keys)
				}
			}
		}
		if views != 9 {
			t.Errorf("%d ways to read, want 9", views)
		}
	}
}
