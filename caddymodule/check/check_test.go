package check_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

var update = flag.Bool("update", false, "write testdata/dangerous.golden anew")

// accounts stands in front of each vector that has no global options of its own.
const accounts = `{
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up-but-long-enough
		}
	}
}
`

// vector is a Caddyfile, or a config in JSON, below a sentence that says what it is.
type vector struct{ sentence, finds, caddyfile string }

func vectors(t *testing.T, file string) []vector {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	for section := range strings.SplitSeq("\n"+string(text), "\n== ") {
		sentence, rest, _ := strings.Cut(section, "\n")
		if strings.TrimSpace(sentence) == "" {
			continue
		}
		v := vector{sentence: sentence, caddyfile: rest}
		if first, behind, _ := strings.Cut(rest, "\n"); strings.HasPrefix(first, "finds ") {
			v.finds, v.caddyfile = strings.TrimPrefix(first, "finds "), behind
		}
		if !strings.HasPrefix(v.caddyfile, "{") {
			v.caddyfile = accounts + v.caddyfile
		}
		list = append(list, v)
	}
	return list
}

// environment is what the vectors find there.
var environment = map[string]string{
	"CHECK_TEST_APPID": "wx00000000000000aa", "CHECK_TEST_OPENID": "{http.auth.user.id}", "CHECK_TEST_TIMEOUT": "5s", "CHECK_TEST_NUMBER": "5",
	"CHECK_TEST_SIZE": "1MiB", "CHECK_TEST_TYPE": "image/png", "CHECK_TEST_FORM": "Text/Plain",
	"CHECK_TEST_PRIVATE": "10.0.0.0/8", "CHECK_TEST_PUBLIC": "0.0.0.0/0",
}

// findings checks a config, which Caddy must take.
func findings(t *testing.T, config string) []check.Finding {
	t.Helper()
	for name, value := range environment {
		t.Setenv(name, value)
	}
	adapted := caddy.RemoveMetaFields([]byte(config))
	if !strings.HasPrefix(config, `{"`) {
		adapted = caddyrig.MustAdapt(t, config)
	}
	var valid caddy.Config
	if err := json.Unmarshal(adapted, &valid); err != nil {
		t.Fatal(err)
	}
	valid.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "PANIC"}}}}
	if err := caddy.Validate(&valid); err != nil {
		t.Fatalf("validate: %v\n%s", err, config)
	}
	found, err := check.Config(adapted)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryDangerIsFound(t *testing.T) {
	list := vectors(t, "testdata/dangerous.txt")
	if len(list) < 30 {
		t.Fatalf("only %d vectors", len(list))
	}
	for _, v := range list {
		t.Run(v.sentence, func(t *testing.T) {
			found := findings(t, v.caddyfile)
			wanted := strings.Fields(v.finds)
			for _, kind := range wanted {
				if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Kind == kind }) {
					t.Errorf("want %s, found %+v", kind, found)
				}
			}
			for _, f := range found {
				if !slices.Contains(wanted, f.Kind) || f.Place == "" || f.Problem == "" || f.Fix == "" {
					t.Errorf("want %s alone, found %+v", v.finds, f)
				}
			}
		})
	}
}

// What an operator reads of each danger: the place with its line, the problem and what to write instead.
func TestTheWordsForEveryDanger(t *testing.T) {
	const golden = "testdata/dangerous.golden"
	var b strings.Builder
	for _, v := range vectors(t, "testdata/dangerous.txt") {
		fmt.Fprintf(&b, "== %s\n", v.sentence)
		found := findings(t, v.caddyfile)
		check.Locate(found, "Caddyfile", []byte(v.caddyfile))
		for _, f := range found {
			fmt.Fprintf(&b, "%s: %s\n\t%s.\n\t%s.\n", f.Kind, f.Place, f.Problem, f.Fix)
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, expected := strings.Split(b.String(), "\n== "), strings.Split(string(want), "\n== ")
	for i := range min(len(got), len(expected)) {
		if got[i] != expected[i] {
			t.Fatalf("it says\n%s\nwant\n%s\nwhere it is right, run the test with -update", got[i], expected[i])
		}
	}
	if len(got) != len(expected) {
		t.Errorf("%d dangers, want %d; where the words are right, run the test with -update", len(got), len(expected))
	}
}

func TestNothingRightIsBlamed(t *testing.T) {
	list := vectors(t, "testdata/right.txt")
	if len(list) < 30 {
		t.Fatalf("only %d vectors", len(list))
	}
	for _, v := range list {
		t.Run(v.sentence, func(t *testing.T) {
			for _, f := range findings(t, v.caddyfile) {
				t.Errorf("found %+v", f)
			}
		})
	}
}
