package migrate

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/functionapi"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
	"github.com/caddy-cloudid/caddy-cloudid/miniprogram"
)

//go:embed templates
var templates embed.FS

// out is the folder that is written.
type out struct {
	root   *os.Root
	folder string
	report *Report
	kept   []string // files that were there already

	// Files of the functions that are not in the folder, and why.
	missing []string

	dependencies map[string]string // of all functions
	workspaces   []*Function       // those that ask for other versions, or for packages of the project
}

// writeOut writes a folder that runs the functions of a project which load. It returns what there is to say of it.
func writeOut(r *Report, p *project.Project, folder string) (*out, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	o := &out{root: root, folder: absolute, report: r}
	o.planPackages()
	for _, step := range []func() error{
		func() error { return o.copyFunctions(p) },
		o.writePackage, o.writeFunctionsConfig, o.writeClient, o.writeTimers,
		func() error { return o.write("cloudid-preload.cjs", []byte(functionapi.Preload())) },
		func() error { return o.template("start.cjs", "start.cjs") },
		func() error { return o.template("Caddyfile", "Caddyfile") },
		func() error { return o.template("functions.service", "systemd/cloudid-functions.service") },
		func() error { return o.template("MOVING.md", "MOVING.md") },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// write writes a file, unless it is there.
func (o *out) write(name string, text []byte) error {
	return o.writeFrom(name, bytes.NewReader(text), 0o644)
}

func (o *out) writeFrom(name string, from io.Reader, mode fs.FileMode) error {
	if dir := path.Dir(name); dir != "." {
		if err := o.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	file, err := o.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		o.kept = append(o.kept, name)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// loaded are the functions that are started.
func (o *out) loaded() []*Function {
	return slices.DeleteFunc(slices.Clone(o.report.Functions), func(f *Function) bool { return f.Verdict == DoesNotLoad })
}

// copyFunctions copies all files of the functions, and those beside them that they ask for.
func (o *out) copyFunctions(p *project.Project) error {
	copied, passed := map[string]bool{}, len(p.Skipped)
	for _, f := range o.report.Functions {
		names := slices.Concat(p.Files(f.Folder), f.files, manifests(p, f.files))
		for _, folder := range f.folders {
			names = append(names, p.Files(folder)...)
		}
		for _, name := range names {
			if copied[name] {
				continue
			}
			copied[name] = true
			if err := o.copyFile(p, f, name); err != nil {
				return err
			}
		}
	}
	o.missing = append(o.missing, p.Skipped[passed:]...)
	return nil
}

func (o *out) copyFile(p *project.Project, f *Function, name string) error {
	if path.Base(name) != "package.json" && !source.IsTypeScript(name) {
		return o.copyBytes(p, name)
	}
	text, err := p.Read(name)
	if err != nil {
		o.missing = append(o.missing, fmt.Sprintf("%s: %v", name, err))
		return nil
	}
	if path.Base(name) == "package.json" {
		text = project.Strict(text) // one that tcb-ff cannot read would end the process for all
	}
	if name == path.Join(f.Folder, "package.json") && slices.Contains(o.workspaces, f) {
		text = o.workspace(f, text)
	}
	if err := o.write(path.Join("project", name), text); err != nil {
		return err
	}
	return o.compile(p, name, text)
}

// copyBytes copies a file of any size, with the right to be run.
func (o *out) copyBytes(p *project.Project, name string) error {
	from, err := p.Open(name)
	if err != nil {
		o.missing = append(o.missing, fmt.Sprintf("%s: %v", name, err))
		return nil
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return o.writeFrom(path.Join("project", name), from, 0o644|info.Mode()&0o111)
}

// manifests are the package.json of the folders of files: they say what kind of module a file is, and which file a folder is.
func manifests(p *project.Project, files []string) []string {
	var found []string
	for _, name := range files {
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			if manifest := path.Join(folder, "package.json"); p.Exists(manifest) && !slices.Contains(found, manifest) {
				found = append(found, manifest)
			}
		}
	}
	return found
}

// compile writes JavaScript beside a file of TypeScript, as devtools do before they upload a function. What the project has
// compiled itself stays.
func (o *out) compile(p *project.Project, name string, text []byte) error {
	if !source.IsTypeScript(name) || p.Exists(source.CompiledName(name)) {
		return nil
	}
	compile := source.Compile
	if isModule, _ := p.IsModule(name); isModule {
		compile = source.CompileModule
	}
	compiled := compile(name, text)
	if compiled == nil {
		return nil // the report says that the function does not load
	}
	return o.write(path.Join("project", source.CompiledName(name)), compiled)
}

func (o *out) writeJSON(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return o.write(name, append(text, '\n'))
}

// writeFunctionsConfig writes what tcb-ff serves. A function that does not load would end the process for all, so it is left
// out.
func (o *out) writeFunctionsConfig() error {
	type function struct {
		Name    string `json:"name"`
		Folder  string `json:"directory"`
		Source  string `json:"source,omitempty"`
		Trigger string `json:"triggerPath"`
	}
	functions := []function{}
	for _, f := range o.loaded() {
		entry := function{Name: f.Name, Folder: path.Join("project", f.Folder), Trigger: "/" + f.Name}
		entryFile := compiledName(f.entry)
		if base, ok := strings.CutPrefix(entryFile, f.Folder+"/"); ok && base != "index.js" {
			entry.Source = base
		}
		functions = append(functions, entry)
	}
	return o.writeJSON("cloudbase-functions.json", map[string]any{"functionsRoot": ".", "functions": functions, "routes": []any{}})
}

// writeClient writes the client module.
func (o *out) writeClient() error {
	for _, name := range []string{"cloud.js", "cloud.d.ts"} {
		text, err := miniprogram.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := o.write("miniprogram/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// timer is what the templates of a timer are made of.
type timer struct {
	Function, Name, Config string
	Calendar               []string
}

// writeTimers writes a unit and a timer of systemd for each trigger.
func (o *out) writeTimers() error {
	written := map[string]int{}
	for _, f := range o.loaded() {
		for _, trigger := range f.Triggers {
			calendar, err := onCalendar(trigger.Config)
			if trigger.Type != "timer" || err != nil {
				continue // the report says so
			}
			t := timer{f.Name, trigger.Name, trigger.Config, calendar}
			base := "systemd/cloudid-" + unitName(f.Name+"-"+trigger.Name)
			if written[base]++; written[base] > 1 { // names in Chinese come down to the same
				base = fmt.Sprintf("%s-%d", base, written[base])
			}
			if err := o.execute("timer.service", base+".service", t); err != nil {
				return err
			}
			if err := o.execute("timer.timer", base+".timer", t); err != nil {
				return err
			}
		}
	}
	return nil
}

// unitName leaves of a name what the name of a unit may hold.
func unitName(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			return c
		}
		return '_'
	}, name)
}

// template writes a file of which the report says what is in it.
func (o *out) template(name, to string) error { return o.execute(name, to, o) }

func (o *out) execute(name, to string, data any) error {
	parsed, err := template.New(name).Funcs(template.FuncMap{"quote": quote, "words": words, "percent": percent}).ParseFS(templates, "templates/"+name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, data); err != nil {
		return err
	}
	return o.write(to, text.Bytes())
}

// quote writes a text as JSON, for single quotes in a unit, where systemd gives a meaning to \, %, $ and '.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string has always a JSON text
	return strings.NewReplacer(`\`, `\\`, `'`, `\\u0027`, `%`, `\\u0025`, `$`, `\\u0024`).Replace(string(quoted))
}

// words writes a text on a line of a unit, where % and line ends mean something.
func words(text string) string {
	return percent(strings.Join(strings.Fields(text), " "))
}

// percent writes a text where systemd gives a meaning to %.
func percent(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// Report, Folder, OpenAPI and the rest are what the templates ask for.

// Report is the report.
func (o *out) Report() *Report { return o.report }

// Missing are files of the functions that are not in the folder, and why.
func (o *out) Missing() []string { return o.missing }

// Folder is the folder's absolute path.
func (o *out) Folder() string { return o.folder }

// AppID is the project's, or one to be replaced.
func (o *out) AppID() string {
	if !o.report.hasAppID() {
		return "wx0123456789abcdef"
	}
	return o.report.AppID
}

// OpenAPI are the names that any function calls or is permitted.
func (o *out) OpenAPI() []string {
	names := map[string]bool{}
	for _, f := range o.loaded() {
		for _, name := range f.OpenAPI {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Env are the environment variables that functions read.
func (o *out) Env() []string {
	var names []string
	for _, f := range o.loaded() {
		for _, name := range f.Env {
			names = addName(names, name)
		}
	}
	return names
}

// Timers reports whether any function has one.
func (o *out) Timers() bool {
	return slices.ContainsFunc(o.loaded(), func(f *Function) bool { return len(f.Triggers) > 0 })
}

// Kept are files that were there already.
func (o *out) Kept() []string { return o.kept }
