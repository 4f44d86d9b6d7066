package migrate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFunctionThatDoesNotLoadIsNotStarted(t *testing.T) {
	out := t.TempDir()
	if _, err := run(new(strings.Builder), "testdata/shared", out, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "cloudbase-functions.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"add": true, "list": true, "old": true, "half": false, "lost": false} {
		if got := strings.Contains(string(text), `"name": "`+name+`"`); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAModuleThatCameWithTheSDKIsNamed(t *testing.T) {
	out := t.TempDir()
	if _, err := run(new(strings.Builder), "testdata/uniapp", out, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"request": "^2.88.2"`) {
		t.Errorf("%s", text)
	}
}

// manifest is what npm reads of a package.json.
type manifest struct {
	Name         string            `json:"name"`
	Type         string            `json:"type"`
	Workspaces   []string          `json:"workspaces"`
	Dependencies map[string]string `json:"dependencies"`
	Dev          map[string]string `json:"devDependencies"`
}

func readManifest(t *testing.T, folder string) (m manifest) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What most functions ask for is installed for all; a function that asks for another version is a workspace of npm's, which has its
// own.
func TestEachFunctionHasTheVersionsItAsksFor(t *testing.T) {
	const main = "exports.main = () => 1"
	out, text := written(t, map[string]string{
		"project.config.json":  `{"cloudfunctionRoot":"cloud [x]"}`,
		"cloud [x]/a/index.js": main, "cloud [x]/a/package.json": `{"name":"same","dependencies":{"wx-server-sdk":"~2.6.3","lodash":"^4.17.0"}}`,
		"cloud [x]/b/index.js": main, "cloud [x]/b/package.json": `{"name":"same","dependencies":{"wx-server-sdk":"~2.6.3"}}`,
		"cloud [x]/c/index.js": "export const main = () => 1", "cloud [x]/c/package.json": `{"name":"same","type":"module","scripts":{"install":"exit 1"},"devDependencies":{"x":"1"},"dependencies":{"wx-server-sdk":"latest","lodash":"^4.17.0"}}`,
		"cloud [x]/old/index.js": main, "cloud [x]/old/package.json": `{"name":"same","dependencies":{"wx-server-sdk":"1.8.3"}}`,
		"cloud [x]/d/index.js": main, "cloud [x]/d/package.json": `{"dependencies":{"lodash":"3"}}`,
	})
	root := readManifest(t, out)
	if got, want := fmt.Sprint(root.Dependencies), "map[@cloudbase/functions-framework:1.18.0 lodash:^4.17.0 wx-server-sdk:~2.6.3]"; got != want {
		t.Errorf("for all: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(root.Workspaces), "[project/cloud [[]x[]]/c project/cloud [[]x[]]/d project/cloud [[]x[]]/old]"; got != want {
		t.Errorf("workspaces: %s, want %s", got, want)
	}
	c := readManifest(t, filepath.Join(out, "project/cloud [x]/c"))
	if fmt.Sprint(c.Dependencies) != "map[lodash:^4.17.0 wx-server-sdk:latest]" || c.Dev != nil || c.Type != "module" {
		t.Errorf("%+v", c)
	}
	old := readManifest(t, filepath.Join(out, "project/cloud [x]/old"))
	if old.Dependencies["wx-server-sdk"] != "~3.0.4" || old.Name == c.Name {
		t.Errorf("%+v", old)
	}
	if strings.Contains(text, "asks for") {
		t.Error(text)
	}
}

// A package.json may name a folder of the project as a package.
func TestPackagesOfTheProject(t *testing.T) {
	out, text := written(t, map[string]string{
		"cloudfunctions/a/index.js":                 "const { hello } = require('common')\nexports.main = () => hello()",
		"cloudfunctions/a/package.json":             `{"dependencies":{"common":"file:../common"}}`,
		"cloudfunctions/b/index.js":                 "const db = require('@me/db/get')\nexports.main = () => db()",
		"cloudfunctions/b/package.json":             `{"dependencies":{"@me/db":"file:./packages/db"}}`,
		"cloudfunctions/b/packages/db/get.js":       "const cloud = require('wx-server-sdk')\nmodule.exports = () => cloud.database()",
		"cloudfunctions/b/packages/db/package.json": `{"dependencies":{"wx-server-sdk":"~2.6.3"}}`,
		"cloudfunctions/c/index.js":                 "require('gone')\nexports.main = () => 1",
		"cloudfunctions/c/package.json":             `{"dependencies":{"gone":"file:../gone"}}`,
		"cloudfunctions/common/package.json":        `{"name":"common","main":"lib/main"}`,
		"cloudfunctions/common/lib/main.js":         "exports.hello = () => require('fs').readFileSync(__dirname + '/text.txt')",
		"cloudfunctions/common/lib/text.txt":        "hello",
	})
	for _, want := range []string{"3 functions", "a  runs unchanged", "packages/db/get.js:2  the database", "c  does not load", "there is no file gone"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	root := readManifest(t, out)
	if got, want := fmt.Sprint(root.Workspaces), "[project/cloudfunctions/a project/cloudfunctions/b]"; got != want || root.Dependencies["common"] != "" {
		t.Errorf("%s, want %s; common is %s for all", got, want, root.Dependencies["common"])
	}
	if _, err := os.Stat(filepath.Join(out, "project/cloudfunctions/common/lib/text.txt")); err != nil {
		t.Error(err)
	}
}

// What a project is written like and Node.js loads all the same.
func TestWhatNodeLoads(t *testing.T) {
	_, text := written(t, map[string]string{
		"cloudfunctions/folder/index.js":     "const go = require('../../lib')\nexports.main = e => go(e)",
		"lib/package.json":                   `{"main":"./src/go.js"}`,
		"lib/src/go.js":                      "module.exports = e => e",
		"cloudfunctions/tried/index.js":      "let sharp\ntry {\n  sharp = require('sharp')\n} catch (err) {}\nexports.main = () => sharp",
		"cloudfunctions/untried/index.js":    "let sharp\ntry {\n  sharp = require('sharp')\n} finally {}\nexports.main = () => sharp",
		"cloudfunctions/afunction/index.js":  "module.exports = async e => e",
		"cloudfunctions/withmain/index.js":   "module.exports = async e => e\nmodule.exports.main = module.exports",
		"cloudfunctions/shared/index.js":     "exports.add = (a, b) => a + b",
		"cloudfunctions/usesshared/index.js": "const { add } = require('../shared')\nexports.main = e => add(e.a, e.b)",
	})
	for _, want := range []string{
		"6 functions", "folder      runs unchanged", "tried       runs unchanged", "index.js:3: no package.json names the module sharp; it loads without",
		"untried     does not load", "afunction   does not load", "withmain    runs unchanged", "usesshared  runs unchanged",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestSDKVersions(t *testing.T) {
	for asked, old := range map[string]bool{
		"": false, "latest": false, "*": false, "~2.6.3": false, "^2.0.0": false, "2.3.3": false, "2.3.2": true, "~2.3.2": false, "~2.2.1": true,
		"^1.8.3": true, "1.8.3": true, "0.8.1": true, "3.0.4": false, ">=1.0.0": false, "1.x || 2.x": false, "2": false, "2.1.x": true,
		"file:../sdk": false, "~3.0.4": false, ">=2.0.0 <2.3.0": true, "<2.3.3": true, "<2.3.4": false, "<=2.3.3": false, "<2": true, "<3": false, "<2.4": false,
		"<=2": false, "< 2.3": true, ">=1 <2 || >=3 <4": false, "1.0.0 - 2.1.0": true, "1.0.0 - 3.0.0": false,
	} {
		if got := tooOld(asked); got != old {
			t.Errorf("%q: %t", asked, got)
		}
	}
}
