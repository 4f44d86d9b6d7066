package event

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoEvent is returned where the body, or the place that Rules.Pointer names, holds no object, and something is promised of the
// event: in strict mode, or by ReplaceUserInfo of an object or a string.
var ErrNoEvent = errors.New("there is no event: a JSON object is expected")

// Rejection says which rule a request breaks, in words for the client. They can stand in JSON and HTML as they are.
type Rejection struct{ reason string }

func (r *Rejection) Error() string { return r.reason }

func reject(format string, args ...any) error {
	return &Rejection{fmt.Sprintf(format, args...)}
}

func rejectProto() error {
	return reject("a member named __proto__ is not accepted: copying the event would turn its content into members")
}

func rejectRewritten() error {
	return reject("an event with CloudIDs or the caller's identity may hold no name that begins with : or ^, and no merge key of YAML: some readers turn them into other members")
}

func tooMany(most int) error {
	return reject("the event declares more than %d CloudIDs, which is how many are replaced in one call", most)
}

func duplicate(name string) error {
	return reject("the member %s must be sent once: letter case, escapes, space, _ and -, and what follows a NUL, a point or a bracket do not tell names apart in every language", QuoteName(name))
}

// duplicateOf names what was taken for a second member of the name, by the text of that one's name in quotes.
func duplicateOf(name, rawOther string) error {
	other := unescape(rawOther)
	if other == name {
		return reject("the member %s must be sent once, but there are two of it", QuoteName(name))
	}
	return reject("the member %s must be sent once, spelled exactly so, and %s is the same name to some readers: letter case, escapes, space, _ and -, and what follows a NUL, a point or a bracket do not tell names apart in every language; rename it", QuoteName(name), QuoteName(other))
}

// QuoteName shows a client's own name in a message for that client. Whatever could mean something to the JSON or HTML
// into which an error page puts the message becomes a question mark.
func QuoteName(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return "'" + strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) || strings.ContainsRune("\"'\\<>&", c) {
			return '?'
		}
		return c
	}, name) + "'"
}
