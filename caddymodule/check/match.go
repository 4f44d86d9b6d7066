package check

import (
	"encoding/json"
	"path"
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

// matches decides whether a route takes a request. Matchers that it cannot decide are named in undecided.
func (r *route) matches(st state) (v verdict, undecided []string) {
	if len(r.Match) == 0 {
		return yes, nil
	}
	for _, set := range r.Match {
		of, names := set.matches(st)
		v = or(v, of)
		undecided = append(undecided, names...)
	}
	if v != maybe {
		undecided = nil
	}
	return v, undecided
}

func (set matcherSet) matches(st state) (v verdict, undecided []string) {
	v = yes
	for name, raw := range set {
		of, inner := matchOne(name, raw, st)
		v = and(v, of)
		if of == maybe {
			if inner == nil {
				inner = []string{name}
			}
			undecided = append(undecided, inner...)
		}
	}
	slices.Sort(undecided)
	return v, slices.Compact(undecided)
}

// clientChoice are matchers of what a client chooses or is: both results occur, so they are no reason to doubt a finding.
var clientChoice = []string{"header", "header_regexp", "query", "protocol", "remote_ip", "client_ip"}

// matchOne decides one matcher.
func matchOne(name string, raw json.RawMessage, st state) (v verdict, undecided []string) {
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
		if json.Unmarshal(raw, &list) == nil {
			if !st.pathKnown {
				return maybe, nil
			}
			return decided(slices.ContainsFunc(list, func(pattern string) bool { return pathMatches(pattern, st.path) })), nil
		}
	case "not":
		var sets []matcherSet
		if json.Unmarshal(raw, &sets) == nil {
			any := no
			for _, inner := range sets {
				of, names := inner.matches(st)
				any = or(any, of)
				undecided = append(undecided, names...)
			}
			return not(any), undecided
		}
	}
	return maybe, nil
}

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
