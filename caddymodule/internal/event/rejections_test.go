package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

func TestRejections(t *testing.T) {
	const list = `"cloudid_list":[{"key_name":"k","cloud_id":"$1"}]`
	long := strings.Repeat("n", 257)
	for _, test := range []struct {
		sentence string
		rules    string
		body     string
		want     string
	}{
		// A name to replace must be unique in the event.
		{"the same name twice", "", `{"k":"$1","k":1}`, "duplicate"},
		{"after unescaping", "", `{"k":"$1","\u006b":1}`, "duplicate"},
		{"under case folding", "", `{"k":"$1","K":1}`, "duplicate"},
		{"under Unicode case folding: U+212A is a k", "", `{"k":"$1","\u212a":1}`, "duplicate"},
		{"under Unicode case folding: U+017F is an s", "", "{\"s\":\"$1\",\"\u017f\":1}", "duplicate"},
		{"cut at NUL", "", `{"k":"$1","k\u0000x":1}`, "duplicate"},
		{"all of these at once", "", `{"ks":"$1","\u212a\u017F\u0000":1}`, "duplicate"},
		{"before the name or behind it", "", `{"K":1,"k":"$1"}`, "duplicate"},
		{"two declarations of one name", "", `{"k":"$1","K":"$2"}`, "duplicate"},
		{"for an object with cloudID too", "", `{"k":{"cloudID":"$1"},"k":1}`, "duplicate"},
		{"at a pointer too", "event: /data", `{"data":{"k":"$1","k":1}}`, "duplicate"},
		{"in a string too", "event: /data string", `{"data":"{\"k\":\"$1\",\"\\u006b\":1}"}`, "duplicate"},
		{"strict mode: a listed name twice, whatever the values", "fields: k", `{"k":1,"k":2}`, "duplicate"},
		{"strict mode: a name that only folds to a listed one", "fields: k", `{"K":"$1"}`, "duplicate"},
		{"strict mode: a name that is a listed one up to NUL", "fields: k", `{"k\u0000":"$1"}`, "duplicate"},
		{"a list names a member that the event has", "", `{"k":1,` + list + `}`, "duplicate"},
		{"a list names a member that the event declares", "", `{"k":"$2",` + list + `}`, "duplicate"},
		{"a list names a member that the event has in another spelling", "event: /data", `{"data":{"K\u0000":1},` + list + `}`, "duplicate"},
		{"a list names a member twice", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$1"},{"key_name":"\u212a","cloud_id":"$2"}]}`, "duplicate"},
		{"a list names a member and what lodash reads as a part of it", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$1"},{"key_name":"k.x","cloud_id":"$2"}]}`, "duplicate"},
		{"a list names what lodash reads as a part of a member that the event declares", "", `{"k":"$2","cloudid_list":[{"key_name":"k[0]","cloud_id":"$1"}]}`, "duplicate"},
		{"several lists", "", `{` + list + `,` + list + `}`, "duplicate"},
		{"several lists, one of them an ordinary member", "", `{"cloudid_list":1,` + list + `}`, "duplicate"},
		{"several lists, one of them in another spelling", "", `{` + list + `,"cloudid_li\u017ft":[]}`, "duplicate"},
		{"a pointer's step that is there twice", "event: /data", `{"data":{},"data":{}}`, "duplicate"},
		{"a pointer's step that is there in two spellings", "event: /data string", `{"DATA":"{}","data":"{}"}`, "duplicate"},
		{"a pointer's step that matches only by folding", "event: /a/b", `{"a":{"B":{"k":"$1"}}}`, "duplicate"},

		// The form of a name to replace.
		{"half a surrogate pair in the name", "", `{"\ud800":"$1"}`, "surrogate"},
		{"half a surrogate pair in a list's name", "", `{"cloudid_list":[{"key_name":"\udc00k","cloud_id":"$1"}]}`, "surrogate"},
		{"half a surrogate pair in a quoted event's text", "event: /data string", `{"data":"{\"k\":\"\ud800\"}"}`, "surrogate"},
		{"a name of more than 256 bytes", "", `{"` + long + `":"$1"}`, "long name"},
		{"a list's name of more than 256 bytes", "", `{"cloudid_list":[{"key_name":"` + long + `","cloud_id":"$1"}]}`, "long name"},
		{"strict mode: a list's name that is not listed", "fields: a", `{` + list + `}`, "unlisted"},
		{"strict mode: a list's name that is listed in other letter case", "fields: K", `{` + list + `}`, "unlisted"},
		{"user_info: a list's name that folds to userInfo", "user_info", `{"cloudid_list":[{"key_name":"USERINFO","cloud_id":"$1"}]}`, "userInfo"},

		// __proto__, always.
		{"__proto__ in the event", "", `{"__proto__":1}`, "proto"},
		{"__proto__ in the event, escaped", "", `{"\u005f_proto__":1}`, "proto"},
		{"__proto__ in an event at a pointer", "event: /data", `{"data":{"__proto__":1}}`, "proto"},
		{"__proto__ in an event that is a string", "event: /data string", `{"data":"{\"__proto__\":1}"}`, "proto"},
		{"__proto__ beside an event at a pointer", "event: /data", `{"data":{},"__proto__":1}`, "proto"},
		{"__proto__ where the event is missing", "event: /data", `{"__proto__":{"data":{"k":1}}}`, "proto"},
		{"__proto__ as a list's name", "", `{"cloudid_list":[{"key_name":"__proto__","cloud_id":"$1"}]}`, "proto"},
		{"__proto__ in strict mode", "fields: k", `{"__proto__":{"k":1}}`, "proto"},

		// How many.
		{"more than five", "", `{"a":"$1","b":"$2","c":"$3","d":"$1","e":"$2","f":"$3"}`, "too many"},
		{"more than max_ids", "max_ids: 1", `{"a":"$1","b":{"cloudID":"$2"}}`, "too many"},
		{"more than max_ids in a list", "max_ids: 1", `{"a":"$2",` + list + `}`, "too many"},
		{"more than max_ids in strict mode, as objects", "fields: a b; max_ids: 1", `{"a":{"cloudID":"$1"},"b":{"cloudID":"$2"}}`, "too many"},
		{"more than max_ids in strict mode", "fields: a b; max_ids: 1", `{"a":"$x","b":"$1"}`, "too many"},

		// Strict mode needs an event.
		{"strict mode: an empty body", "fields: k", ``, "no event"},
		{"strict mode: a root that is no object", "fields: k", `[{"k":"$1"}]`, "no event"},
		{"strict mode: a place that is not there", "event: /data; fields: k", `{"k":"$1"}`, "no event"},
		{"strict mode: a place that holds no object", "event: /data; fields: k", `{"data":[]}`, "no event"},
		{"strict mode: a place that holds no string where one is expected", "event: /data string; fields: k", `{"data":{}}`, "no event"},

		// So does user_info where a function could find the client's own userInfo elsewhere in the body.
		{"user_info: a root that is a string", "user_info", ` "{\"userInfo\":1}"`, "no event"},
		{"user_info: a place that is not there", "event: /data; user_info", `{"userInfo":1}`, "no event"},
		{"user_info: a place that holds a text of the event", "event: /data; user_info", `{"data":"{\"userInfo\":1}"}`, "no event"},
		{"user_info: a place that holds the event where its text is expected", "event: /data string; user_info", `{"data":{"userInfo":1}}`, "no event"},
		{"user_info: a text of a text", "event: /data string; user_info", `{"data":"\"{}\""}`, "no event"},

		// What cannot be read is not forwarded.
		{"no JSON", "", `{"k":"$1"`, "json"},
		{"no JSON, though nothing is declared", "", `{'k':1}`, "json"},
		{"no JSON in the event's string", "event: /data string", `{"data":"{"}`, "json"},
		{"no JSON beside an event at a pointer", "event: /data", `{"data":{},"a":}`, "json"},
		{"no JSON behind an event at a pointer", "event: /data string", `{"data":"{}"} {}`, "json"},
		{"no JSON where the place is not there", "event: /data", `{"a":[}`, "json"},
		{"no UTF-8 beside an event at a pointer", "event: /data", "{\"data\":{},\"a\":\"\xc1\xab\"}", "utf8"},
		{"a byte order mark before what holds the event", "event: /data", "\xef\xbb\xbf{\"data\":{}}", "bom"},
		{"no UTF-8", "", "{\"\xc1\xab\":\"$1\"}", "utf8"},
		{"a byte order mark", "", "\xef\xbb\xbf{}", "bom"},
		{"a byte order mark in the event's string", "event: /data string", `{"data":"\ufeff{}"}`, "bom"},
		{"more than 512 levels", "", `{"a":` + strings.Repeat("[", 512) + strings.Repeat("]", 512) + `}`, "depth"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			found, err := specOf(t, test.rules).rules(t).Parse([]byte(expand(test.body)))
			if got := reasonOf(err); got != test.want {
				t.Fatalf("rejected for %q (%v), want %q", got, err, test.want)
			}
			if found.Object() != nil || len(found.Declarations) != 0 {
				t.Error("a rejected body declares nothing")
			}
		})
	}
}

// The message goes to the client and perhaps into a log: it names the member and the rule, and nothing else of the body.
func TestRejectionsNameTheMemberAndNoSecret(t *testing.T) {
	for _, test := range []struct{ rules, body, names string }{
		{"", `{"weRunData":"$1","weRunData":1}`, `'weRunData'`},
		{"", `{"a\n<b>":"$1","a\n<b>":1}`, `'a??b?'`},
		{"max_ids: 1", `{"a":"$1","b":"$2"}`, "declares more than 1 CloudIDs"},
		{"fields: a", `{"cloudid_list":[{"key_name":"phone","cloud_id":"$1"}]}`, `'phone'`},
		{"event: /data", `{"data":{"k":"$1"},"data":{}}`, `'data'`},
		{"fields: a", `{"cloudid_list":[{"key_name":"` + strings.Repeat("步", 80) + `","cloud_id":"$1"}]}`, `步'`},
		{"", `{"k":"$1"`, "at byte"},
	} {
		_, err := specOf(t, test.rules).rules(t).Parse([]byte(expand(test.body)))
		if err == nil {
			t.Errorf("%s is accepted", test.body)
			continue
		}
		message := err.Error()
		if !strings.Contains(message, test.names) {
			t.Errorf("%q does not name %s", message, test.names)
		}
		for _, id := range []string{runID, shareID} {
			if strings.Contains(message, id) {
				t.Errorf("%q gives a CloudID away", message)
			}
		}
		if len(message) > 1000 {
			t.Errorf("a message of %d bytes", len(message))
		}
	}
}

func TestErrorsCanBeToldApart(t *testing.T) {
	_, err := specOf(t, "").rules(t).Parse([]byte(expand(`{"k":"$1","k":1}`)))
	if _, ok := errors.AsType[*event.Rejection](fmt.Errorf("wrapped: %w", err)); !ok {
		t.Errorf("%v is no Rejection", err)
	}
	_, err = specOf(t, "fields: k").rules(t).Parse(nil)
	if !errors.Is(err, event.ErrNoEvent) {
		t.Errorf("%v is not ErrNoEvent", err)
	}
}

func TestWhereAnEventIsExpected(t *testing.T) {
	pointer, err := event.ParsePointer("/a~1b/data")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rules      event.Rules
		body, want string
	}{
		{event.Rules{}, `[]`, ""},
		{event.Rules{Pointer: pointer}, `{"a":1}`, " at '/a/b/data'"},
		{event.Rules{Pointer: pointer, IsString: true}, `{"a/b":{"data":{}}}`, " at '/a/b/data', as JSON text in a string"},
		{event.Rules{CloudEvent: true}, `{"specversion":"1.0","id":"1","source":"a","type":"b","data":1}`, " at '/data'"},
	} {
		test.rules.Fields = []string{"phone"}
		if err := test.rules.Compile(); err != nil {
			t.Fatal(err)
		}
		_, err := test.rules.Parse([]byte(test.body))
		if want := event.ErrNoEvent.Error() + test.want; !errors.Is(err, event.ErrNoEvent) || err.Error() != want {
			t.Errorf("%s: %v, want %s", test.body, err, want)
		}
	}
}

