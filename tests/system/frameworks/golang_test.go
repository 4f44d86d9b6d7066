package frameworks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/bytedance/sonic"
	jsoniter "github.com/json-iterator/go"
)

// declared is an event as a function in Go declares it. Decoders match its members by letter case or less.
type declared struct {
	WeRunData json.RawMessage `json:"weRunData,omitempty"`
	Phone     json.RawMessage `json:"phone,omitempty"`
	ShareInfo json.RawMessage `json:"shareInfo,omitempty"`
	UserInfo  json.RawMessage `json:"userInfo,omitempty"`
}

var declaredNames = []string{"weRunData", "phone", "shareInfo", "userInfo"}

// startGo serves what Go, and matchers of names as Java's and fastjson's, read of a request.
func startGo(t *testing.T) []framework {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		read := [][2]any{{"query", r.URL.Query()}}
		if members, err := membersOf(body); err == nil {
			read = append(read, [2]any{"matched exactly", matched(members)})
			read = append(read, [2]any{"matched as in Java", matched(members, javaFold)})
			read = append(read, [2]any{"matched as in fastjson", matched(members, fastjsonName, javaFold)})
		}
		for name, unmarshal := range map[string]func([]byte, any) error{
			"encoding/json": json.Unmarshal, "json-iterator": jsoniter.Unmarshal, "sonic": sonic.Unmarshal,
		} {
			var event declared
			if unmarshal(body, &event) == nil {
				read = append(read, [2]any{name, event})
			}
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if r.ParseMultipartForm(1<<20) == nil || r.Form != nil {
			read = append(read, [2]any{"Form", r.Form}, [2]any{"PostForm", r.PostForm})
		}
		_ = json.NewEncoder(w).Encode(read)
	}))
	t.Cleanup(server.Close)
	return []framework{{name: "go", proxy: "reverse_proxy " + server.Listener.Addr().String()}}
}

// member is a member of an object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf returns the members of an object in order, with duplicates.
func membersOf(text []byte) (members []member, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("no object: %v, %w", token, err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// matched gives each declared member the last value whose name is the same after folds.
func matched(members []member, folds ...func(string) string) map[string]json.RawMessage {
	fold := func(name string) string {
		for _, f := range folds {
			name = f(name)
		}
		return name
	}
	found := map[string]json.RawMessage{}
	for _, m := range members {
		for _, field := range declaredNames {
			if fold(m.name) == fold(field) {
				found[field] = m.value
			}
		}
	}
	return found
}

// javaFold is String.equalsIgnoreCase: each character to upper case, then to lower case.
func javaFold(name string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, name)
}

// fastjsonName drops what fastjson2's smart matching does not look at.
func fastjsonName(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(name)
}

// The matchers match what they are to match, and the decoders what makes them worth having here.
func TestMatchers(t *testing.T) {
	for _, test := range []struct{ name, text, field string }{
		{"matched as in Java", `{"share\u0130nfo":1}`, "shareInfo"},
		{"matched as in Java", `{"SHARE\u0131NFO":1}`, "shareInfo"},
		{"matched as in fastjson", `{"we_run-Data ":1}`, "weRunData"},
		{"json-iterator", `{"share\u0130nfo":1}`, "ShareInfo"},
		{"encoding/json", `{"\u017fhareInfo":1}`, "ShareInfo"},
	} {
		members, err := membersOf([]byte(test.text))
		if err != nil {
			t.Fatal(err)
		}
		var event declared
		var found bool
		switch test.name {
		case "matched as in Java":
			found = matched(members, javaFold)[test.field] != nil
		case "matched as in fastjson":
			found = matched(members, fastjsonName, javaFold)[test.field] != nil
		case "json-iterator":
			found = jsoniter.Unmarshal([]byte(test.text), &event) == nil && event.ShareInfo != nil
		default:
			found = json.Unmarshal([]byte(test.text), &event) == nil && event.ShareInfo != nil
		}
		if !found {
			t.Errorf("%s does not take %s for %s", test.name, test.text, test.field)
		}
	}
}
