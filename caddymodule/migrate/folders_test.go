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
	if err := os.Symlink("../../keys/cert.pem", filepath.Join(folder, "cloudfunctions/a/cert.pem")); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if status, err := run(&printed, folder, out, false); err != nil || status != 0 || !strings.Contains(printed.String(), "a  runs unchanged") {
		t.Errorf("%d, %v\n%s", status, err, printed.String())
	}
	const missing = "cloudfunctions/a/cert.pem: links are not followed"
	moving, err := os.ReadFile(filepath.Join(out, "MOVING.md"))
	if err != nil || !strings.Contains(printed.String(), "Not copied: "+missing) || !strings.Contains(string(moving), "- [ ] not copied: "+missing) {
		t.Errorf("%v\n%s\n%s", err, printed.String(), moving)
	}
	copied := filepath.Join(out, "project/cloudfunctions/a")
	for _, name := range []string{"index.js", "data.txt"} {
		if info, err := os.Stat(filepath.Join(copied, name)); err != nil || info.Size() < int64(len(large)) {
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
