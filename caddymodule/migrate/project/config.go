package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ErrNoProject says that a folder is no mini program made with cloud development.
var ErrNoProject = errors.New("this is no mini program made with cloud development: it has neither a project.config.json that names a cloudfunctionRoot nor a folder cloudfunctions; name the folder that has")

// config is what project.config.json says that counts here.
type config struct {
	AppID      string `json:"appid"`
	Functions  string `json:"cloudfunctionRoot"`
	MiniRoot   string `json:"miniprogramRoot"`
	SourceRoot string `json:"srcMiniprogramRoot"`
}

// readConfig returns the folders of the functions and of the client.
func (p *Project) readConfig() (functions, client string, err error) {
	var c config
	for _, name := range []string{"project.config.json", "project.private.config.json"} { // what the second says goes before the first
		text, err := p.Read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("%s cannot be read: %w", name, err)
		}
		if err := unmarshal(text, &c); err != nil {
			return "", "", fmt.Errorf("%s is no JSON: %w", name, err)
		}
	}
	p.AppID = c.AppID
	cloudbase, err := p.readCloudbase()
	if err != nil {
		return "", "", err
	}
	if functions = p.functionsFolder(clean(cmp.Or(c.Functions, cloudbase))); functions == "" {
		return "", "", p.noProject(c.Functions)
	}
	return functions, p.clientFolder(clean(c.MiniRoot), clean(c.SourceRoot)), nil
}

// readCloudbase reads what CloudBase's own command line has in place of devtools: the folder of the functions, and their timers.
func (p *Project) readCloudbase() (functions string, err error) {
	var c struct {
		Functions string `json:"functionRoot"`
		List      []struct {
			Name     string    `json:"name"`
			Triggers []Trigger `json:"triggers"`
		} `json:"functions"`
	}
	const name = "cloudbaserc.json"
	if err := p.readJSON(name, &c); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is no JSON: %w", name, err)
	}
	p.timers = map[string][]Trigger{}
	for _, f := range c.List {
		p.timers[f.Name] = f.Triggers
	}
	return c.Functions, nil
}

// usualFolders are where functions are in projects whose project.config.json does not say. One of the later ones counts only if a
// function is in it.
var usualFolders = []string{"cloudfunctions", "cloud/functions", "functions", "cloud-functions", "cloud"}

func (p *Project) functionsFolder(named string) string {
	if named != "." && p.isFolder(named) {
		if inner := path.Join(named, "functions"); !p.hasFunctions(named) && p.hasFunctions(inner) {
			return inner
		}
		return named
	}
	for i, usual := range usualFolders {
		if p.hasFunctions(usual) || i < 2 && p.isFolder(usual) {
			return usual
		}
	}
	return ""
}

func (p *Project) hasFunctions(folder string) bool {
	entries, err := fs.ReadDir(p.root.FS(), folder)
	return err == nil && slices.ContainsFunc(entries, func(entry fs.DirEntry) bool {
		return entry.IsDir() && p.looksLikeFunction(path.Join(folder, entry.Name()))
	})
}

// noProject says what is missing, and where it may be.
func (p *Project) noProject(named string) error {
	if named != "" && clean(named) == "." {
		return fmt.Errorf("%s, which project.config.json names as the cloudfunctionRoot, is the project itself: the functions must be in a folder of their own", named)
	}
	if named != "" {
		return fmt.Errorf("%s, which project.config.json names as the cloudfunctionRoot, is not there: build the functions, or check them out, first", named)
	}
	var inner []string
	_ = fs.WalkDir(p.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir() && (slices.Contains(notSource, entry.Name()) || strings.Count(name, "/") > 2):
			return fs.SkipDir
		case entry.Name() == "project.config.json" && name != entry.Name():
			inner = append(inner, path.Dir(name))
		}
		return nil
	})
	if len(inner) > 0 {
		return fmt.Errorf("%w; there is a project.config.json in %s", ErrNoProject, strings.Join(inner, ", "))
	}
	return ErrNoProject
}

// built are folders that tools write: of Taro, uni-app and mpvue that is what devtools show.
var built = []string{"dist", "unpackage", "build"}

func isBuilt(folder string) bool {
	return slices.ContainsFunc(strings.Split(folder, "/"), func(part string) bool { return slices.Contains(built, part) })
}

// clientFolder returns where the client's sources are: beside what is built, if the folder that devtools show is.
func (p *Project) clientFolder(shown, sources string) string {
	if sources != "." && !isBuilt(sources) && p.isFolder(sources) {
		return sources
	}
	if p.isFolder(shown) && !isBuilt(shown) {
		return shown
	}
	parts := strings.Split(shown, "/")
	if at := slices.IndexFunc(parts, func(part string) bool { return slices.Contains(built, part) }); at > 0 {
		beside := strings.Join(parts[:at], "/")
		for _, candidate := range []string{beside + "/src", beside} {
			if p.isFolder(candidate) {
				return candidate
			}
		}
	}
	if p.isFolder("src") {
		return "src"
	}
	return shown
}
