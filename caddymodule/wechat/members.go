package wechat

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file find their way through JSON that package jsonscan has found valid, without checking anything once
// more. In any other text they find something or nothing, but stay within it. They read what every new CloudID brings: with gjson,
// which passes over nested values once for each level, three of them took 11.9 µs instead of 7.1 (BenchmarkGetOpenData). FuzzGetOpenData
// and FuzzUnquote hold them against encoding/json.

// eachMember calls visit with the value of every member of an object that has the name. Other values have none.
func eachMember(object []byte, name string, visit func(value []byte)) {
	visitMembers(object, skipSpace(object, 0), func(raw, value []byte) {
		if string(textOf(raw)) == name {
			visit(value)
		}
	})
}

// visitMembers calls visit with each member of the object at text[pos], names with quotes and escapes, and returns the position
// behind it. Other values have no members.
func visitMembers(text []byte, pos int, visit func(name, value []byte)) (end int) {
	if pos >= len(text) || text[pos] != '{' {
		return skipValue(text, pos)
	}
	for {
		name := skipSpace(text, pos+1) // behind the brace, or a comma
		if name >= len(text) || text[name] != '"' {
			return min(name+1, len(text))
		}
		colon := skipString(text, name)
		value := skipSpace(text, skipSpace(text, colon)+1)
		end := skipValue(text, value)
		if value >= end {
			return len(text)
		}
		visit(text[name:colon], text[value:end])
		if pos = skipSpace(text, end); pos >= len(text) || text[pos] != ',' {
			return min(pos+1, len(text))
		}
	}
}

// visitElements calls visit with the position of each element of an array. It returns the position behind it.
func visitElements(array []byte, visit func(pos int) (end int)) {
	for pos := skipSpace(array, 1); pos < len(array) && array[pos] != ']'; {
		if pos = skipSpace(array, visit(pos)); pos < len(array) && array[pos] == ',' {
			pos = skipSpace(array, pos+1)
		}
	}
}

// skipSpace returns the position of the first byte from pos on that is no space; it is not below len(text) if there is none.
func skipSpace(text []byte, pos int) int {
	for pos < len(text) && (text[pos] == ' ' || text[pos] == '\n' || text[pos] == '\r' || text[pos] == '\t') {
		pos++
	}
	return pos
}

// skipValue returns the position behind the value at text[pos].
func skipValue(text []byte, pos int) int {
	if pos >= len(text) {
		return len(text)
	}
	switch text[pos] {
	case '"':
		return skipString(text, pos)
	case '{', '[':
		return skipNested(text, pos)
	}
	for pos++; pos < len(text); pos++ { // a number, true, false or null
		switch text[pos] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return pos
		}
	}
	return len(text)
}

// skipNested returns the position behind the object or array at text[pos].
func skipNested(text []byte, pos int) int {
	for depth := 0; pos < len(text); {
		switch text[pos] {
		case '"':
			pos = skipString(text, pos)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return pos + 1
			}
		}
		pos++
	}
	return len(text)
}

// skipString returns the position behind the string at text[pos].
func skipString(text []byte, pos int) int {
	for pos++; pos < len(text); pos++ {
		switch text[pos] {
		case '"':
			return pos + 1
		case '\\':
			pos++
		}
	}
	return len(text)
}

// textOf returns what a valid string says, or any other value as it is written; nil for null.
func textOf(value []byte) []byte {
	switch {
	case len(value) == 0 || value[0] == 'n':
		return nil
	case value[0] != '"':
		return value
	case bytes.IndexByte(value, '\\') >= 0:
		return unquote(value)
	}
	return value[1 : len(value)-1]
}

// isString reports whether a valid value is a string that says text.
func isString(value []byte, text string) bool {
	return len(value) > 0 && value[0] == '"' && string(textOf(value)) == text
}

// unquote returns what a valid JSON string stands for, in UTF-8. Half of a surrogate pair becomes U+FFFD.
func unquote(raw []byte) []byte { return appendUnquoted(make([]byte, 0, len(raw)), raw) }

// unquoteInPlace is unquote for a string that nobody needs any more as it was.
func unquoteInPlace(raw []byte) []byte { return slices.Clip(appendUnquoted(raw[:0], raw)) }

// appendUnquoted appends what a valid JSON string stands for. That is never longer, so that it can be written over the string.
func appendUnquoted(text, raw []byte) []byte {
	raw = raw[1 : len(raw)-1]
	for pos := 0; pos < len(raw); {
		plain := pos
		for plain < len(raw) && raw[plain] != '\\' {
			plain++
		}
		text = append(text, raw[pos:plain]...)
		if plain == len(raw) {
			break
		}
		pos = plain + 2
		switch c := raw[plain+1]; c {
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			r := hex4(raw[pos:])
			pos += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(raw)-pos >= 6 && raw[pos] == '\\' && raw[pos+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(raw[pos+2:]))
				}
				if r = pair; pair != utf8.RuneError {
					pos += 6
				}
			}
			text = utf8.AppendRune(text, r)
		default: // a quote, a slash or a backslash
			text = append(text, c)
		}
	}
	return text
}

// hex4 returns the value of four hexadecimal digits.
func hex4(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		if c > '9' {
			c += 9 // A is 0x41, a is 0x61
		}
		r = r<<4 | rune(c&0xF)
	}
	return r
}
