package jsonscan

import "encoding/binary"

// A word is eight bytes of a text, the first of them lowest. What is wanted of all eight is computed at once.

const (
	ones     = 0x0101010101010101
	highBits = 0x8080808080808080
)

// hasWord reports whether eight bytes of text are left from pos on.
func hasWord(text []byte, pos int) bool { return 0 <= pos && pos <= len(text)-8 }

// wordAt returns the word at pos. Where hasWord was asked before, the compiler adds no check to the full slice expression.
func wordAt(text []byte, pos int) uint64 {
	return binary.LittleEndian.Uint64(text[pos : pos+8 : pos+8])
}

// The functions below find the first byte of a word that is none of a kind: the lowest bit that is set in their result is the
// high bit of that byte. Bits above it may be wrong. The result is 0 if all bytes are of the kind.

// nonPlain finds a byte that does not stand for itself in a string: a control character, a quote, a backslash, or a byte of a
// character beyond ASCII.
//
// It is "hasless" of Bit Twiddling Hacks: for a byte x below 0x80, the high bit of x-n is set if x < n. A backslash becomes 0 by
// XOR, the only byte less than 1. XOR with 0x02 makes the quote (0x22) 0x20 and leaves control characters below 0x20, while
// space (0x20) becomes 0x22 and ! (0x21) becomes 0x23: so all that are less than 0x21 are no plain bytes. Example: for a quote
// 0x22^0x02 = 0x20, and 0x20-0x21 = 0xFF has its high bit set; for a space 0x22-0x21 = 0x01 has not.
func nonPlain(word uint64) uint64 {
	controlOrQuote := (word ^ ones*0x02) - ones*0x21
	backslash := (word ^ ones*'\\') - ones
	return (controlOrQuote | backslash | word) & highBits
}

// nonDigits finds a byte that is no digit. XOR with '0' makes digits, and nothing else, 0 to 9: what added to 0x76 does not
// reach 0x80.
func nonDigits(word uint64) uint64 {
	return (((word ^ ones*'0') + ones*(0x80-10)) | word) & highBits
}

// isThreeBytes reports whether a word begins with a character of three bytes. The first is neither E0 nor ED, so that any
// two continuation bytes may follow: nearly all Chinese characters are such.
func isThreeBytes(word uint64) bool {
	return word&0xC0C0F0 == 0x8080E0 && byte(word) != 0xE0 && byte(word) != 0xED
}
