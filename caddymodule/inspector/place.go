package inspector

import (
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// asked returns which endpoint a request asks for, "" for the page. found is false where neither is, below the page or beside it.
func (h *Handler) asked(r *http.Request) (name string, found bool) {
	name = path.Base(r.URL.Path)
	if serve, _ := h.endpoint(name); serve == nil {
		name = ""
	}
	places := placesOf(r)
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	return name, places.have(strings.TrimSuffix(r.URL.Path, name)) || places.have(strings.TrimSuffix(original.URL.Path, name))
}

// places are where on its site the page is: nobody tells a handler, but the path matchers of the server's routes do. A page that is
// behind none of them is at the root.
type places struct {
	paths     []string // without slashes at their ends
	undecided bool     // a matcher may say more than its text does
}

func placesOf(r *http.Request) *places {
	p := new(places)
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil {
		p.undecided = true
		return p
	}
	p.add(server.Routes)
	for _, named := range server.NamedRoutes {
		p.add(caddyhttp.RouteList{*named})
	}
	return p
}

func (p *places) add(routes caddyhttp.RouteList) {
	for _, route := range routes {
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				p.addMatcher(matcher)
			}
		}
		for _, handler := range route.Handlers {
			if nested, ok := handler.(*caddyhttp.Subroute); ok {
				p.add(nested.Routes)
			}
		}
	}
}

func (p *places) addMatcher(matcher any) {
	switch m := matcher.(type) {
	case caddyhttp.MatchPath:
		p.addPatterns(m)
	case *caddyhttp.MatchPath:
		p.addPatterns(*m)
	case caddyhttp.MatchPathRE, *caddyhttp.MatchPathRE, caddyhttp.MatchExpression, *caddyhttp.MatchExpression:
		p.undecided = true
	}
}

func (p *places) addPatterns(patterns []string) {
	for _, pattern := range patterns {
		begin := strings.TrimSuffix(pattern, "*")
		if strings.ContainsAny(begin, "*{%") {
			p.undecided = true
			continue
		}
		p.paths = append(p.paths, strings.TrimRight(begin, "/"))
	}
}

// have reports whether the page may be at a path.
func (p *places) have(at string) bool {
	at = strings.TrimRight(at, "/")
	if at == "" || p.undecided {
		return true
	}
	for _, path := range p.paths {
		if strings.EqualFold(path, at) {
			return true
		}
	}
	return false
}

var errNothingHere = caddyhttp.Error(http.StatusNotFound,
	errors.New("there is nothing at this path: the inspector has its page, where it is configured or at / of a site of its own, and what that page asks for, such as calls.json and calls.txt beside it"))

// say writes an error of this package as text: it is for a person, who would see nothing on a site without handle_errors.
func say(w http.ResponseWriter, err error) error {
	rejected, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok || rejected.Err == nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(rejected.StatusCode)
	_, _ = w.Write([]byte(rejected.Err.Error() + "\n")) // who went away cannot be told
	return nil
}
