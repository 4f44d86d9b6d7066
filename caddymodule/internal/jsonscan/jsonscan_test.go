package jsonscan

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheck(t *testing.T) {
	syntax := errors.New("any *SyntaxError")
	for _, test := range []struct {
		name string
		text string
		want error // nil, a sentinel, or syntax
	}{
		{"an empty object is JSON", `{}`, nil},
		{"space may stand around and between everything", " { \"a\" : [ 1 , 2 ] }\r\n", nil},
		{"a scalar is a JSON text too", `"x"`, nil},
		{"every escape", `"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"`, nil},
		{"a lone surrogate is grammatical", `"\ud800"`, nil},
		{"numbers in every form", `[0,-0,1.10,12345678901234567890,1e5,1E+5,1.5e-5]`, nil},
		{"512 levels", strings.Repeat("[", 512) + strings.Repeat("]", 512), nil},
		{"513 levels", strings.Repeat("[", 513) + strings.Repeat("]", 513), ErrTooDeep},
		{"nothing", ``, syntax},
		{"only space", ` `, syntax},
		{"a byte order mark", "\xEF\xBB\xBF{}", ErrByteOrderMark},
		{"an overlong encoding", "{\"\xc1\xa1\":1}", ErrNotUTF8},
		{"an encoded surrogate", "\"\xed\xa0\x80\"", ErrNotUTF8},
		{"UTF-16", "{\x00}\x00", syntax},
		{"a text behind the value", `{}}`, syntax},
		{"a comma behind the last member", `{"a":1,}`, syntax},
		{"a comma behind the last element", `[1,]`, syntax},
		{"no comma between", `[1 2]`, syntax},
		{"no colon", `{"a" 1}`, syntax},
		{"a name without quotes", `{a:1}`, syntax},
		{"single quotes", `{'a':1}`, syntax},
		{"a comment", `{/**/}`, syntax},
		{"NaN", `[NaN]`, syntax},
		{"a leading zero", `[01]`, syntax},
		{"a leading plus", `[+1]`, syntax},
		{"a bare point", `[1.]`, syntax},
		{"a bare exponent", `[1e]`, syntax},
		{"a bare minus", `[-]`, syntax},
		{"hexadecimal", `[0x1]`, syntax},
		{"a control character in a string", "\"\x1f\"", syntax},
		{"an unknown escape", `"\x41"`, syntax},
		{"a short unicode escape", `"\u00G0"`, syntax},
		{"an unclosed string", `"abc`, syntax},
		{"an unclosed object", `{"a":1`, syntax},
		{"brackets that do not match", `[}`, syntax},
		{"an object closed as an array", `{"a":1]`, syntax},
		{"half a literal", `tru`, syntax},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Check([]byte(test.text))
			if test.want == syntax {
				if _, ok := errors.AsType[*SyntaxError](err); !ok {
					t.Fatalf("got %v, want a syntax error", err)
				}
				return
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
}

// The offset is that of the first byte that cannot be there; developers are told it.
func TestSyntaxErrorSaysWhere(t *testing.T) {
	for text, want := range map[string]int{
		``: 0, ` `: 1, `tru`: 0, `[nul]`: 1, `{}}`: 2, `[1 2]`: 3, `[1,]`: 3, `[}`: 1, `{"a":1`: 6, `{"a":1,}`: 7, `{"a" 1}`: 5, `{a:1}`: 1, `{"a":1]`: 6,
		`[01]`: 2, `[1.]`: 3, `[-]`: 2, `[1e+]`: 4, `"abc`: 4, `"\`: 2, `"\x41"`: 2, `"\u00G0"`: 5, `"\u6b65\u00`: 11, `{"a long name":"\u6b6"}`: 21,
		"\"a\x1f\"": 2, "[\"a long string\x00 with a NUL\"]": 15,
	} {
		err := Check([]byte(text))
		if syntax, ok := errors.AsType[*SyntaxError](err); !ok || syntax.Offset != want {
			t.Errorf("Check(%q) = %v, want byte %d", text, err, want)
		}
	}
}

// A text may end anywhere, also where a step of eight bytes does.
func TestEveryBeginningOfAText(t *testing.T) {
	for length := range 20 {
		text := []byte(`{"` + strings.Repeat("x", length) + `":[{"a":"` + strings.Repeat("y", length) + `"},-1.5e+10]}`)
		for end := range text {
			err := Check(text[:end:end])
			if syntax, ok := errors.AsType[*SyntaxError](err); !ok || syntax.Offset != end {
				t.Errorf("Check(%q) = %v, want byte %d", text[:end], err, end)
			}
		}
	}
}

func TestWalkShowsTheMembersOfTheOutermostObject(t *testing.T) {
	text := []byte(` { "a" : {"b":[1,{"c":2}]} , "a":[], "\u0061" : "x" ,"d":1.10}`)
	var got []string
	if err := Walk(text, func(m Member) {
		got = append(got, string(text[m.NameStart:m.NameEnd])+"="+string(text[m.ValueStart:m.ValueEnd]))
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{`"a"={"b":[1,{"c":2}]}`, `"a"=[]`, `"\u0061"="x"`, `"d"=1.10`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, noObject := range []string{`[{"a":1}]`, `"a"`, `1`} {
		if err := Walk([]byte(noObject), func(Member) { t.Errorf("%s has no members", noObject) }); err != nil {
			t.Error(err)
		}
	}
}

func TestDeepAndLongTextsCostNoStack(t *testing.T) {
	deep := []byte(strings.Repeat("[", 6<<20))
	if err := Check(deep); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v", err)
	}
	if n := testing.AllocsPerRun(10, func() { _ = Check(deep) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// asNameAndValue are texts in which a string's inside stands as a member's name and as a value.
func asNameAndValue(inside string) []string {
	return []string{`{"` + inside + `":1}`, `["` + inside + `"]`}
}

// Strings are passed eight bytes at a step, long ones more: no byte may hide at any place of a step, neither plain nor escaped.
func TestEveryByteAtEveryPlaceOfAString(t *testing.T) {
	for length := range 20 {
		for place := range length + 1 {
			for c := range 256 {
				for _, part := range []string{string([]byte{byte(c)}), string([]byte{'\\', byte(c)}), string([]byte{'\\', 'u', '0', '0', 'e', byte(c)})} {
					for _, text := range asNameAndValue(strings.Repeat("x", place) + part + strings.Repeat("y", length-place)) {
						sameVerdict(t, []byte(text))
					}
				}
			}
		}
	}
	for place := range 200 {
		for c := range 256 {
			sameVerdict(t, []byte(`["`+strings.Repeat("x", place)+string([]byte{byte(c)})+strings.Repeat("y", 200-place)+`"]`))
		}
	}
}

// What is not plain is passed by another way than what is, so every kind must be able to follow every other.
func TestEveryKindOfCharacterBehindEveryOther(t *testing.T) {
	pieces := []string{"", "x", "plain", strings.Repeat("long ", 30), "走", "é", "😀", `\n`, `\"`, `\u6b65`, "\xE8", "\x80", `"`, "\t", `\`, " "}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		var inside strings.Builder
		for range 1 + random.IntN(7) {
			inside.WriteString(pieces[random.IntN(len(pieces))])
		}
		for _, text := range asNameAndValue(inside.String()) {
			sameVerdict(t, []byte(text))
		}
	}
}

// sameVerdict compares with encoding/json, which reads the same grammar by other means, and utf8.
func sameVerdict(t *testing.T, text []byte) {
	t.Helper()
	if err, want := Check(text), json.Valid(text) && utf8.Valid(text); (err == nil) != want {
		t.Fatalf("Check(%q) = %v, encoding/json and utf8 say %v", text, err, want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9\\"],"b":{}}`, `[`, "\"\x7f\x80\"", `{"a":1}{`, `"\ud83d"`, " \n[true,false,null]\t", "\xEF\xBB\xBF1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if errors.Is(Check(text), ErrTooDeep) {
			return // encoding/json allows more
		}
		sameVerdict(t, text)
	})
}

// Characters of three bytes are read by a shortcut, one or two at a step where eight bytes are left, which must not take what
// utf8 does not.
func TestEveryCharacterOfThreeBytes(t *testing.T) {
	for _, around := range [][2]string{{"", ""}, {"", "plain text"}, {"走", "plain text"}} {
		text := []byte(`"` + around[0] + "\xe1\x80\x80" + around[1] + `"`)
		character := text[1+len(around[0]):]
		for first := 0xE0; first <= 0xF0; first++ {
			for second := 0x70; second <= 0xFF; second++ {
				for third := 0x70; third <= 0xFF; third++ {
					character[0], character[1], character[2] = byte(first), byte(second), byte(third)
					if got, want := Check(text) == nil, utf8.Valid(text); got != want {
						t.Fatalf("Check(% x) accepts: %v, utf8 says %v", text, got, want)
					}
				}
			}
		}
	}
}

// Numbers, literals and space are passed eight bytes at a step too, except near the end of the text.
func TestEveryByteInAndBehindWhatIsNoString(t *testing.T) {
	tokens := []string{"true", "false", "null", "-1", "1.5", "1e5", "1E+5", "-0.5e-5"}
	for length := 1; length <= 20; length++ {
		digits := strings.Repeat("1234567890", 2)[:length]
		tokens = append(tokens, digits, "0."+digits, digits+"."+digits, "1e"+digits, "\n"+strings.Repeat(" ", length)+"1", strings.Repeat("\r\n\t ", length)[:length]+"1")
	}
	for _, token := range tokens {
		for place := range len(token) + 1 {
			for c := range 256 {
				for _, behind := range []string{"", "]", `,"a string behind it"]`} {
					changed := []byte("[" + token + " " + behind)
					changed[1+place] = byte(c)
					sameVerdict(t, changed)
				}
			}
		}
	}
}
