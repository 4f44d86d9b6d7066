package migrate

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What Node.js takes a file for depends on its name and on package.json. That such verdicts are true, tests/system/e2e sees with tcb-ff.
func TestKindsOfModules(t *testing.T) {
	const es, cjs, ts = "export const main = async e => e\n", "exports.main = async e => e\n", "export async function main(e: any) { return e }\n"
	const importsLib, lib, module = "import { f } from './lib'\n", "export const f = 1\n", `{"type":"module"}`
	const sdk = `{"dependencies":{"wx-server-sdk":"~2.6.3"}}`
	for _, test := range []struct {
		sentence string
		files    map[string]string
		verdict  Verdict
		says     string // as a problem or a note
	}{
		{"CommonJS", map[string]string{"index.js": cjs}, Unchanged, ""},
		{"CommonJS that is called an ES module", map[string]string{"index.js": cjs, "package.json": module}, DoesNotLoad, `f/index.js:1: exports is not there in an ES module, which "type": "module" in cloudfunctions/f/package.json makes of the file`},
		{"CommonJS in .cjs, whatever package.json says", map[string]string{"index.cjs": cjs, "package.json": module}, Unchanged, ""},
		{"an ES module", map[string]string{"index.js": es, "package.json": module}, Unchanged, ""},
		{"one in .mjs", map[string]string{"index.mjs": es}, Unchanged, ""},
		{"one that does not say so", map[string]string{"index.js": es}, Unchanged, `f/index.js is an ES module without saying so, which Node.js takes from 20.19 and 22.7 on; "type": "module" in package.json says so`},
		{"one in .cjs", map[string]string{"index.cjs": es}, DoesNotLoad, "f/index.cjs has import or export, which the extension .cjs rules out"},
		{"one that asks for a file without its extension", map[string]string{"index.js": importsLib + es, "lib.js": lib, "package.json": module}, DoesNotLoad, "f/index.js:1: an ES module names a file in full: ./lib.js, not ./lib"},
		{"one that asks for a folder", map[string]string{"index.js": importsLib + es, "lib/index.js": lib, "package.json": module}, DoesNotLoad, "f/index.js:1: an ES module names a file in full: ./lib/index.js, not ./lib"},
		{"one that asks for a file in full", map[string]string{"index.js": "import { f } from './lib.js'\n" + es, "lib.js": lib, "package.json": module}, Unchanged, ""},
		{"one that uses require", map[string]string{"index.mjs": es + "const fs = require('fs')\n"}, DoesNotLoad, "f/index.mjs:2: require is not there in an ES module, which the extension .mjs makes of the file"},
		{"one that makes a require", map[string]string{"index.mjs": "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\nrequire('fs')\n" + es}, Unchanged, ""},
		{"one that asks whether there is a module", map[string]string{"index.mjs": "if (typeof module !== 'undefined') module.exports = 1\n" + es}, Unchanged, ""},
		{"TypeScript", map[string]string{"index.ts": importsLib + ts, "lib.ts": lib}, Unchanged, ""},
		{"TypeScript that names what files are compiled to", map[string]string{"index.ts": "import { f } from './lib.js'\n" + ts, "lib.ts": lib}, Unchanged, ""},
		{"TypeScript with export =", map[string]string{"index.ts": "export = { main: async (e: any) => e }\n"}, Unchanged, ""},
		{"the same in an ES module", map[string]string{"index.ts": "export = { main: async (e: any) => e }\n", "package.json": module}, DoesNotLoad, "f/index.ts:1: module is not there in an ES module"},
		{"TypeScript as an ES module", map[string]string{"index.ts": "import { f } from './lib.js'\n" + ts, "lib.ts": lib, "package.json": module}, Unchanged, ""},
		{"that without the extension", map[string]string{"index.ts": importsLib + ts, "lib.ts": lib, "package.json": module}, DoesNotLoad, "f/index.ts:1: an ES module names a file in full: ./lib.js, not ./lib"},
		{"TypeScript in .mts", map[string]string{"index.mts": ts}, Unchanged, ""},
		{"TypeScript in .cts", map[string]string{"index.cts": ts, "package.json": module}, Unchanged, ""},
		{"await outside of functions", map[string]string{"index.ts": "const one: number = await 1\n" + ts, "package.json": module}, Unchanged, ""},
		{"that in CommonJS", map[string]string{"index.ts": "const one: number = await 1\n" + ts}, DoesNotLoad, `f/index.ts waits outside of functions, which takes an ES module: write "type": "module" into package.json`},
		{"that in CommonJS that is JavaScript", map[string]string{"index.js": cjs + "await 1\n"}, DoesNotLoad, "f/index.js:1: await outside of functions takes an ES module, in which exports is not there"},
		{"await in functions", map[string]string{"index.js": "exports.main = async e => { for await (const x of e) await x }\n"}, Unchanged, ""},
		{"a path of the machine", map[string]string{"index.js": "require('/opt/utils')\n" + cjs}, DoesNotLoad, "f/index.js:1: /opt/utils is a path of the machine, which is no part of the project"},
		{"an ES module that imports the SDK", map[string]string{"index.mjs": "import cloud, { default as same } from 'wx-server-sdk'\ncloud.init()\n" + es, "package.json": sdk}, Unchanged, ""},
		{"members of it by name", map[string]string{"index.mjs": es + "import { init } from 'wx-server-sdk'\n", "package.json": sdk}, DoesNotLoad, "f/index.mjs:2: an ES module finds of wx-server-sdk only what it exports by default"},
		{"all of it", map[string]string{"index.mjs": "import * as cloud from 'wx-server-sdk'\ncloud.init()\n" + es, "package.json": sdk}, DoesNotLoad, "f/index.mjs:1: an ES module finds of wx-server-sdk only what it exports by default"},
		{"the default of all of it", map[string]string{"index.mjs": "import * as all from 'wx-server-sdk'\nall.default.init()\n" + es, "package.json": sdk}, Unchanged, ""},
		{"members of it in TypeScript, which becomes CommonJS", map[string]string{"index.ts": "import { init } from 'wx-server-sdk'\ninit()\n" + ts, "package.json": sdk}, Unchanged, ""},
		{"what the client's package.json says is not for functions", map[string]string{"index.js": cjs, "../../package.json": module}, Unchanged, ""},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			f := analyzed(t, test.files)
			said := slices.Concat(f.Problems, f.Notes)
			if f.Verdict != test.verdict || (test.says == "") != (len(said) == 0) || len(said) > 0 && !strings.HasPrefix(said[0], "cloudfunctions/"+test.says) {
				t.Errorf("%s: %q, want %s: %q", f.Verdict, said, test.verdict, test.says)
			}
		})
	}
}

