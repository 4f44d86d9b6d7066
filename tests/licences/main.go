// Command licences knows under which licences the modules come that are compiled into Caddy with this plugin:
//
//	cd tests/licences && go run . -update
//
// writes them into licences.txt. Without -update it fails if that file is out of date. It always fails if a licence is
// unknown, or is none with which all of it can be handed out under Apache-2.0.
//
// It is a program, since go test would not notice that what `go list` says has changed, and a module of its own, so that the
// plugin does not depend on what recognises licences.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

const (
	plugin    = "github.com/caddy-cloudid/caddy-cloudid"
	caddy     = "github.com/caddyserver/caddy/v2/cmd/caddy"
	tags      = "nobadger,nomysql,nopgx" // as in xcaddy.sh
	list      = "licences.txt"
	threshold = 75 // percent of a licence's text that must be recognised, as on pkg.go.dev
	unknown   = "unknown"
)

// compatible are the licences that allow to hand out all of it under Apache-2.0.
var compatible = []string{"Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Views", "BSD-3-Clause", "CC0-1.0", "MIT"}

// exceptions are for one module only.
var exceptions = map[string]string{
	// Of a font in formatters/svg, which is not compiled in; and the OFL lets fonts be part of any program.
	"github.com/alecthomas/chroma/v2": "OFL-1.1",
}

var licenceFile = regexp.MustCompile(`(?i)^((un)?licen[sc]e|copying)`)

// licences are by module the SPDX identifiers.
type licences map[string]map[string]bool

func main() {
	update := flag.Bool("update", false, "write what comes out now into "+list)
	flag.Parse()
	if err := run(*update); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(update bool) error {
	plain, err := of(caddy)
	if err != nil {
		return err
	}
	all, err := of(plugin, plugin+"/caddymodule/cmd/caddy")
	if err != nil {
		return err
	}
	added := maps.Clone(all)
	maps.DeleteFunc(added, func(module string, _ map[string]bool) bool { return plain[module] != nil })

	text := fmt.Sprintf("# Written by `go run . -update`.\n\n# Added by the plugin: %d modules\n%s\n# In any Caddy that is built with the tags %s: %d modules\n%s",
		len(added), added, tags, len(plain), plain)
	if update {
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if refused := all.refused(); len(refused) > 0 {
		return fmt.Errorf("unknown, or not compatible with Apache-2.0:\n%s", refused)
	}
	committed, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	if string(committed) != text {
		return fmt.Errorf("%s is out of date: run `go run . -update` and read the diff", list)
	}
	fmt.Printf("%d modules, %d of them added by the plugin: all licences are known and compatible\n", len(all), len(added))
	return nil
}

// of returns the licences of all modules that are compiled in, on any of the usual systems.
func of(packages ...string) (licences, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"
	found := licences{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", tags, "-f", format}, packages...)...)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		output, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		for line := range strings.Lines(string(output)) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) != 3 {
				continue // of the standard library, or ours
			}
			if err := found.add(fields[0], fields[1], fields[2]); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// add reads what lies in the package's directory and in those above it, up to the module's: copied code often has a licence
// of its own.
func (l licences) add(module, root, directory string) error {
	if l[module] == nil {
		l[module] = map[string]bool{}
	}
	for {
		identifiers, err := in(directory)
		if err != nil {
			return err
		}
		for _, identifier := range identifiers {
			l[module][identifier] = true
		}
		if directory == root {
			return nil
		}
		directory = filepath.Dir(directory)
	}
}

var seen = map[string][]string{}

// in returns the SPDX identifiers of the licence files in one directory.
func in(directory string) ([]string, error) {
	if identifiers, ok := seen[directory]; ok {
		return identifiers, nil
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	var identifiers []string
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, entry.Name()))
		if err != nil {
			return nil, err
		}
		coverage := licensecheck.Scan(text)
		if coverage.Percent < threshold {
			identifiers = append(identifiers, unknown)
		}
		for _, match := range coverage.Match {
			identifiers = append(identifiers, match.ID)
		}
	}
	seen[directory] = identifiers
	return identifiers, nil
}

// refused are the modules whose licence is unknown, or not compatible.
func (l licences) refused() licences {
	refused := maps.Clone(l)
	maps.DeleteFunc(refused, func(module string, identifiers map[string]bool) bool {
		for identifier := range identifiers {
			if !slices.Contains(compatible, identifier) && exceptions[module] != identifier {
				return false
			}
		}
		return len(identifiers) > 0
	})
	return refused
}

func (l licences) String() string {
	var text strings.Builder
	for _, module := range slices.Sorted(maps.Keys(l)) {
		identifiers := slices.Sorted(maps.Keys(l[module]))
		if len(identifiers) == 0 {
			identifiers = []string{unknown}
		}
		fmt.Fprintf(&text, "%s %s\n", module, strings.Join(identifiers, ", "))
	}
	return text.String()
}
