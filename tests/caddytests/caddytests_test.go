// Package caddytests runs Caddy's own tests of its reverse proxy with `transport http1` in place of `transport http`.
package caddytests

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const (
	caddyModule  = "github.com/caddyserver/caddy/v2"
	reverseProxy = caddyModule + "/modules/caddyhttp/reverseproxy"
)

// hooks stand in Caddy's package, so that a test can put another transport in place.
const hooks = `package reverseproxy

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

var (
	NewDefaultTransport func(caddy.Context) (http.RoundTripper, error)
	RoundTripOfTests    func(*http.Request) (*http.Response, error)
)
`

// replacement puts this project's transport in place, and fails if no request went by it.
const replacement = `package %PACKAGE%

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/transport"
)

var requestsByHTTP1 atomic.Int64

type countingTransport struct{ *transport.Transport }

func (t countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	requestsByHTTP1.Add(1)
	return t.Transport.RoundTrip(req)
}

func init() {
	reverseproxy.NewDefaultTransport = func(ctx caddy.Context) (http.RoundTripper, error) {
		t := new(transport.Transport)
		return countingTransport{t}, t.Provision(ctx)
	}
	ctx, _ := caddy.NewContext(caddy.Context{Context: context.Background()})
	shared, err := reverseproxy.NewDefaultTransport(ctx)
	if err != nil {
		panic(err)
	}
	reverseproxy.RoundTripOfTests = shared.RoundTrip
}

func TestZZZRequestsWentByHTTP1(t *testing.T) {
	t.Logf("%d requests went by transport http1", requestsByHTTP1.Load())
	if requestsByHTTP1.Load() == 0 {
		t.Error("no request went by transport http1")
	}
}
`

// caddyCopy is a copy of Caddy's source in which a transport can be put in place.
type caddyCopy struct {
	t    *testing.T
	root string // of this project
	dir  string
}

// copyCaddy makes the copy at a place that is the same each time, so that what the go command compiled is used again.
func copyCaddy(t *testing.T, name string) *caddyCopy {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", caddyModule).Output()
	source, version, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || !ok {
		t.Fatalf("where is Caddy's source? %v", err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := &caddyCopy{t: t, root: root, dir: filepath.Join(os.TempDir(), "caddy-cloudid-caddytests", version+"-"+name)}
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(c.dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(c.dir) })
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "go.mod" {
			text = append(text, "\nreplace "+caddyModule+" => "+c.dir+"\n"...)
		}
		if err := os.WriteFile(c.dir+"."+strings.TrimPrefix(name, "go."), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.takeFreePorts()
	return c
}

// takeFreePorts replaces the ports that Caddy's integration tests take, whoever else has them.
func (c *caddyCopy) takeFreePorts() {
	var pairs []string
	for _, port := range []string{"2999", "9080", "9443"} {
		_, free, _ := net.SplitHostPort(freeport.Addr(c.t))
		pairs = append(pairs, port, free)
	}
	replacer := strings.NewReplacer(pairs...)
	files, _ := filepath.Glob(filepath.Join(c.dir, "caddytest", "*.go"))
	more, _ := filepath.Glob(filepath.Join(c.dir, "caddytest", "integration", "*.go"))
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		path, _ := filepath.Rel(c.dir, file)
		c.add(filepath.ToSlash(path), replacer.Replace(string(text)))
	}
}

// copyWithHTTP1 makes a copy whose default transport is this project's.
func copyWithHTTP1(t *testing.T) *caddyCopy {
	t.Helper()
	if testing.Short() {
		t.Skip("Caddy is compiled anew")
	}
	c := copyCaddy(t, "http1")
	c.add("modules/caddyhttp/reverseproxy/zz_hooks.go", hooks)
	c.edit("modules/caddyhttp/reverseproxy/reverseproxy.go", "		t := &HTTPTransport{}\n		err := t.Provision(ctx)\n", "		t, err := NewDefaultTransport(ctx)\n")
	return c
}

func (c *caddyCopy) add(path, text string) {
	c.t.Helper()
	file := filepath.Join(c.dir, filepath.FromSlash(path))
	_ = os.Chmod(file, 0o600) // the module cache is read-only
	_ = os.Chmod(filepath.Dir(file), 0o700)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// edit replaces a text that must stand in Caddy's file exactly once.
func (c *caddyCopy) edit(path, old, replacement string) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(path)))
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		c.t.Fatalf("%s is not as it was in the version of Caddy that this test was written for: %q", path, old)
	}
	c.add(path, strings.Replace(string(text), old, replacement, 1))
}

