// Package jsonscan decides in one pass whether bytes are a JSON text that every parser reads the same way as far as
// bytes go: valid by RFC 8259, in UTF-8, without a byte order mark and not nested too deeply. On the way it shows the
// members of the outermost object, so that a caller need not pass over the bytes again to find them.
//
// It never recurses and allocates nothing, however hostile the bytes are.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deeply arrays and objects may be nested. The parsers behind the gateway differ in their limits; this
// one is below all that are known.
const maxDepth = 512

// The reasons, other than its grammar, for which a text is rejected.
var (
	ErrByteOrderMark = errors.New("the JSON text begins with a byte order mark; send it without one")
	ErrNotUTF8       = errors.New("the JSON text is not valid UTF-8")
	ErrTooDeep       = fmt.Errorf("the JSON text is nested more than %d levels deep", maxDepth)
)

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // in bytes, from 0; the text's length when it ends too early
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("invalid JSON at byte %d", e.Offset) }

// Member is one member of the outermost object, as offsets into the text. Name and value are as they are written: a name
// with its quotes and escapes.
type Member struct {
	NameStart, NameEnd, ValueStart, ValueEnd int
}

// Check returns nil if text is a JSON text, else ErrByteOrderMark, ErrNotUTF8, ErrTooDeep or a *SyntaxError.
func Check(text []byte) error {
	return Walk(text, func(Member) {})
}

// Walk checks like Check and calls visit for each member of the outermost object, in order and with duplicates. The
// text behind a visited member is not checked yet: what visit learns counts only once Walk has returned nil.
func Walk(text []byte, visit func(Member)) error {
	if len(text) >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF {
		return ErrByteOrderMark
	}
	var (
		pos     int
		depth   int
		object  bool // what is open at this depth is an object, not an array
		objects [maxDepth + 1]bool
		member  Member
	)
	for {
		if object {
			if pos = scanName(text, pos, depth, &member); pos < 0 {
				return syntaxError(text, pos)
			}
		}
		c, start := skipSpace(text, pos)
		switch c {
		case '"':
			pos = scanString(text, start)
		case '{', '[':
			if depth == maxDepth {
				return ErrTooDeep
			}
			inside, at := skipSpace(text, start+1)
			if inside == c+2 { // } and ] stand two behind { and [
				pos = at + 1
				break
			}
			pos = at
			depth++
			object = c == '{'
			objects[depth] = object
			continue
		case 't':
			pos = scanLiteral(text, start, "true")
		case 'f':
			pos = scanLiteral(text, start, "false")
		case 'n':
			pos = scanLiteral(text, start, "null")
		default:
			pos = scanNumber(text, start)
		}
		if pos < 0 {
			return syntaxError(text, pos)
		}

		// A value has ended at pos. What it stands in may end with it, and so on.
		for {
			if depth == 1 && object {
				member.ValueEnd = pos
				visit(member)
			}
			c, at := skipSpace(text, pos)
			if depth == 0 {
				if at < len(text) {
					return syntaxError(text, ^at)
				}
				return nil
			}
			pos = at + 1
			if c == ',' {
				break
			}
			if object && c != '}' || !object && c != ']' {
				return syntaxError(text, ^at)
			}
			depth--
			object = objects[depth]
		}
	}
}

// The functions below that scan return the position behind what they have scanned. Where the text stops being JSON, at byte
// n, they return ^n, which is negative.

func syntaxError(text []byte, end int) error {
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	return &SyntaxError{Offset: ^end}
}

// skipSpace returns the first byte from pos on that is not space, and its position; at the end of the text it returns 0, which
// the grammar allows nowhere.
func skipSpace(text []byte, pos int) (byte, int) {
	for ; pos < len(text); pos++ {
		if c := text[pos]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, pos
		}
	}
	return 0, pos
}

// scanName scans a member's name and its colon. At depth 1 it also fills in where the member begins.
func scanName(text []byte, pos, depth int, member *Member) int {
	c, start := skipSpace(text, pos)
	if c != '"' {
		return ^start
	}
	end := scanShort(text, start) // as most names are
	if end == start {
		if end = scanString(text, start); end < 0 {
			return end
		}
	}
	c, colon := skipSpace(text, end)
	if c != ':' {
		return ^colon
	}
	if depth == 1 {
		_, begin := skipSpace(text, colon+1)
		*member = Member{NameStart: start, NameEnd: end, ValueStart: begin}
	}
	return colon + 1
}

func scanLiteral(text []byte, pos int, literal string) int {
	if end := pos + len(literal); end <= len(text) && string(text[pos:end]) == literal {
		return end
	}
	return ^pos
}

// scanNumber follows RFC 8259, section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func scanNumber(text []byte, pos int) int {
	if pos < len(text) && text[pos] == '-' {
		pos++
	}
	start := pos
	if pos = scanDigits(text, start); pos == start {
		return ^pos
	}
	if text[start] == '0' && pos > start+1 {
		return ^(start + 1) // a leading zero stands alone
	}
	if pos < len(text) && text[pos] == '.' {
		start = pos + 1
		if pos = scanDigits(text, start); pos == start {
			return ^pos
		}
	}
	if pos < len(text) && text[pos]|0x20 == 'e' {
		start = pos + 1
		if start < len(text) && (text[start] == '+' || text[start] == '-') {
			start++
		}
		if pos = scanDigits(text, start); pos == start {
			return ^pos
		}
	}
	return pos
}

