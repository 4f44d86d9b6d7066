package command_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/command"
	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule/migrate"
)

// isCaddy is set for a process of this test that is Caddy, since statuses are those of processes.
const isCaddy = "COMMAND_TEST_IS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(isCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// caddy runs a command in an empty folder, and returns its status and what it says.
func caddy(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), isCaddy+"=1")
	cmd.Dir = t.TempDir()
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(said)
}

func TestStatuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"right":                          "{\nadmin off\n}\n:18080 {\nrespond ok\n}\n",
		"public":                         "{\nadmin off\n}\n:18080 {\ncloudid_sandbox {\nallow 0.0.0.0/0\n}\n}\n",
		"unknown":                        ":18080 {\ncloudid {\nfoo\n}\n}\n",
		"invalid.json":                   `{"apps":`,
		"twice":                          "{\nadmin off\n}\n:18080 {\ncloudid_sandbox {\nallow 0.0.0.0/0\n}\n}\n:18081 {\ncloudid_sandbox {\nallow 0.0.0.0/0\n}\n}\n",
		"other.json":                     `{"apps":[]}`,
		"named.json":                     `{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{"@id":"s","listen":[":18080"],"routes":[{"@id":"r","handle":[{"handler":"static_response"}]}]}}}}}`,
		"runs/project.config.json":       `{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"cloudfunctions/"}`,
		"left/cloudfunctions/f/index.js": "const cloud = require('wx-server-sdk')\nexports.main = async () => cloud.database().collection('a').get()\n",
		"runs/cloudfunctions/f/index.js": "exports.main = async (event) => event.n\n",
		"none/file":                      "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		sentence string
		args     string
		status   int
		says     string
	}{
		{"no command", "", 0, "Available Commands:"},
		{"help", "check --help", 0, "The exit status is"},
		{"an unknown command", "chek", 2, `Error: there is no command "chek"; those of caddy cloudid are: check, explain, migrate, preload, status`},
		{"an unknown flag of none", "--nope", 2, "Error: unknown flag: --nope; the syntax is: caddy cloudid"},

		{"check: nothing is wrong", "check --offline --adapter caddyfile --config DIR/right", 0, "nothing is wrong"},
		{"check: a finding", "check --offline --adapter caddyfile --config DIR/public", 1, "1 finding"},
		{"check: two findings", "check --offline --adapter caddyfile --config DIR/twice", 1, "2 findings"},
		{"check: no account that WeChat could be asked of", "check --adapter caddyfile --config DIR/right", 0, "nothing is wrong"},
		{"check: JSON of another kind is a finding", "check --offline --config DIR/other.json", 1, "Caddy does not take this config: json: cannot unmarshal array"},
		{"check: what cannot be adapted is a finding", "check --offline --adapter caddyfile --config DIR/unknown", 1, `Caddy does not take this config: adapting config using caddyfile: parsing caddyfile tokens for 'cloudid': unknown option "foo"`},
		{"check: what is no JSON is a finding", "check --offline --config DIR/invalid.json", 1, "Caddy does not take this config: config is not valid JSON"},
		{"check: names that JSON has for the admin API are none of the config", "check --offline --config DIR/named.json", 0, "nothing is wrong"},
		{"check: a file that is not there", "check --offline --config DIR/absent", 2, "Error: reading config from file: open DIR/absent"},
		{"check: no file", "check --offline", 2, "Error: there is no config: name it with --config"},
		{"check: an adapter that is not there", "check --offline --adapter nope --config DIR/right", 2, "Error: unrecognized config adapter: nope"},
		{"check: an unknown flag", "check --nope", 2, "Error: unknown flag: --nope; the syntax is: caddy cloudid check [--config <path>] [--adapter <name>] [--offline]\n"},
		{"check: an argument", "check Caddyfile", 2, `Error: "Caddyfile" is not expected here; the syntax is: caddy cloudid check [--config`},

		{"migrate: all runs", "migrate DIR/runs", 0, "runs unchanged"},
		{"migrate: something is left", "migrate DIR/left", 1, "database"},
		{"migrate: no project", "migrate DIR/none", 2, "this is no mini program made with cloud development"},
		{"migrate: nothing is there", "migrate DIR/absent", 2, "Error: the project cannot be read"},
		{"migrate: no folder", "migrate", 2, "Error: name the folder of the mini program, in which project.config.json is; the syntax is: caddy cloudid migrate <project>"},
		{"migrate: two folders", "migrate a b", 2, `Error: "b" is one folder too many`},
		{"migrate: a flag without a value", "migrate DIR/runs --out", 2, "Error: flag needs an argument: --out"},
		{"migrate: a folder that cannot be written", "migrate DIR/runs --out DIR/none/file/out", 2, "Error: "},

		{"explain: a code", "explain 40164", 0, "whitelist"},
		{"explain: a code that nobody knows", "explain 99999", 0, "unknown to this gateway"},
		{"explain: one of several", "explain abc 40164", 2, "40164  IP address not on the whitelist"},
		{"explain: neither a code nor a word", "explain abc", 2, `Error: "abc" is neither an error code`},
		{"status: no server", "status --address 127.0.0.1:1", 1, "is the server running"},
		{"status: no admin API", "status --address http://127.0.0.1:1/", 1, "its admin API at 127.0.0.1:1, not off (admin off)?"},
		{"status: a config that is not there", "status --config DIR/absent", 2, "Error: finding the address of the admin API: reading config from file: open DIR/absent"},
		{"status: a config that Caddy does not take", "status --adapter caddyfile --config DIR/unknown", 1, `unknown option "foo"`},
		{"status: an argument", "status x", 2, `Error: "x" is not expected here`},
		{"status: an unknown flag", "status --nope", 2, "Error: unknown flag: --nope"},
		{"preload: an argument", "preload x", 2, `Error: "x" is not expected here`},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			args := strings.Fields("cloudid " + strings.ReplaceAll(test.args, "DIR", dir))
			status, out := caddy(t, args...)
			if out = strings.ReplaceAll(out, dir, "DIR"); status != test.status || !strings.Contains(out, test.says) {
				t.Errorf("status %d, want %d and %q in\n%s", status, test.status, test.says, out)
			}
			if wrongUsage := test.status == command.StatusUsage; wrongUsage != (strings.Count(out, "Error: ") == 1) && test.status != 1 {
				t.Errorf("the error is not said once:\n%s", out)
			}
		})
	}
}
