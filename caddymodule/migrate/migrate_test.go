package migrate

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reports of testdata anew")

// projects are the mini programs of testdata.
func projects(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*/project.config.json")
	if err != nil || len(found) < 9 {
		t.Fatalf("%d projects: %v", len(found), err)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

func TestReports(t *testing.T) {
	for _, folder := range projects(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			report, p, err := Analyze(folder)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var got strings.Builder
			report.Print(&got)
			golden := folder + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

func TestWrittenFolders(t *testing.T) {
	for _, folder := range projects(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			before := snapshot(t, folder)
			out := t.TempDir()
			var text strings.Builder
			if _, err := run(&text, folder, out, false); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"Caddyfile", "cloudbase-functions.json", "package.json", "start.cjs", "cloudid-preload.cjs", "MOVING.md", "miniprogram/cloud.js", "miniprogram/cloud.d.ts", "systemd/cloudid-functions.service"} {
				if _, err := os.Stat(filepath.Join(out, name)); err != nil {
					t.Error(err)
				}
			}
			if after := snapshot(t, folder); after != before {
				t.Error("the project was changed")
			}
			if !strings.Contains(text.String(), "Written to "+out) {
				t.Error(text.String())
			}
			units, _ := filepath.Glob(filepath.Join(out, "systemd", "*.timer"))
			checkCalendars(t, units)
		})
	}
}

// snapshot is the text of all files of a folder.
func snapshot(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		fmt.Fprintf(&all, "%s\n%s\n", name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// checkCalendars has systemd read the times of timers.
func checkCalendars(t *testing.T, timers []string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil && len(timers) > 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing")
		}
		t.Skip("systemd-analyze is missing: the times of timers are not read by systemd")
	}
	for _, name := range timers {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\nAccuracySec=1s\n") {
			t.Errorf("%s: without AccuracySec, systemd starts it at any moment of a minute", name)
		}
		for line := range strings.Lines(string(text)) {
			calendar, found := strings.CutPrefix(line, "OnCalendar=")
			if !found {
				continue
			}
			if output, err := exec.Command(analyze, "calendar", strings.TrimSpace(calendar)).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, calendar, err, output)
			}
		}
	}
}

func TestWrongArgumentsHaveWords(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"--nope", "a"}, {"a", "--out"}, {"nowhere"}} {
		var said strings.Builder
		cmd := migrateCommand()
		cmd.SetErr(&said)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err == nil || strings.Count(said.String(), "Error: ") != 1 {
			t.Errorf("%q: %v, %q", args, err, said.String())
		}
	}
}

func TestAFolderWithAPercentSign(t *testing.T) {
	out := filepath.Join(t.TempDir(), "50% done")
	if _, err := run(new(strings.Builder), "testdata/quickstart", out, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "systemd/cloudid-functions.service"))
	if err != nil || !strings.Contains(string(text), "/50%% done\n") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "Caddyfile"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if _, err := run(&printed, "testdata/quickstart", out, false); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(printed.String(), "\nLeft as they are, since they were there already: Caddyfile.\n") {
		t.Error(printed.String())
	}
	if text, _ := os.ReadFile(filepath.Join(out, "Caddyfile")); string(text) != "mine" {
		t.Error("the Caddyfile was overwritten")
	}
	if text, _ := os.ReadFile(filepath.Join(out, "MOVING.md")); !strings.Contains(string(text), "left as they are: `Caddyfile`") {
		t.Errorf("MOVING.md does not say so:\n%s", text)
	}
}

