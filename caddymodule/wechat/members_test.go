package wechat

import (
	"slices"
	"testing"
)

// What stands beside a path, of whatever kind, is passed as a whole: what it holds must not be taken for the path's own.
func TestWhatStandsBesideAPath(t *testing.T) {
	for _, beside := range []string{
		`""`, `"a, b"`, `"}"`, `"\"]"`, `"\\"`, `"\\\",\"a\":{\"b\":\"z\"}"`, `1`, `-1.5e+10`, `true`, `null`,
		`{}`, `{ }`, `[]`, `[ ]`, `[1,{"a":{"b":"z"}},"]"]`, `{"b":"z","c":[{}]}`, `{"a":{"b":"z"}}`,
	} {
		for _, test := range []struct {
			text string
			want []string
		}{
			{`{"c":` + beside + `,"a":{"b":"x"}}`, []string{`"x"`}},
			{`{"c" : ` + beside + ` , "a" : {"b" : "x"} }`, []string{`"x"`}},
			{`{"a":{"c":` + beside + `,"b":"x"},"c":` + beside + `}`, []string{`"x"`}},
			{`{"a":{"c":` + beside + `},"a":{"b":"x"}}`, []string{`"x"`}},
			{`{"a":{},"c":` + beside + `,"a":{ },"a":{"b":"x"}}`, []string{`"x"`}},
			{`{"a":{"b":` + beside + `},"a":{"b":"x"}}`, []string{beside, `"x"`}},
		} {
			var got []string
			end := eachValue([]byte(test.text), 0, []string{"a", "b"}, func(value []byte) { got = append(got, string(value)) })
			if !slices.Equal(got, test.want) || end != len(test.text) {
				t.Errorf("%s: %q up to %d of %d", test.text, got, end, len(test.text))
			}
		}
	}
}

// A text that is not whole, which nobody should ask about, is not left.
func TestTextsThatAreCutShort(t *testing.T) {
	text := []byte(`{ "c" : [1,{"d":"x\"y"},null], "a":{"b":"x","b":{}} }`)
	for start := range text {
		for end := start; end < len(text); end++ {
			cut := text[start:end:end]
			for name, got := range map[string]int{
				"eachValue": eachValue(cut, 0, []string{"a", "b"}, func([]byte) {}),
				"skipValue": skipValue(cut, 0),
			} {
				if got < 0 || got > len(cut) {
					t.Errorf("%s: %q ends at %d", name, cut, got)
				}
			}
			visitElements(cut, func(pos int) int { return skipValue(cut, pos) })
		}
	}
}