// run runs the tests of a package whose names match. So many of them must pass, and none may fail that passes with Caddy as
// it is.
func (c *caddyCopy) run(pkg, names string, atLeast int) {
	c.t.Helper()
	first := c.goTest(pkg, names)
	out := first
	passed, failed := results(out)
	for try := 1; len(failed) > 0 && try <= 3; try++ { // some depend on how fast the machine is, or on ports that others may take
		out = c.goTest(pkg, "^("+strings.Join(failed, "|")+")$")
		_, failed = results(out)
	}
	if len(failed) > 0 {
		alsoFailed := make(map[string]bool)
		_, names := results(copyCaddy(c.t, "plain").goTest(pkg, "^("+strings.Join(failed, "|")+")$"))
		for _, name := range names {
			alsoFailed[name] = true
		}
		for _, name := range failed {
			if alsoFailed[name] {
				c.t.Logf("%s fails with transport http, too", name)
				continue
			}
			c.t.Errorf("%s fails with transport http1 only", name)
		}
	}
	if len(passed) < atLeast || c.t.Failed() {
		c.t.Fatalf("%d tests passed, want %d:\n%s", len(passed), atLeast, strings.Join(complaints.FindAllString(out, 100), "\n"))
	}
	requests := regexp.MustCompile(`\d+ requests went by transport http1`).FindString(first)
	c.t.Logf("%d of Caddy's tests passed; %s", len(passed), requests)
}

// complaints are the lines in which tests say what is wrong, among all that Caddy logs.
var complaints = regexp.MustCompile(`(?m)^ *(--- FAIL: .*|\w+_test\.go:\d+: .*|FAIL.*|panic: .*|.*\.go:\d+:\d+: .*)$`)

func (c *caddyCopy) goTest(pkg, names string) string {
	command := exec.Command("go", "test", "-modfile", c.dir+".mod", "-count=1", "-timeout=180s", "-v", "-run", names, pkg)
	command.Dir = c.root
	out, _ := command.CombinedOutput()
	return string(out)
}

// results returns the names of the tests that passed, and of those that failed.
func results(out string) (passed, failed []string) {
	for _, line := range regexp.MustCompile(`(?m)^--- (PASS|FAIL): (\w+)`).FindAllStringSubmatch(out, -1) {
		if line[1] == "PASS" {
			passed = append(passed, line[2])
		} else {
			failed = append(failed, line[2])
		}
	}
	return passed, failed
}

func TestPackageReverseProxy(t *testing.T) {
	c := copyWithHTTP1(t)
	c.edit("modules/caddyhttp/reverseproxy/retries_test.go", "resp, err := t.Transport.RoundTrip(req)", "resp, err := RoundTripOfTests(req)")
	c.add("modules/caddyhttp/reverseproxy/zz_http1_test.go", strings.Replace(replacement, "%PACKAGE%", "reverseproxy_test", 1))
	c.run(reverseProxy, ".", 100)
}

func TestIntegration(t *testing.T) {
	c := copyWithHTTP1(t)
	c.add("caddytest/integration/zz_http1_test.go", strings.Replace(replacement, "%PACKAGE%", "integration", 1))
	c.run(caddyModule+"/caddytest/integration", "ReverseProxy|ForwardAuth|Proxy|Stream|H2|Replacer|Respond|Intercept|RequestBody|ZZZ", 40)
}
