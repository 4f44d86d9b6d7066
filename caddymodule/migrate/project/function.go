package project

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
)

// readFunctions reads each folder of the functions' own.
func (p *Project) readFunctions(folder string) error {
	entries, err := fs.ReadDir(p.root.FS(), folder)
	if err != nil {
		return fmt.Errorf("the folder of the functions, %s, cannot be read: %w", folder, err)
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		if entry.Name()[0] == '.' || entry.Name() == "node_modules" {
			continue
		}
		if _, err := p.root.Stat(name); err != nil {
			p.Skipped = append(p.Skipped, name+": "+leadsNowhere)
		}
		switch isFunction := p.looksLikeFunction(name); {
		case isFunction && !functionName.MatchString(entry.Name()):
			p.Skipped = append(p.Skipped, fmt.Sprintf("%q: the name of a function has letters, digits, _ and - only, and does not begin with -, so nothing can call this one", name))
		case isFunction:
			p.Functions = append(p.Functions, p.readFunction(entry.Name(), name))
		case p.hasFunctions(name):
			p.Skipped = append(p.Skipped, name+": functions are the folders of "+folder+" itself, not those further down; move these up, or name their folder as the cloudfunctionRoot")
		}
	}
	return nil
}

// functionName is what a function may be called, in the cloud and here.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)

// looksLikeFunction tells a function's folder from one that only holds what functions share.
func (p *Project) looksLikeFunction(folder string) bool {
	for _, file := range []string{"index.js", "index.ts", "index.mjs", "index.cjs", "index.mts", "index.cts", "package.json", "config.json"} {
		if info, err := p.root.Stat(path.Join(folder, file)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func (p *Project) readFunction(name, folder string) *Function {
	f := &Function{Name: name, Folder: folder}
	manifest, err := p.manifest(folder)
	switch {
	case err == nil:
		f.Dependencies = manifest.dependencies()
	case !errors.Is(err, fs.ErrNotExist):
		f.Problems = append(f.Problems, fmt.Sprintf("package.json: %v", err))
	}
	var config struct {
		Permissions struct {
			OpenAPI []string `json:"openapi"`
		} `json:"permissions"`
		Triggers []Trigger `json:"triggers"`
	}
	if err := p.readJSON(path.Join(folder, "config.json"), &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Unread = fmt.Sprintf("%s/config.json is not read, so its permissions and timers are not in this report: %v", folder, err)
	}
	f.OpenAPI, f.Triggers = config.Permissions.OpenAPI, config.Triggers
	for _, timer := range p.timers[name] {
		if !slices.Contains(f.Triggers, timer) {
			f.Triggers = append(f.Triggers, timer)
		}
	}
	find := func(file string) string { return p.Find(path.Join(folder, "package.json"), "./"+file) }
	f.Entry = cmp.Or(find(cmp.Or(manifest.Main, "index")), find("index"))
	if f.Entry == "" && manifest.Main != "" {
		f.Problems = append(f.Problems, fmt.Sprintf("package.json names %s, which is not there: build the function first", manifest.Main))
	}
	return f
}

// manifest is what a package.json says that counts here.
type manifest struct {
	Main         string            `json:"main"`
	Type         string            `json:"type"`
	Dependencies map[string]string `json:"dependencies"`
	Optional     map[string]string `json:"optionalDependencies"`
	Peer         map[string]string `json:"peerDependencies"`
}

// dependencies are the packages that npm installs.
func (m *manifest) dependencies() map[string]string {
	all := map[string]string{}
	for _, of := range []map[string]string{m.Peer, m.Dependencies, m.Optional} {
		maps.Copy(all, of)
	}
	return all
}

func (p *Project) manifest(folder string) (m manifest, err error) {
	return m, p.readJSON(path.Join(folder, "package.json"), &m)
}

// Dependencies are the packages that the package.json of a folder asks for, with their versions.
func (p *Project) Dependencies(folder string) map[string]string {
	m, _ := p.manifest(folder) // one that cannot be read names none
	return m.dependencies()
}

// IsModule reports whether Node.js takes a file for an ES module whatever is in it: by its extension, or by the package.json nearest to
// it, which by names.
func (p *Project) IsModule(name string) (is bool, by string) {
	switch ext := path.Ext(name); ext {
	case ".mjs", ".mts":
		return true, "the extension " + ext
	case ".cjs", ".cts":
		return false, ""
	}
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) { // that of the client stands there
		if m, err := p.manifest(folder); err == nil {
			return m.Type == "module", `"type": "module" in ` + path.Join(folder, "package.json")
		}
	}
	return false, ""
}

// readJSON reads a file of JSON. A file that is empty says nothing.
func (p *Project) readJSON(name string, into any) error {
	text, err := p.Read(name)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	return unmarshal(text, into)
}
