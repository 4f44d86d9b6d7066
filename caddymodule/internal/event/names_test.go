package event

import (
	"strings"
	"testing"
	"unicode"
)

// All characters that case folding, lower-casing or upper-casing connect fold to one, and no others do.
func TestFoldRune(t *testing.T) {
	members := map[rune][]rune{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		folded := foldRune(r)
		members[folded] = append(members[folded], r)
		for _, other := range []rune{unicode.SimpleFold(r), unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r)} {
			if foldRune(other) != folded {
				t.Errorf("%U folds to %U, and %U to %U", r, folded, other, foldRune(other))
			}
		}
		if foldRune(folded) != folded {
			t.Errorf("%U folds to %U, which folds to %U", r, folded, foldRune(folded))
		}
	}
	if got := string(members['i']); got != "Iiİı" {
		t.Errorf("%q fold to i", got)
	}
	if got := string(members['k']); got != "Kk\u212a" {
		t.Errorf("%q fold to k", got)
	}
}

func TestANameOfAnyLengthIsFound(t *testing.T) {
	for length := 1; length <= maxName; length++ {
		name := strings.Repeat("n", length)
		set := eventNames.with(name)
		if set.find(name).index != 0 || set.find(name+"n").index != noName || set.find(name[1:]).index != noName {
			t.Errorf("a name of %d bytes is not told from its neighbours", length)
		}
	}
}

func TestSetsOfNames(t *testing.T) {
	set := eventNames.with("phone", "a.b", "c")
	for _, test := range []struct {
		text  string
		index int
		whole bool
	}{
		{"phone", 0, true},
		{"PH_ON-E ", 0, true},
		{`ph\u006Fne`, 0, true},
		{`phone\u0000x`, 0, true},
		{`phone\u0080`, noName, false},
		{"phone.x", 0, false},
		{"phone[", 0, false},
		{"a.b", 1, true},
		{"a.b.c", 1, false},
		{"c.d", 2, false},
		{"ab", noName, false},
		{"a", noName, false},
		{"phon", noName, false},
		{"phonee", noName, false},
		{`phone\\`, noName, false},
		{"", noName, false},
	} {
		if got := set.find(test.text); got != (match{test.index, test.whole}) {
			t.Errorf("%q: %+v", test.text, got)
		}
	}
	if got := eventNames.with("_").find(`\u002d`); got != (match{0, true}) {
		t.Errorf("names without a character that counts are one: %+v", got)
	}
}
