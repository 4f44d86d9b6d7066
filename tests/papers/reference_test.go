package papers

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The reference has the syntax that stands above each parser in the code, and a row for each option.
func TestReferenceHasEveryOption(t *testing.T) {
	sections := strings.Split(read(t, "docs/reference.md"), "\n## ")
	for _, syntax := range syntaxesOfCode(t) {
		i := slices.IndexFunc(sections, func(section string) bool { return slices.Contains(syntaxesOf(section), syntax) })
		if i < 0 {
			t.Errorf("docs/reference.md does not have the syntax\n%s", syntax)
			continue
		}
		for line := range strings.Lines(syntax) {
			option, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !strings.HasPrefix(line, " ") || option == "}" || option == "#" || strings.HasSuffix(strings.TrimSpace(line), "{") {
				continue
			}
			if !regexp.MustCompile("(?m)^\\| `" + option + "[ `]").MatchString(sections[i]) {
				t.Errorf("docs/reference.md has no row for %s in the section %.30q", option, sections[i])
			}
		}
	}
}

// syntaxesOfCode returns the blocks behind "Syntax:" in comments.
func syntaxesOfCode(t *testing.T) (all []string) {
	t.Helper()
	inComment := regexp.MustCompile(`Syntax:\n//\n((?://\t.*\n)+)`)
	err := filepath.WalkDir(filepath.Join(root, "caddymodule"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range inComment.FindAllStringSubmatch(string(source), -1) {
			all = append(all, normalized(strings.ReplaceAll(found[1], "//\t", "")))
		}
		return nil
	})
	if err != nil || len(all) < 7 {
		t.Fatalf("%d blocks of syntax found: %v", len(all), err)
	}
	return all
}

// syntaxesOf returns the blocks of syntax in a text.
func syntaxesOf(text string) (all []string) {
	for _, b := range (page{text: text}).blocks() {
		if b.language == "text" {
			all = append(all, normalized(b.text))
		}
	}
	return all
}

// normalized is a syntax with one space for several within a line, and one for each tab before it.
func normalized(syntax string) string {
	var text strings.Builder
	for line := range strings.Lines(syntax) {
		bare := strings.TrimLeft(line, "\t")
		words := strings.ReplaceAll(strings.Join(strings.Fields(bare), " "), " | ", "|")
		text.WriteString(strings.Repeat(" ", len(line)-len(bare)) + words + "\n")
	}
	return text.String()
}
