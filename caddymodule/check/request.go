package check

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// request is one that a check makes up.
type request struct {
	method, host, path string
}

func (r request) String() string {
	if r.host == "" {
		return r.method + " " + r.path
	}
	return r.method + " " + r.host + r.path
}

const (
	otherHost = "another-host.invalid" // what no host matcher of a config names
	otherPath = "/anything-else"       // nor a path matcher
)

// requestsFor makes up requests for a server: for each host, path and method that its matchers name, and for others.
func requestsFor(s *server) []request {
	words := map[string][]string{}
	collect(s.Routes, words)
	if s.Errors != nil {
		collect(s.Errors.Routes, words)
	}
	for _, named := range s.NamedRoutes {
		collect([]*route{named}, words)
	}

	hosts := map[string]bool{otherHost: true}
	for _, host := range words["host"] {
		hosts[strings.ReplaceAll(host, "*", "x")] = true
	}
	methods := map[string]bool{"POST": true, "GET": true}
	for _, method := range words["method"] {
		methods[strings.ToUpper(method)] = true
	}
	var requests []request
	for _, path := range samplePaths(words["path"], words["prefix"]) {
		for _, host := range slices.Sorted(maps.Keys(hosts)) {
			for _, method := range slices.Sorted(maps.Keys(methods)) {
				requests = append(requests, request{method, host, path})
			}
		}
	}
	return requests
}

// collect gathers the arguments of the matchers host, path and method, wherever they are, and prefixes that are stripped.
func collect(routes []*route, words map[string][]string) {
	for _, r := range routes {
		for _, set := range r.Match {
			set.collect(words)
		}
		for _, h := range r.Handle {
			if h.StripPrefix != "" {
				words["prefix"] = append(words["prefix"], h.StripPrefix)
			}
			for _, nested := range h.nested() {
				collect(nested, words)
			}
		}
	}
}

// nested returns the routes inside a handler.
func (h *handler) nested() [][]*route {
	lists := [][]*route{h.Routes}
	if h.Errors != nil {
		lists = append(lists, h.Errors.Routes)
	}
	for _, response := range h.HandleResponse {
		lists = append(lists, response.Routes)
	}
	return lists
}

func (set matcherSet) collect(words map[string][]string) {
	for name, raw := range set {
		var list []string
		switch name {
		case "host", "path", "method":
			if json.Unmarshal(raw, &list) == nil {
				words[name] = append(words[name], list...)
			}
		case "not":
			var sets []matcherSet
			if json.Unmarshal(raw, &sets) == nil {
				for _, inner := range sets {
					inner.collect(words)
				}
			}
		}
	}
}

// samplePaths returns paths that tell the patterns apart: each alone, and each beginning with each ending.
func samplePaths(patterns, stripped []string) []string {
	paths := map[string]bool{otherPath: true, "/": true}
	begins, ends := []string{"/"}, []string{"x"}
	for _, pattern := range patterns {
		begin, end, wild := strings.Cut(pattern, "*")
		switch {
		case !wild:
			paths[pattern] = true
			begins = append(begins, pattern+"/")
		case begin == "":
			ends = append(ends, "x"+strings.ReplaceAll(end, "*", "x"))
		default:
			paths[begin] = true
			begins = append(begins, begin)
			if end != "" {
				ends = append(ends, "x"+strings.ReplaceAll(end, "*", "x"))
			}
		}
	}
	for _, begin := range begins {
		for _, end := range ends {
			paths[begin+end] = true
		}
	}
	for _, end := range ends { // PATH_INFO: the script first, then what a matcher of the site looks for
		if strings.HasSuffix(end, ".php") {
			for _, begin := range begins {
				paths["/index.php"+begin+"x"] = true
			}
		}
	}
	for _, prefix := range stripped {
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			paths[prefix+path] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(paths))
	slices.SortStableFunc(sorted, func(a, b string) int { return len(a) - len(b) })
	return sorted
}
