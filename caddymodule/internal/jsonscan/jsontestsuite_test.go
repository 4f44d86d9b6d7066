package jsonscan

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The table says itself what it is; see its head.
func TestJSONTestSuite(t *testing.T) {
	table, err := os.ReadFile("testdata/jsontestsuite.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[byte]int{}
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		verdict, literals, _ := strings.Cut(strings.TrimSpace(rest), " ")
		cases[name[0]]++
		t.Run(name, func(t *testing.T) {
			if got := verdictOf(Check(bytesOf(t, literals))); got != verdict {
				t.Errorf("got %s, want %s", got, verdict)
			}
			switch accepted := verdict == "accepted"; {
			case name[0] == 'y' && !accepted, name[0] == 'n' && accepted:
				t.Errorf("%s is no verdict for a case that begins with %c", verdict, name[0])
			}
		})
	}
	if cases['y'] != 95 || cases['n'] != 188 || cases['i'] != 35 {
		t.Errorf("the suite has 95 y_, 188 n_ and 35 i_ cases, the table %v", cases)
	}
}

func verdictOf(err error) string {
	_, syntax := errors.AsType[*SyntaxError](err)
	switch {
	case err == nil:
		return "accepted"
	case syntax:
		return "syntax"
	case errors.Is(err, ErrNotUTF8):
		return "utf8"
	case errors.Is(err, ErrByteOrderMark):
		return "bom"
	case errors.Is(err, ErrTooDeep):
		return "depth"
	default:
		return err.Error()
	}
}

// bytesOf reads Go string literals, each perhaps followed by "* count".
func bytesOf(t *testing.T, literals string) []byte {
	t.Helper()
	var text strings.Builder
	for rest := strings.TrimSpace(literals); rest != ""; {
		literal, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("%s: %v", rest, err)
		}
		rest = strings.TrimSpace(rest[len(literal):])
		part, err := strconv.Unquote(literal)
		if err != nil {
			t.Fatalf("%s: %v", literal, err)
		}
		times := 1
		if after, ok := strings.CutPrefix(rest, "*"); ok {
			count, behind, _ := strings.Cut(strings.TrimSpace(after), " ")
			if times, err = strconv.Atoi(count); err != nil {
				t.Fatal(err)
			}
			rest = strings.TrimSpace(behind)
		}
		text.WriteString(strings.Repeat(part, times))
	}
	return []byte(text.String())
}
