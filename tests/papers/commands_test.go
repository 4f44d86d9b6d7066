package papers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goCommand = regexp.MustCompile("(?:cd ([a-z0-9/]+) && )?(?:npm ci && )?(go (?:test|run) [^`\n]*|npm test)")
	goPackage = regexp.MustCompile(`(?:^|\s)\./([\w/.-]*)`)
	goPattern = regexp.MustCompile(`-(run|bench|fuzz) '?([\w|]+)'?`)
)

// Each `go test`, `go run` and `npm test` of a document names folders that exist, and tests, benchmarks and fuzz targets that
// are there.
func TestCommandsOfTests(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		if strings.HasPrefix(p.path, "CHANGELOG") {
			continue
		}
		for _, command := range goCommand.FindAllStringSubmatch(p.text, -1) {
			found++
			base := filepath.Join(root, command[1])
			if command[2] == "npm test" {
				if _, err := os.Stat(filepath.Join(base, "package.json")); err != nil {
					t.Errorf("%s: %s: %v", p.path, command[0], err)
				}
				continue
			}
			for _, folder := range goPackage.FindAllStringSubmatch(command[2], -1) {
				checkGoCommand(t, p.path+": "+command[0], filepath.Join(base, strings.TrimRight(folder[1], "./")), goPattern.FindAllStringSubmatch(command[2], -1))
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands found", found)
	}
}

func checkGoCommand(t *testing.T, command, folder string, patterns [][]string) {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		t.Errorf("%s: %v", command, err)
		return
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	kinds := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}
	for _, pattern := range patterns {
		for name := range strings.SplitSeq(pattern[2], "|") {
			if !regexp.MustCompile(`func ` + kinds[pattern[1]] + `\w*` + strings.TrimPrefix(name, kinds[pattern[1]])).MatchString(source.String()) {
				t.Errorf("%s: there is no %s of that name", command, kinds[pattern[1]])
			}
		}
	}
}
