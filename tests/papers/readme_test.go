package papers

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README is read in one go.
func TestREADMELength(t *testing.T) {
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		if lines := strings.Count(read(t, name), "\n"); lines > 250 {
			t.Errorf("%s has %d lines; 250 at most", name, lines)
		}
	}
}

// translations are the pages that exist in two languages.
var translations = [][2]string{
	{"README.md", "README.zh-CN.md"},
	{"docs/moving.md", "docs/moving.zh-CN.md"},
	{"miniprogram/README.md", "miniprogram/README.zh-CN.md"},
}

// A translation has the code of the original, block for block, but for comments; its links; and its code in running text.
func TestTranslations(t *testing.T) {
	for _, pair := range translations {
		original, translated := page{pair[0], read(t, pair[0])}, page{pair[1], read(t, pair[1])}
		blocks, others := original.blocks(), translated.blocks()
		if len(blocks) != len(others) {
			t.Errorf("%s has %d blocks of code, %s has %d", original.path, len(blocks), translated.path, len(others))
		}
		for i := range min(len(blocks), len(others)) {
			if a, b := withoutComments(blocks[i].text), withoutComments(others[i].text); a != b || blocks[i].language != others[i].language {
				t.Errorf("%s:%d is\n%s\nand %s:%d is\n%s", original.path, blocks[i].line, blocks[i].text, translated.path, others[i].line, others[i].text)
			}
		}
		sameElements(t, pair, "code", inlineCode(original), inlineCode(translated))
		sameElements(t, pair, "link", links(original), links(translated))
		if a, b := strings.Count(original.text, "\n## "), strings.Count(translated.text, "\n## "); a != b {
			t.Errorf("%s has %d sections, %s has %d", original.path, a, translated.path, b)
		}
	}
}

var comment = regexp.MustCompile(`(?m)(^|[ \t]+)(#|//) .*$`)

func withoutComments(code string) string { return comment.ReplaceAllString(code, "") }

var (
	code  = regexp.MustCompile("`[^`\n]+`")
	blank = regexp.MustCompile(`<[^<>\n]+>`) // what is to be filled in is told in the page's language
)

func inlineCode(p page) []string {
	return code.FindAllString(blank.ReplaceAllString(p.prose(), "<>"), -1)
}

// links returns where a page leads to. The two languages lead to each other, and where a page of docs/ is translated, each to
// its own.
func links(p page) (targets []string) {
	for _, found := range link.FindAllStringSubmatch(p.prose(), -1) {
		target := strings.ReplaceAll(found[1], ".zh-CN.md", ".md")
		if target != "README.md" {
			targets = append(targets, target)
		}
	}
	return targets
}

func sameElements(t *testing.T, pair [2]string, what string, original, translated []string) {
	t.Helper()
	for i, sides := range [][2][]string{{original, translated}, {translated, original}} {
		for _, element := range sides[0] {
			if !slices.Contains(sides[1], element) {
				t.Errorf("%s has the %s %s, %s does not", pair[i], what, element, pair[1-i])
			}
		}
	}
}
