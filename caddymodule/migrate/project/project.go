// Package project reads a mini program made with cloud development: its configuration, its functions and the sources of its
// client. It changes nothing, runs nothing, and reads nothing outside of the project's folder, whatever links say.
package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	// maxClient bounds a file of the client, in bytes. Larger ones are built or bundled, not written.
	maxClient = 2 << 20

	// maxFunction bounds a file of a function. Some are bundled into one file before they are uploaded.
	maxFunction = 16 << 20

	// maxFiles bounds the files of a client that are looked at.
	maxFiles = 20_000
)

// Project is a mini program.
type Project struct {
	AppID     string
	Functions []*Function
	Client    []*Source // the client's own files

	// The folder of the functions, from the project's on.
	FunctionsFolder string

	// What was passed over, and why: paths with a reason.
	Skipped []string

	root   *os.Root
	timers map[string][]Trigger // of cloudbaserc.json, by function
}

// Function is a cloud function: a folder of its own.
type Function struct {
	Name string

	// Its folder, from the project's on.
	Folder string

	// The file that is loaded; "" where there is none.
	Entry string

	// The packages that package.json asks for, with their versions; nil where there is no package.json.
	Dependencies map[string]string

	// The names that config.json permits, and its timers.
	OpenAPI  []string
	Triggers []Trigger

	// What is wrong with its package.json, so that it does not load.
	Problems []string

	// Why its config.json is not read; "" if it is, or there is none.
	Unread string
}

// Trigger is a timer of a function, as config.json writes it.
type Trigger struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Config string `json:"config"` // seven fields: second minute hour day month weekday year
}

// Source is a file of source.
type Source struct {
	Path string // from the project's folder on
	Text []byte
}

// Open reads a project. Close it when its sources have been read.
func Open(folder string) (*Project, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the project cannot be read: %w", err)
	}
	p := &Project{root: root}
	functions, client, err := p.readConfig()
	if err == nil {
		err = p.readFunctions(functions)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	p.FunctionsFolder = functions
	p.readClient(client)
	return p, nil
}

// Close closes the project's folder.
func (p *Project) Close() error { return p.root.Close() }

// clean makes a path of a config one from the project's folder on.
func clean(name string) string {
	return path.Clean(strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "/"))
}

func (p *Project) isFolder(name string) bool {
	info, err := p.root.Stat(name)
	return err == nil && info.IsDir()
}

// Exists reports whether a file is there.
func (p *Project) Exists(name string) bool {
	info, err := p.root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// Read returns a file of a function, or why it is none.
func (p *Project) Read(name string) ([]byte, error) { return p.read(name, maxFunction) }

// Open returns any file of the project, to be copied.
func (p *Project) Open(name string) (*os.File, error) { return p.root.Open(name) }

func (p *Project) read(name string, limit int64) ([]byte, error) {
	file, err := p.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("this is not a regular file")
	case info.Size() > limit:
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// Find returns the file of the project that a module is, as the file from asks for it; "" if there is none. For a folder it is the
// file that its package.json names, or its index.
func (p *Project) Find(from, module string) string {
	base := path.Join(path.Dir(from), module)
	if strings.HasPrefix(base, "..") {
		return ""
	}
	if found := p.file(base, fileSuffixes); found != "" {
		return found
	}
	if ext := path.Ext(base); slices.Contains([]string{".js", ".mjs", ".cjs"}, ext) { // as TypeScript names what it is compiled to
		typed := strings.TrimSuffix(base, ext) + strings.Replace(ext, "js", "ts", 1)
		if found := p.file(typed, []string{"", "x"}); found != "" {
			return found
		}
	}
	if m, err := p.manifest(base); err == nil && m.Main != "" {
		if found := p.file(path.Join(base, m.Main), slices.Concat(fileSuffixes, indexSuffixes)); found != "" {
			return found
		}
	}
	return p.file(base, indexSuffixes)
}

var (
	fileSuffixes  = []string{"", ".js", ".ts", ".json", ".cjs", ".mjs", ".jsx", ".tsx", ".mts", ".cts"}
	indexSuffixes = []string{"/index.js", "/index.ts", "/index.tsx"}
)

// file returns the first file that is there, of a name with each of these suffixes.
func (p *Project) file(base string, suffixes []string) string {
	for _, suffix := range suffixes {
		if p.Exists(base + suffix) {
			return base + suffix
		}
	}
	return ""
}

// Files returns all files below a folder of the project, in order, without node_modules and what git keeps, and without the functions
// where that is the client's. Links that stay in the project are followed; in a folder that a link leads to, those to files only, so that there is an end.
func (p *Project) Files(folder string) []string {
	var linked []string
	files := p.walk(folder, func(name string) { linked = append(linked, name) })
	for _, link := range linked {
		files = append(files, p.walk(link, func(name string) {
			p.Skipped = append(p.Skipped, name+": this link to a folder is in a folder that a link leads to, and is not followed")
		})...)
	}
	slices.Sort(files)
	return files
}

// walk returns the files below a folder, and calls linked with each folder that a link leads to.
func (p *Project) walk(folder string, linked func(name string)) []string {
	var files []string
	_ = fs.WalkDir(p.root.FS(), folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			p.Skipped = append(p.Skipped, name+": the file cannot be read")
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
		case slices.Contains(notSource, path.Base(name)) || name == p.FunctionsFolder:
			if entry.IsDir() {
				return fs.SkipDir
			}
		case len(files) >= maxFiles:
			p.Skipped = append(p.Skipped, fmt.Sprintf("%s: more than %d files; the rest was not looked at", folder, maxFiles))
			return fs.SkipAll
		case entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0 && p.Exists(name):
			files = append(files, name)
		case entry.Type()&fs.ModeSymlink != 0 && p.isFolder(name):
			linked(name)
		case entry.Type()&fs.ModeSymlink != 0:
			p.Skipped = append(p.Skipped, name+": "+leadsNowhere)
		}
		return nil
	})
	return files
}

// leadsNowhere is said of a link that is not followed.
const leadsNowhere = "this link leads out of the project, or nowhere, and is not followed"

// notSource are folders of what others wrote, or what is built.
var notSource = []string{"node_modules", "miniprogram_npm", ".git", ".svn", "bower_components"}
