package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// readFunctions reads each folder of the functions' own.
func (p *Project) readFunctions(folder string) error {
	entries, err := fs.ReadDir(p.root.FS(), folder)
	if err != nil {
		return fmt.Errorf("the folder of the functions, %s, cannot be read: %w", folder, err)
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		if entry.Type()&fs.ModeSymlink != 0 {
			p.Skipped = append(p.Skipped, name+": it is a link, which is not followed")
			continue
		}
		if entry.IsDir() && entry.Name()[0] != '.' && entry.Name() != "node_modules" && p.looksLikeFunction(name) {
			p.Functions = append(p.Functions, p.readFunction(entry.Name(), name))
		}
	}
	return nil
}

// looksLikeFunction tells a function's folder from one that only holds what functions share.
func (p *Project) looksLikeFunction(folder string) bool {
	for _, file := range []string{"index.js", "index.ts", "index.mjs", "index.cjs", "package.json", "config.json"} {
		if info, err := p.root.Stat(path.Join(folder, file)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func (p *Project) readFunction(name, folder string) *Function {
	f := &Function{Name: name, Folder: folder}
	var manifest struct {
		Main         string            `json:"main"`
		Dependencies map[string]string `json:"dependencies"`
	}
	if p.readJSON(f, "package.json", &manifest) {
		f.Dependencies = manifest.Dependencies
		if f.Dependencies == nil {
			f.Dependencies = map[string]string{}
		}
	}
	var config struct {
		Permissions struct {
			OpenAPI []string `json:"openapi"`
		} `json:"permissions"`
		Triggers []Trigger `json:"triggers"`
	}
	p.readJSON(f, "config.json", &config)
	f.OpenAPI, f.Triggers = config.Permissions.OpenAPI, config.Triggers
	for _, main := range []string{manifest.Main, "index"} {
		if main == "" {
			continue
		}
		if f.Entry = p.Find(path.Join(folder, "package.json"), "./"+main); f.Entry != "" {
			break
		}
	}
	return f
}

// readJSON reads a file of a function, if it is there.
func (p *Project) readJSON(f *Function, name string, into any) bool {
	text, err := p.Read(path.Join(f.Folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = json.Unmarshal(withoutBOM(text), into)
	}
	if err != nil {
		f.Problems = append(f.Problems, fmt.Sprintf("%s: %v", name, err))
		return false
	}
	return true
}
