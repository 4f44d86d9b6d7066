package event

import (
	"strings"
	"unicode/utf8"
)

// queryNames are the names that a query may not have: Rails, Rack, Symfony and Mojolicious merge the parameters of query
// and body, and some let those of the query win.
type queryNames struct {
	listed, own *nameSet // nil: every query is accepted
	names       []string // of listed
}

// In a query PHP turns a point and an unclosed bracket into _, Rack and qs drop brackets before a name, and all of them
// read a[b], and some a.b, as a part of a. Undecodable percent signs and a second question mark are dropped by some.
var (
	queryNamesListed = newNameSet("", " _-+%?.[]", ".[]")
	queryNamesOwn    = newNameSet("", " +%?[]", ".[]").with(userInfoName)
)

func (r *Rules) compileQuery() queryNames {
	if !r.promises() {
		return queryNames{}
	}
	q := queryNames{listed: queryNamesListed.empty(len(r.Fields)), own: queryNamesOwn}
	add := func(name string) {
		if q.listed.add(name) == noName {
			q.names = append(q.names, name)
		}
	}
	for _, field := range r.Fields {
		add(field)
	}
	if !r.Pointer.IsRoot() {
		add(r.Pointer.steps[0]) // what holds the event
	}
	return q
}

// CheckQuery returns a *Rejection for the query of a URL, without its question mark, that has userInfo, a listed member or
// the member that holds the event as a parameter, or as the beginning of one before a bracket or a point. Any query is
// accepted where neither Fields nor ReplaceUserInfo promise anything.
func (r *Rules) CheckQuery(query string) error {
	if r.queryNames.own == nil {
		return nil
	}
	for query != "" {
		parameter := query
		if end := strings.IndexAny(query, "&;"); end >= 0 {
			parameter, query = query[:end], query[end+1:]
		} else {
			query = ""
		}
		name, _, _ := strings.Cut(parameter, "=")
		if name = decodeParameter(name); name == "" {
			continue
		}
		if r.queryNames.own.find(name).index != noName {
			return rejectParameter(userInfoName)
		}
		if i := r.queryNames.listed.find(name).index; i != noName {
			return rejectParameter(r.queryNames.names[i])
		}
	}
	return nil
}

func rejectParameter(name string) error {
	return reject("the query may have no parameter %s: some frameworks take it for the member of the event", QuoteName(name))
}

// decodeParameter decodes %XX, and %uXXXX as CGI.pm does; what is neither stays.
func decodeParameter(name string) string {
	if strings.IndexByte(name, '%') < 0 {
		return name
	}
	decoded := make([]byte, 0, len(name))
	for i := 0; i < len(name); {
		rest := name[i:]
		if code, ok := hexNumber(rest, "%", 2); ok {
			decoded = append(decoded, byte(code))
			i += 3
		} else if code, ok = hexNumber(rest, "%u", 4); ok {
			decoded = utf8.AppendRune(decoded, rune(code))
			i += 6
		} else {
			decoded = append(decoded, name[i])
			i++
		}
	}
	return string(decoded)
}

// hexNumber reads so many hexadecimal digits behind a prefix.
func hexNumber(s, prefix string, digits int) (number int, ok bool) {
	if len(s) < len(prefix)+digits || s[:len(prefix)] != prefix {
		return 0, false
	}
	for _, c := range []byte(s[len(prefix) : len(prefix)+digits]) {
		switch {
		case c-'0' <= 9:
			number = number<<4 | int(c-'0')
		case c|0x20-'a' <= 5:
			number = number<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return number, true
}
