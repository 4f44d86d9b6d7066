package golden

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestLoadJSON has what no Caddyfile can say: a config of JSON is checked by Provision alone.
func TestLoadJSON(t *testing.T) {
	const account = `{"secret":"s"}`
	for _, c := range []struct{ name, handler, account, want string }{
		{"nothing but defaults", ``, account, ``},
		{"max_ids", `"max_ids":-1`, account, `max_ids: "-1" is no number from 1 to 10000`},
		{"max_size", `"max_size":-1`, account, `max_size: "-1" is no size above 0 and up to 1.0 TiB`},
		{"max_size beyond all memory", `"max_size":1099511627777`, account, "up to 1.0 TiB"},
		{"pass", `"pass":["x"]`, account, `pass: "x" is no media type`},
		{"pass of JSON", `"pass":["application/json"]`, account, "is JSON, which is always read as the event"},
		{"CloudEvents at a pointer", `"event":{"cloudevents":true,"pointer":"/a"}`, account, "cloudevents says where the event is"},
		{"a field with a comma, which only a Caddyfile cannot mean", `"fields":["a,b"]`, account, ``},
		{"on_error", `"on_error":"ignore"`, account, `on_error: "ignore" is neither embed nor reject`},
		{"event", `"event":{"pointer":"data"}`, account, `event: "data" is no JSON pointer`},
		{"no fields", `"fields":[]`, account, "fields: no member is named"},
		{"fields that fold together", `"fields":["a","A"]`, account, "fields: a and A are the same name"},
		{"fields with __proto__", `"fields":["__proto__"]`, account, "fields: an event with a member __proto__ is always rejected"},
		{"an unknown member", `"field":["a"]`, account, `unknown field "field"`},
		{"an account of another type", `"account":1`, account, "cannot unmarshal"},
		{"no account's settings", ``, `null`, "has no settings"},
		{"timeout", ``, `{"secret":"s","timeout":-1}`, `timeout: "-1ns" is no duration of at least 1ms`},
		{"a timeout that counts nanoseconds", ``, `{"secret":"s","timeout":3}`, `timeout: "3ns" is no duration of at least 1ms; write it with a unit, as in 3s or 1m; a number of JSON counts nanoseconds`},
		{"retries", ``, `{"secret":"s","retries":-1}`, `retries: "-1" is no number from 0 to 10`},
		{"cache", ``, `{"secret":"s","cache":{"ttl":-1}}`, `cache: ttl: "-1ns" is no duration of at least 1ms`},
		{"entries of the cache", ``, `{"secret":"s","cache":{"entries":-1}}`, `cache: entries: "-1" is no number from 1 to`},
		{"limit", ``, `{"secret":"s","limit":{"cloudids":-1}}`, `limit: cloudids: "-1" is no number from 1 to`},
		{"a window that counts nanoseconds", ``, `{"secret":"s","limit":{"window":60}}`, `limit: window: "60ns" is no duration of at least 1s`},
		{"max_calls", ``, `{"secret":"s","max_calls":-1}`, `max_calls: "-1" is no number from 1 to`},
		{"texts with numbers in them", `"max_ids":"3","max_size":"2KiB"`, `{"secret":"s","timeout":"3s","retries":"1","cache":{"ttl":"1m","entries":"5"},"limit":{"cloudids":"6","window":"1m"},"max_calls":"7"}`, ``},
		{"a number that is none", `"max_ids":true`, account, "a number is expected, or a string with one"},
		{"token without a secret", ``, `{"token":{"source":"stable"}}`, "token stable: the value is empty"},
		{"token of an unknown source", ``, `{"token":{"source":"cached"}}`, "unknown module: cloudid.tokens.cached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := `{"handler":"cloudid"`
			if c.handler != "" {
				handler += "," + c.handler
			}
			config := `{"admin":{"disabled":true},"apps":{"cloudid":{"accounts":{"wx1111111111111111":` + c.account + `}},` +
				`"http":{"servers":{"a":{"listen":[":9"],"routes":[{"handle":[` + handler + `}]}]}}}}}`
			var parsed caddy.Config
			if err := json.Unmarshal([]byte(config), &parsed); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&parsed)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}
