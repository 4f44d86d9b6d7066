package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// A real plugin, in a version that its own tags do not list: nothing may depend on a proxy that lists versions.
const (
	realModule  = "github.com/mholt/caddy-l4"
	realVersion = "v0.1.2"
)

// `xcaddy.sh build --with` builds a Caddy with this plugin, a real one by version and one from disk, by xcaddy or, where that
// cannot be had, without. The build names their versions.
func TestBuildWithOtherModules(t *testing.T) {
	module := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/hello\n\ngo 1.25\n", "hello.go": helloModule} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clone, here := taggedClone(t), filepath.Dir(module)
	output := filepath.Join(here, "caddy")
	t.Chdir(here) // to which paths are relative
	said, err := xcaddy(clone, "build", "--output", "caddy", "--with", realModule+"@"+realVersion, "--with", "example.com/hello="+filepath.Base(module))
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
	wantModules(t, output, "http.matchers.hello ", "layer4 "+realVersion)
	if out, err := exec.Command(output, "cloudid", "migrate", "--help").CombinedOutput(); err != nil || !strings.Contains(string(out), "--out") {
		t.Errorf("the build has no command migrate: %v\n%s", err, out)
	}
}

// A plain build names the version too: the tag of a clone that was not changed, else the commit, else v0.0.0.
func TestBuildNamesItsVersion(t *testing.T) {
	clone := taggedClone(t)
	output := filepath.Join(t.TempDir(), "caddy")
	build := func() {
		t.Helper()
		if said, err := xcaddy(clone, "build", "--output", output); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	build()
	wantModules(t, output)

	readme := filepath.Join(clone, "README.md")
	if err := os.WriteFile(readme, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	build()
	if version := versionOf(t, output); !regexp.MustCompile(`^v0\.0\.0-20\d{12}-[0-9a-f]{12}$`).MatchString(version) {
		t.Errorf("a changed clone is built as version %q; it should name the commit", version)
	}

	if err := os.RemoveAll(filepath.Join(clone, ".git")); err != nil {
		t.Fatal(err)
	}
	build()
	if version := versionOf(t, output); version != "v0.0.0" {
		t.Errorf("what is no clone is built as version %q; want v0.0.0", version)
	}
}

const cloneTag = "v1.2.3"

// taggedClone is a clone of this tree at a commit that has a tag.
func taggedClone(t *testing.T) string {
	t.Helper()
	program(t, "git")
	clone := cloneRepository(t)
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "--no-gpg-sign", "-m", "all"},
		{"tag", cloneTag},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = clone
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return clone
}

// wantModules checks that a build has this plugin's modules in the version of the tagged clone, and these.
func wantModules(t *testing.T, binary string, more ...string) {
	t.Helper()
	for _, id := range []string{
		"cloudid", "http.handlers.cloudid", "http.handlers.cloudid_api", "http.handlers.wechat_login",
		"http.authentication.providers.wechat", "http.handlers.cloudid_sandbox",
	} {
		more = append(more, id+" "+cloneTag)
	}
	modules := modulesOf(t, binary)
	for _, module := range more {
		if !strings.Contains(modules, "\n"+module) {
			t.Errorf("the build has no module %s; it has %s", module, modules)
		}
	}
}

func versionOf(t *testing.T, binary string) string {
	t.Helper()
	_, after, _ := strings.Cut(modulesOf(t, binary), "\nhttp.handlers.cloudid ")
	version, _, _ := strings.Cut(after, "\n")
	return version
}

func modulesOf(t *testing.T, binary string) string {
	t.Helper()
	modules, err := exec.Command(binary, "list-modules", "--versions", "--skip-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	return "\n" + string(modules)
}

// What xcaddy.sh does not know it rejects before it builds anything, and says where to look.
func TestXcaddyRejects(t *testing.T) {
	program(t, "bash")
	for said, args := range map[string][]string{
		"unknown argument '--without'": {"build", "--without", "example.com/hello"},
		"unknown argument 'stray'":     {"build", "--output", filepath.Join(t.TempDir(), "caddy"), "stray"},
		"--with takes an argument":     {"build", "--with"},
		"--output takes an argument":   {"build", "--output"},
		"run takes no arguments":       {"run", "--config", "Caddyfile"},
		"usage:":                       {"biuld"},
		"./xcaddy.sh build [--output FILE] [--with MODULE[@VERSION": {},
	} {
		out, err := xcaddy(root(), args...)
		if err == nil || !strings.Contains(out, said) {
			t.Errorf("xcaddy.sh %s: %v, and says %q; it should fail and say %q", strings.Join(args, " "), err, out, said)
		}
	}
	if out, err := xcaddy(root(), "help"); err != nil || !strings.Contains(out, "./xcaddy.sh run") {
		t.Errorf("xcaddy.sh help: %v, %q", err, out)
	}
}

func xcaddy(clone string, args ...string) (said string, err error) {
	out, err := exec.Command(filepath.Join(clone, "xcaddy.sh"), args...).CombinedOutput()
	return string(out), err
}
