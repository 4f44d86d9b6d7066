package project_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate/project"
)

// write writes files into a folder of their own. A name that ends with / is a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(file, 0o750); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func open(t *testing.T, files map[string]string) *project.Project {
	t.Helper()
	p, err := project.Open(write(t, files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestWhereFunctionsAre(t *testing.T) {
	const function = "exports.main = () => 1"
	for _, c := range []struct {
		sentence string
		files    map[string]string
		want     string
	}{
		{"where project.config.json says", map[string]string{"project.config.json": `{"cloudfunctionRoot":"./a/b/"}`, "a/b/f/index.js": function}, "a/b"},
		{"the same, written on Windows", map[string]string{"project.config.json": `{"cloudfunctionRoot":"a\\b\\"}`, "a/b/f/index.js": function}, "a/b"},
		{"with a byte order mark, comments and a last comma", map[string]string{"project.config.json": "\uFEFF{ /* x */ \"cloudfunctionRoot\": \"a//b\", // y\r\n}", "a/b/f/index.js": function}, "a/b"},
		{"in its folder functions, if none is beside that", map[string]string{"project.config.json": `{"cloudfunctionRoot":"cloud/"}`, "cloud/functions/f/index.js": function}, "cloud/functions"},
		{"not in functions, if there are others beside that", map[string]string{"project.config.json": `{"cloudfunctionRoot":"cloud/"}`, "cloud/functions/f/index.js": function, "cloud/g/index.js": function}, "cloud"},
		{"in the usual folder", map[string]string{"cloudfunctions/f/index.js": function}, "cloudfunctions"},
		{"where cloudbaserc.json says", map[string]string{"project.config.json": `{"appid":"a"}`, "cloudbaserc.json": `{"functionRoot":"./server"}`, "server/f/index.js": function}, "server"},
		{"where project.config.json says, whatever cloudbaserc.json does", map[string]string{"project.config.json": `{"cloudfunctionRoot":"a"}`, "cloudbaserc.json": `{"functionRoot":"b"}`, "a/f/index.js": function, "b/f/index.js": function}, "a"},
		{"in functions", map[string]string{"functions/f/index.ts": function}, "functions"},
		{"in a usual folder that has none yet", map[string]string{"cloud/functions/": ""}, "cloud/functions"},
		{"in a folder that has none yet", map[string]string{"project.config.json": `{"cloudfunctionRoot":"a/"}`, "a/": ""}, "a"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if p := open(t, c.files); p.FunctionsFolder != c.want {
				t.Errorf("%s", p.FunctionsFolder)
			}
		})
	}
}

func TestNoProject(t *testing.T) {
	for _, c := range []struct {
		sentence string
		files    map[string]string
		says     string
		is       bool
	}{
		{"an empty folder", nil, "no mini program", true},
		{"functions in a folder of that name, which are none", map[string]string{"functions/readme.md": ""}, "no mini program", true},
		{"the project is in a folder of this one", map[string]string{"docs/a.md": "", "app/demo/project.config.json": "{}"}, "in app/demo", true},
		{"the project is in the packages of another", map[string]string{"node_modules/a/project.config.json": "{}", "app/project.config.json": "{}"}, "a project.config.json in app", true},
		{"the project is three folders below", map[string]string{"a/b/c/project.config.json": "{}"}, "in a/b/c\n", true},
		{"the project is in a folder far below", map[string]string{"a/b/c/d/project.config.json": "{}"}, "name the folder that has\n", true},
		{"the functions are the project itself", map[string]string{"project.config.json": `{"cloudfunctionRoot":"./"}`}, "./, which project.config.json names as the cloudfunctionRoot, is the project itself", false},
		{"a configuration that is a folder", map[string]string{"project.config.json/": ""}, "project.config.json cannot be read", false},
		{"the functions were not built", map[string]string{"project.config.json": `{"cloudfunctionRoot":"cloud/dist/"}`}, "cloud/dist/, which project.config.json names as the cloudfunctionRoot, is not there", false},
		{"a cloudbaserc.json that is no JSON", map[string]string{"cloudbaserc.json": "{", "cloudfunctions/a/index.js": ""}, "cloudbaserc.json is no JSON", false},
		{"no JSON", map[string]string{"project.config.json": "{\"appid\":"}, "project.config.json is no JSON", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			_, err := project.Open(write(t, c.files))
			if err == nil || !strings.Contains(err.Error()+"\n", c.says) || errors.Is(err, project.ErrNoProject) != c.is {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestClient(t *testing.T) {
	for _, c := range []struct {
		sentence, config string
		files            []string
		want             string
	}{
		{"the folder that devtools show", `"miniprogramRoot":"app/"`, []string{"app/app.js", "other/b.js"}, "app/app.js"},
		{"the same, beside a folder src", `"miniprogramRoot":"app/"`, []string{"app/app.js", "src/no.js"}, "app/app.js"},
		{"the whole project, without functions, packages and what is built", ``, []string{"app.js", "cloudfunctions/f/a.js", "node_modules/a/a.js", "miniprogram_npm/a.js", "dist/app.js"}, "app.js"},
		{"src, where dist is shown", `"miniprogramRoot":"dist/"`, []string{"dist/app.js", "src/app.tsx"}, "src/app.tsx"},
		{"src beside dist", `"miniprogramRoot":"client/dist/"`, []string{"client/dist/app.js", "client/src/app.tsx", "src/no.js"}, "client/src/app.tsx"},
		{"src of a project with dist/wx", `"miniprogramRoot":"dist/wx/"`, []string{"dist/wx/app.js", "src/main.js", "src/a.vue"}, "src/a.vue src/main.js"},
		{"uni-app without src", `"miniprogramRoot":"app/unpackage/dist/dev/mp-weixin"`, []string{"app/main.js", "app/unpackage/dist/dev/mp-weixin/app.js"}, "app/main.js"},
		{"what is built, where there is nothing else", `"miniprogramRoot":"dist/"`, []string{"dist/app.js"}, "dist/app.js"},
		{"sources that are named", `"miniprogramRoot":"dist/","srcMiniprogramRoot":"lib/"`, []string{"lib/app.ts", "src/no.js"}, "lib/app.ts"},
		{"a source counts once, and types and minified files not", `"miniprogramRoot":"app/"`, []string{"app/a.ts", "app/a.js", "app/b.js", "app/b.d.ts", "app/c.min.js"}, "app/a.ts app/b.js"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			files := map[string]string{"project.config.json": "{" + c.config + "}", "cloudfunctions/f/index.js": ""}
			for _, name := range c.files {
				files[name] = ""
			}
			var got []string
			for _, file := range open(t, files).Client {
				got = append(got, file.Path)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestWhatIsPassedOver(t *testing.T) {
	p := open(t, map[string]string{
		"project.config.json": `{"appid":"wx3d289323f5900f8e","miniprogramRoot":"app"}`, "app/app.js": "", "app/large.js": strings.Repeat(" ", 2<<20+1),
		"cloudfunctions/f/index.js": "", "cloudfunctions/.git/index.js": "", "cloudfunctions/node_modules/m/index.js": "", "cloudfunctions/readme.md": "",
		"cloudfunctions/a b/index.js": "", "cloudfunctions/g/h/index.js": "",
	})
	want := []string{
		`"cloudfunctions/a b": the name of a function has letters, digits, _ and - only, and does not begin with -, so nothing can call this one`,
		"cloudfunctions/g: functions are the folders of cloudfunctions itself, not those further down; move these up, or name their folder as the cloudfunctionRoot",
		"app/large.js: the file is larger than 2097152 bytes",
	}
	if !slices.Equal(p.Skipped, want) {
		t.Errorf("got\n%s", strings.Join(p.Skipped, "\n"))
	}
	if p.AppID != "wx3d289323f5900f8e" || len(p.Functions) != 1 || len(p.Client) != 1 {
		t.Errorf("%s: %d functions, %d sources", p.AppID, len(p.Functions), len(p.Client))
	}
	if p := open(t, map[string]string{"project.config.json": `{"miniprogramRoot":"gone"}`, "cloudfunctions/": ""}); !slices.Equal(p.Skipped, []string{"gone: the client's folder is not there"}) {
		t.Errorf("%q", p.Skipped)
	}
}

func TestIsModule(t *testing.T) {
	p := open(t, map[string]string{
		"cloudfunctions/es/package.json": `{"type":"module"}`, "cloudfunctions/es/cjs/package.json": `{"type":"commonjs"}`, "cloudfunctions/none/index.js": "",
		"package.json": `{"type":"module"}`, "cloudfunctions/broken/package.json": "{",
	})
	for name, want := range map[string]string{
		"none/a.js": "", "none/a.mjs": "the extension .mjs", "none/a.mts": "the extension .mts", "es/a.cjs": "", "es/a.cts": "", "broken/a.js": "",
		"es/a.js": `"type": "module" in cloudfunctions/es/package.json`, "es/b/c/a.ts": `"type": "module" in cloudfunctions/es/package.json`, "es/cjs/a.js": "",
	} {
		if is, by := p.IsModule("cloudfunctions/" + name); is != (want != "") || is && by != want {
			t.Errorf("%s: %t by %s", name, is, by)
		}
	}
}

func TestFunctions(t *testing.T) {
	p := open(t, map[string]string{
		"cloudfunctions/a/package.json": "\uFEFF{\"main\":\"lib/a\",\"dependencies\":{\"b\":\"1\"}}\r\n",
		"cloudfunctions/a/lib/a.js":     "",
		"cloudfunctions/a/config.json":  `{"permissions":{"openapi":["wxacode.get"]},"triggers":[{"name":"t","type":"timer","config":"0 0 2 * * * *"}]}`,
		"cloudfunctions/b/index.ts":     "",
		"cloudfunctions/b/config.json":  "",
		"cloudfunctions/c/index.js":     "",
		"cloudfunctions/c/config.json":  "{\"permissions\":",
		"cloudfunctions/d/index.js":     "",
		"cloudfunctions/d/package.json": "{",
		"cloudfunctions/e/index.js":     "",
		"cloudfunctions/e/config.json":  `{ /* as an object */ "triggers":{"name":"t"}}`,
		"cloudfunctions/e/package.json": `{"dependencies":["lodash"]}`,
		"cloudfunctions/f/index.js":     "",
		"cloudfunctions/f/config.json":  "[]",
		"cloudfunctions/f/package.json": `{"optionalDependencies":{"b":"2"},"peerDependencies":{"b":"1","c":"3"},"devDependencies":{"d":"4"}}`,
		"cloudfunctions/shared/util.js": "",
		"cloudfunctions/.git/index.js":  "",
	})
	var got []string
	for _, f := range p.Functions {
		got = append(got, strings.Join([]string{f.Name, f.Entry, strings.Join(f.OpenAPI, " "), strings.Join(f.Problems, " "), f.Unread}, "|"))
	}
	want := []string{
		"a|cloudfunctions/a/lib/a.js|wxacode.get||",
		"b|cloudfunctions/b/index.ts|||",
		"c|cloudfunctions/c/index.js|||cloudfunctions/c/config.json is not read, so its permissions and timers are not in this report: unexpected end of JSON input",
		"d|cloudfunctions/d/index.js||package.json: unexpected end of JSON input|",
		"e|cloudfunctions/e/index.js||package.json: dependencies is of type array, which is wrong there|cloudfunctions/e/config.json is not read, so its permissions and timers are not in this report: triggers is of type object, which is wrong there",
		"f|cloudfunctions/f/index.js|||cloudfunctions/f/config.json is not read, so its permissions and timers are not in this report: the whole is of type array, which is wrong there",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if a := p.Functions[0]; len(a.Triggers) != 1 || a.Triggers[0].Config != "0 0 2 * * * *" || a.Dependencies["b"] != "1" {
		t.Errorf("%+v", a)
	}
	if c := p.Functions[2]; c.Dependencies != nil {
		t.Errorf("%v, without a package.json", c.Dependencies)
	}
	if f := p.Functions[5]; !maps.Equal(f.Dependencies, map[string]string{"b": "2", "c": "3"}) {
		t.Errorf("%v; want what npm installs", f.Dependencies)
	}
}

func TestFind(t *testing.T) {
	p := open(t, map[string]string{
		"cloudfunctions/f/index.js": "", "cloudfunctions/f/a.ts": "", "cloudfunctions/f/d/index.js": "", "cloudfunctions/f/e.json": "", "cloudfunctions/s.js": "",
		"cloudfunctions/f/m.mts": "", "cloudfunctions/f/x.tsx": "", "cloudfunctions/f/p/package.json": `{"main":"lib"}`, "cloudfunctions/f/p/lib.js": "", "cloudfunctions/f/p/index.js": "",
		"cloudfunctions/f/q/package.json": `{"main":"gone"}`, "cloudfunctions/f/q/index.js": "", "cloudfunctions/f/r/package.json": `{"main":"lib"}`, "cloudfunctions/f/r/lib/index.js": "",
	})
	for module, want := range map[string]string{
		"./a": "cloudfunctions/f/a.ts", "./d": "cloudfunctions/f/d/index.js", "./e": "cloudfunctions/f/e.json", "../s.js": "cloudfunctions/s.js",
		"./no": "", "../../../../etc/passwd": "", "./d/": "cloudfunctions/f/d/index.js",
		"./a.js": "cloudfunctions/f/a.ts", "./m.mjs": "cloudfunctions/f/m.mts", "./x.js": "cloudfunctions/f/x.tsx", "./gone.js": "", "./a.css": "",
		"./p": "cloudfunctions/f/p/lib.js", "./q": "cloudfunctions/f/q/index.js", "./r": "cloudfunctions/f/r/lib/index.js",
	} {
		if got := p.Find("cloudfunctions/f/index.js", module); got != want {
			t.Errorf("%s: %q", module, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, text := range []string{`{"appid":"a"}`, "{ // x\n}", `{"a":"//",}`, "/*", "\"\\", "{\"cloudfunctionRoot\":\"../..\"}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := project.Open(write(t, map[string]string{"project.config.json": text, "cloudfunctions/f/config.json": text})); err == nil {
			p.Close()
		}
	})
}
