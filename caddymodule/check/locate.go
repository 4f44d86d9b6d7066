package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Locate adds file and line to each place for which one line of a Caddyfile, or of what that imports, fits best. JSON knows of no
// lines, so they are found by what a place has from the Caddyfile: hosts, paths and directives.
func Locate(findings []Finding, filename string, text []byte) {
	blocks, err := caddyfile.Parse(filename, text)
	if err != nil {
		return // where Caddy has read it, this does not happen
	}
	var lines []line
	for _, block := range blocks {
		lines = append(lines, linesOf(block)...)
	}
	for i := range findings {
		if at := findings[i].line(lines); at != "" {
			findings[i].Place = at + ": " + findings[i].Place
		}
	}
}

// line is one line of a site or named route.
type line struct {
	at     string   // file and number
	words  []string // its own
	global bool     // an option of all sites
	hosts  []string // of the site; nil: all
	above  []string // the words of the lines in whose blocks it stands
	asks   []string // what matchers there, and its own, ask for: paths, methods, hosts, and the names of other matchers
}

// linesOf returns the lines of a site, a named route or the global options.
func linesOf(block caddyfile.ServerBlock) []line {
	var lines []line
	site, named := line{global: len(block.Keys) == 0, hosts: hostsOf(block)}, matchersOf(block)
	for _, segment := range block.Segments {
		lines = append(lines, site.split(segment, named)...)
	}
	return lines
}

func hostsOf(block caddyfile.ServerBlock) (hosts []string) {
	for _, key := range block.GetKeysText() {
		if _, address, found := strings.Cut(key, "://"); found {
			key = address
		}
		address, _, _ := strings.Cut(key, "/")
		if end := strings.LastIndex(address, ":"); end > strings.LastIndex(address, "]") {
			address = address[:end]
		}
		if block.IsNamedRoute || address == "" {
			return nil
		}
		hosts = append(hosts, strings.ToLower(address))
	}
	return hosts
}

// matchersOf returns what the named matchers of a site ask for.
func matchersOf(block caddyfile.ServerBlock) map[string][]string {
	named := map[string][]string{}
	for _, segment := range block.Segments {
		name := segment.Directive()
		if !strings.HasPrefix(name, "@") {
			continue
		}
		for _, l := range (line{}).split(segment, nil) {
			words := slices.DeleteFunc(l.words, func(word string) bool { return word == name })
			switch {
			case len(words) == 0 || slices.Contains(l.above, "not"):
			case slices.Contains([]string{"path", "method", "host"}, words[0]):
				named[name] = append(named[name], words[1:]...)
			case slices.Contains(namedOnly, words[0]):
				named[name] = append(named[name], words[0])
			}
		}
	}
	return named
}

// namedOnly are the matchers that a place has by their names.
var namedOnly = []string{"not", "header", "header_regexp", "query", "path_regexp", "remote_ip", "client_ip", "vars", "vars_regexp", "expression", "file", "protocol"}

// split returns the lines of a directive and of its block.
func (l line) split(tokens []caddyfile.Token, named map[string][]string) []line {
	var lines []line
	outer := []line{l}
	for len(tokens) > 0 {
		first, end := tokens[0], 1
		for end < len(tokens) && tokens[end].File == first.File && tokens[end].Line == first.Line {
			end++
		}
		here := outer[len(outer)-1]
		here.at, here.words = fmt.Sprintf("%s:%d", first.File, first.Line), nil
		opens, closes := false, false
		for _, token := range tokens[:end] {
			opens = token.Text == "{" && !token.Quoted()
			closes = closes || token.Text == "}" && !token.Quoted()
			if !opens && !closes {
				here.words = append(here.words, token.Text)
			}
		}
		here.asks = append(slices.Clip(here.asks), here.matcher(named)...)
		switch tokens = tokens[end:]; {
		case closes && len(outer) > 1:
			outer = outer[:len(outer)-1]
		case opens:
			block := here
			block.above = append(slices.Clip(here.above), here.words...)
			outer = append(outer, block)
		}
		lines = append(lines, here)
	}
	return lines
}

// matcher returns what the matcher of a line asks for.
func (l line) matcher(named map[string][]string) []string {
	switch {
	case len(l.words) < 2:
		return nil
	case strings.HasPrefix(l.words[1], "/"):
		return l.words[1:2]
	}
	return named[l.words[1]]
}

// line returns file and number of the one line that fits a finding best; "" if none or several do.
func (f Finding) line(lines []line) string {
	var best []string
	most := 0
	for _, l := range lines {
		switch fits := f.fits(l); {
		case fits == 0 || fits < most || slices.Contains(best, l.at):
		case fits > most:
			best, most = []string{l.at}, fits
		default:
			best = append(best, l.at)
		}
	}
	if len(best) != 1 {
		return ""
	}
	return best[0]
}

// fits says how well a line fits a finding; 0: it is another.
func (f Finding) fits(l line) int {
	if f.directive == "" || len(l.words) == 0 || l.words[0] != f.directive || l.global != (f.Kind == "admin") {
		return 0
	}
	way := strings.Split(f.Place, " > ")
	handler, _, _ := strings.Cut(way[len(way)-1], " ")
	words := strings.Fields(strings.Join(way, " "))
	if slices.ContainsFunc(l.asks, func(word string) bool { return !slices.Contains(words, word) }) {
		return 0
	}
	if l.hosts != nil && !slices.ContainsFunc(l.hosts, func(host string) bool { return slices.Contains(words, host) }) {
		return 0
	}
	fits := 1 + len(l.asks) + len(l.hosts)
	for _, found := range []bool{
		slices.Contains(l.words, f.argument),
		l.words[0] == handler || slices.Contains(l.above, handler),
		slices.Contains(way, "handle_errors") == slices.Contains(l.above, "handle_errors"),
	} {
		if found {
			fits++
		}
	}
	return fits
}
