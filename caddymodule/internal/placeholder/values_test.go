package placeholder_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// values is what the configs of these tests hold.
type values struct {
	N    placeholder.Number   `json:"n,omitempty"`
	Life placeholder.Duration `json:"life,omitempty"`
	Size placeholder.Size     `json:"size,omitempty"`
}

func (v values) resolve() (string, error) {
	n, err := v.N.Resolve("n", 5, 1, 10)
	if err != nil {
		return "", err
	}
	life, err := v.Life.Resolve("life", time.Minute, time.Second)
	if err != nil {
		return "", err
	}
	size, err := v.Size.Resolve("size", 1<<20, 1<<40)
	return fmt.Sprint(n, life, size), err
}

func TestValuesInJSON(t *testing.T) {
	t.Setenv("VALUES_TEST_N", "7\n")
	t.Setenv("VALUES_TEST_LIFE", "2d")
	t.Setenv("VALUES_TEST_SIZE", "2KiB")
	t.Setenv("VALUES_TEST_WRONG", "wrong-and-secret")
	t.Setenv("VALUES_TEST_ZERO", "0")
	for _, test := range []struct{ sentence, json, again, want, err string }{
		{"nothing is the defaults", `{}`, ``, "5 1m0s 1048576", ""},
		{"so are null", `{"n":null,"life":null,"size":null}`, `{}`, "5 1m0s 1048576", ""},
		{"0, as ever in JSON", `{"n":0,"life":0,"size":0}`, `{"n":0}`, "5 1m0s 1048576", ""},
		{"and empty strings", `{"n":"","life":"","size":""}`, `{}`, "5 1m0s 1048576", ""},
		{"numbers stay numbers", `{"n":10,"life":1500000000,"size":1}`, ``, "10 1.5s 1", ""},
		{"strings with them become numbers", `{"n":"10","life":"1d","size":"1KiB"}`, `{"n":10,"life":86400000000000,"size":1024}`, "10 24h0m0s 1024", ""},
		{"the largest size", `{"size":1099511627776}`, ``, "5 1m0s 1099511627776", ""},
		{"placeholders stay what they are", `{"n":"{env.VALUES_TEST_N}","life":"{env.VALUES_TEST_LIFE}","size":"{env.VALUES_TEST_SIZE}"}`, ``, "7 48h0m0s 2048", ""},
		{"a part of a value", `{"life":"1{env.VALUES_TEST_LIFE}"}`, ``, "5 288h0m0s 1048576", ""},
		{"a number below the smallest", `{"n":-1}`, ``, "", `n: "-1" is no number from 1 to 10`},
		{"one above the largest", `{"n":11}`, ``, "", `n: "11" is no number from 1 to 10`},
		{"half of one", `{"n":1.5}`, `{"n":"1.5"}`, "", `n: "1.5" is no number from 1 to 10`},
		{"a duration that counts nanoseconds", `{"life":60}`, ``, "", `life: "60ns" is no duration of at least 1s; write it with a unit, as in 3s or 1m; a number of JSON counts nanoseconds`},
		{"one below 0", `{"life":-1}`, ``, "", `life: "-1ns" is no duration`},
		{"one without a unit", `{"life":"60"}`, ``, "", `life: "60" is no duration of at least 1s`},
		{"one that is longer than any", `{"life":1e30}`, `{"life":"1e30"}`, "", `life: "1e30" is no duration`},
		{"a size below 0", `{"size":-1}`, `{"size":"-1"}`, "", `size: "-1" is no size above 0 and up to 1.0 TiB, such as 1MiB or 500KB`},
		{"one above the largest", `{"size":1099511627777}`, ``, "", `size: "1099511627777" is no size`},
		{"a variable that is not set", `{"n":"{env.VALUES_TEST_NONE}"}`, ``, "", "n: {env.VALUES_TEST_NONE} is empty"},
		{"a file that is not there", `{"size":"{file./nowhere/at/all}"}`, ``, "", "size: {file./nowhere/at/all} is empty"},
		{"what each request would have to say", `{"life":"{http.request.host}"}`, ``, "", "life: {http.request.host} is not known when the config is loaded"},
		{"a variable with something else", `{"n":"{env.VALUES_TEST_WRONG}"}`, ``, "", `n: "{env.VALUES_TEST_WRONG}" is no number from 1 to 10`},
		{"a duration with something else", `{"life":"{env.VALUES_TEST_WRONG}"}`, ``, "", `life: "{env.VALUES_TEST_WRONG}" is no duration of at least 1s`},
		{"a size with something else", `{"size":"{env.VALUES_TEST_WRONG}"}`, ``, "", `size: "{env.VALUES_TEST_WRONG}" is no size above 0`},
		{"0 by a variable is no default", `{"n":"{env.VALUES_TEST_ZERO}"}`, ``, "", `n: "{env.VALUES_TEST_ZERO}" is no number from 1 to 10`},
	} {
		var v values
		if err := json.Unmarshal([]byte(test.json), &v); err != nil {
			t.Errorf("%s: %v", test.sentence, err)
			continue
		}
		again := test.again
		if again == "" {
			again = test.json
		}
		if written, err := json.Marshal(v); err != nil || string(written) != again {
			t.Errorf("%s: written again it is %s, %v", test.sentence, written, err)
		}
		got, err := v.resolve()
		if test.err == "" && (err != nil || got != test.want) || test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v", test.sentence, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows what a placeholder stands for: %v", test.sentence, err)
		}
	}
	for _, text := range []string{`{"n":true}`, `{"life":{}}`, `{"size":[1]}`} {
		if err := json.Unmarshal([]byte(text), new(values)); err == nil || !strings.Contains(err.Error(), "a number is expected, or a string") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestANumberMayBe0(t *testing.T) {
	for text, want := range map[string]int{`{}`: 2, `{"n":0}`: 0, `{"n":"0"}`: 0, `{"n":3}`: 3} {
		var v values
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := v.N.Resolve("n", 2, 0, 10); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

// What a Caddyfile can tell is said while it is read, with the line; the rest when the config is loaded.
func TestValuesOfACaddyfile(t *testing.T) {
	for _, test := range []struct {
		sentence string
		err      error
		want     string
	}{
		{"a number", placeholder.Number("10").Check(0, 10), ""},
		{"one above the largest", placeholder.Number("11").Check(0, 10), `"11" is no number from 0 to 10`},
		{"no number at all", placeholder.Number("").Check(0, 10), `"" is no number from 0 to 10`},
		{"one that is not known yet", placeholder.Number("{env.VALUES_TEST_NONE}").Check(0, 10), ""},
		{"a duration", placeholder.Duration("1d").Check(time.Second), ""},
		{"the shortest", placeholder.Duration("1s").Check(time.Second), ""},
		{"one without a unit", placeholder.Duration("3").Check(time.Second), `"3" is no duration of at least 1s; write it with a unit, as in 3s or 1m`},
		{"one that is not known yet", placeholder.Duration("{env.VALUES_TEST_NONE}").Check(time.Second), ""},
		{"a size", placeholder.Size("1MiB").Check(1 << 20), ""},
		{"a size of nothing", placeholder.Size("0").Check(1 << 20), `"0" is no size above 0 and up to 1.0 MiB, such as 1MiB or 500KB`},
		{"one above the largest", placeholder.Size("2MiB").Check(1 << 20), `"2MiB" is no size above 0 and up to 1.0 MiB, such as 1MiB or 500KB`},
		{"one that is not known yet", placeholder.Size("{env.VALUES_TEST_NONE}").Check(1), ""},
	} {
		if got := fmt.Sprint(test.err); test.err == nil && test.want != "" || test.err != nil && got != test.want {
			t.Errorf("%s: %v", test.sentence, test.err)
		}
	}
}
