package migrate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
)

// Report says what of a project works behind the gateway, and what is left to do.
type Report struct {
	AppID     string      `json:"appid"`
	Functions []*Function `json:"functions"`
	Client    Client      `json:"client"`

	// What is left to do, in the order in which to do it.
	Left []string `json:"left"`

	// What was not looked at, and why.
	Skipped []string `json:"skipped,omitempty"`

	folder string // of the functions
}

// Verdict says whether a function runs.
type Verdict string

// The verdicts.
const (
	Unchanged   Verdict = "runs unchanged"
	NewerSDK    Verdict = "runs with wx-server-sdk >= 2.3.3"
	Needs       Verdict = "needs"
	DoesNotLoad Verdict = "does not load"
)

// Function is what was found in one function.
type Function struct {
	Name    string  `json:"name"`
	Folder  string  `json:"folder"`
	Verdict Verdict `json:"verdict"`

	// What it uses that the gateway serves.
	Identity   bool     `json:"identity"`
	OpenData   bool     `json:"open_data"`
	VoIPSign   bool     `json:"voip_sign"`
	OpenAPI    []string `json:"openapi,omitempty"` // names, used or permitted in config.json
	Calls      []string `json:"calls,omitempty"`   // names of functions
	CallsOther bool     `json:"calls_other,omitempty"`

	// What it uses that stays in the cloud, with the first place of each.
	Needs []Need `json:"needs,omitempty"`

	// Why it does not load, or what is wrong in it.
	Problems []string `json:"problems,omitempty"`

	// What cannot be told without running it.
	Unknown []string `json:"unknown,omitempty"`

	// What else somebody should know.
	Notes []string `json:"notes,omitempty"`

	// The environment variables that it reads.
	Env []string `json:"env,omitempty"`

	Triggers []project.Trigger `json:"triggers,omitempty"`

	entry        string
	noMain       bool   // it exports none
	unread       string // why its config.json is not read
	dependencies map[string]string
	files        []string // that it loads
	folders      []string // beside its own, of packages that it asks for
}

// Need is something of the cloud that the gateway does not serve.
type Need struct {
	What  string `json:"what"`
	Place string `json:"place"` // file:line
}

// Client is what the mini program's own sources use of wx.cloud.
type Client struct {
	Uses []ClientUse `json:"uses"`
}

// ClientUse is one member of wx.cloud.
type ClientUse struct {
	Member string   `json:"member"`
	Count  int      `json:"count"`
	Places []string `json:"places"`          // the first three
	Names  []string `json:"names,omitempty"` // of functions that are called
}

// Complete reports whether everything of the project works.
func (r *Report) Complete() bool { return len(r.Left) == 0 }

// Analyze reads a project.
func Analyze(folder string) (*Report, *project.Project, error) {
	p, err := project.Open(folder)
	if err != nil {
		return nil, nil, err
	}
	r := &Report{AppID: p.AppID, Functions: []*Function{}, folder: p.FunctionsFolder}
	named := packagesOf(p)
	for _, f := range p.Functions {
		r.Functions = append(r.Functions, analyzeFunction(p, f, named))
	}
	r.dropShared()
	r.Client = analyzeClient(p)
	r.Left = r.leftToDo()
	r.Skipped = p.Skipped
	return r, p, nil
}

// dropShared drops folders that are no functions: they export no main, and functions load files of theirs. They are copied with those.
func (r *Report) dropShared() {
	r.Functions = slices.DeleteFunc(r.Functions, func(shared *Function) bool {
		used := false
		for _, f := range r.Functions {
			if shared.noMain && f != nil && f != shared && f.loads(shared.Folder) {
				f.folders = append(f.folders, shared.Folder)
				used = true
			}
		}
		return used
	})
}

// loads reports whether a function loads a file of a folder.
func (f *Function) loads(folder string) bool {
	return slices.ContainsFunc(f.files, func(name string) bool { return strings.HasPrefix(name, folder+"/") })
}

// packagesOf are the packages that any package.json of the project names.
func packagesOf(p *project.Project) map[string]bool {
	named := map[string]bool{}
	for _, f := range p.Functions {
		for name := range f.Dependencies {
			named[name] = true
		}
	}
	return named
}

// addName adds a name to a sorted list, once.
func addName(list []string, name string) []string {
	at, found := slices.BinarySearch(list, name)
	if found {
		return list
	}
	return slices.Insert(list, at, name)
}

func sortNeeds(needs []Need) {
	slices.SortStableFunc(needs, func(a, b Need) int { return cmp.Compare(a.What, b.What) })
}
