package check

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// verdict is what can be said of a matcher: what only a real request decides is maybe.
type verdict int

const (
	no verdict = iota
	maybe
	yes
)

func and(a, b verdict) verdict { return min(a, b) }
func or(a, b verdict) verdict  { return max(a, b) }
func not(v verdict) verdict    { return yes - v }

// fact is what a matcher says of a request, and only a real request tells. A walk assumes one, then the other, and keeps to it: two
// routes that ask the same are taken by the same requests.
type fact struct {
	matcher   string // the name
	arguments string
	holds     bool
	past      bool // it was so until a handler changed the request
	strange   bool // where it speaks of addresses, they are not the client's
}

// matches decides whether a route takes a request; open is what it depends on where that is maybe.
func (r *route) matches(st state) (v verdict, open *fact) {
	if len(r.Match) == 0 {
		return yes, nil
	}
	for _, set := range r.Match {
		one, asks := set.matches(st)
		v = or(v, one)
		if open == nil {
			open = asks
		}
	}
	return v, open
}

func (set matcherSet) matches(st state) (v verdict, open *fact) {
	v = yes
	for _, name := range slices.Sorted(maps.Keys(set)) {
		one, asks := matchOne(name, set[name], st)
		v = and(v, one)
		if open == nil {
			open = asks
		}
	}
	return v, open
}

// clientChoice are matchers of what a client chooses or is: both results occur, so they are no reason to doubt a finding.
var clientChoice = []string{"header", "header_regexp", "query", "protocol", "remote_ip", "client_ip"}

// matchOne decides one matcher.
func matchOne(name string, raw json.RawMessage, st state) (v verdict, open *fact) {
	var list []string
	switch name {
	case "host":
		if json.Unmarshal(raw, &list) == nil {
			return decided(slices.ContainsFunc(list, func(host string) bool { return hostMatches(host, st.request.host) })), nil
		}
	case "method":
		if json.Unmarshal(raw, &list) == nil {
			return decided(slices.Contains(list, st.request.method)), nil
		}
	case "path":
		if json.Unmarshal(raw, &list) == nil && st.pathKnown {
			return decided(slices.ContainsFunc(list, func(pattern string) bool { return pathMatches(pattern, st.path) })), nil
		}
	case "not":
		var sets []matcherSet
		if json.Unmarshal(raw, &sets) == nil {
			excluded := no
			for _, set := range sets {
				one, asks := set.matches(st)
				excluded = or(excluded, one)
				if open == nil {
					open = asks
				}
			}
			return not(excluded), open
		}
	}
	for _, f := range st.assumed {
		if !f.past && f.matcher == name && f.arguments == string(raw) {
			return decided(f.holds), nil
		}
	}
	return maybe, &fact{matcher: name, arguments: string(raw)}
}

// assume returns the state of the requests of which a fact holds, or does not.
func (st state) assume(f fact, holds bool) state {
	f.holds = holds
	f.strange = slices.ContainsFunc(st.strange, func(name string) bool { return strings.Contains(f.matcher+" "+f.arguments, name) })
	st.assumed = append(slices.Clip(st.assumed), f)
	return st
}

// forget makes a walk ask anew what it assumed of matchers that look at what a handler changed: those of the given names whose
// arguments have the word in them.
func (st state) forget(word string, matchers ...string) state {
	st.assumed = slices.Clone(st.assumed)
	for i := range st.assumed {
		f := &st.assumed[i]
		f.past = f.past || slices.Contains(matchers, f.matcher) && strings.Contains(strings.ToLower(f.arguments), strings.ToLower(word))
	}
	return st
}

// forgetHeader is forget for a header field; its name may begin or end with *.
func (st state) forgetHeader(name string) state {
	return st.forget(strings.Trim(name, "*"), "header", "header_regexp", "expression")
}

// forgetVariable is forget for what vars or map sets.
func (st state) forgetVariable(name string) state {
	return st.forget(name, "vars", "vars_regexp", "expression")
}

// undecided names the matchers on the way that only a real request decides.
func (st state) undecided() []string {
	var names []string
	for _, f := range st.assumed {
		names = append(names, f.matcher)
	}
	return names
}

// near reports whether only addresses that the operator has named get here, by remote_ip or client_ip.
func (st state) near() bool {
	return slices.ContainsFunc(st.assumed, func(f fact) bool { return !f.strange && areNamed(f.ranges()) })
}

// ranges are the addresses one of which the client has, as a fact says; nil if it says something else.
func (f fact) ranges() []string {
	var named struct{ Ranges []string }
	switch f.matcher {
	case "remote_ip", "client_ip":
		if f.holds {
			_ = json.Unmarshal([]byte(f.arguments), &named) // Caddy has read it already
		}
	case "expression":
		says := onlyOtherAddresses
		if f.holds {
			says = onlyAddresses
		}
		if call := says.FindStringSubmatch(f.expression()); call != nil {
			for _, text := range strings.Split(call[1], ",") {
				named.Ranges = append(named.Ranges, strings.Trim(text, " '`\""))
			}
		}
	}
	return named.Ranges
}

// expression is the text of an expression, which has a name where the matcher has one.
func (f fact) expression() (text string) {
	var named struct{ Expr string }
	if json.Unmarshal([]byte(f.arguments), &text) != nil && json.Unmarshal([]byte(f.arguments), &named) == nil {
		return named.Expr
	}
	return text
}

// The arguments of an expression that asks for addresses, and perhaps for more; and of one that asks for all others, and for no more.
var (
	onlyAddresses      = regexp.MustCompile(`^[^!|?]*\b(?:remote_ip|client_ip)\(([^)]*)\)[^|?]*$`)
	onlyOtherAddresses = regexp.MustCompile(`^\s*!\s*(?:remote_ip|client_ip)\(([^)]*)\)\s*$`)
)

func decided(matches bool) verdict {
	if matches {
		return yes
	}
	return no
}

// hostMatches compares as Caddy's host matcher does: without case, `*` standing for one label.
func hostMatches(pattern, host string) bool {
	if strings.Contains(pattern, "{") {
		return true // a placeholder of the environment, as a rule
	}
	patterns, labels := strings.Split(strings.ToLower(pattern), "."), strings.Split(host, ".")
	if len(patterns) != len(labels) {
		return pattern == "*"
	}
	for i, label := range patterns {
		if label != "*" && !strings.EqualFold(label, strings.ReplaceAll(labels[i], "*", "x")) {
			return false
		}
	}
	return true
}

// pathMatches compares as Caddy's path matcher does: without case, fast for `*` at one end or both, else as path.Match.
func pathMatches(pattern, p string) bool {
	pattern, p = strings.ToLower(pattern), strings.ToLower(p)
	switch {
	case pattern == "*":
		return true
	case strings.Count(pattern, "*") == 2 && strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*"):
		return strings.Contains(p, pattern[1:len(pattern)-1])
	case strings.Count(pattern, "*") == 1 && strings.HasPrefix(pattern, "*"):
		return strings.HasSuffix(p, pattern[1:])
	case strings.Count(pattern, "*") == 1 && strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(p, pattern[:len(pattern)-1])
	}
	matched, _ := path.Match(pattern, p)
	return matched
}
