package event_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

func has(members []member, name string) bool {
	return slices.ContainsFunc(members, func(m member) bool { return m.name == name })
}

// naming is what tells names apart, as far as parsers agree.
type naming struct{ ignored string }

var (
	memberNames = naming{" _-"}
	idNames     = naming{"_-"}
	ownNames    = naming{" "}
)

// reads reports whether some parser or reader takes a member for another.
func (n naming) reads(name, other string) bool {
	return n.key(name) == n.key(other) || n.begins(name, other)
}

// begins reports whether other, followed by a point or a bracket, begins name.
func (n naming) begins(name, other string) bool {
	name, _, _ = strings.Cut(name, "\x00")
	for i, c := range name {
		if (c == '.' || c == '[') && n.key(name[:i]) == n.key(other) {
			return true
		}
	}
	return false
}

// key maps all names to one that some parser takes for one another.
func (n naming) key(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || strings.ContainsRune(n.ignored, r) {
			return -1
		}
		return letters()[r]
	}, name)
}

// letters has one character for all that case folding, lower-casing or upper-casing connect, over however many steps.
var letters = sync.OnceValue(func() []rune {
	least := make([]rune, unicode.MaxRune+1)
	for r := range least {
		least[r] = rune(r)
	}
	for changed := true; changed; {
		changed = false
		for i := range least {
			r := rune(i)
			for _, other := range []rune{unicode.SimpleFold(r), unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r)} {
				if least[other] != least[r] {
					least[other] = min(least[other], least[r])
					least[r] = least[other]
					changed = true
				}
			}
		}
	}
	for i := range least {
		if least[i] < utf8.RuneSelf {
			least[i] = unicode.ToLower(least[i])
		}
	}
	return least
})

// rewritten reports whether some reader makes other members of a member.
func rewritten(m member) bool {
	before, _, _ := strings.Cut(m.name, "\x00")
	return strings.HasPrefix(m.name, ":") || strings.HasPrefix(m.name, "^") || before == "<<"
}

var (
	wholeEscapes = regexp.MustCompile(`\\[^u]|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|\\u[dD][0-7][0-9a-fA-F]{2}`)
	halfAPair    = regexp.MustCompile(`\\u`)
)

// withoutPairs takes all escapes out of a string that stand for a character; an escape that is left is half of one.
func withoutPairs(raw string) string { return wholeEscapes.ReplaceAllLiteralString(raw, "") }
