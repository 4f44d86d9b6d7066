package papers

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Links within the repository lead to a file that exists, and to a heading that it has.
func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(p.prose(), -1) {
			target := found[1]
			if strings.HasPrefix(target, "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file = path.Join(path.Dir(p.path), file); strings.HasPrefix(target, "#") {
				file = p.path
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", p.path, target)
				continue
			}
			if anchor != "" && !headings(read(t, file))[anchor] {
				t.Errorf("%s links to %s, a heading that %s does not have", p.path, target, file)
			}
		}
	}
}

// headings returns the anchors of a page, as GitHub makes them.
func headings(text string) map[string]bool {
	anchors := make(map[string]bool)
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		title := strings.TrimLeft(line, "#")
		if title == line {
			continue
		}
		anchors[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))] = true
	}
	return anchors
}