func scanDigits(text []byte, pos int) int {
	for pos < len(text) && text[pos]-'0' <= 9 {
		pos++
	}
	return pos
}

const (
	ones     = 0x0101010101010101
	highBits = 0x8080808080808080
)

// scanShort scans a string of at most seven plain bytes. It returns pos for any other string, and near the end of the text.
func scanShort(text []byte, pos int) int {
	if pos+9 > len(text) {
		return pos
	}
	word := binary.LittleEndian.Uint64(text[pos+1:])
	bit := bits.TrailingZeros64(nonPlainMask(word)&highBits) &^ 7
	if byte(word>>bit) != '"' {
		return pos
	}
	return pos + 1 + bit/8 + 1
}

// scanString scans a string, from its opening quote to behind its closing one. It takes plain bytes eight at a time, and 32 at a
// time where the string is long, such as a picture or a page.
func scanString(text []byte, pos int) int {
	pos++
	long := pos + 64 // looking for blocks only from here on costs short strings, which most are, nothing
	for {
		for pos+8 <= len(text) {
			word := binary.LittleEndian.Uint64(text[pos:])
			found := nonPlainMask(word) & highBits
			if found != 0 {
				bit := bits.TrailingZeros64(found) &^ 7
				pos += bit / 8
				if byte(word>>bit) == '"' {
					return pos + 1
				}
				break
			}
			if pos += 8; pos > long {
				pos = scanPlain(text, pos)
				long = pos + 64
			}
		}
		for pos < len(text) && !isPlain(text[pos]) { // bytes that are not plain often stand together
			switch c := text[pos]; {
			case c >= utf8.RuneSelf:
				pos = scanMultibyte(text, pos)
			case c == '"':
				return pos + 1
			case c == '\\':
				pos = scanEscape(text, pos)
			default:
				return ^pos
			}
			if pos < 0 {
				return pos
			}
		}
		if pos >= len(text) {
			return ^len(text)
		}
		if pos+8 > len(text) {
			pos++ // near the end of the text, where no eight bytes are left
		}
	}
}

func isPlain(c byte) bool { return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' }

// scanPlain scans blocks of 32 plain bytes of a string.
func scanPlain(text []byte, pos int) int {
	for pos+32 <= len(text) {
		block := text[pos : pos+32]
		found := nonPlainMask(binary.LittleEndian.Uint64(block)) | nonPlainMask(binary.LittleEndian.Uint64(block[8:])) |
			nonPlainMask(binary.LittleEndian.Uint64(block[16:])) | nonPlainMask(binary.LittleEndian.Uint64(block[24:]))
		if found&highBits != 0 {
			return pos
		}
		pos += 32
	}
	return pos
}

// nonPlainMask finds the first of eight bytes that is not plain: a control character, a quote, a backslash, or a byte of a
// character beyond ASCII. The lowest high bit that is set in its result belongs to that byte; bits above it may be wrong.
//
// It is "hasless" of Bit Twiddling Hacks: for a byte x below 0x80, the high bit of x-n is set if x < n. A backslash becomes 0 by
// XOR, the only byte less than 1. XOR with 0x02 makes the quote (0x22) 0x20 and leaves control characters below 0x20, while
// space (0x20) becomes 0x22 and ! (0x21) becomes 0x23: so all that are less than 0x21 are no plain bytes. Example: for a quote
// 0x22^0x02 = 0x20, and 0x20-0x21 = 0xFF has its high bit set; for a space 0x22-0x21 = 0x01 has not.
func nonPlainMask(word uint64) uint64 {
	controlOrQuote := (word ^ ones*0x02) - ones*0x21
	backslash := (word ^ ones*'\\') - ones
	return controlOrQuote | backslash | word
}

// scanEscape scans a backslash and what it escapes.
func scanEscape(text []byte, pos int) int {
	pos++
	if pos == len(text) {
		return ^pos
	}
	switch text[pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 1
	case 'u':
		for range 4 {
			pos++
			if pos == len(text) || !isHex(text[pos]) {
				return ^pos
			}
		}
		return pos + 1
	default:
		return ^pos
	}
}

// scanMultibyte scans characters beyond ASCII. Nearly all Chinese characters have three bytes, of which the first is neither E0
// nor ED, so that any two continuation bytes may follow; package utf8 reads the rest.
func scanMultibyte(text []byte, pos int) int {
	for pos < len(text) && text[pos] >= utf8.RuneSelf {
		if rest := text[pos:]; len(rest) >= 3 && 0xE0 < rest[0] && rest[0] < 0xED && rest[1]&0xC0 == 0x80 && rest[2]&0xC0 == 0x80 {
			pos += 3
			continue
		}
		r, size := utf8.DecodeRune(text[pos:])
		if r == utf8.RuneError && size == 1 {
			return ^pos
		}
		pos += size
	}
	return pos
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' <= 5
}
