package event

import (
	"encoding/json"
	"testing"
)

// The length of a text is that of the string which encoding/json makes of it.
func TestTextLength(t *testing.T) {
	for _, raw := range []string{
		`""`, `"abc"`, `"步数"`, `"a\nb"`, `"\"\\\/\b\f\r\t"`, `"\u0041"`, `"\u00e9"`, `"\u6b65\u6570 123"`,
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, `"\ud83dx\\"`, `"\u0000"`,
	} {
		var text string
		if err := json.Unmarshal([]byte(raw), &text); err != nil {
			t.Fatal(err)
		}
		if got := TextLength(raw); got != len(text) || len(unescape(raw)) != len(text) {
			t.Errorf("%s has %d bytes, want %d", raw, got, len(text))
		}
	}
}
