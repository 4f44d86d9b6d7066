package migrate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

// framework is what runs the functions, in the version that the tests of this repository run.
const framework, frameworkVersion = "@cloudbase/functions-framework", "1.18.0"

// planPackages finds which version of each package most functions ask for, which is installed for all (the later one in order, where
// as many ask for each), and which functions ask for others. npm installs those beside the function alone: it is a workspace.
func (o *out) planPackages() {
	asked := map[string]map[string]int{framework: {frameworkVersion: len(o.report.Functions) + 1}}
	for _, f := range o.loaded() {
		if version := f.dependencies[source.SDKModule]; tooOld(version) {
			f.dependencies[source.SDKModule] = "~3.0.4"
		}
		for name, version := range f.dependencies {
			if isLocalSpec(version) {
				continue
			}
			if asked[name] == nil {
				asked[name] = map[string]int{}
			}
			asked[name][version]++
		}
	}
	o.dependencies = map[string]string{}
	for name, versions := range asked {
		o.dependencies[name] = slices.MaxFunc(slices.Collect(maps.Keys(versions)), func(a, b string) int { return cmp.Or(versions[a]-versions[b], cmp.Compare(a, b)) })
	}
	for _, f := range o.loaded() {
		if !maps.Equal(f.dependencies, o.common(f)) {
			o.workspaces = append(o.workspaces, f)
		}
	}
}

// common are the packages of a function, in the versions that are installed for all.
func (o *out) common(f *Function) map[string]string {
	common := map[string]string{}
	for name := range f.dependencies {
		if version, ok := o.dependencies[name]; ok {
			common[name] = version
		}
	}
	return common
}

// writePackage writes the package.json that installs what all functions ask for.
func (o *out) writePackage() error {
	manifest := map[string]any{
		"name": "cloud-functions", "private": true,
		"scripts": map[string]string{
			"start": "node start.cjs",
		},
		"dependencies": o.dependencies,
	}
	if len(o.workspaces) > 0 {
		var folders []string
		for _, f := range o.workspaces {
			folders = append(folders, globQuote(path.Join("project", f.Folder)))
		}
		manifest["workspaces"] = folders
	}
	return o.writeJSON("package.json", manifest)
}

// globQuote writes a path for a place where npm takes a pattern.
func globQuote(name string) string {
	return strings.NewReplacer("[", "[[]", "]", "[]]", "*", "[*]", "?", "[?]", "{", "[{]", "}", "[}]", "(", "[(]", ")", "[)]").Replace(name)
}

// workspace returns the package.json of a function that is a workspace: what Node.js reads of the project's own, under a name that
// no other has, with what the function asks for. Tools and scripts of the developers are not for here.
func (o *out) workspace(f *Function, text []byte) []byte {
	var own map[string]json.RawMessage
	_ = json.Unmarshal(text, &own) // one that cannot be read is one of a function that does not load
	manifest := map[string]any{
		"name": fmt.Sprintf("cloud-function-%d", slices.Index(o.workspaces, f)+1), "private": true, "version": "0.0.0",
		"dependencies": f.dependencies,
	}
	for _, kept := range []string{"main", "type", "exports", "imports"} {
		if value, ok := own[kept]; ok {
			manifest[kept] = value
		}
	}
	written, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return text
	}
	return append(written, '\n')
}
