// Package caddyrig runs Caddy in the process of a test, and reads its log. With Start each test has a Caddy of its own, so that
// tests run at once; with Load it is the process's only one, as in production, with admin endpoint and all.
package caddyrig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the Caddyfile's adapter, and what Caddy has without plugins
)

// Adapt returns the JSON of a Caddyfile.
func Adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// MustAdapt returns the JSON of a Caddyfile in which nothing is wrong.
func MustAdapt(t testing.TB, caddyfile string) []byte {
	t.Helper()
	config, err := Adapt(caddyfile)
	if err != nil {
		t.Fatalf("adapt: %v\n%s", err, caddyfile)
	}
	return config
}

// Load makes a Caddyfile the process's running config, and stops Caddy when the test ends. No two tests that load a config run at
// once.
func Load(t testing.TB, caddyfile string) {
	t.Helper()
	t.Cleanup(func() { _ = caddy.Stop() })
	Reload(t, caddyfile)
}

// LoadJSON is Load of a config in JSON.
func LoadJSON(t testing.TB, config []byte) {
	t.Helper()
	t.Cleanup(func() { _ = caddy.Stop() })
	if err := caddy.Load(config, true); err != nil {
		t.Fatalf("load: %v\n%s", err, config)
	}
}

// Reload makes a Caddyfile the running config, in the place of the one before it. Caddy goes on when the test ends, which
// may be a subtest of the one that stops it.
func Reload(t testing.TB, caddyfile string) {
	t.Helper()
	if err := caddy.Load(MustAdapt(t, caddyfile), true); err != nil {
		t.Fatalf("load: %v\n%s", err, caddyfile)
	}
}

// Stop makes Caddy run nothing, after which its log is complete.
func Stop(t testing.TB) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}

// Log is the name of a file for a Caddyfile's log: output file <log>. It lasts as long as the test that made it.
type Log string

// NewLog returns the name of a file that is not there yet.
func NewLog(t testing.TB) Log { return Log(filepath.Join(t.TempDir(), "log.json")) }

// Text returns all that is logged so far.
func (l Log) Text(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(string(l))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Lines returns the lines that contain all of these texts, such as `"level":"warn"`.
func (l Log) Lines(t testing.TB, texts ...string) []string {
	t.Helper()
	var found []string
lines:
	for line := range strings.Lines(l.Text(t)) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		found = append(found, line)
	}
	return found
}
