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

// hosts returns the hosts that a server's matchers, and those behind its proxies, name, and another.
func (c *config) hosts(s *server) []string {
	hosts := []string{otherHost}
	for _, host := range c.words(s, "")["host"] {
		hosts = append(hosts, strings.ReplaceAll(host, "*", "x"))
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// requestsFor makes up requests to a host: for each path and method that matchers on the way name, and others.
func (c *config) requestsFor(s *server, host string) []request {
	words := c.words(s, host)
	methods := map[string]bool{"POST": true, "GET": true}
	for _, method := range words["method"] {
		methods[strings.ToUpper(method)] = true
	}
	var requests []request
	for _, path := range samplePaths(words["path"], words["prefix"]) {
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			requests = append(requests, request{method, host, path})
		}
	}
	return requests
}

// forHost returns the server with the routes that a request to a host may take, those inside of routes aside.
func (s *server) forHost(host string) *server {
	if part := s.parts[host]; part != nil {
		return part
	}
	st := state{request: request{host: host}}
	elsewhere := func(r *route) bool {
		return len(r.Match) > 0 && !slices.ContainsFunc(r.Match, func(set matcherSet) bool {
			raw, asks := set["host"]
			verdict, _ := matchOne("host", raw, st)
			return !asks || verdict != no
		})
	}
	part := *s
	part.parts = nil
	part.Routes = slices.DeleteFunc(slices.Clone(s.Routes), elsewhere)
	if s.Errors != nil {
		part.Errors = &errorRoutes{slices.DeleteFunc(slices.Clone(s.Errors.Routes), elsewhere)}
	}
	if s.parts == nil {
		s.parts = map[string]*server{}
	}
	s.parts[host] = &part
	return &part
}

// words gathers the arguments of the matchers host, path and method that requests to a host may meet, on a server and on those that it
// proxies to, and the prefixes that are stripped there; all of them for no host.
func (c *config) words(s *server, host string) map[string][]string {
	words := map[string][]string{}
	c.gather(s, host, words, map[visit]bool{})
	return words
}

// visit is a server and the host of the requests that it gets.
type visit struct {
	server *server
	host   string
}

func (c *config) gather(s *server, host string, words map[string][]string, seen map[visit]bool) {
	if seen[visit{s, host}] {
		return
	}
	seen[visit{s, host}] = true
	part := s
	if host != "" {
		part = s.forHost(host)
	}
	collect(part.Routes, words)
	if part.Errors != nil {
		collect(part.Errors.Routes, words)
	}
	for _, named := range part.NamedRoutes {
		collect([]*route{named}, words)
	}
	newWalker(nil, part).handlersNamed("reverse_proxy", func(h *handler, _ []string) {
		for _, dial := range h.dials() {
			if next := c.listening(dial); next != nil {
				c.gather(next, h.hostSent(host), words, seen)
			}
		}
	})
}

// collect gathers words of routes, wherever in them they are.
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
