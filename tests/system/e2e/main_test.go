// Package e2e tests the whole: the binary as it is built, with real functions behind it, as the README uses it, several of
// it at once, and what all of it together must never do. What one package alone can show is tested in that package.
package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// root is the repository.
var root = sync.OnceValue(func() string {
	path, err := filepath.Abs("../../..")
	if err != nil {
		panic(err)
	}
	return path
})

var buildDir string

// build makes the binary, once for all tests, with the flags of xcaddy.sh.
var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CADDY_BINARY"); path != "" {
		return path, nil
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "caddy-cloudid-"); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "caddy")
	cmd := exec.Command("go", "build", "-tags=nobadger,nomysql,nopgx", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./caddymodule/cmd/caddy")
	cmd.Dir = root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(out))
	}
	return path, nil
})

// caddyBinary returns the path of a Caddy with the plugin: the one that CADDY_BINARY names, else one built from this tree.
func caddyBinary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// missing skips a test for what this machine lacks; in CI, where nothing may skip, it fails the test.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// program returns the path of a program that a test cannot do without.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is not installed", name)
	}
	return path
}

// npmFolder is the folder with what the tests need of npm, installed.
func npmFolder(t *testing.T) string {
	t.Helper()
	program(t, "node")
	folder := filepath.Join(root(), "tests", "system", "e2e", "node")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		missing(t, "the functions' packages are not installed: run `npm ci` in tests/system/e2e/node")
	}
	return folder
}
