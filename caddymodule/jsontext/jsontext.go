// Package jsontext decides in one pass whether bytes are a JSON text that every parser reads the same way as far as
// bytes go: valid by RFC 8259, in UTF-8, without a byte order mark and not nested too deeply. On the way it shows the
// members of the outermost object, so that nobody has to pass over the bytes again to find them.
//
// It never recurses and allocates nothing, however hostile the bytes are.
package jsontext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested. The parsers behind the gateway differ in their limits; this
// one is below all that are known.
const MaxDepth = 512

// The reasons for which a text is refused that are not about its grammar.
var (
	ErrByteOrderMark = errors.New("the JSON text begins with a byte order mark; send it without one")
	ErrNotUTF8       = errors.New("the JSON text is not valid UTF-8")
	ErrTooDeep       = fmt.Errorf("the JSON text is nested more than %d levels deep", MaxDepth)
)

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // in bytes, from 0; the text's length when it ends too early
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("invalid JSON at byte %d", e.Offset) }

// Member is one member of the outermost object, as offsets into the text. Name and value are meant as written: a name
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
	// Two passes at memory speed beat one that decodes runes: utf8.Valid takes eight ASCII bytes a step, and with it
	// done the scanner need not tell characters apart.
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	s := scanner{text: text}
	return s.run(visit)
}

type scanner struct {
	text    []byte
	pos     int
	depth   int
	objects [MaxDepth/64 + 1]uint64 // bit d: what is open at depth d is an object, not an array
}

// expectation is what the grammar allows at the scanner's position.
type expectation int

const (
	value expectation = iota
	valueOrEnd
	name
	nameOrEnd
	commaOrEnd
)

func (s *scanner) run(visit func(Member)) error {
	var (
		member   Member
		expected = value
	)
	for {
		s.skipSpace()
		if s.pos == len(s.text) {
			return s.syntaxError()
		}
		c := s.text[s.pos]

		switch expected {
		case name, nameOrEnd:
			if c == '}' && expected == nameOrEnd {
				break // closes below
			}
			start := s.pos
			if c != '"' || !s.skipString() {
				return s.syntaxError()
			}
			end := s.pos
			s.skipSpace()
			if s.pos == len(s.text) || s.text[s.pos] != ':' {
				return s.syntaxError()
			}
			s.pos++
			if s.depth == 1 {
				s.skipSpace()
				member = Member{NameStart: start, NameEnd: end, ValueStart: s.pos}
			}
			expected = value
			continue

		case value, valueOrEnd:
			if c == ']' && expected == valueOrEnd {
				break // closes below
			}
			if c == '{' || c == '[' {
				if s.depth == MaxDepth {
					return ErrTooDeep
				}
				s.open(c == '{')
				expected = valueOrEnd
				if c == '{' {
					expected = nameOrEnd
				}
				continue
			}
			if !s.skipScalar(c) {
				return s.syntaxError()
			}
			if s.depth == 0 {
				return s.end()
			}
			if s.depth == 1 && s.inObject() {
				member.ValueEnd = s.pos
				visit(member)
			}
			expected = commaOrEnd
			continue

		case commaOrEnd:
			if c == ',' {
				s.pos++
				expected = value
				if s.inObject() {
					expected = name
				}
				continue
			}
		}

		// Only the end of what is open can stand here.
		if s.inObject() && c != '}' || !s.inObject() && c != ']' {
			return s.syntaxError()
		}
		s.pos++
		s.depth--
		if s.depth == 0 {
			return s.end()
		}
		if s.depth == 1 && s.inObject() {
			member.ValueEnd = s.pos
			visit(member)
		}
		expected = commaOrEnd
	}
}

func (s *scanner) open(object bool) {
	s.pos++
	s.depth++
	word, bit := s.depth/64, uint64(1)<<(s.depth%64)
	if object {
		s.objects[word] |= bit
	} else {
		s.objects[word] &^= bit
	}
}

func (s *scanner) inObject() bool {
	return s.objects[s.depth/64]&(1<<(s.depth%64)) != 0
}

// end accepts nothing but space behind the outermost value.
func (s *scanner) end() error {
	s.skipSpace()
	if s.pos != len(s.text) {
		return s.syntaxError()
	}
	return nil
}

func (s *scanner) syntaxError() error { return &SyntaxError{Offset: s.pos} }

func (s *scanner) skipSpace() {
	for s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		if c := s.text[s.pos]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return
		}
		s.pos++
	}
}

func (s *scanner) skipScalar(first byte) bool {
	switch first {
	case '"':
		return s.skipString()
	case 't':
		return s.skipLiteral("true")
	case 'f':
		return s.skipLiteral("false")
	case 'n':
		return s.skipLiteral("null")
	default:
		return s.skipNumber()
	}
}

func (s *scanner) skipLiteral(literal string) bool {
	rest := s.text[s.pos:]
	if len(rest) < len(literal) || string(rest[:len(literal)]) != literal {
		return false
	}
	s.pos += len(literal)
	return true
}

// skipNumber follows RFC 8259, section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func (s *scanner) skipNumber() bool {
	s.skipOne('-', '-')
	if s.skipOne('0', '0') {
		// a leading zero stands alone
	} else if !s.skipDigits() {
		return false
	}
	if s.skipOne('.', '.') && !s.skipDigits() {
		return false
	}
	if s.skipOne('e', 'E') {
		s.skipOne('+', '-')
		return s.skipDigits()
	}
	return true
}

func (s *scanner) skipOne(a, b byte) bool {
	if s.pos < len(s.text) && (s.text[s.pos] == a || s.text[s.pos] == b) {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) skipDigits() bool {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// skipString passes a string, from its opening to behind its closing quote. Its plain bytes go eight at a step; the
// expressions are the usual ones for "which byte of this word is zero, or less than n": of several marks the lowest is
// always right, and only the lowest is used.
func (s *scanner) skipString() bool {
	text, pos := s.text, s.pos+1
	for pos < len(text) {
		if pos+8 <= len(text) {
			word := binary.LittleEndian.Uint64(text[pos:])
			quote := word ^ everyByte*'"'
			backslash := word ^ everyByte*'\\'
			marks := (quote-everyByte)&^quote | (backslash-everyByte)&^backslash | (word-everyByte*0x20)&^word
			if marks &= highBits; marks == 0 {
				pos += 8
				continue
			}
			pos += bits.TrailingZeros64(marks) / 8
		}
		switch c := text[pos]; {
		case c == '"':
			s.pos = pos + 1
			return true
		case c == '\\':
			s.pos = pos
			if !s.skipEscape() {
				return false
			}
			pos = s.pos
		case c < 0x20:
			s.pos = pos
			return false
		default:
			pos++ // near the end of the text, where no eight bytes are left
		}
	}
	s.pos = pos
	return false
}

// skipEscape passes a backslash and what it escapes.
func (s *scanner) skipEscape() bool {
	s.pos++
	if s.pos == len(s.text) {
		return false
	}
	switch s.text[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		s.pos++
		for range 4 {
			if s.pos == len(s.text) || !isHex(s.text[s.pos]) {
				return false
			}
			s.pos++
		}
		return true
	default:
		return false
	}
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' <= 5
}
