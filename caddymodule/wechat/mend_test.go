package wechat

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

func TestMend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sentence, text, want string }{
		{"valid JSON stays", `{"a" : "b\u0000\"\\", "c":[1,"你😀\ud83d"]}`, `{"a" : "b\u0000\"\\", "c":[1,"你😀\ud83d"]}`},
		{"control characters become escapes", "[\"\x00\x1f\n\x7f\"]", "[\"\\u0000\\u001f\\u000a\x7f\"]"},
		{"also in names", "{\"a\tb\":1}", `{"a\u0009b":1}`},
		{"space between values stays", "{\n\t\"a\":\r\n1}", "{\n\t\"a\":\r\n1}"},
		{"a control character between values stays, which is another fault", "{\x01}", "{\x01}"},
		{"half a character becomes one U+FFFD", "[\"a\xf0\x9f\x98b\"]", "[\"a�b\"]"},
		{"at the end of a string too", "[\"\xe4\xbd\"]", "[\"�\"]"},
		{"half of a surrogate pair in UTF-8 is one", "[\"\xed\xa0\xbd\"]", "[\"�\"]"},
		{"broken bytes in two places are two", "[\"\xff-\xff\"]", "[\"�-�\"]"},
		{"U+FFFD itself is a character", "[\"�\xff\"]", "[\"��\"]"},
		{"bytes between values stay", "[\xff]", "[\xff]"},
		{"a quote behind a backslash ends nothing", "[\"\\\"\n\"]", `["\"\u000a"]`},
		{"two backslashes escape each other", "[\"\\\\\"\n]", "[\"\\\\\"\n]"},
		{"a backslash before a broken byte stays an invalid escape", "[\"\\\xff\"]", "[\"\\�\"]"},
		{"a text that is cut stays so", "[\"\\", "[\"\\"},
		{"nothing stays nothing", "", ""},
	} {
		if got := string(mend([]byte(test.text))); got != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
		}
	}
}

// Whatever a string holds, its text is read by every parser once it is mended, as what it was but for bytes that are no UTF-8.
func FuzzMend(f *testing.F) {
	for _, seed := range []string{"", "a\x00b", "\xf0\x9f\x98", "\xed\xa0\xbd\xed\xb8\x80", "你\x80\x80好", "\\\"", "\xef\xbf\xbd\xff", "\xc3\""} {
		f.Add(seed)
	}
	escaped := strings.NewReplacer(`"`, `\"`, `\`, `\\`)
	f.Fuzz(func(t *testing.T, value string) {
		text := []byte(`{"a":["` + escaped.Replace(value) + `"], "b":1}`)
		mended := mend(text)
		if err := jsonscan.Check(mended); err != nil {
			t.Fatalf("%q: %v", mended, err)
		}
		if valid := jsonscan.Check(text) == nil; valid != bytes.Equal(text, mended) {
			t.Errorf("valid: %t, and %q became %q", valid, text, mended)
		}
		var read struct{ A []string }
		if err := json.Unmarshal(mended, &read); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(value, "�"); read.A[0] != want {
			t.Errorf("%q is read as %q, want %q", value, read.A[0], want)
		}
		any := []byte(value)
		if once := mend(any); !bytes.Equal(mend(once), once) {
			t.Errorf("%q, mended twice, is another", any)
		}
	})
}

// FuzzUnquote holds unquote against encoding/json.
func FuzzUnquote(f *testing.F) {
	for _, seed := range []string{`""`, `"a\"b"`, `"\b\f\n\r\t\/\\"`, `"\u4F60\u597d"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\n"`, `"\uD83D"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want string
		if len(raw) < 2 || raw[0] != '"' || jsonscan.Check(raw) != nil || !utf8.Valid(raw) {
			return
		}
		raw = bytes.TrimSpace(raw)
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(unquote(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
		text := slices.Concat([]byte(`[`), raw, []byte(`,"next"]`))
		if end := skipString(text, 1); end != 1+len(raw) {
			t.Errorf("%s: it ends at %d of %s", raw, end, text)
		}
		got, end := unquoteInPlace(text, 1)
		if string(got) != want || end != 1+len(raw) || string(text[end:]) != `,"next"]` {
			t.Errorf("in place: %q, want %q; behind it: %s", got, want, text[end:])
		}
	})
}

// BenchmarkMend takes what hardly ever happens; the usual response, which is valid, is not even looked at.
func BenchmarkMend(b *testing.B) {
	text := []byte(weRun("27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		mend(text)
	}
}

// The vectors hold nothing that a mended response would read in another way: what is valid is not mended.
func TestValidVectorsAreNotMended(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/responses/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, body, _ := bytes.Cut(content, []byte("\n\n")); jsonscan.Check(body) == nil && !bytes.Equal(mend(body), body) {
			t.Errorf("%s: mended although it is valid", file)
		}
	}
}