// written migrates a project of these files, and returns the folder that is written and what is printed.
func written(t *testing.T, files map[string]string) (out, text string) {
	t.Helper()
	folder, out := t.TempDir(), t.TempDir()
	if files["project.config.json"] == "" {
		files["project.config.json"] = `{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"cloudfunctions"}`
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var printed strings.Builder
	if _, err := run(&printed, folder, out, false); err != nil {
		t.Fatal(err)
	}
	return out, printed.String()
}

// Timers are named as people like, in Chinese for the most part.
func TestTimersOfAnyName(t *testing.T) {
	out, _ := written(t, map[string]string{
		"cloudfunctions/a/index.js": "exports.main = () => 1",
		"cloudfunctions/a/config.json": `{"triggers":[{"name":"每天","type":"timer","config":"0 0 2 * * * *"},{"name":"每周","type":"timer","config":"0 0 2 * * 1 *"},
			{"name":"it's 5% of\n$HOME \"\\","type":"timer","config":"0 0 2 * * * *"}]}`,
	})
	for name, want := range map[string]string{"a-__": "每天", "a-__-2": "每周", "a-it_s_5__of__HOME___": "it's 5% of\n$HOME \"\\"} {
		text, err := os.ReadFile(filepath.Join(out, "systemd/cloudid-"+name+".service"))
		if err != nil {
			t.Error(err)
			continue
		}
		_, argument, _ := strings.Cut(string(text), " -d '")
		argument, rest, _ := strings.Cut(argument, "'")
		var body struct{ Data struct{ TriggerName string } }
		argument = strings.ReplaceAll(argument, `\\`, `\`) // as systemd reads it
		if err := json.Unmarshal([]byte(argument), &body); err != nil || body.Data.TriggerName != want || rest != "\n" || strings.ContainsAny(argument, "%$") {
			t.Errorf("%s: %s: %q, %v", name, argument, body.Data.TriggerName, err)
		}
		if lines := strings.Count(string(text), "\n"); lines != 7 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
}

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		sentence, folder string
		want             int
	}{
		{"all runs", "testdata/quickstart", 0},
		{"something is left", "testdata/database", 1},
		{"no project", "templates", 2},
		{"no folder", "testdata/nowhere", 2},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			status, err := run(new(strings.Builder), c.folder, "", true)
			if status != c.want || (err != nil) != (c.want == 2) {
				t.Errorf("%d, %v", status, err)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var text strings.Builder
	if _, err := run(&text, "testdata/shared", "", true); err != nil {
		t.Fatal(err)
	}
	var report Report
	if err := json.Unmarshal([]byte(text.String()), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Functions) != 7 || report.Functions[2].Name != "half" || report.Functions[2].Verdict != DoesNotLoad {
		t.Errorf("%s", text.String())
	}
}

// Whatever a folder holds, there are words and no crash, and nothing outside of it is read.
func TestOddProjects(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.js")
	if err := os.WriteFile(secret, []byte("wx.cloud.database()"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := func(files map[string]string) string {
		folder := t.TempDir()
		for name, text := range files {
			path := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return folder
	}
	report := func(t *testing.T, folder string) string {
		t.Helper()
		var text strings.Builder
		if _, err := run(&text, folder, t.TempDir(), false); err != nil {
			return err.Error()
		}
		return text.String()
	}
	const config = `{"appid":"wx3d289323f5900f8e","cloudfunctionRoot":"cloudfunctions"}`
	t.Run("a configuration that is no JSON", func(t *testing.T) {
		if got := report(t, build(map[string]string{"project.config.json": "{"})); !strings.Contains(got, "project.config.json is no JSON") {
			t.Error(got)
		}
	})
	t.Run("no configuration, but the usual folder", func(t *testing.T) {
		if got := report(t, build(map[string]string{"cloudfunctions/a/index.js": "exports.main = () => 1"})); !strings.Contains(got, "there is no AppID") || !strings.Contains(got, "a  runs unchanged") {
			t.Error(got)
		}
	})
	t.Run("what is no AppID", func(t *testing.T) {
		for _, appid := range []string{"touristappid", "wx 1", "wx{env.HOME}", "wx\\n}"} {
			got := report(t, build(map[string]string{"project.config.json": `{"appid":"` + appid + `"}`, "cloudfunctions/a/index.js": "exports.main = () => 1"}))
			if !strings.Contains(got, "there is no AppID") {
				t.Error(got)
			}
		}
	})
	t.Run("folders outside of the project", func(t *testing.T) {
		folder := build(map[string]string{"project.config.json": `{"cloudfunctionRoot":"../../../../etc","miniprogramRoot":"/etc"}`})
		if got := report(t, folder); !strings.Contains(got, "../../../../etc, which project.config.json names as the cloudfunctionRoot, is not there") {
			t.Error(got)
		}
	})
	t.Run("links that lead outside", func(t *testing.T) {
		folder := build(map[string]string{"project.config.json": config, "cloudfunctions/a/index.js": "require('./link')", "app.js": ""})
		for _, name := range []string{"cloudfunctions/a/link.js", "link.js"} {
			if err := os.Symlink(secret, filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
		got := report(t, folder)
		if !strings.Contains(got, "link.js: this link leads out of the project, or nowhere, and is not followed") || strings.Contains(got, "database") {
			t.Error(got)
		}
	})
	t.Run("files that ask for each other", func(t *testing.T) {
		got := report(t, build(map[string]string{"project.config.json": config, "cloudfunctions/a/index.js": "const b = require('./b')\nexports.main = b", "cloudfunctions/a/b.js": "const a = require('./index')\nmodule.exports = a"}))
		if !strings.Contains(got, "a  runs unchanged") {
			t.Error(got)
		}
	})
	t.Run("bytes that are no text, and a huge file", func(t *testing.T) {
		got := report(t, build(map[string]string{"project.config.json": config, "cloudfunctions/a/index.js": "\x00\xff\xfe", "cloudfunctions/b/index.js": strings.Repeat("a=1\n", 5<<20), "cloudfunctions/c/package.json": "[]"}))
		for _, want := range []string{"a  does not load", "b  does not load", "c  does not load", "larger than"} {
			if !strings.Contains(got, want) {
				t.Errorf("it does not say %q:\n%s", want, got)
			}
		}
	})
	t.Run("ten thousand files", func(t *testing.T) {
		files := map[string]string{"project.config.json": config, "cloudfunctions/a/index.js": "exports.main = () => 1"}
		for i := range 10_000 {
			files[fmt.Sprintf("pages/p%d.js", i)] = "wx.cloud.callFunction({ name: 'a' })"
		}
		if got := report(t, build(files)); !strings.Contains(got, "callFunction     10000") {
			t.Error(got[:min(len(got), 2000)])
		}
	})
}
