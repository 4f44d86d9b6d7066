package check_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

// accounts stands in front of each vector that has no global options of its own.
const accounts = `{
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up-but-long-enough
		}
	}
}
`

// vector is a Caddyfile below a sentence that says what it is.
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
		if !strings.HasPrefix(v.caddyfile, "{\n") {
			v.caddyfile = accounts + v.caddyfile
		}
		list = append(list, v)
	}
	return list
}

func findings(t *testing.T, caddyfile string) []check.Finding {
	t.Helper()
	found, err := check.Config(caddyrig.MustAdapt(t, caddyfile))
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
