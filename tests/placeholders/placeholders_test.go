// Package placeholders_test names the wrong variable in each option of each module: what it stands for is a secret, and nobody is
// shown it.
package placeholders_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	_ "github.com/caddy-cloudid/caddy-cloudid/caddymodule"
	"github.com/caddy-cloudid/caddy-cloudid/tests/caddyrig"
	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// hidden is a part of every secret.
const hidden = "5ec5e75ec5e7"

const (
	likeAppID  = "wxabcd" + hidden               // WeChat's AppIDs have this form
	likeSecret = "01234567890123456789" + hidden // and its secrets this one
	variable   = "PLACEHOLDERS_TEST"
)

// option is an option of a module, by the members of its JSON, and a value that it does not allow. * stands for an AppID.
type option struct {
	module, path string
	value        string
	says         string // what names the option in errors; "": any value is allowed
}

var options = []option{
	{"cloudid", "accounts", likeSecret, "account "},
	{"cloudid", "accounts", "no-appid-" + hidden, ""},
	{"cloudid", "accounts.*.secret", likeAppID, "secret: "},
	{"cloudid", "accounts.*.secret", hidden, ""},
	{"cloudid", "accounts.*.endpoint", "ftp://" + hidden, "endpoint: "},
	{"cloudid", "accounts.*.endpoint", "https://example.com/?" + hidden, "endpoint: "},
	{"cloudid", "accounts.*.timeout", hidden, "timeout: "},
	{"cloudid", "accounts.*.retries", hidden, "retries: "},
	{"cloudid", "accounts.*.cache.ttl", hidden, "cache: ttl: "},
	{"cloudid", "accounts.*.cache.entries", hidden, "cache: entries: "},
	{"cloudid", "accounts.*.keys", hidden, "key: "},
	{"cloudid", "accounts.*.limit.cloudids", hidden, "limit: cloudids: "},
	{"cloudid", "accounts.*.limit.window", hidden, "limit: window: "},
	{"cloudid", "accounts.*.max_calls", hidden, "max_calls: "},
	{"cloudid.tokens.stable", "secret", likeAppID, "token stable: "},
	{"cloudid.tokens.service", "url", hidden, "token service: "},
	{"cloudid.tokens.static", "token", hidden, ""},

	{"http.handlers.cloudid", "account", hidden, "account "},
	{"http.handlers.cloudid", "account", likeSecret, "account "},
	{"http.handlers.cloudid", "account", likeAppID, "account "},
	{"http.handlers.cloudid", "openid", "http." + hidden, "openid: "},
	{"http.handlers.cloudid", "openid", "{http.auth.user.id}" + hidden, ""},
	{"http.handlers.cloudid", "openid", "{http.request.header." + hidden + "}", ""},
	{"http.handlers.cloudid", "openid", "{" + hidden + "}", ""},
	{"http.handlers.cloudid", "unionid", "http." + hidden, "unionid: "},
	{"http.handlers.cloudid", "event.pointer", hidden, "event: "},
	{"http.handlers.cloudid", "event.pointer", "/~" + hidden, "event: "},
	{"http.handlers.cloudid", "event.pointer", "/" + strings.Repeat(hidden, 30), "event: "},
	{"http.handlers.cloudid", "fields", ":" + hidden, "fields: "},
	{"http.handlers.cloudid", "fields", strings.Repeat(hidden, 30), "fields: "},
	{"http.handlers.cloudid", "pass", hidden, "pass: "},
	{"http.handlers.cloudid", "pass", "application/" + hidden + "+json", "pass: "},
	{"http.handlers.cloudid", "max_ids", hidden, "max_ids: "},
	{"http.handlers.cloudid", "max_size", hidden, "max_size: "},
	{"http.handlers.cloudid", "on_error", hidden, "on_error: "},

	{"http.handlers.cloudid_api", "account", hidden, "account "},
	{"http.handlers.cloudid_api", "account", "{" + hidden + "}", "account: "},
	{"http.handlers.cloudid_api", "allow", hidden, "allow: "},
	{"http.handlers.cloudid_api", "trust", hidden, "trust: "},
	{"http.handlers.cloudid_api", "openapi", hidden, "openapi: "},
	{"http.handlers.cloudid_api", "openapi", "wxacode." + hidden, "openapi: "},
	{"http.handlers.cloudid_api", "relay", hidden, "relay: "},
	{"http.handlers.cloudid_api", "relay", "/cgi-bin/component/" + hidden, "relay: "},
	{"http.handlers.cloudid_api", "functions", hidden, "functions: "},
	{"http.handlers.cloudid_api", "functions", hidden + "/{name}", "functions: "},
	{"http.handlers.cloudid_api", "functions", "http://user:" + hidden + "@example.com/{name}", "functions: "},
	{"http.handlers.cloudid_api", "functions", "http://{name}.example.com/" + hidden, "functions: "},

	{"http.handlers.cloudid_inspector", "allow", hidden, "allow: "},
	{"http.handlers.cloudid_inspector", "calls", hidden, "calls: "},
	{"http.handlers.cloudid_sandbox", "allow", hidden, "allow: "},
	{"http.handlers.wechat_login", "account", hidden, "account "},
	{"http.handlers.wechat_login", "ttl", hidden, "ttl: "},
	{"http.authentication.providers.wechat", "account", hidden, "account "},
}

