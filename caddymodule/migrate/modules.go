package migrate

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
)

// require judges a module that a file asks for.
func (r *functionReader) require(file string, required source.Require) {
	place := fmt.Sprintf("%s:%d", file, required.Line)
	missing := r.problem
	if required.Tried {
		missing = func(format string, args ...any) { r.note(format+"; it loads without", args...) }
	}
	switch name, found := required.Name, r.find(file, required.Name); {
	case found != "" && !r.namesInFull(file, name, found):
		missing("%s: an ES module names a file in full: %s, not %s", place, relative(file, found), name)
	case name == "?":
		r.unknown("%s: which module is loaded here shows only when it runs", place)
	case found != "":
		r.read(found)
	case strings.HasPrefix(name, "/"):
		missing("%s: %s is a path of the machine, which is no part of the project", place, name)
	case strings.HasPrefix(name, ".") || r.localPackage(packageName(name)) != "":
		missing("%s: there is no file %s", place, name)
	case isBuiltin(name):
	case r.nameModule(packageName(name), place):
	case !r.packages[packageName(name)]:
		missing("%s: no package.json names the module %s", place, packageName(name))
	default:
		if what := cloudSDKs[packageName(name)]; what != "" {
			r.need(what, place)
		}
	}
}

// find returns the file of the project that a module is: one beside the file that asks for it, or one of a package that is a
// folder of the project. "" is for other packages, and for what is not there.
func (r *functionReader) find(from, module string) string {
	if strings.HasPrefix(module, ".") {
		return r.project.Find(from, module)
	}
	name := packageName(module)
	folder := r.localPackage(name)
	if folder == "" {
		return ""
	}
	found := r.project.Find(path.Join(folder, "package.json"), "."+strings.TrimPrefix(module, name))
	if found != "" && !slices.Contains(r.function.folders, folder) {
		r.function.folders = append(r.function.folders, folder)
		for other := range r.project.Dependencies(folder) {
			r.packages[other] = true
		}
	}
	return found
}

// namesInFull reports whether a module is named as Node.js wants it: an ES module names a file with its extension, and no folder.
func (r *functionReader) namesInFull(from, module, found string) bool {
	isModule, _ := r.project.IsModule(from)
	if !isModule || !strings.HasPrefix(module, ".") {
		return true
	}
	return path.Join(path.Dir(from), module) == compiledName(found)
}

// relative writes the name of a file as another file of the project asks for it.
func relative(from, name string) string {
	path, err := filepath.Rel(filepath.Dir(from), compiledName(name))
	if err != nil {
		return name
	}
	if path = filepath.ToSlash(path); !strings.HasPrefix(path, ".") {
		path = "./" + path
	}
	return path
}

// compiledName is the name of a file as it runs.
func compiledName(name string) string {
	if source.IsTypeScript(name) {
		return source.CompiledName(name)
	}
	return name
}

// localPackage returns the folder of the project that package.json names as a package; "" if it names none.
func (r *functionReader) localPackage(name string) string {
	if spec := r.own[name]; isLocalSpec(spec) {
		_, folder, _ := strings.Cut(spec, ":")
		if folder == "" {
			folder = spec
		}
		return path.Join(r.function.Folder, folder)
	}
	return ""
}

// isLocalSpec reports whether a package.json asks for a package from the disk.
func isLocalSpec(version string) bool {
	return strings.HasPrefix(version, "file:") || strings.HasPrefix(version, "link:") || strings.HasPrefix(version, ".")
}

// packageName is the package of a module, as in @scope/name of @scope/name/file.
func packageName(module string) string {
	parts := strings.SplitN(module, "/", 3)
	if strings.HasPrefix(module, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// cloudSDKs are other packages that speak to Tencent's cloud.
var cloudSDKs = map[string]string{
	"tcb-admin-node":          "tcb-admin-node, which speaks to Tencent's cloud itself",
	"@cloudbase/node-sdk":     "@cloudbase/node-sdk, which speaks to Tencent's cloud itself",
	"@cloudbase/manager-node": "@cloudbase/manager-node, which speaks to Tencent's cloud itself",
}

// cameWithSDK are packages that versions of wx-server-sdk bring along, or brought, so that functions used them without naming
// them. Which do depends on the version, so what --out writes names them, in versions that went with it.
var cameWithSDK = map[string]string{
	"agentkeepalive": "^4.3.0", "axios": "^0.21.1", "json-bigint": "^1.0.0", "jsonwebtoken": "^8.5.1", "lodash.merge": "^4.6.1",
	"protobufjs": "^7.2.4", "request": "^2.88.2", "request-promise": "^4.2.5", "retry": "^0.13.1", "tslib": "^1.9.3", "xml2js": "^0.5.0",
}

// nameModule makes a function ask for a package that came with the SDK; false is for other packages.
func (r *functionReader) nameModule(name, place string) bool {
	version, came := cameWithSDK[name]
	if !came || r.packages[name] || !r.packages[source.SDKModule] {
		return false
	}
	r.function.dependencies[name] = version
	r.note("%s: no package.json names %s, which came with wx-server-sdk; what --out writes names it", place, name)
	return true
}

// versions finds the numbers in what package.json asks for, such as ~2.6.3.
var versions = regexp.MustCompile(`(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?`)

// tooOld reports whether a range of versions holds none from 2.3.3 on. What has no number, such as latest, does.
func tooOld(asked string) bool {
	if asked == "" || strings.ContainsAny(asked, ":/") {
		return false
	}
	newest := false
	for alternative := range strings.SplitSeq(asked, "||") {
		newest = newest || reaches(strings.TrimSpace(alternative))
	}
	return !newest
}

// reaches reports whether npm would install 2.3.3 or later for a range. Of two ends the upper one counts.
func reaches(asked string) bool {
	end := asked[max(0, strings.LastIndexByte(asked, '<'), strings.LastIndex(asked, " - ")):]
	found := versions.FindStringSubmatch(end)
	if found == nil || strings.HasPrefix(end, ">") {
		return true
	}
	major, _ := strconv.Atoi(found[1])
	minor, errMinor := strconv.Atoi(found[2])
	patch, errPatch := strconv.Atoi(found[3])
	switch {
	case strings.HasPrefix(end, "<") && !strings.HasPrefix(end, "<="):
		return slices.Compare([]int{major, minor, patch}, []int{2, 3, 3}) > 0
	case major > 2:
		return true
	case major < 2:
		return false
	case strings.HasPrefix(end, "^") || errMinor != nil:
		return true // anything of 2
	case strings.HasPrefix(end, "~") || errPatch != nil:
		return minor >= 3 // anything of 2.3
	}
	return minor > 3 || minor == 3 && patch >= 3
}

// builtins are Node.js's own modules.
var builtins = strings.Fields(`assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel
	dns domain events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl
	stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib`)

func isBuiltin(module string) bool {
	base, _, _ := strings.Cut(module, "/")
	return strings.HasPrefix(module, "node:") || slices.Contains(builtins, base)
}
