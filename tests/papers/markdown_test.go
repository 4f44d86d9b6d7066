// Package papers holds what the repository's documents promise: their config blocks adapt, the JSON beside a Caddyfile is
// what the Caddyfile becomes, links lead somewhere, the two READMEs say the same, and each name of a metric exists.
package papers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// page is a Markdown file, by its path from the repository's root.
type page struct {
	path, text string
}

// block is a code block of a page.
type block struct {
	language, text string
	line           int
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages returns every document that is written for people.
func pages(t *testing.T) (all []page) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "miniprogram/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page{filepath.ToSlash(name), read(t, name)})
		}
	}
	if len(all) < 10 {
		t.Fatalf("there are %d pages only; the patterns miss some", len(all))
	}
	return all
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)\n?^```$")

func (p page) blocks() (all []block) {
	for _, at := range fence.FindAllStringSubmatchIndex(p.text, -1) {
		all = append(all, block{
			language: p.text[at[2]:at[3]],
			text:     p.text[at[4]:at[5]],
			line:     strings.Count(p.text[:at[0]], "\n") + 1,
		})
	}
	return all
}

// prose is the page without its code blocks.
func (p page) prose() string { return fence.ReplaceAllString(p.text, "") }

// program returns the path of a program, or skips the test; where nothing may skip, it fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}