// A module that is new, or an option, must be in the table.
func TestTheTableHasAllOptions(t *testing.T) {
	const ours = "github.com/caddy-cloudid/caddy-cloudid/caddymodule/"
	var found, listed []string
	for _, id := range caddy.Modules() {
		info, err := caddy.GetModule(id)
		if err != nil {
			t.Fatal(err)
		}
		kind := reflect.TypeOf(info.New())
		if kind.Kind() == reflect.Pointer && strings.HasPrefix(kind.Elem().PkgPath(), ours) {
			found = append(found, members(t, kind.Elem(), id+" ")...)
		}
	}
	for _, o := range options {
		listed = append(listed, o.module+" "+o.path)
	}
	slices.Sort(found)
	slices.Sort(listed)
	if listed = slices.Compact(listed); !slices.Equal(found, listed) {
		t.Errorf("the options are\n%s\nand the table has\n%s", strings.Join(found, "\n"), strings.Join(listed, "\n"))
	}
}

// members returns the members of a module's JSON that hold text, each behind a prefix.
func members(t *testing.T, kind reflect.Type, prefix string) (paths []string) {
	for i := range kind.NumField() {
		field := kind.Field(i)
		if field.Anonymous || !field.IsExported() || field.Type == reflect.TypeFor[json.RawMessage]() { // Caddy's options, none, and a module's
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		switch inner.Kind() {
		case reflect.Bool:
		case reflect.String:
			paths = append(paths, prefix+name)
		case reflect.Slice:
			if inner.Elem().Kind() != reflect.String {
				t.Errorf("%s%s is a list of something else than texts", prefix, name)
			}
			paths = append(paths, prefix+name)
		case reflect.Map:
			paths = append(paths, prefix+name)
			paths = append(paths, members(t, inner.Elem().Elem(), prefix+name+".*.")...)
		case reflect.Pointer:
			paths = append(paths, members(t, inner.Elem(), prefix+name+".")...)
		default:
			t.Errorf("%s%s is a %s, which this test does not know", prefix, name, inner)
		}
	}
	return paths
}

// Who names the wrong variable, or file, reads which, at which option, and never what it stands for.
func TestWhatAPlaceholderStandsForIsNotShown(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "secret")
	for _, o := range options {
		t.Run(o.module+" "+o.path, func(t *testing.T) {
			t.Setenv(variable, o.value)
			if err := os.WriteFile(file, []byte(o.value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, written := range []string{"{env." + variable + "}", "{file." + file + "}"} {
				config := r.config(t, o, written)
				loaded, checked, logged := r.load(t, config), r.check(t, config), r.logged(t)
				for where, text := range map[string]string{"the admin API": loaded, "the command check": checked, "the log": logged} {
					if strings.Contains(text, hidden) {
						t.Errorf("%s shows what %s stands for: %s", where, written, text)
					}
					if o.says != "" && (!strings.Contains(text, o.says) || !strings.Contains(text, written)) {
						t.Errorf("%s does not name %s and %q: %s", where, written, o.says, text)
					}
				}
				if (loaded == "") != (o.says == "") {
					t.Errorf("%s: the admin API says %q", written, loaded)
				}
			}
		})
	}
}

// rig is a Caddy that is told to load configs.
type rig struct {
	admin, site string
	log         caddyrig.Log
	read        int // bytes of the log
}

func newRig(t *testing.T) *rig {
	r := &rig{admin: freeport.Addr(t), site: freeport.Addr(t), log: caddyrig.NewLog(t)}
	caddyrig.LoadJSON(t, r.config(t, option{}, ""))
	r.logged(t)
	return r
}

// config has all modules, and an option as it is written.
func (r *rig) config(t *testing.T, o option, written string) []byte {
	t.Helper()
	const appid = "wx1111111111111111"
	type object = map[string]any
	one := object{"secret": "made-up-and-long-enough", "endpoint": "http://127.0.0.1:1"}
	modules := map[string]object{
		"cloudid":                              {"accounts": object{appid: one}},
		"http.handlers.cloudid":                {"handler": "cloudid"},
		"http.handlers.cloudid_api":            {"handler": "cloudid_api"},
		"http.handlers.cloudid_inspector":      {"handler": "cloudid_inspector"},
		"http.handlers.cloudid_sandbox":        {"handler": "cloudid_sandbox"},
		"http.handlers.wechat_login":           {"handler": "wechat_login"},
		"http.authentication.providers.wechat": {},
	}
	source, isToken := strings.CutPrefix(o.module, "cloudid.tokens.")
	switch {
	case isToken:
		one["token"] = object{"source": source, o.path: written}
	case o.path == "accounts":
		modules["cloudid"] = object{"accounts": object{written: one}}
	case o.path != "":
		at, steps := modules[o.module], strings.Split(strings.ReplaceAll(o.path, "*", appid), ".")
		for _, step := range steps[:len(steps)-1] {
			if at[step] == nil {
				at[step] = object{}
			}
			at = at[step].(object)
		}
		at[steps[len(steps)-1]] = written
		if slices.Contains([]string{"keys", "fields", "pass", "allow", "trust", "openapi", "relay"}, steps[len(steps)-1]) {
			at[steps[len(steps)-1]] = []string{written}
		}
	}
	route := func(path string, handlers ...object) object {
		return object{"match": []object{{"path": []string{path}}}, "handle": handlers, "terminal": true}
	}
	config, err := json.Marshal(object{
		"admin":   object{"listen": r.admin, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "DEBUG", "writer": object{"output": "file", "filename": r.log}}}},
		"apps": object{"cloudid": modules["cloudid"], "http": object{"servers": object{"site": object{"listen": []string{r.site}, "routes": []object{
			route("/login", modules["http.handlers.wechat_login"]),
			route("/api", modules["http.handlers.cloudid_api"]),
			route("/inspector", modules["http.handlers.cloudid_inspector"]),
			route("/sandbox", modules["http.handlers.cloudid_sandbox"]),
			route("/open", modules["http.handlers.cloudid"], object{"handler": "static_response"}),
			route("/fn", object{"handler": "authentication", "providers": object{"wechat": modules["http.authentication.providers.wechat"]}}, modules["http.handlers.cloudid"]),
		}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// load has the admin API load a config, and returns what that says: "" if it runs.
func (r *rig) load(t *testing.T, config []byte) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var res *http.Response
	probe.Eventually(t, "the admin API, which listens anew with each config that runs, responds", func() (ok bool) {
		var err error
		res, err = client.Post("http://"+r.admin+"/load", "application/json", bytes.NewReader(config))
		return err == nil
	})
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// check returns what `caddy cloudid check` prints.
func (r *rig) check(t *testing.T, config []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	command := &cobra.Command{Use: "cloudid"}
	caddycmd.Commands()["cloudid"].CobraFunc(command)
	var out strings.Builder
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs([]string{"check", "--config", file})
	if err := command.ExecuteContext(t.Context()); err != nil {
		out.WriteString(err.Error())
	}
	return out.String()
}

// logged returns what was logged since it was last called.
func (r *rig) logged(t *testing.T) string {
	t.Helper()
	text := r.log.Text(t)
	defer func() { r.read = len(text) }()
	return text[r.read:]
}
