package event

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

const (
	listName     = "cloudid_list"
	userInfoName = "userInfo"
	protoName    = "__proto__"
)

// unsafeString is b as a string, without a copy. Nothing that outlives the body's bytes may keep it.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func isObject(text []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(unsafeString(text), " \t\r\n"), "{")
}

func escaped(raw string) bool { return strings.IndexByte(raw, '\\') >= 0 }

// decodeEscape reads the escape that s begins with: the character it stands for, how many bytes write it, and whether it is
// half a surrogate pair. Such a half reads as U+FFFD, as in Go.
func decodeEscape(s string) (r rune, written int, half bool) {
	switch s[1] {
	case 'b':
		return '\b', 2, false
	case 'f':
		return '\f', 2, false
	case 'n':
		return '\n', 2, false
	case 'r':
		return '\r', 2, false
	case 't':
		return '\t', 2, false
	case 'u':
		// below
	default:
		return rune(s[1]), 2, false
	}
	r = codeUnit(s)
	if !utf16.IsSurrogate(r) {
		return r, 6, false
	}
	if strings.HasPrefix(s[6:], `\u`) {
		if pair := utf16.DecodeRune(r, codeUnit(s[6:])); pair != utf8.RuneError {
			return pair, 12, false
		}
	}
	return utf8.RuneError, 6, true
}

// codeUnit reads the UTF-16 code unit that \uXXXX at the start of s stands for.
func codeUnit(s string) rune {
	unit, _ := strconv.ParseUint(s[2:6], 16, 16)
	return rune(unit)
}

// decodeChar reads the first character of s, the inside of a string as it is written.
func decodeChar(s string) (r rune, written int) {
	if s[0] == '\\' {
		r, written, _ = decodeEscape(s)
		return r, written
	}
	return utf8.DecodeRuneInString(s)
}

// nameOf unescapes a name in quotes. The result does not share the text's memory.
func nameOf(raw string) string {
	inside := raw[1 : len(raw)-1]
	if !escaped(inside) {
		return strings.Clone(inside)
	}
	var name strings.Builder
	name.Grow(len(inside))
	for inside != "" {
		plain := strings.IndexByte(inside, '\\')
		if plain < 0 {
			plain = len(inside)
		}
		name.WriteString(inside[:plain])
		if inside = inside[plain:]; inside != "" {
			r, written, _ := decodeEscape(inside)
			name.WriteRune(r)
			inside = inside[written:]
		}
	}
	return name.String()
}

// isName reports whether a name in quotes is name, spelled exactly so after unescaping.
func isName(raw, name string) bool {
	if !escaped(raw) {
		return raw[1:len(raw)-1] == name
	}
	return sameName(raw, name) && nameOf(raw) == name
}

// isProto reports whether a name in quotes is "__proto__" to JavaScript, which knows neither case nor NUL.
func isProto(raw string) bool { return isName(raw, protoName) }

// sameName reports whether some parser takes the name raw, in quotes, for name: after unescaping, cut at NUL (as C
// does), under Unicode case folding (as Go's encoding/json matches names). It is asked of every member, for every name:
// so it unescapes nothing that it need not look at, and keeps no copy.
func sameName(raw, name string) bool {
	inside, name := raw[1:len(raw)-1], cutAtNUL(name)
	if !escaped(inside) {
		// Without an escape there is no NUL in it.
		return strings.EqualFold(inside, name)
	}
	for inside != "" {
		r, written := decodeChar(inside)
		if r == 0 {
			break
		}
		want, size := utf8.DecodeRuneInString(name)
		if size == 0 || r != want && !strings.EqualFold(string(r), string(want)) {
			return false
		}
		inside, name = inside[written:], name[size:]
	}
	return name == ""
}

func sameFolded(a, b string) bool { return strings.EqualFold(cutAtNUL(a), cutAtNUL(b)) }

func cutAtNUL(name string) string {
	before, _, _ := strings.Cut(name, "\x00")
	return before
}

// listed reports whether a name in quotes reads as one of fields, in whatever spelling: one that is not spelled exactly
// is refused later.
func listed(fields []string, raw string) bool {
	for _, field := range fields {
		if sameName(raw, field) {
			return true
		}
	}
	return false
}

// hasLoneSurrogate reports whether a string in quotes escapes half a surrogate pair.
func hasLoneSurrogate(raw string) bool {
	for {
		next := strings.IndexByte(raw, '\\')
		if next < 0 {
			return false
		}
		_, written, half := decodeEscape(raw[next:])
		if half {
			return true
		}
		raw = raw[next+written:]
	}
}

