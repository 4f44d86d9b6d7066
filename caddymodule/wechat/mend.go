package wechat

import (
	"unicode/utf8"
)

// mend returns a JSON text with what its strings may not hold in a form that they may: a control character as its escape, a
// run of bytes that are no UTF-8, such as half an emoji, as one U+FFFD. Everything else stays as it is, other faults too.
//
// WeChat passes on what users typed, and is known to write such characters into nicknames.
func mend(text []byte) []byte {
	mended := make([]byte, 0, len(text)+64)
	inString := false
	for pos := 0; pos < len(text); {
		c := text[pos]
		switch {
		case !inString || c == '"':
			inString = inString != (c == '"')
			mended = append(mended, c)
			pos++
		case c == '\\' && pos+1 < len(text) && text[pos+1] < utf8.RuneSelf:
			mended = append(mended, c, text[pos+1])
			pos += 2
		case c < ' ':
			mended = append(mended, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&0xF])
			pos++
		default:
			valid, broken := character(text[pos:])
			mended = append(mended, text[pos:pos+valid]...)
			if broken > 0 {
				mended = utf8.AppendRune(mended, utf8.RuneError)
			}
			pos += valid + broken
		}
	}
	return mended
}

// character returns the length of the character that text begins with or, in the place of it, that of the bytes up to the next
// one.
func character(text []byte) (valid, broken int) {
	for broken < len(text) {
		r, size := utf8.DecodeRune(text[broken:])
		if r != utf8.RuneError || size > 1 {
			if broken == 0 {
				valid = size
			}
			break
		}
		broken++
	}
	return valid, broken
}
