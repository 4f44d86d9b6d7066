package placeholder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

func TestValues(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "{file." + path + "}"
	}
	t.Setenv("PLACEHOLDER_TEST", "value")
	t.Setenv("PLACEHOLDER_EMPTY", "")
	t.Setenv("PLACEHOLDER_SPACE", " \t\n")
	const notSet = "{env.PLACEHOLDER_NOT_SET} is empty; set this environment variable"
	const unknownSecret = "a placeholder in the value is unknown"
	for _, test := range []struct{ sentence, text, want, err string }{
		{"text without placeholders", "plain", "plain", ""},
		{"a variable", "{env.PLACEHOLDER_TEST}", "value", ""},
		{"several, with text around them", "a-{env.PLACEHOLDER_TEST}-{env.PLACEHOLDER_TEST}-b", "a-value-value-b", ""},
		{"a file", write("plain", "from-a-file"), "from-a-file", ""},
		{"a file with a byte order mark, spaces and blank lines around its text", write("marked", "\uFEFF from a file\u00A0\r\n\n\n"), "from a file", ""},
		{"white space around a value itself", " value\n", "value", ""},
		{"a brace that is escaped", `a\{b\}`, "a{b}", ""},
		{"a brace that opens nothing", "a{b", "a{b", ""},
		{"nothing", "", "", "the value is empty"},
		{"white space only", " \n", "", "the value is empty"},
		{"a variable that is not set", "{env.PLACEHOLDER_NOT_SET}", "", notSet},
		{"with text around it", "a{env.PLACEHOLDER_NOT_SET}b", "", notSet},
		{"beside one that is set", "{env.PLACEHOLDER_TEST}{env.PLACEHOLDER_NOT_SET}", "", notSet},
		{"a variable that is empty", "{env.PLACEHOLDER_EMPTY}", "", "{env.PLACEHOLDER_EMPTY} is empty"},
		{"a variable of white space", "{env.PLACEHOLDER_SPACE}", "", "the value is empty"},
		{"a file that is not there", "{file." + dir + "/none}", "", "{file." + dir + "/none} is empty; the file must be there"},
		{"a directory", "{file." + dir + "}", "", "the file must be there"},
		{"an empty file", write("empty", "\n"), "", "the file must be there"},
	} {
		for name, resolve := range map[string]func(string, string) (string, error){"Resolve": placeholder.Resolve, "Secret": placeholder.Secret, "Known": placeholder.Known} {
			got, err := resolve("endpoint", test.text)
			if got != test.want || (err == nil) != (test.err == "") {
				t.Errorf("%s: %s: %q, %v", name, test.sentence, got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "endpoint: ")) {
				t.Errorf("%s: %s: the error is %q", name, test.sentence, err)
			}
		}
	}
	for _, text := range []string{"{http.request.host}", "KEEP-{unknown}", "{environment}"} {
		key := text[strings.Index(text, "{"):]
		if _, err := placeholder.Resolve("fields", text); err == nil || !strings.Contains(err.Error(), key+" is not known") {
			t.Errorf("Resolve: %s: %v", text, err)
		}
		if _, err := placeholder.Secret("secret", text); err == nil || !strings.Contains(err.Error(), unknownSecret) || strings.Contains(err.Error(), key) {
			t.Errorf("Secret: %s: %v", text, err)
		}
		if got, err := placeholder.Known("account", text); err != nil || got != text || !placeholder.PerRequest(got) {
			t.Errorf("Known: %s: %q, %v", text, got, err)
		}
	}
}

func TestAllValues(t *testing.T) {
	t.Setenv("PLACEHOLDER_TEST", "value")
	values := []string{"a", "{env.PLACEHOLDER_TEST}"}
	if err := placeholder.ResolveAll("fields", values); err != nil || strings.Join(values, ",") != "a,value" {
		t.Errorf("%q, %v", values, err)
	}
	if err := placeholder.ResolveAll("fields", []string{"a", "{env.PLACEHOLDER_NOT_SET}"}); err == nil || !strings.HasPrefix(err.Error(), "fields: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestPerRequest(t *testing.T) {
	for text, want := range map[string]bool{"wx1": false, "{http.auth.user.appid}": true, "wx{a}": true, "a{b": false, "": false} {
		if got := placeholder.PerRequest(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestValuesWhoseBracesMayBeTheirOwn(t *testing.T) {
	t.Setenv("PLACEHOLDER_TEST", " /data\n")
	for text, want := range map[string]string{
		"/data":                    "/data",
		"":                         "",
		" /a ":                     " /a ",
		"/{x}/{http.auth.user.id}": "/{x}/{http.auth.user.id}",
		"{env.PLACEHOLDER_TEST}":   "/data",
		"{env.PLACEHOLDER_TEST}/a": "/data\n/a",
	} {
		if got, err := placeholder.ResolveLoaded("event", text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"{env.PLACEHOLDER_NOT_SET}", "{file./nowhere/at/all}"} {
		if got, err := placeholder.ResolveLoaded("event", text); err == nil || !strings.HasPrefix(err.Error(), "event: "+text) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