// unquote returns the text that a string holds. It refuses half a surrogate pair, which no UTF-8 text can hold.
func unquote(raw string) ([]byte, error) {
	if hasLoneSurrogate(raw) {
		return nil, reject("the event's text holds half a surrogate pair")
	}
	return []byte(nameOf(raw)), nil
}

// QuoteName shows a client's own name in a message for that client. Whatever could mean something to the JSON or HTML that
// an error page puts the message into becomes a question mark.
func QuoteName(name string) string {
	if len(name) > MaxName {
		name = strings.ToValidUTF8(name[:MaxName], "") + "…"
	}
	return "'" + strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) || strings.ContainsRune("\"'\\<>&", c) {
			return '?'
		}
		return c
	}, name) + "'"
}

// entry is one of a cloudid_list.
type entry struct {
	rawName string // in quotes
	name    string
	id      string
}

// readList takes the cloudid_list apart, if the body has one that declares something.
func (f *parser) readList() error {
	if f.listCount == 0 || !f.event.found || f.rules.ownsList() {
		return nil
	}
	var declaring bool
	gjson.Parse(unsafeString(f.event.body)).ForEach(func(key, value gjson.Result) bool {
		if !sameName(key.Raw, listName) {
			return true
		}
		entries, ok := entriesOf(value)
		if !ok {
			return true
		}
		declaring = true
		if isName(key.Raw, listName) {
			f.list = entries
			f.listMember.NameStart = key.Index
		}
		return true
	})
	if declaring && f.listCount > 1 {
		return duplicate(listName)
	}
	return nil
}

// ownsList reports whether the rules themselves take the member cloudid_list for something else: for what holds the
// event, or for a field of it.
func (r *Rules) ownsList() bool {
	if r.Pointer.IsRoot() {
		return slices.Contains(r.Fields, listName)
	}
	return r.Pointer.steps[0] == listName
}

// entriesOf returns the declarations of a list; ok is false for any value that is not a list of nothing else.
func entriesOf(list gjson.Result) (entries []entry, ok bool) {
	if !list.IsArray() {
		return nil, false
	}
	ok = true
	list.ForEach(func(_, item gjson.Result) bool {
		var e entry
		if e, ok = entryOf(item); ok {
			entries = append(entries, e)
		}
		return ok
	})
	return entries, ok && len(entries) > 0
}

// entryOf reads {"key_name":K,"cloud_id":ID}, with just these two members.
func entryOf(item gjson.Result) (e entry, ok bool) {
	if !item.IsObject() {
		return e, false
	}
	var names, ids, others int
	item.ForEach(func(key, value gjson.Result) bool {
		switch {
		case value.Type != gjson.String:
			others++
		case isName(key.Raw, "key_name"):
			names++
			e.rawName, e.name = strings.Clone(value.Raw), nameOf(value.Raw)
		case isName(key.Raw, "cloud_id"):
			ids++
			e.id = strings.Clone(shortString(value.Raw))
		default:
			others++
		}
		return true
	})
	return e, names == 1 && ids == 1 && others == 0
}

// declaredIn returns the CloudID that a member's value declares, or nothing, and whether that is a guess. In strict mode
// any string is a declaration; strict says so.
func declaredIn(value string, strict bool) (id string, guess bool) {
	switch value[0] {
	case '"':
		if first, _ := decodeChar(value[1:]); !strict && (first < '0' || first > '9') {
			return "", false // the usual string, dismissed without another look
		}
		if id = shortString(value); strict || LooksLikeCloudID(id) {
			return strings.Clone(id), !strict
		}
	case '{':
		return declaredByObject(value), false
	}
	return "", false
}

// shortString unescapes a string in quotes that could be a CloudID; anything longer than one can be is "".
func shortString(raw string) string {
	if len(raw) > 6*MaxID+2 { // each character may be written as \uXXXX
		return ""
	}
	if !escaped(raw) {
		if raw = raw[1 : len(raw)-1]; len(raw) > MaxID {
			return ""
		}
		return raw
	}
	if s := nameOf(raw); len(s) <= MaxID {
		return s
	}
	return ""
}

// declaredByObject returns the CloudID in an object's member cloudID. Of several the last that looks like one counts, as
// with nearly every parser; the whole object is replaced in any case.
func declaredByObject(value string) (id string) {
	if !strings.Contains(value, "cloudID") && !strings.Contains(value, `\u`) {
		return "" // the usual object, which cannot have that member in any spelling
	}
	gjson.Parse(value).ForEach(func(key, member gjson.Result) bool {
		if member.Type != gjson.String || !isName(key.Raw, "cloudID") {
			return true
		}
		if s := shortString(member.Raw); LooksLikeCloudID(s) {
			id = strings.Clone(s)
		}
		return true
	})
	return id
}
