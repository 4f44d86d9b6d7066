package wechat

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file find their way through JSON that package jsonscan has found valid, without checking anything once
// more. In any other text they find something or nothing, but stay within it. They read what every new CloudID brings: with gjson,
// which passes over nested values once for each level, three of them took more than twice as long (BenchmarkGetOpenData).
// FuzzGetOpenData and FuzzUnquote hold them against encoding/json.

// eachValue calls visit with every value that a path of names leads to from the object at text[pos], and returns the position behind
// that. From other values none does.
func eachValue(text []byte, pos int, path []string, visit func(value []byte)) (end int) {
	return visitMembers(text, pos, func(name []byte, pos int) (end int) {
		switch {
		case !isString(name, path[0]):
			return skipValue(text, pos)
		case len(path) > 1:
			return eachValue(text, pos, path[1:], visit)
		}
		end = skipValue(text, pos)
		visit(text[pos:end])
		return end
	})
}

// eachMember calls visit with the value of every member of an object that has the name.
func eachMember(object []byte, name string, visit func(value []byte)) {
	eachValue(object, skipSpace(object, 0), []string{name}, visit)
}

// visitMembers calls visit with each member of the object at text[pos]: its name, with quotes and escapes, and the position of its
// value, which visit returns the end of. It returns the position behind the object. Other values have no members.
func visitMembers(text []byte, pos int, visit func(name []byte, pos int) (end int)) (end int) {
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
		if value >= len(text) {
			return len(text)
		}
		if pos = skipSpace(text, visit(text[name:colon], value)); pos >= len(text) || text[pos] != ',' {
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
	for pos = skipPlain(text, pos+1); pos < len(text); pos = skipPlain(text, pos) {
		if text[pos] == '"' {
			return pos + 1
		}
		pos += 2 // a backslash, and what it escapes
	}
	return len(text)
}

const (
	ones     = 0x0101010101010101
	highBits = 0x8080808080808080
)

// skipPlain returns the position of the first quote or backslash from pos on; it is not below len(text) if there is none. It looks at
// eight bytes at once: XOR makes those that are looked for 0, and the lowest high bit that is set in (x-ones)&^x belongs to the first
// byte of x that is 0.
func skipPlain(text []byte, pos int) int {
	for ; pos+8 <= len(text); pos += 8 {
		word := binary.LittleEndian.Uint64(text[pos:])
		quote, backslash := word^ones*'"', word^ones*'\\'
		if found := ((quote-ones)&^quote | (backslash-ones)&^backslash) & highBits; found != 0 {
			return pos + bits.TrailingZeros64(found)/8
		}
	}
	for pos < len(text) && text[pos] != '"' && text[pos] != '\\' {
		pos++
	}
	return pos
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

// isString reports whether a valid value is a string that says text, which is longer where it is written with escapes.
func isString(value []byte, text string) bool {
	switch plain := len(text) + len(`""`); {
	case len(value) < plain || value[0] != '"':
		return false
	case len(value) == plain:
		return string(value[1:len(value)-1]) == text
	}
	return string(textOf(value)) == text
}

// unquote returns what a valid JSON string stands for, in UTF-8. Half of a surrogate pair becomes U+FFFD.
func unquote(raw []byte) []byte {
	text, _ := appendUnquoted(make([]byte, 0, len(raw)), raw, 0)
	return text
}

// unquoteInPlace is unquote for the string at text[pos], if nobody needs that any more as it was. It also returns the position behind
// it.
func unquoteInPlace(text []byte, pos int) (unquoted []byte, end int) {
	unquoted, end = appendUnquoted(text[pos:pos], text, pos)
	return slices.Clip(unquoted), end
}

// appendUnquoted appends what the valid JSON string at text[pos] stands for, and returns the position behind it. That is never longer,
// so that it can be written over the string.
func appendUnquoted(unquoted, text []byte, pos int) (_ []byte, end int) {
	pos++
	for {
		plain := skipPlain(text, pos)
		unquoted = append(unquoted, text[pos:plain]...)
		if text[plain] == '"' {
			return unquoted, plain + 1
		}
		pos = plain + 2
		switch c := text[plain+1]; c {
		case 'b':
			unquoted = append(unquoted, '\b')
		case 'f':
			unquoted = append(unquoted, '\f')
		case 'n':
			unquoted = append(unquoted, '\n')
		case 'r':
			unquoted = append(unquoted, '\r')
		case 't':
			unquoted = append(unquoted, '\t')
		case 'u':
			r := hex4(text[pos:])
			pos += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if text[pos] == '\\' && text[pos+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(text[pos+2:]))
				}
				if r = pair; pair != utf8.RuneError {
					pos += 6
				}
			}
			unquoted = utf8.AppendRune(unquoted, r)
		default: // a quote, a slash or a backslash
			unquoted = append(unquoted, c)
		}
	}
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
