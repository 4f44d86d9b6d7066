package jsonscan

import (
	"math/bits"
	"unicode/utf8"
)

// A byte of a string is plain if it stands for itself: it is no control character, quote or backslash, and of no character beyond
// ASCII.

// scanString scans a string, from its opening quote to behind its closing one. It takes plain bytes eight at a time, and 32 at a
// time where the string is long, such as a picture or a page.
func scanString(text []byte, pos int) int {
	pos++
	long := pos + 64 // looking for blocks only from here on costs short strings, which most are, nothing
	for hasWord(text, pos) {
		found := nonPlain(wordAt(text, pos))
		if found == 0 {
			if pos += 8; pos > long {
				pos = skipPlainBlocks(text, pos)
				long = pos + 64
			}
			continue
		}
		pos += bits.TrailingZeros64(found) / 8
		for pos < len(text) && !isPlain[text[pos]] { // bytes that are not plain often stand together
			if text[pos] == '"' {
				return pos + 1
			}
			if pos = scanNonPlain(text, pos); pos < 0 {
				return pos
			}
		}
	}
	return scanStringEnd(text, pos)
}

// scanStringEnd is scanString for the last bytes of the text, which are no word.
func scanStringEnd(text []byte, pos int) int {
	for pos < len(text) {
		switch c := text[pos]; {
		case c == '"':
			return pos + 1
		case isPlain[c]:
			pos++
		default:
			if pos = scanNonPlain(text, pos); pos < 0 {
				return pos
			}
		}
	}
	return ^pos
}

// scanNonPlain scans what begins with a byte that is neither plain nor a quote: an escape, characters beyond ASCII, or escapes of
// such characters, which stand together as these do.
func scanNonPlain(text []byte, pos int) int {
	switch {
	case text[pos] >= utf8.RuneSelf:
		return scanMultibyte(text, pos)
	case text[pos] != '\\':
		return ^pos
	case pos+1 < len(text) && isShortEscape[text[pos+1]]:
		return pos + 2
	default:
		return scanUnicodeEscapes(text, pos)
	}
}

// skipPlain returns the position behind at most eight plain bytes, or pos near the end of the text.
func skipPlain(text []byte, pos int) int {
	if hasWord(text, pos) {
		pos += bits.TrailingZeros64(nonPlain(wordAt(text, pos))) / 8
	}
	return pos
}

// skipPlainBlocks returns the position behind blocks of 32 plain bytes.
func skipPlainBlocks(text []byte, pos int) int {
	for pos+32 <= len(text) {
		block := text[pos : pos+32 : pos+32]
		if nonPlain(wordAt(block, 0))|nonPlain(wordAt(block, 8))|nonPlain(wordAt(block, 16))|nonPlain(wordAt(block, 24)) != 0 {
			return pos
		}
		pos += 32
	}
	return pos
}

// scanUnicodeEscapes scans escapes of the form \u6b65, at least one.
func scanUnicodeEscapes(text []byte, pos int) int {
	start := pos
	for pos < len(text)-5 && text[pos] == '\\' && text[pos+1] == 'u' &&
		isHex[text[pos+2]] && isHex[text[pos+3]] && isHex[text[pos+4]] && isHex[text[pos+5]] {
		pos += 6
	}
	if pos > start {
		return pos
	}
	return ^endOfBadEscape(text, pos)
}

// endOfBadEscape returns where what begins like an escape stops being one.
func endOfBadEscape(text []byte, pos int) int {
	if pos++; pos < len(text) && text[pos] == 'u' {
		for pos++; pos < len(text) && isHex[text[pos]]; {
			pos++
		}
	}
	return pos
}

var (
	isPlain       = plainBytes()
	isShortEscape = setOf(`"\/bfnrt`)
	isHex         = setOf("0123456789abcdefABCDEF")
)

func setOf(characters string) (set [256]bool) {
	for i := range len(characters) {
		set[characters[i]] = true
	}
	return set
}

func plainBytes() (set [256]bool) {
	for c := range utf8.RuneSelf {
		set[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return set
}

// scanMultibyte scans characters beyond ASCII. Nearly all Chinese ones have three bytes, and take a short way; package utf8 reads
// the others.
func scanMultibyte(text []byte, pos int) int {
	for {
		for hasWord(text, pos) {
			word := wordAt(text, pos)
			if !isThreeBytes(word) {
				break
			}
			pos += 3
			if isThreeBytes(word >> 24) {
				pos += 3
			}
		}
		if pos >= len(text) || text[pos] < utf8.RuneSelf {
			return pos
		}
		r, size := utf8.DecodeRune(text[pos:])
		if r == utf8.RuneError && size == 1 {
			return ^pos
		}
		pos += size
	}
}
