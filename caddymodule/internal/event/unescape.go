package event

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// The functions below take a JSON string, or its inside, as it is written in a text that package jsonscan has accepted.

// unsafeString is b as a string, without a copy. Nothing that outlives the body's bytes may keep it.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func escaped(raw string) bool { return strings.IndexByte(raw, '\\') >= 0 }

// decodeEscape reads the escape that s begins with: the character it stands for, how many bytes it takes, and whether it
// is half a surrogate pair. Such a half reads as U+FFFD, as in Go.
func decodeEscape(s string) (r rune, size int, half bool) {
	switch s[1] {
	case 'b':
		return '\b', 2, false
	case 'f':
		return '\f', 2, false
	case 'n':
		return '\n', 2, false
	case 'r':
		return '\r', 2, false
	case 't':
		return '\t', 2, false
	case 'u':
		// below
	default:
		return rune(s[1]), 2, false
	}
	r = codeUnit(s)
	if !utf16.IsSurrogate(r) {
		return r, 6, false
	}
	if strings.HasPrefix(s[6:], `\u`) {
		if pair := utf16.DecodeRune(r, codeUnit(s[6:])); pair != utf8.RuneError {
			return pair, 12, false
		}
	}
	return utf8.RuneError, 6, true
}

// codeUnit reads the UTF-16 code unit that \uXXXX at the start of s stands for.
func codeUnit(s string) rune {
	unit, _ := strconv.ParseUint(s[2:6], 16, 16)
	return rune(unit)
}

// decodeChar reads the first character of a string's inside. An empty inside has U+FFFD with size 0.
func decodeChar(inside string) (r rune, size int) {
	if inside != "" && inside[0] == '\\' {
		r, size, _ = decodeEscape(inside)
		return r, size
	}
	return utf8.DecodeRuneInString(inside)
}

// unescape returns the text of a string in quotes. The result may share the memory of raw.
func unescape(raw string) string {
	inside := raw[1 : len(raw)-1]
	if !escaped(inside) {
		return inside
	}
	var text strings.Builder
	text.Grow(len(inside))
	for inside != "" {
		plain := strings.IndexByte(inside, '\\')
		if plain < 0 {
			plain = len(inside)
		}
		text.WriteString(inside[:plain])
		if inside = inside[plain:]; inside != "" {
			r, size, _ := decodeEscape(inside)
			text.WriteRune(r)
			inside = inside[size:]
		}
	}
	return text.String()
}

// TextLength returns how many bytes the text of a string in quotes has. It makes no copy.
func TextLength(raw string) int {
	inside := raw[1 : len(raw)-1]
	length := 0
	for {
		plain := strings.IndexByte(inside, '\\')
		if plain < 0 {
			return length + len(inside)
		}
		r, size, _ := decodeEscape(inside[plain:])
		length += plain + utf8.RuneLen(r)
		inside = inside[plain+size:]
	}
}

// isText reports whether a string in quotes is exactly this text after unescaping. It makes no copy.
func isText(raw, text string) bool {
	inside := raw[1 : len(raw)-1]
	if !escaped(inside) {
		return inside == text
	}
	for inside != "" {
		r, size := decodeChar(inside)
		want, length := utf8.DecodeRuneInString(text)
		if length == 0 || r != want {
			return false
		}
		inside, text = inside[size:], text[length:]
	}
	return text == ""
}

// hasLoneSurrogate reports whether a string in quotes escapes half a surrogate pair.
func hasLoneSurrogate(raw string) bool {
	for {
		next := strings.IndexByte(raw, '\\')
		if next < 0 {
			return false
		}
		_, size, half := decodeEscape(raw[next:])
		if half {
			return true
		}
		raw = raw[next+size:]
	}
}

// eventText returns the text that a string in quotes holds. Half a surrogate pair is rejected: no UTF-8 text can hold it.
func eventText(raw string) ([]byte, error) {
	if hasLoneSurrogate(raw) {
		return nil, reject("the event's text holds half a surrogate pair")
	}
	return []byte(unescape(raw)), nil
}
