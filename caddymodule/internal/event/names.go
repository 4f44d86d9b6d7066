package event

import (
	"unicode"
	"unicode/utf8"
)

// The names that mean something to the gateway itself.
const (
	listName     = "cloudid_list"
	userInfoName = "userInfo"
	protoName    = "__proto__"
)

// nameSet is a set of names. It finds which of them, if any, some parser takes another name for.
//
// Parsers differ in what tells two names apart: encoding/json folds letter case, json-iterator and sonic lower it
// (U+0130 becomes i), Java raises it first (U+0131 becomes I), C ends a string at NUL, and fastjson, pydantic and
// ActiveSupport ignore _ or - or space. A nameSet turns a name into a key that is the same for all of these and looks
// the key up, so its time depends on the length of the name and not on the number of names in the set.
type nameSet struct {
	classes [utf8.RuneSelf]charClass // of the ASCII characters
	initial [utf8.RuneSelf]bool      // the ASCII characters with which a name may begin that is found
	index   map[string]int           // from a key to the name's place in the order of add
	lengths [maxName/64 + 1]uint64   // bit n is set when some key has n bytes
	longest int                      // how many bytes the longest key has
}

// charClass is what an ASCII character of a name means to a nameSet.
type charClass uint8

const (
	charPlain      charClass = iota
	charEscape               // begins an escape of JSON
	charIgnored              // does not tell names apart
	charEnd                  // ends the name for some readers, and is a character of it for others
	charEndIgnored           // the same, where the others ignore it
	charNUL                  // ends the name for everybody whose strings end with NUL
)

// match is a name of a set, as another name was taken for it.
type match struct {
	index int  // the name's place in the order of add; noName: the set has no such name
	whole bool // the whole name was taken for it; false: only what stands before a character that ends names
}

const noName = -1

// In JSON, lodash's get(event, "a.b") and get(event, "a[0]") read members of exactly these names first.
var (
	// eventNames is an empty set of names of members whose values are replaced.
	eventNames = newNameSet(`\`, " _-", ".[")
	// ownNames is an empty set of the gateway's own names. Here _ and - do tell names apart, since an application may well
	// have a user_info of its own; the gateway's member stands last and so wins wherever a parser ignores them.
	ownNames = newNameSet(`\`, " ", ".[")

	userInfoNames = ownNames.with(userInfoName)
	listNames     = ownNames.with(listName)
	idNames       = newNameSet(`\`, "_-", "").with("cloudID")
	base64Names   = eventNames.with("data_base64")
)

// newNameSet returns an empty set for which these characters begin an escape, are ignored, or end names.
func newNameSet(escapes, ignored, ends string) *nameSet {
	s := new(nameSet)
	set := func(chars string, class charClass) {
		for i := range len(chars) {
			s.classes[chars[i]] = class
			s.initial[chars[i]] = true
		}
	}
	set(escapes, charEscape)
	set(ends, charEnd)
	for i := range len(ignored) {
		if s.classes[ignored[i]] == charEnd {
			set(ignored[i:i+1], charEndIgnored)
		} else {
			set(ignored[i:i+1], charIgnored)
		}
	}
	set("\x00", charNUL)
	return s
}

// with returns a copy of an empty set with names in it. It panics where some parser takes one for another: the sets of
// names that are not constants are made with add.
func (s *nameSet) with(names ...string) *nameSet {
	set := s.empty(len(names))
	for _, name := range names {
		if set.add(name) != noName {
			panic("event: the same name twice: " + name)
		}
	}
	return set
}

// empty returns a set without names and with the same classes.
func (s *nameSet) empty(capacity int) *nameSet {
	return &nameSet{classes: s.classes, initial: s.initial, index: make(map[string]int, capacity)}
}

// add adds a name of at most maxName bytes, which holds no escapes. If some parser takes it for a name that is in the
// set, add changes nothing and returns that name's place, else noName.
func (s *nameSet) add(name string) (other int) {
	var buffer [maxName]byte
	key := buffer[:0]
	for _, r := range name {
		class := charPlain
		if r < utf8.RuneSelf {
			class = s.classes[r]
		}
		if class == charNUL {
			break
		}
		if r = foldRune(r); class != charIgnored && class != charEndIgnored && r != utf8.RuneError {
			key = utf8.AppendRune(key, r)
		}
	}
	if other, found := s.index[string(key)]; found {
		return other
	}
	s.index[string(key)] = len(s.index)
	s.lengths[len(key)/64] |= 1 << (len(key) % 64)
	s.longest = max(s.longest, len(key))
	if len(key) > 0 && key[0] < utf8.RuneSelf {
		s.initial[key[0]] = true
		s.initial[unicode.ToUpper(rune(key[0]))] = true
	}
	return noName
}

// find returns the name of the set that some parser takes text for. Where more than one is, it returns the shortest.
func (s *nameSet) find(text string) match {
	if text != "" && text[0] < utf8.RuneSelf && !s.initial[text[0]] {
		return match{index: noName}
	}
	var key [maxName]byte
	length := 0
	for text != "" {
		r, class, size := s.next(text)
		text = text[size:]
		switch class {
		case charNUL:
			text = ""
			continue
		case charIgnored:
			continue
		case charEnd, charEndIgnored:
			if i := s.lookUp(key[:length]); i != noName {
				return match{i, false}
			}
			if class == charEndIgnored {
				continue
			}
		}
		if r = foldRune(r); r == utf8.RuneError {
			continue
		}
		if length+utf8.RuneLen(r) > s.longest {
			return match{index: noName}
		}
		length += utf8.EncodeRune(key[length:], r)
	}
	i := s.lookUp(key[:length])
	return match{i, i != noName}
}

// next reads the first character of text, what it means, and how many bytes it takes.
func (s *nameSet) next(text string) (r rune, class charClass, size int) {
	if text[0] >= utf8.RuneSelf {
		r, size = utf8.DecodeRuneInString(text)
		return r, charPlain, size
	}
	if class = s.classes[text[0]]; class != charEscape {
		return rune(text[0]), class, 1
	}
	r, size = decodeChar(text)
	if r >= utf8.RuneSelf || r == '\\' {
		return r, charPlain, size
	}
	return r, s.classes[r], size
}

func (s *nameSet) lookUp(key []byte) int {
	if s.lengths[len(key)/64]&(1<<(len(key)%64)) == 0 {
		return noName
	}
	if i, found := s.index[string(key)]; found {
		return i
	}
	return noName
}

// foldRune returns the same character for all that are one letter to some parser, under case folding, lower-casing and
// upper-casing. It leaves U+FFFD alone, which stands for half a surrogate pair too: what parsers make of one differs, so
// a nameSet ignores both.
func foldRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case 0x2E80 <= r && r < 0xA640: // Chinese, Japanese and others that have no letter case
		return r
	case r == 'İ' || r == 'ı':
		return 'i'
	}
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if least < utf8.RuneSelf {
		return foldRune(least)
	}
	return least
}

// isRewritten reports whether some reader makes other members of a member because of its name, in quotes: Ruby's Oj of
// names that begin with : and ^, readers of YAML of the merge key <<.
func isRewritten(raw string) bool {
	inside := raw[1 : len(raw)-1]
	first, size := decodeChar(inside)
	switch first {
	case ':', '^':
		return true
	case '<':
		second, more := decodeChar(inside[size:])
		behind, length := decodeChar(inside[size+more:])
		return second == '<' && (length == 0 || behind == 0)
	default:
		return false
	}
}