// analyzed is what is found in a function of these files.
func analyzed(t *testing.T, files map[string]string) *Function {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, "cloudfunctions/f", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, p, err := Analyze(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if len(report.Functions) != 1 {
		t.Fatalf("%d functions", len(report.Functions))
	}
	return report.Functions[0]
}

// TypeScript becomes what the file is taken for beside it.
func TestWhatTypeScriptIsCompiledTo(t *testing.T) {
	const ts = "export const main = async (e: any) => e\n"
	out, _ := written(t, map[string]string{
		"cloudfunctions/cjs/index.ts": ts, "cloudfunctions/cts/index.cts": ts, "cloudfunctions/mts/index.mts": ts,
		"cloudfunctions/es/index.ts": ts, "cloudfunctions/es/package.json": `{"type":"module"}`,
	})
	want := map[string]string{"cjs/index.js": "module.exports", "cts/index.cjs": "module.exports", "mts/index.mjs": "export {", "es/index.js": "export {"}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		text, err := os.ReadFile(filepath.Join(out, "project/cloudfunctions", name))
		if err != nil || !strings.Contains(string(text), want[name]) {
			t.Errorf("%s: %v:\n%s", name, err, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "cloudbase-functions.json"))
	for _, source := range []string{"index.cjs", "index.mjs"} {
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("%q: %q", "source", source)) {
			t.Errorf("%s is not served: %v\n%s", source, err, text)
		}
	}
}
