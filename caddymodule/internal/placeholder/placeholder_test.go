package placeholder_test

import (
	"errors"
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
		{"a variable of white space", "{env.PLACEHOLDER_SPACE}", "", "the value of {env.PLACEHOLDER_SPACE} is empty"},
		{"a file that is not there", "{file." + dir + "/none}", "", "{file." + dir + "/none} is empty; the file must be there"},
		{"a directory", "{file." + dir + "}", "", "the file must be there"},
		{"an empty file", write("empty", "\n"), "", "the file must be there"},
	} {
		for name, resolve := range map[string]func(string, string, ...placeholder.Check) (string, error){"Resolve": placeholder.Resolve, "Secret": placeholder.Secret, "Known": placeholder.Known} {
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

func checkShort(value string) error {
	if len(value) > 3 {
		return errors.New("is longer than 3 bytes; write less")
	}
	return nil
}

// Errors show what is written, of secrets nothing but placeholders, and never what those stand for.
func TestChecks(t *testing.T) {
	t.Setenv("PLACEHOLDER_TEST_SHORT", "abc")
	t.Setenv("PLACEHOLDER_TEST_LONG", "hidden")
	resolvers := map[string]func(string, string, ...placeholder.Check) (string, error){
		"Resolve": placeholder.Resolve, "ResolveLoaded": placeholder.ResolveLoaded, "Known": placeholder.Known,
	}
	for _, test := range []struct{ sentence, text, err, secret string }{
		{"a value that is right", "{env.PLACEHOLDER_TEST_SHORT}", "", ""},
		{"one that is written", "long", `pass: "long" is longer than 3 bytes; write less`, "pass: the value is longer than 3 bytes; write less"},
		{"one by a placeholder", "{env.PLACEHOLDER_TEST_LONG}", `pass: "{env.PLACEHOLDER_TEST_LONG}" is longer`, "pass: the value of {env.PLACEHOLDER_TEST_LONG} is longer"},
		{
			"one of several", "a{env.PLACEHOLDER_TEST_SHORT}b{env.PLACEHOLDER_TEST_LONG}", `pass: "a{env.PLACEHOLDER_TEST_SHORT}b{env.PLACEHOLDER_TEST_LONG}" is longer`,
			"pass: the value of {env.PLACEHOLDER_TEST_SHORT} and {env.PLACEHOLDER_TEST_LONG} is longer",
		},
	} {
		for name, resolve := range resolvers {
			if _, err := resolve("pass", test.text, checkShort); !begins(err, test.err) {
				t.Errorf("%s: %s: %v", name, test.sentence, err)
			}
		}
		if _, err := placeholder.Secret("pass", test.text, checkShort); !begins(err, test.secret) {
			t.Errorf("Secret: %s: %v", test.sentence, err)
		}
		if err := placeholder.ResolveAll("pass", []string{"a", test.text}, checkShort); !begins(err, test.err) {
			t.Errorf("ResolveAll: %s: %v", test.sentence, err)
		}
	}
}

// What a Caddyfile can tell is said while it is read.
func TestChecksOfACaddyfile(t *testing.T) {
	check := placeholder.Check(checkShort)
	for _, test := range []struct{ text, word, loaded, secret string }{
		{"abc", "", "", ""},
		{"long", `"long" is longer than 3 bytes`, `"long" is longer than 3 bytes`, "the value is longer than 3 bytes"},
		{"{env.X}", "", "", ""},
		{"/{own}", "", `"/{own}" is longer than 3 bytes`, ""},
	} {
		if err := check.CheckWord(test.text); !begins(err, test.word) {
			t.Errorf("CheckWord: %s: %v", test.text, err)
		}
		if err := check.CheckLoadedWord(test.text); !begins(err, test.loaded) {
			t.Errorf("CheckLoadedWord: %s: %v", test.text, err)
		}
		if err := check.CheckSecretWord(test.text); !begins(err, test.secret) {
			t.Errorf("CheckSecretWord: %s: %v", test.text, err)
		}
	}
}

// begins reports whether an error begins with a text; "" stands for no error.
func begins(err error, text string) bool {
	return err == nil && text == "" || err != nil && text != "" && strings.HasPrefix(err.Error(), text)
}
