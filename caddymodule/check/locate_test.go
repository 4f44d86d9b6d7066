package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/check"
)

// The line that is meant ends with "# here".
func TestALineIsNamedWhereOneFitsBest(t *testing.T) {
	const shop = "wechat_session\ncloudid {\nfields phone\n}\n"
	for _, test := range []struct {
		sentence, kind, caddyfile string
		files                     map[string]string // that it imports
	}{
		{"the global option is another", "no-session", accounts + "example.com {\ncloudid { # here\nfields phone\n}\nreverse_proxy 127.0.0.1:1\n}", nil},
		{"of two sites", "bypass", "a.example {\n" + shop + "reverse_proxy 127.0.0.1:1\n}\nhttps://b.example:8443/ {\nreverse_proxy 127.0.0.1:1 # here\n}", nil},
		{"of two handle blocks", "bypass", "a.example {\nhandle /a/* {\n" + shop + "reverse_proxy 127.0.0.1:1\n}\nhandle /b/* {\nreverse_proxy localhost:1 # here\n}\n}", nil},
		{"of two named matchers", "bypass", "a.example {\n@a {\nmethod POST\npath /x /y\n}\n@b path /x\nhandle @a {\n" + shop + "reverse_proxy 127.0.0.1:1\n}\nhandle @b {\nreverse_proxy 127.0.0.1:1 # here\n}\n}", nil},
		{"of two upstreams", "bypass", "a.example {\nhandle /a/* {\n" + shop + "reverse_proxy 127.0.0.1:1 127.0.0.1:2\n}\nreverse_proxy /b 127.0.0.1:3\nreverse_proxy /b/* 127.0.0.1:2 # here\n}", nil},
		{"of two that are alike, none", "bypass", "a.example {\n@x query a=b\n@y query c=d\nhandle /a {\n" + shop + "reverse_proxy 127.0.0.1:1\n}\nhandle @x {\nreverse_proxy 127.0.0.1:1\n}\nhandle @y {\nreverse_proxy 127.0.0.1:1\n}\n}", nil},
		{"in an error route", "error-route", "a.example {\nrequest_body {\nmax_size 1MB\n}\n" + shop + "reverse_proxy 127.0.0.1:1\nhandle_errors { # here\nreverse_proxy 127.0.0.1:1\n}\n}", nil},
		{"in a named route", "bypass", "&(f) {\nreverse_proxy 127.0.0.1:1 # here\n}\na.example {\nhandle /a/* {\n" + shop + "reverse_proxy 127.0.0.1:1 {\nlb_retries 1\n}\n}\nhandle /b {\ninvoke f\n}\n}", nil},
		{"in a snippet", "guesses", "(s) {\nwechat_session\ncloudid # here\nreverse_proxy 127.0.0.1:1\n}\na.example, b.example {\nimport s\n}\nc.example {\nimport s\n}", nil},
		{"in a file that is imported", "bypass", "import FOLDER/*", map[string]string{
			"a": "a.example {\n" + shop + "reverse_proxy 127.0.0.1:1\n}\n", "b": "b.example {\n\n\n# reverse_proxy\nreverse_proxy 127.0.0.1:1 # here\n}\n",
		}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			folder := t.TempDir()
			text := strings.ReplaceAll(test.caddyfile, "FOLDER", folder)
			if !strings.HasPrefix(text, "{") {
				text = accounts + text
			}
			want := here("Caddyfile", text)
			for name, imported := range test.files {
				name = filepath.Join(folder, name)
				if err := os.WriteFile(name, []byte(imported), 0o644); err != nil {
					t.Fatal(err)
				}
				want += here(name, imported)
			}
			found := findings(t, text)
			check.Locate(found, "Caddyfile", []byte(text))
			if len(found) == 0 || found[0].Kind != test.kind || !strings.HasPrefix(found[0].Place, want+":") {
				t.Errorf("want %s at %s, found %+v", test.kind, want, found)
			}
		})
	}
}

// here names the line that has the comment "# here"; "" if none has.
func here(file, text string) string {
	before, _, found := strings.Cut(text, "# here")
	if !found {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", file, 1+strings.Count(before, "\n"))
}
