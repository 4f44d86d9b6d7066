// Package golden pins what the plugin's Caddyfiles become, and what is said of those that are wrong. Each file holds a
// Caddyfile, a line of dashes, and what is expected: in adapt/ the JSON or the error of adapting it, in load/ the error of
// loading it.
//
// After a change that is meant, `go test ./tests/golden -update` writes what comes out now; read the diff.
package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
)

const separator = "----------\n"

var update = flag.Bool("update", false, "write what comes out now into the files")

func TestAdapt(t *testing.T) {
	each(t, "adapt", func(t *testing.T, caddyfile string) string {
		adapted, err := caddyrig.Adapt(caddyfile)
		if err != nil {
			return err.Error() + "\n"
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, adapted, "", "\t"); err != nil {
			t.Fatal(err)
		}
		return pretty.String() + "\n"
	})
}

func TestLoad(t *testing.T) {
	each(t, "load", func(t *testing.T, caddyfile string) string {
		adapted, err := caddyrig.Adapt(caddyfile)
		if err != nil {
			t.Fatalf("adapting failed already: %v", err)
		}
		var config caddy.Config
		if err := json.Unmarshal(adapted, &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err != nil {
			return ours(err) + "\n"
		}
		return "no error\n"
	})
}

// ours is what the plugin says of an error of loading. What Caddy says before it depends on the order of its apps, which is
// another each time.
func ours(err error) string {
	text := err.Error()
	for _, module := range []string{"cloudid", "http.handlers.cloudid"} {
		if _, after, found := strings.Cut(text, "provision "+module+": "); found {
			text = after
		}
	}
	return text
}

// each runs a subtest for every file of a directory.
func each(t *testing.T, dir string, outcome func(t *testing.T, caddyfile string) string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.caddytest"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddytest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, found := strings.Cut(string(text), separator)
			if !found {
				t.Fatal("no line of dashes in it")
			}
			got := outcome(t, caddyfile)
			if *update {
				if err := os.WriteFile(file, []byte(caddyfile+separator+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("became\n%s\nwant\n%s", got, want)
			}
		})
	}
}
