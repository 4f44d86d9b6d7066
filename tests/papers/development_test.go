package papers

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page on development names every package of the plugin, and none that is not there.
func TestPackages(t *testing.T) {
	text := read(t, "docs/development.md")
	_, table, _ := strings.Cut(text, "\n## Packages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := make(map[string]bool)
	for _, row := range strings.Split(table, "\n| `")[1:] {
		name, _, _ := strings.Cut(row, "`")
		rows[name] = true
	}
	folder := filepath.Join(root, "caddymodule")
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == folder {
			return err
		}
		sources, err := filepath.Glob(filepath.Join(path, "*.go"))
		if err != nil || len(sources) == 0 {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !rows[name] {
			t.Errorf("docs/development.md does not name the package %s", name)
		}
		delete(rows, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range rows {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("docs/development.md names the package %s, which does not exist", name)
		}
	}
}
