package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Another plugin, as its author has it on disk.
const helloModule = `package hello

import "github.com/caddyserver/caddy/v2"

func init() { caddy.RegisterModule(Hello{}) }

type Hello struct{}

func (Hello) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.hello", New: func() caddy.Module { return new(Hello) }}
}
`

// `xcaddy.sh build --with MODULE=PATH` builds a Caddy with both plugins, by xcaddy or, where that cannot be had, without.
func TestBuildWithAnotherModule(t *testing.T) {
	program(t, "bash")
	module := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/hello\n\ngo 1.25\n", "hello.go": helloModule} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output := filepath.Join(t.TempDir(), "caddy")
	said, err := xcaddy("build", "--output", output, "--with", "example.com/hello="+module)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	way := "with xcaddy"
	if strings.Contains(said, "xcaddy cannot be had") {
		way = "with go build"
	}
	if !strings.Contains(said, "building "+output+" "+way) {
		t.Errorf("xcaddy.sh does not say how it builds: %s", said)
	}
	modules, err := exec.Command(output, "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"cloudid", "http.handlers.cloudid", "http.handlers.cloudid_api", "http.handlers.wechat_login",
		"http.authentication.providers.wechat", "http.handlers.cloudid_sandbox", "http.matchers.hello",
	} {
		if !strings.Contains(string(modules), "\n"+id+"\n") {
			t.Errorf("the Caddy that was built %s has no module %s", way, id)
		}
	}
}

// What xcaddy.sh does not know it refuses before it builds anything, and says where to look.
func TestXcaddyRefuses(t *testing.T) {
	program(t, "bash")
	for said, args := range map[string][]string{
		"unknown argument '--wiht'":  {"build", "--wiht", "example.com/hello"},
		"unknown argument 'stray'":   {"build", "--output", filepath.Join(t.TempDir(), "caddy"), "stray"},
		"--with takes an argument":   {"build", "--with"},
		"--output takes an argument": {"build", "--output"},
		"run takes no arguments":     {"run", "--config", "Caddyfile"},
		"usage:":                     {"biuld"},
		"./xcaddy.sh build [--output FILE] [--with MODULE[@VERSION": {},
	} {
		out, err := xcaddy(args...)
		if err == nil || !strings.Contains(out, said) {
			t.Errorf("xcaddy.sh %s: %v, and says %q; it should fail and say %q", strings.Join(args, " "), err, out, said)
		}
	}
	if out, err := xcaddy("help"); err != nil || !strings.Contains(out, "./xcaddy.sh run") {
		t.Errorf("xcaddy.sh help: %v, %q", err, out)
	}
}

func xcaddy(args ...string) (said string, err error) {
	out, err := exec.Command(filepath.Join(root(), "xcaddy.sh"), args...).CombinedOutput()
	return string(out), err
}
