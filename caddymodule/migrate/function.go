package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/source"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// clientOnly is what a function cannot use, here or in the cloud.
const clientOnly = "wx.cloud, which is there in the mini program only"

// fromWorkingDirectory is how a function reads files of its own where its folder is the working directory.
const fromWorkingDirectory = "the function's folder as the working directory"

// platformEnv matches the environment variables that Node.js, the system, the cloud or the preload set, and "?".
var platformEnv = regexp.MustCompile(`^(\?|(WX|TCB|SCF|TENCENTCLOUD|CLOUDID|NODE|npm)_.*|_.*|TZ|PATH|HOME|PWD|PORT|LANG|USER|TMPDIR|DEBUG)$`)

// functionReader reads a function's files: the one that is loaded, and those of the project that it asks for.
type functionReader struct {
	project  *project.Project
	packages map[string]bool // that some package.json names
	function *Function
	own      map[string]string // the function's own package.json
	exports  map[string]map[string]source.Value
	needs    map[string]bool
	known    source.Known
	permits  []string // names of config.json that the gateway does not serve
}

func analyzeFunction(p *project.Project, f *project.Function, packages map[string]bool) *Function {
	r := &functionReader{
		project: p, packages: packages, own: f.Dependencies,
		function: &Function{Name: f.Name, Folder: f.Folder, Triggers: f.Triggers, Problems: f.Problems, unread: f.Unread, entry: f.Entry, dependencies: maps.Clone(f.Dependencies)},
		exports:  map[string]map[string]source.Value{}, needs: map[string]bool{}, known: source.Known{},
	}
	if r.function.dependencies == nil {
		r.function.dependencies = map[string]string{}
	}
	for _, name := range f.OpenAPI {
		r.permit(name)
	}
	switch {
	case f.Entry != "":
		r.read(f.Entry)
	case len(f.Problems) == 0:
		r.problem("there is no index.js, and package.json names no other file")
	}
	r.notePermits(f.Folder)
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
		found := r.find(name, module)
		if found == "" {
			return nil
		}
		r.read(found)
		return r.exports[found]
	}, r.known)
	if err != nil {
		r.problem("%s is no JavaScript that loads: %v", name, err)
		return
	}
	r.exports[name] = file.Exports
	r.judgeKind(name, text, file)
	if name == r.function.entry && !file.Names["main"] && !file.Opaque {
		r.function.noMain = true
		r.problem("%s exports no main, which is what is called", name)
	}
	for _, line := range file.Escapes {
		r.unknown("%s:%d: the SDK is handed to other code here, and what that uses of it cannot be told", name, line)
	}
	for _, relative := range file.Relative {
		if r.project.Exists(path.Join(r.function.Folder, relative.Path)) {
			r.need(fromWorkingDirectory, fmt.Sprintf("%s:%d", name, relative.Line))
		}
	}
	for _, required := range file.Requires {
		r.require(name, required)
	}
	for _, use := range file.Uses {
		switch {
		case use.Path[0] == source.SDK:
			r.use(use, name)
		case use.Is(source.Process, "env") && len(use.Path) > 2 && !platformEnv.MatchString(use.Path[2]):
			r.function.Env = addName(r.function.Env, use.Path[2])
		case use.Is(source.WX, "cloud") && len(use.Path) > 2:
			r.need(clientOnly, fmt.Sprintf("%s:%d", name, use.Line))
		}
	}
}

// judgeKind compares what a file is written like with what Node.js takes it for.
func (r *functionReader) judgeKind(name string, text []byte, file *source.File) {
	isModule, by := r.project.IsModule(name)
	switch {
	case isModule && file.CommonJS != "":
		r.problem("%s:%d: %s is not there in an ES module, which %s makes of the file", name, file.CommonJSLine, file.CommonJS, by)
	case source.IsTypeScript(name) && !isModule:
		if source.Compile(name, text) == nil {
			r.problem("%s waits outside of functions, which takes an ES module: write \"type\": \"module\" into package.json", name)
		}
		return // as CommonJS it finds of the SDK all that is there
	case !isModule && !file.IsModule && file.CommonJS != "" && bytes.Contains(text, []byte("await")) && source.Compile(name, text) == nil:
		r.problem("%s:%d: await outside of functions takes an ES module, in which %s is not there", name, file.CommonJSLine, file.CommonJS)
	case !isModule && file.IsModule && strings.HasSuffix(name, ".cjs"):
		r.problem("%s has import or export, which the extension .cjs rules out", name)
	case !isModule && file.IsModule:
		r.note("%s is an ES module without saying so, which Node.js takes from 20.19 and 22.7 on; \"type\": \"module\" in package.json says so", name)
	}
	if file.ImportsOfSDK > 0 {
		r.problem("%s:%d: an ES module finds of wx-server-sdk only what it exports by default: import cloud from 'wx-server-sdk'", name, file.ImportsOfSDK)
	}
}

func (r *functionReader) problem(format string, args ...any) {
	addText(&r.function.Problems, format, args...)
}

func (r *functionReader) note(format string, args ...any) {
	addText(&r.function.Notes, format, args...)
}

func (r *functionReader) unknown(format string, args ...any) {
	addText(&r.function.Unknown, format, args...)
}

// addText adds a text to a list, once.
func addText(list *[]string, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
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
	case "__esModule": // of what compilers put around a module
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
	switch err := r.served(name); {
	case err == nil && isOpenData(name):
	case err == nil:
		r.function.OpenAPI = addName(r.function.OpenAPI, name)
	default:
		r.need("cloud.openapi."+name+": "+err.Error(), place)
	}
}

// permit judges a name of config.json. Permitted is more than what is called: templates of devtools permit names that WeChat has
// retired since.
func (r *functionReader) permit(name string) {
	switch err := r.served(name); {
	case err == nil && !isOpenData(name):
		r.function.OpenAPI = addName(r.function.OpenAPI, name)
	case err != nil:
		r.permits = append(r.permits, name)
	}
}

// notePermits says which permitted names are not served, of those that nothing calls.
func (r *functionReader) notePermits(folder string) {
	rest := slices.DeleteFunc(r.permits, func(name string) bool {
		return slices.ContainsFunc(r.function.Needs, func(need Need) bool { return strings.HasPrefix(need.What, "cloud.openapi."+name+":") })
	})
	if len(rest) > 0 {
		r.note("%s/config.json permits %s, retired or unknown; no call of them was found", folder, strings.Join(rest, ", "))
	}
}

// served returns why the gateway does not serve a name.
func (r *functionReader) served(name string) error {
	_, err := wechat.FindOpenAPI(name)
	if _, unknown := errors.AsType[*wechat.UnknownOpenAPIError](err); unknown && isOpenData(name) {
		return nil
	}
	return err
}

// isOpenData reports whether a name is another way to cloud.getOpenData, which needs no entry in the Caddyfile.
func isOpenData(name string) bool {
	return strings.HasPrefix(name, "cloudbase.") && strings.HasSuffix(name, "OpenData")
}
