package migrate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// functionReader reads a function's files: the one that is loaded, and those of the project that it asks for.
type functionReader struct {
	project  *project.Project
	packages map[string]bool // that some package.json names
	function *Function
	own      map[string]string // the function's own package.json
	exports  map[string]map[string]source.Value
	needs    map[string]bool
}

func analyzeFunction(p *project.Project, f *project.Function, packages map[string]bool) *Function {
	r := &functionReader{
		project: p, packages: packages, own: f.Dependencies,
		function: &Function{Name: f.Name, Folder: f.Folder, Triggers: f.Triggers, Problems: f.Problems, entry: f.Entry, dependencies: f.Dependencies},
		exports:  map[string]map[string]source.Value{}, needs: map[string]bool{},
	}
	for _, name := range f.OpenAPI {
		r.openAPI(name, f.Folder+"/config.json")
	}
	if f.Entry == "" {
		r.function.Problems = append(r.function.Problems, "there is no index.js, and package.json names no other file")
	} else {
		r.read(f.Entry)
	}
	sortNeeds(r.function.Needs)
	r.function.Verdict = r.verdict()
	return r.function
}

func (r *functionReader) verdict() Verdict {
	switch {
	case len(r.function.Problems) > 0:
		return DoesNotLoad
	case len(r.function.Needs) > 0:
		return Needs
	case tooOld(r.own[source.SDKModule]):
		return NewerSDK
	}
	return Unchanged
}

// read analyzes one file and those that it asks for. What it exports is known from then on.
func (r *functionReader) read(name string) {
	if _, done := r.exports[name]; done {
		return // or is being read: files that ask for each other see what is there by then, as in Node.js
	}
	r.exports[name] = nil
	if strings.HasSuffix(name, ".json") {
		return
	}
	r.function.files = append(r.function.files, name)
	text, err := r.project.Read(name)
	if err != nil {
		r.problem("%s cannot be read: %v", name, err)
		return
	}
	file, err := source.Analyze(name, text, func(module string) map[string]source.Value {
		found := r.project.Find(name, module)
		if found == "" {
			return nil
		}
		r.read(found)
		return r.exports[found]
	})
	if err != nil {
		r.problem("%s is no JavaScript that loads: %v", name, err)
		return
	}
	r.exports[name] = file.Exports
	for _, required := range file.Requires {
		r.require(name, required)
	}
	for _, use := range file.Uses {
		if use.Path[0] == source.SDK {
			r.use(use, name)
		}
	}
}

func (r *functionReader) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.function.Problems, text) {
		r.function.Problems = append(r.function.Problems, text)
	}
}

func (r *functionReader) unknown(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.function.Unknown, text) {
		r.function.Unknown = append(r.function.Unknown, text)
	}
}

