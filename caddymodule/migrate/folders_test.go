package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFoldersThatAreNoFunctions(t *testing.T) {
	const main = "exports.main = () => 1"
	out, text := written(t, map[string]string{
		"cloudfunctions/pay/index.js":         main,
		"cloudfunctions/pay - 副本/index.js":    main, // as devtools call a copy
		"cloudfunctions/v1.2/index.js":        main,
		"cloudfunctions/-pay/index.js":        main,
		"cloudfunctions/shop/order/index.js":  main,
		"cloudfunctions/shop/refund/index.js": main,
		"cloudfunctions/docs/readme.md":       "",
	})
	for _, want := range []string{
		"1 function\n", "\"cloudfunctions/pay - 副本\": the name of a function has letters", "\"cloudfunctions/v1.2\": the name", "\"cloudfunctions/-pay\": the name",
		"cloudfunctions/shop: functions are the folders of cloudfunctions itself", "Nothing is left to do",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if config, err := os.ReadFile(filepath.Join(out, "cloudbase-functions.json")); err != nil || strings.Count(string(config), `"name"`) != 1 {
		t.Errorf("%v\n%s", err, config)
	}
}

// What a function reads is copied, of whatever size; what is not is said.
func TestFilesOfAnySizeAreCopied(t *testing.T) {
	folder, out := t.TempDir(), t.TempDir()
	large := strings.Repeat("x", 3<<20)
	for name, text := range map[string]string{
		"project.config.json":       `{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"cloudfunctions"}`,
		"cloudfunctions/a/index.js": "exports.main = () => 1 // bundled " + large,
		"cloudfunctions/a/data.txt": large,
		"cloudfunctions/a/tool":     "#!/bin/sh\n",
		"keys/cert.pem":             "",
	} {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "cloudfunctions/a/tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"cert.pem": "../../keys/cert.pem", "gone.pem": "../../keys/gone.pem"} {
		if err := os.Symlink(to, filepath.Join(folder, "cloudfunctions/a", link)); err != nil {
			t.Fatal(err)
		}
	}
	var printed strings.Builder
	if status, err := run(&printed, folder, out, false); err != nil || status != 0 || !strings.Contains(printed.String(), "a  runs unchanged") {
		t.Errorf("%d, %v\n%s", status, err, printed.String())
	}
	const missing = "cloudfunctions/a/gone.pem: this link leads out of the project, or nowhere, and is not followed"
	moving, err := os.ReadFile(filepath.Join(out, "MOVING.md"))
	if err != nil || !strings.Contains(printed.String(), "Not copied: "+missing) || !strings.Contains(string(moving), "- [ ] not copied: "+missing) {
		t.Errorf("%v\n%s\n%s", err, printed.String(), moving)
	}
	copied := filepath.Join(out, "project/cloudfunctions/a")
	for name, size := range map[string]int{"index.js": len(large), "data.txt": len(large), "cert.pem": 0} {
		if info, err := os.Lstat(filepath.Join(copied, name)); err != nil || !info.Mode().IsRegular() || info.Size() < int64(size) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(filepath.Join(copied, "tool")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("the tool: %v, %v", info, err)
	}
}

func TestWhatConfigurationsSay(t *testing.T) {
	const main = "exports.main = () => 1"
	for _, test := range []struct {
		sentence string
		files    map[string]string
		says     string
	}{
		{"an AppID of project.private.config.json", map[string]string{"project.private.config.json": `{"appid":"wx7a51c0e29b4d8f36"}`, "cloudfunctions/a/index.js": main}, "wx7a51c0e29b4d8f36: 1 function"},
		{"a config.json that is not read", map[string]string{"cloudfunctions/a/index.js": main, "cloudfunctions/a/config.json": `{"triggers":{}}`}, "1. cloudfunctions/a/config.json is not read"},
		{"a trigger without a type", map[string]string{"cloudfunctions/a/index.js": main, "cloudfunctions/a/config.json": `{"triggers":[{"name":"t","config":"0 0 2 * * * *"}]}`}, `1. the trigger t of a has no type, which is "timer" for a timer`},
		{"timers of cloudbaserc.json, which are no others than those of config.json", map[string]string{
			"cloudbaserc.json":          `{"functions":[{"name":"a","triggers":[{"name":"t","type":"timer","config":"0 0 2 * * * *"},{"name":"u","type":"timer","config":"0 0 3 * * * *"}]}]}`,
			"cloudfunctions/a/index.js": main, "cloudfunctions/a/config.json": `{"triggers":[{"name":"t","type":"timer","config":"0 0 2 * * * *"}]}`,
		}, "a  runs unchanged\n       timer t: 0 0 2 * * * *\n       timer u: 0 0 3 * * * *\n\n"},
		{"a main that is not there", map[string]string{"cloudfunctions/a/package.json": `{"main":"dist/index.js"}`, "cloudfunctions/a/src/index.ts": main}, "1. a does not load: package.json names dist/index.js, which is not there: build the function first\n"},
		{"a main that is not there, where index.js is", map[string]string{"cloudfunctions/a/package.json": `{"main":"dist/index.js"}`, "cloudfunctions/a/index.js": main}, "a  runs unchanged"},
		{"weekdays as numbers", map[string]string{"cloudfunctions/a/index.js": main, "cloudfunctions/a/config.json": `{"triggers":[{"name":"t","type":"timer","config":"0 0 2 * * 1-5 *"}]}`}, "its systemd unit says Mon..Fri"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			if _, text := written(t, test.files); !strings.Contains(text, test.says) {
				t.Errorf("it does not say %q:\n%s", test.says, text)
			}
		})
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "project.config.json"), []byte(`{"cloudfunctionRoot":"./"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(new(strings.Builder), folder, "", false); err == nil || !strings.Contains(err.Error(), "is the project itself") {
		t.Errorf("%v", err)
	}
}

// Functions share code by links, too: they are followed as long as they stay in the project.
func TestLinks(t *testing.T) {
	folder, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"project.config.json":         `{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"functions"}`,
		"server/functions/a/index.js": "exports.main = () => require('./common/util')",
		"server/common/util.js":       "module.exports = 1",
		"server/common/data.txt":      "data",
		"server/other/index.js":       "exports.main = () => 1",
		"app/app.js":                  "wx.cloud.callFunction({ name: 'a' })",
	} {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"functions": "server/functions", "server/functions/a/common": "../../common", "server/functions/b": "../other",
		"server/common/up": "..", "server/functions/gone": "../gone", "server/functions/out": os.TempDir(), "server/functions/a/node_modules": "../../common",
	} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	var printed strings.Builder
	if _, err := run(&printed, folder, out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 functions", "a  runs unchanged", "b  runs unchanged", "functions/gone: this link leads out of the project, or nowhere", "functions/out: this link leads out",
		"Not copied: functions/a/common/up: this link to a folder is in a folder that a link leads to, and is not followed",
	} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, printed.String())
		}
	}
	for name, want := range map[string]bool{"a/common/util.js": true, "a/common/data.txt": true, "b/index.js": true, "a/common/up": false, "a/node_modules": false} {
		if _, err := os.Lstat(filepath.Join(out, "project/functions", name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnvironmentAndWorkingDirectory(t *testing.T) {
	out, text := written(t, map[string]string{
		"cloudfunctions/a/index.js": `const fs = require('fs'), env = process.env, { ONE, NODE_ENV } = process.env
process.env.TZ = process.env.SET = 'Asia/Shanghai'
exports.main = () => [env.TWO.split(','), process.env['THREE'], process.env[ONE], process.env.WX_OPENID, process.argv, fs.readFileSync('/etc/hosts'), fs.readFileSync('./gone.json'), fs.writeFileSync('data.json')]`,
		"cloudfunctions/a/data.json": "{}",
		"cloudfunctions/b/index.js":  "const { readFileSync } = require('fs')\nconst { TWO } = require('./env')\nexports.main = () => readFileSync('./data.json')",
		"cloudfunctions/b/env.js":    "exports.TWO = process.env.TWO",
		"cloudfunctions/b/data.json": "{}",
		"cloudfunctions/c/index.js":  "exports.main = () => fs.readFileSync(__dirname + '/data.json')",
		"cloudfunctions/c/data.json": "{}",
		"app.js":                     "console.log(process.env.CLIENT)",
	})
	for _, want := range []string{
		"a  runs unchanged\n       reads the environment variables ONE, THREE, TWO\n", "b  needs\n       cloudfunctions/b/index.js:3  the function's folder as the working directory\n       reads the environment variables TWO\n", "c  runs unchanged\n",
		"1. the function's folder as the working directory: used by b; here all functions share one: name the file by path.join(__dirname, …)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	moving, err := os.ReadFile(filepath.Join(out, "MOVING.md"))
	if err != nil || !strings.Contains(string(moving), "as the cloud's console has them: `ONE`, `THREE`, `TWO`. A line") {
		t.Errorf("%v\n%s", err, moving)
	}
}
