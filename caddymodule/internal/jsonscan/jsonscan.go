// Package jsonscan decides in one pass whether bytes are a JSON text that every parser reads the same way as far as
// bytes go: valid by RFC 8259, in UTF-8, without a byte order mark and not nested too deeply. On the way it shows the
// members of the outermost object, so that a caller need not pass over the bytes again to find them.
//
// It never recurses and allocates nothing, however hostile the bytes are.
package jsonscan

import (
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
		pos     = skipSpace(text, 0)
		depth   int
		closer  byte               // the bracket that closes what is open at this depth, } for an object
		closers [maxDepth + 1]byte // the same for each depth
		member  Member
	)
	for {
		if closer == '}' {
			start, end := pos, skipPlain(text, pos+1)
			if end+1 < len(text) && text[start] == '"' && text[end] == '"' && text[end+1] == ':' {
				end, pos = end+1, end+2 // a short name and its colon, as most are
			} else if end, pos = scanName(text, start); pos < 0 {
				return syntaxError(text, pos)
			}
			pos = skipSpace(text, pos)
			if depth == 1 {
				member = Member{NameStart: start, NameEnd: end, ValueStart: pos}
			}
		}
		if pos >= len(text) {
			return syntaxError(text, ^pos)
		}
		switch c := text[pos]; {
		case c == '"':
			pos = scanString(text, pos)
		case c <= '9':
			pos = scanNumber(text, pos)
		case c == '{' || c == '[':
			if depth == maxDepth {
				return ErrTooDeep
			}
			pos = skipSpace(text, pos+1)
			if pos < len(text) && text[pos] == c+2 { // } and ] stand two behind { and [
				pos++
				break
			}
			depth++
			closer = c + 2
			closers[depth] = closer
			continue
		default:
			pos = scanLiteral(text, pos)
		}
		if pos < 0 {
			return syntaxError(text, pos)
		}

		// A value has ended at pos. What it stands in may end with it, and so on.
		for {
			if depth == 1 && closer == '}' {
				member.ValueEnd = pos
				visit(member)
			}
			pos = skipSpace(text, pos)
			if depth == 0 || pos == len(text) {
				if depth == 0 && pos == len(text) {
					return nil
				}
				return syntaxError(text, ^pos)
			}
			c := text[pos]
			if c == ',' {
				pos = skipSpace(text, pos+1)
				break
			}
			if c != closer {
				return syntaxError(text, ^pos)
			}
			pos++
			depth--
			closer = closers[depth]
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

// skipSpace returns the position of the first byte from pos on that is not space, or the text's length. It is inlined wherever
// it is called, since mostly there is no space.
func skipSpace(text []byte, pos int) int {
	if pos < len(text) && text[pos] > ' ' {
		return pos
	}
	return skipSpaces(text, pos)
}

// skipSpaces is skipSpace for where there is space: one, or a line end and an indentation. It must not be inlined, so that
// skipSpace is.
//
//go:noinline
func skipSpaces(text []byte, pos int) int {
	for pos < len(text) {
		if c := text[pos]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return pos
		}
		pos++
		if hasWord(text, pos) {
			pos += bits.TrailingZeros64(wordAt(text, pos)^ones*' ') / 8
		}
	}
	return pos
}

// scanName scans a member's name and the colon behind it. It returns where the name ends, too.
func scanName(text []byte, pos int) (end, next int) {
	if pos >= len(text) || text[pos] != '"' {
		return 0, ^pos
	}
	if end = scanString(text, pos); end < 0 {
		return 0, end
	}
	pos = skipSpace(text, end)
	if pos >= len(text) || text[pos] != ':' {
		return 0, ^pos
	}
	return end, pos + 1
}

// A literal is true, false or null.
type literal struct {
	text       string
	word, mask uint64 // text as a word begins with it, and the bits that it takes
}

func newLiteral(text string) literal {
	word := wordAt([]byte(text+"        "), 0)
	mask := uint64(1)<<(8*len(text)) - 1
	return literal{text, word & mask, mask}
}

// literals stand at the places that two bits of their first letters name; none belongs at the last place, so any will do there. A
// branch for each literal would often be mispredicted, since nothing tells a processor which of them comes next.
var literals = [4]literal{newLiteral("false"), newLiteral("null"), newLiteral("true"), newLiteral("true")}

func scanLiteral(text []byte, pos int) int {
	l := &literals[text[pos]>>3&3]
	end := pos + len(l.text)
	switch {
	case hasWord(text, pos) && wordAt(text, pos)&l.mask == l.word:
		return end
	case end <= len(text) && string(text[pos:end]) == l.text: // near the end of the text
		return end
	default:
		return ^pos
	}
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
		return scanExponent(text, pos+1)
	}
	return pos
}

// scanExponent scans what stands behind the e.
func scanExponent(text []byte, pos int) int {
	if pos < len(text) && (text[pos] == '+' || text[pos] == '-') {
		pos++
	}
	start := pos
	if pos = scanDigits(text, start); pos == start {
		return ^pos
	}
	return pos
}

// scanDigits scans digits, perhaps none. It looks at eight at once, since a processor cannot foresee how many there are.
func scanDigits(text []byte, pos int) int {
	for 0 <= pos && pos <= len(text)-8 { // hasWord, written out: with it this could not be inlined
		if found := nonDigits(wordAt(text, pos)); found != 0 {
			return pos + bits.TrailingZeros64(found)/8
		}
		pos += 8
	}
	for pos < len(text) && text[pos]-'0' <= 9 {
		pos++
	}
	return pos
}