// Names stand in messages that an error page may put into JSON or HTML.
func TestQuoteName(t *testing.T) {
	for name, want := range map[string]string{
		"weRunData":                `'weRunData'`,
		"":                         `''`,
		"微信 运动😀":                   `'微信 运动😀'`,
		`"'\<>&`:                   `'??????'`,
		"a\x00\n\x7f\u2028\u202eb": `'a?????b'`,
		"\xff\ufffd":               `'??'`,
		strings.Repeat("n", 256):   `'` + strings.Repeat("n", 256) + `'`,
		strings.Repeat("n", 257):   `'` + strings.Repeat("n", 256) + `…'`,
		strings.Repeat("步", 100):   `'` + strings.Repeat("步", 85) + `…'`,
	} {
		if got := event.QuoteName(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}

func TestRulesThatNoEventCouldKeep(t *testing.T) {
	for _, test := range []struct {
		sentence string
		rules    event.Rules
		words    string // of the error; none: valid
	}{
		{"no strict mode", event.Rules{}, ""},
		{"two fields", event.Rules{Fields: []string{"weRunData", "phone"}}, ""},
		{"fields, but none", event.Rules{Fields: []string{}}, "no member is named"},
		{"a field twice", event.Rules{Fields: []string{"a", "b", "a"}}, "same name"},
		{"a field in two spellings", event.Rules{Fields: []string{"key", "\u212aEY"}}, "same name"},
		{"a field with and without an underscore", event.Rules{Fields: []string{"weRunData", "we_run_data"}}, "same name"},
		{"a field that begins like another", event.Rules{Fields: []string{"phone.data", "phone"}}, "a part of"},
		{"a field that begins like another, the other way round", event.Rules{Fields: []string{"phone", "phone[0]"}}, "a part of"},
		{"a field with a point", event.Rules{Fields: []string{"phone.data", "a[0]"}}, ""},
		{"a field with a backslash", event.Rules{Fields: []string{`a\b`, `c\`}}, ""},
		{"a field that Oj turns into another", event.Rules{Fields: []string{":phone"}}, "always rejected"},
		{"a field named like YAML's merge key", event.Rules{Fields: []string{"<<"}}, "always rejected"},
		{"what user_info removes", event.Rules{Fields: []string{"userInfo.openId"}, ReplaceUserInfo: true}, "user_info"},
		{"an application's own user_info", event.Rules{Fields: []string{"user_info"}, ReplaceUserInfo: true}, ""},
		{"a field with a long name", event.Rules{Fields: []string{strings.Repeat("a", 257)}}, "256"},
		{"a field named __proto__", event.Rules{Fields: []string{"__proto__"}}, "always rejected"},
		{"userInfo twice over", event.Rules{Fields: []string{"userInfo"}, ReplaceUserInfo: true}, "user_info"},
		{"one name, by placeholders", event.Rules{Fields: []string{"a", "A"}, Written: []string{"{env.A}", "{env.B}"}}, "{env.A} and {env.B} are the same name"},
		{"a part of another, by placeholders", event.Rules{Fields: []string{"a", "a[0]"}, Written: []string{"{env.A}", "{env.B}"}}, "take {env.B} for a part of {env.A}"},
		{"userInfo by a placeholder", event.Rules{Fields: []string{"userInfo"}, Written: []string{"{env.A}"}, ReplaceUserInfo: true}, "{env.A} is set by user_info"},
		{"userInfo as a field", event.Rules{Fields: []string{"userInfo"}}, ""},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			err := test.rules.Compile()
			if test.words == "" && err != nil {
				t.Error(err)
			}
			if test.words != "" && (err == nil || !strings.Contains(err.Error(), test.words)) {
				t.Errorf("got %v, want an error with %q", err, test.words)
			}
		})
	}
}