// require judges a module that a file asks for.
func (r *functionReader) require(file string, required source.Require) {
	place := fmt.Sprintf("%s:%d", file, required.Line)
	switch name := required.Name; {
	case name == "?":
		r.unknown("%s: which module is loaded here shows only when it runs", place)
	case strings.HasPrefix(name, "."):
		found := r.project.Find(file, name)
		if found == "" {
			r.problem("%s: there is no file %s", place, name)
			return
		}
		r.read(found)
	case isBuiltin(name):
	case !r.packages[packageName(name)]:
		r.problem("%s: no package.json names the module %s", place, packageName(name))
	default:
		if what := cloudSDKs[packageName(name)]; what != "" {
			r.need(what, place)
		}
	}
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

func (r *functionReader) need(what, place string) {
	if !r.needs[what] {
		r.needs[what] = true
		r.function.Needs = append(r.function.Needs, Need{what, place})
	}
}

// use judges one use of the SDK.
func (r *functionReader) use(use source.Use, file string) {
	place := fmt.Sprintf("%s:%d", file, use.Line)
	switch member := use.Path[1]; member {
	case "getWXContext":
		r.function.Identity = true
	case "getOpenData":
		r.function.OpenData = true
	case "getVoIPSign":
		r.function.VoIPSign = true
	case "openapi":
		r.openAPIUse(use, place)
	case "callFunction":
		if use.Called && use.Name == "" || !use.Called {
			r.function.CallsOther = true
			return
		}
		r.function.Calls = addName(r.function.Calls, use.Name)
	case "init", "updateConfig", "version", "DYNAMIC_CURRENT_ENV", "SYMBOL_CURRENT_ENV", "SYMBOL_DEFAULT_ENV", "logger", "default":
	case "database":
		r.need("the database", place)
	case "uploadFile", "downloadFile", "getTempFileURL", "deleteFile":
		r.need("storage", place)
	case "?":
		r.unknown("%s: which member of the SDK is used here shows only when it runs", place)
	default:
		r.need("cloud."+member, place)
	}
}

// openAPIUse judges cloud.openapi.<name>.
func (r *functionReader) openAPIUse(use source.Use, place string) {
	if len(use.Path) == 2 {
		return // openapi itself, or openapi({appid}): the calls of it are uses of their own
	}
	name := strings.Join(use.Path[2:], ".")
	if strings.Contains(name, "?") {
		r.unknown("%s: which name of cloud.openapi is called here shows only when it runs", place)
		return
	}
	if use.Called || len(use.Path) > 3 {
		r.openAPI(name, place)
	}
}

func (r *functionReader) openAPI(name, place string) {
	_, err := wechat.FindOpenAPI(name)
	if err == nil {
		r.function.OpenAPI = addName(r.function.OpenAPI, name)
		return
	}
	if _, unknown := errors.AsType[*wechat.UnknownOpenAPIError](err); unknown && strings.HasPrefix(name, "cloudbase.") && strings.HasSuffix(name, "OpenData") {
		return
	}
	r.need("cloud.openapi."+name+": "+err.Error(), place)
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

// reaches reports whether npm would install 2.3.3 or later for a range.
func reaches(asked string) bool {
	found := versions.FindStringSubmatch(asked)
	if found == nil || strings.HasPrefix(asked, ">") {
		return true
	}
	major, _ := strconv.Atoi(found[1])
	minor, errMinor := strconv.Atoi(found[2])
	patch, errPatch := strconv.Atoi(found[3])
	switch {
	case major > 2:
		return true
	case major < 2:
		return false
	case strings.HasPrefix(asked, "^") || errMinor != nil:
		return true // anything of 2
	case strings.HasPrefix(asked, "~") || errPatch != nil:
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

// leftToDo is what somebody has to do, in order.
func (r *Report) leftToDo() []string {
	var left []string
	if r.AppID == "" || r.AppID == "touristappid" {
		left = append(left, "project.config.json names no AppID: write yours into the Caddyfile")
	}
	needs := map[string][]string{}
	for _, f := range r.Functions {
		switch f.Verdict {
		case DoesNotLoad:
			left = append(left, fmt.Sprintf("%s does not load: %s", f.Name, strings.Join(f.Problems, "; ")))
		case NewerSDK:
			left = append(left, fmt.Sprintf("%s asks for wx-server-sdk %s, which speaks to Tencent's host alone: write ~3.0.4 into its package.json", f.Name, f.dependencies[source.SDKModule]))
		case Needs:
			for _, need := range f.Needs {
				needs[need.What] = append(needs[need.What], f.Name)
			}
		}
	}
	for _, f := range r.Functions {
		left = append(left, f.wrongTimers()...)
	}
	for _, what := range slices.Sorted(maps.Keys(needs)) {
		left = append(left, fmt.Sprintf("%s: used by %s; %s", what, list(needs[what], 5), adviceFor(what)))
	}
	for _, use := range r.Client.Uses {
		if advice := clientAdvice[use.Member]; advice != "" {
			left = append(left, fmt.Sprintf("wx.cloud.%s (used %d times, first at %s): %s", use.Member, use.Count, use.Places[0], advice))
		}
	}
	return left
}

// wrongTimers are timers that have no translation for systemd.
func (f *Function) wrongTimers() []string {
	var wrong []string
	for _, trigger := range f.Triggers {
		if trigger.Type != "timer" {
			wrong = append(wrong, fmt.Sprintf("the trigger %s of %s is of type %q, which only the cloud has", trigger.Name, f.Name, trigger.Type))
			continue
		}
		if _, err := onCalendar(trigger.Config); err != nil {
			wrong = append(wrong, fmt.Sprintf("the timer %s of %s: %v; write its systemd unit by hand", trigger.Name, f.Name, err))
		}
	}
	return wrong
}

func adviceFor(what string) string {
	switch what {
	case "the database":
		return "it stays in Tencent's cloud, where functions on your servers reach it with @cloudbase/node-sdk and keys of the environment; or move the data to a database of your own"
	case "storage":
		return "files stay in Tencent's cloud, reached with @cloudbase/node-sdk; or move them to a store of your own"
	}
	if strings.HasPrefix(what, "cloud.openapi.") {
		return "see docs/reference.md on openapi and relay"
	}
	return "the gateway does not serve it"
}

// list writes names, at most so many of them.
func list(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
