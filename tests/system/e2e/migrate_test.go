package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// What `caddy cloudid migrate` says of a function is what becomes of it in tcb-ff, started as what it writes starts it, whatever kind of
// module the function is, and whether it returns its result or gives it to a callback.
func TestVerdictsOnFunctionsAreTrue(t *testing.T) {
	const (
		module   = `{"type":"module"}`
		sdk      = `{"dependencies":{"wx-server-sdk":"~2.6.3"}}`
		returns  = "async (event) => ({ got: event.n })"
		calls    = "(event, context, callback) => { setTimeout(() => callback(null, { got: event.n }), 1) }"
		typed    = "(event: any, context: any, callback: Function) => { setTimeout(() => callback(null, { got: event.n }), 1) }"
		lib      = "\nexport const f = (n) => n\n"
		usesLib  = "import { f } from './lib'\nexport const main = async (event) => ({ got: f(event.n) })"
		usesFull = "import { f } from './lib.js'\nexport const main = async (event) => ({ got: f(event.n) })"
	)
	functions := map[string]map[string]string{
		"cjs":          {"index.js": "exports.main = " + returns},
		"cjs_callback": {"index.js": "exports.main = " + calls},
		"cjs_fails":    {"index.js": "exports.main = (event, context, callback) => { setTimeout(() => callback(new Error('no')), 1) }"},
		"cjs_frozen":   {"index.js": "module.exports = Object.freeze({ main: " + calls + " })"},
		"cjs_getter":   {"index.js": "Object.defineProperty(exports, 'main', { get: () => main })\nconst main = " + calls},
		"cjs_module":   {"index.js": "exports.main = " + returns, "package.json": module},
		"cjs_waits":    {"index.js": "await null\nexports.main = " + returns},
		"es":           {"index.js": "export const main = " + returns, "package.json": module},
		"es_callback":  {"index.js": "export const main = " + calls, "package.json": module},
		"es_cjs":       {"index.cjs": "export const main = " + returns},
		"es_default":   {"index.mjs": "export default { main: " + returns + " }"},
		"es_full":      {"index.js": usesFull, "lib.js": lib, "package.json": module},
		"es_half":      {"index.js": usesLib, "lib.js": lib, "package.json": module},
		"es_require":   {"index.mjs": "const fs = require('fs')\nexport const main = " + returns},
		"es_silent":    {"index.js": "export const main = " + returns},
		"es_silent_cb": {"index.js": "export const main = " + calls},
		"es_waits":     {"index.js": "await null\nexport const main = " + returns},
		"mjs_callback": {"index.mjs": "export const main = " + calls},
		"sdk":          {"index.mjs": "import cloud from 'wx-server-sdk'\ncloud.init()\nexport const main = " + returns, "package.json": sdk},
		"sdk_all":      {"index.mjs": "import * as cloud from 'wx-server-sdk'\nexport const main = async (event) => { cloud.init(); return { got: event.n } }", "package.json": sdk},
		"sdk_named":    {"index.mjs": "import { init, getWXContext } from 'wx-server-sdk'\ninit()\nexport const main = " + returns, "package.json": sdk},
		"sdk_ts":       {"index.ts": "import { init } from 'wx-server-sdk'\ninit()\nexport const main = " + returns, "package.json": sdk},
		"ts":           {"index.ts": usesLib, "lib.ts": "export const f = (n: number): number => n"},
		"ts_callback":  {"index.ts": "export const main = " + typed},
		"ts_cts":       {"index.cts": "export const main = " + typed},
		"ts_full":      {"index.ts": usesFull, "lib.ts": "export const f = (n: number): number => n", "package.json": module},
		"ts_half":      {"index.ts": usesLib, "lib.ts": "export const f = (n: number): number => n", "package.json": module},
		"ts_module":    {"index.ts": "export const main = " + typed, "package.json": module},
		"ts_mts":       {"index.mts": "export const main = " + typed},
		"ts_waits":     {"index.ts": "await null\nexport const main = " + returns},
	}
	verdicts, out := migrated(t, functions)
	address := startMigrated(t, out)
	for name := range functions {
		t.Run(name, func(t *testing.T) {
			res, err := http.Post("http://"+address+"/"+name, "application/json", strings.NewReader(`{"n":7}`))
			if err != nil {
				t.Fatal(err)
			}
			body := bodyOf(t, res)
			runs := res.StatusCode == http.StatusOK && body == `{"got":7}`
			if name == "cjs_fails" {
				runs = res.StatusCode == http.StatusInternalServerError
			}
			if said := verdicts[name]; runs != (said == "runs unchanged") || !runs && said != "does not load" {
				t.Errorf("migrate says %q, and the function answers %d %s", said, res.StatusCode, body)
			}
		})
	}
}

// migrated is what `caddy cloudid migrate` says of functions with these files, and the folder that it writes.
func migrated(t *testing.T, functions map[string]map[string]string) (verdicts map[string]string, out string) {
	t.Helper()
	project, out := t.TempDir(), t.TempDir()
	for name, files := range functions {
		folder := filepath.Join(project, "cloudfunctions", name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	said, err := exec.Command(caddyBinary(t), "cloudid", "migrate", project, "--out", out, "--json").Output()
	var report struct {
		Functions []struct{ Name, Verdict string }
	}
	if broken := json.Unmarshal(said, &report); broken != nil {
		t.Fatalf("%v, %v: %s", err, broken, said)
	}
	verdicts = map[string]string{}
	for _, f := range report.Functions {
		verdicts[f.Name] = f.Verdict
	}
	return verdicts, out
}

// startMigrated starts the functions of a folder as its package.json does, and returns where they listen.
func startMigrated(t *testing.T, out string) (address string) {
	t.Helper()
	node := program(t, "node")
	packages := filepath.Join(root(), "tests", "functions", "node_modules")
	if _, err := os.Stat(filepath.Join(packages, "@cloudbase")); err != nil {
		missing(t, "the functions' packages are not installed: run `npm ci` in tests/functions")
	}
	if err := os.Symlink(packages, filepath.Join(out, "node_modules")); err != nil {
		t.Fatal(err)
	}
	address = freeport.Addr(t)
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(node, "start.cjs")
	cmd.Dir, cmd.Env = out, append(os.Environ(), "PORT="+port, "CLOUDID_LISTEN=127.0.0.1", fmt.Sprint("LOGS_DIRECTORY=", t.TempDir()))
	start(t, "functions", cmd)
	waitFor(t, address)
	return address
}
