package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxSteps bounds the lists of handlers and the undecided matchers that the walks through one server visit.
const maxSteps = 2_000_000

// maxInvoked bounds the ways of named routes that invoke each other.
const maxInvoked = 16

// state is what a request has gone through on its way. It is copied at every branch.
type state struct {
	request   request
	path      string
	pathKnown bool // false behind a rewrite to what only a real request tells

	groups        []string // the route groups of which one route was taken
	passed        *handler // the last cloudid
	inVain        bool     // by a request that nobody makes, see repeats
	authenticated bool     // an authenticator was passed, or a handler of which nobody knows that it is none
	stripped      bool     // the client's own X-WX-* are gone
	removed       [3]bool  // those of X-WX-*, X-CloudID-* and X-Functions-Extended-Context, one by one
	headers       []string // header fields that a handler in front set, in lower case
	placeholders  []string // names that vars and map set
	fromClient    []string // those of them that hold what the client writes
	guarded       bool     // an authenticator was passed that lets in others than the users of a mini program
	otherUsers    bool     // an authenticator was passed of which this check does not know what it tells of a user
	unknown       bool     // a handler was passed that this check does not know
	session       string   // the account whose wechat_session was passed; "" for none, or one that only a request tells
	authorization string   // what reads, or removes, the field Authorization
	taken         []string // the beginnings of the path that handle_path and the like took away

	place   []string
	assumed []fact
	onError bool     // on an error route
	asked   bool     // a server like that of forward_auth was asked, and its headers can be read
	strange []string // the matchers that tell nothing of the client's address here
	invoked int      // the named routes on the way
	proxied int      // the proxies to servers of this config on the way
	front   *front   // the first of them
}

// walker follows requests through one server.
type walker struct {
	report *report
	server *server

	logins   byHost // the wechat_login handlers
	sessions byHost // the wechat_session handlers
	decrypts byHost // the cloudid handlers with encrypted_data, behind a wechat_session

	steps     int
	exhausted bool
}

func newWalker(r *report, s *server) *walker {
	return &walker{report: r, server: s, logins: byHost{}, sessions: byHost{}, decrypts: byHost{}}
}

// handlersNamed calls found with each handler of one name, wherever in the server it is, and with its place.
func (w *walker) handlersNamed(name string, found func(h *handler, place []string)) {
	var visit func([]*route, []string)
	visit = func(routes []*route, place []string) {
		for _, r := range routes {
			at := place
			if words := r.words(); words != "" {
				at = append(slices.Clip(place), words)
			}
			for _, h := range r.Handle {
				if h.Handler == name {
					found(h, at)
				}
				for _, nested := range h.nested() {
					visit(nested, at)
				}
			}
		}
	}
	here := []string{w.server.listen()}
	visit(w.server.Routes, here)
	if w.server.Errors != nil {
		visit(w.server.Errors.Routes, here)
	}
	for _, key := range slices.Sorted(maps.Keys(w.server.NamedRoutes)) {
		visit([]*route{w.server.NamedRoutes[key]}, append(slices.Clip(here), "&("+key+")"))
	}
}

// follow sends one request through those of the server's routes that it may take.
func (w *walker) follow(r request, routes []*route, errors *errorRoutes) {
	st := state{request: r, path: r.path, pathKnown: true, place: []string{w.server.listen()}}
	if !w.server.knowsProxies() {
		st.strange = []string{"client_ip"}
	}
	w.withErrors(routes, errors, st, func(state) {})
}

// repeats reports whether a request's path still begins with what was taken away in front: nobody but a client who writes it twice
// makes such a request.
func (st state) repeats() bool {
	return slices.ContainsFunc(st.taken, func(prefix string) bool {
		return prefix != "" && (st.path == prefix || strings.HasPrefix(st.path, prefix+"/"))
	})
}

// withErrors walks routes; a handler in them that fails goes on with the error routes, if there are any.
func (w *walker) withErrors(routes []*route, errors *errorRoutes, st state, next func(state)) {
	fail := func(state) {}
	if errors != nil {
		fail = func(failed state) {
			if failed.onError {
				return
			}
			failed.onError, failed.groups = true, nil
			failed.path, failed.pathKnown = failed.request.path, true // as Caddy restores it
			w.routes(errors.Routes, failed, func(state) {}, func(state) {})
		}
	}
	w.routes(routes, st, next, fail)
}

// routes walks a list of routes; next is what follows the list, fail what follows an error.
func (w *walker) routes(routes []*route, st state, next, fail func(state)) {
	if len(routes) == 0 {
		next(st)
		return
	}
	r, rest := routes[0], func(st state) { w.routes(routes[1:], st, next, fail) }
	if r.Group != "" && slices.Contains(st.groups, r.Group) {
		rest(st)
		return
	}
	matches, open := r.matches(st)
	switch matches {
	case no:
		w.missed(r)
		rest(st)
		return
	case maybe:
		if r.changesNothing() {
			rest(st)
		} else if w.step() {
			w.routes(routes, st.assume(*open, true), next, fail)
			w.routes(routes, st.assume(*open, false), next, fail)
		}
		return
	}
	if r.Group != "" {
		st.groups = append(slices.Clip(st.groups), r.Group)
	}
	outside := st.place
	if words := r.words(); words != "" {
		st.place = append(slices.Clip(outside), words)
	}
	w.handlers(r.Handle, st, func(st state) {
		if !r.Terminal {
			st.place = outside
			rest(st)
		}
	}, fail)
}

// missed notes the cloudid handlers of a route whose own matchers do not take a request.
func (w *walker) missed(r *route) {
	for _, h := range r.Handle {
		if use := w.report.gateways[h]; use != nil {
			use.missed = true
		}
	}
}

// changesNothing reports whether it is all the same to a walk who takes a route: its handlers only look on, or see to the response.
func (r *route) changesNothing() bool {
	return !r.Terminal && r.Group == "" && !slices.ContainsFunc(r.Handle, func(h *handler) bool {
		return !slices.Contains(onlookers, h.Handler) && (h.Handler != "headers" || len(h.Request) > 0)
	})
}

var onlookers = []string{"encode", "templates", "tracing", "log_append", "push", "copy_response_headers", "timeouts"}

// words names a route by its matchers.
func (r *route) words() string {
	var words []string
	for _, set := range r.Match {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			var list []string
			if json.Unmarshal(set[name], &list) == nil {
				words = append(words, strings.Join(list, " "))
			} else {
				words = append(words, name)
			}
		}
	}
	return strings.Join(words, " ")
}

// step reports whether the walks may go on.
func (w *walker) step() bool {
	w.steps++
	w.exhausted = w.exhausted || w.steps > maxSteps
	return !w.exhausted
}

func (w *walker) handlers(handlers []*handler, st state, next, fail func(state)) {
	if !w.step() {
		return
	}
	if len(handlers) == 0 {
		next(st)
		return
	}
	after := func(st state) { w.handlers(handlers[1:], st, next, fail) }
	w.handler(handlers[0], st, after, fail)
}

// handler does to a request's state what the handler would do to the request.
func (w *walker) handler(h *handler, st state, next, fail func(state)) {
	if slices.Contains(onlookers, h.Handler) {
		next(st)
		return
	}
	switch h.Handler {
	case "subroute":
		if h.Errors != nil {
			w.withErrors(h.Routes, h.Errors, st, next)
			return
		}
		w.routes(h.Routes, st, next, fail)
	case "invoke":
		named := w.server.NamedRoutes[h.Name]
		if st.invoked++; named == nil || st.invoked > maxInvoked {
			next(st)
			return
		}
		w.routes([]*route{named}, st, func(behind state) {
			behind.invoked--
			next(behind)
		}, fail)
	case "rewrite":
		next(h.rewrite(st))
	case "headers":
		next(h.changeHeaders(st))
	case "vars":
		next(h.setVars(st))
	case "map":
		next(h.mapValues(st))
	case "authentication":
		w.authenticate(h, st, next, fail)
	case "wechat_login":
		st.stripped = true
		w.logins.note(st, w.report.config.accountNamed(h.Account), h)
		fail(st)
		next(st) // what is no login
	case "cloudid":
		w.gateway(h, st, next, fail)
	case "reverse_proxy":
		w.proxy(h, st, next, fail)
	case "cloudid_api", "cloudid_sandbox", "cloudid_inspector":
		w.endpoint(h, st)
	case "static_response", "error", "metrics", "copy_response":
		fail(st)
	case "file_server":
		fail(st)
		if h.PassThru {
			next(st)
		}
	case "request_body", "acme_server":
		fail(st)
		next(st)
	case "intercept":
		for _, response := range h.HandleResponse {
			w.routes(response.Routes, st, func(state) {}, fail)
		}
		next(st)
	default: // of another plugin: it may let through, reject, or be an authenticator
		fail(st)
		st.unknown, st.authenticated = true, true
		next(st)
	}
}

func (w *walker) authenticate(h *handler, st state, next, fail func(state)) {
	st = w.authorization(h, st)
	if name, ours := h.sessionAccount(); ours {
		st.stripped = true
		st = st.forgetHeader("Authorization") // it is taken away
		st.session = w.report.config.accountNamed(name)
		w.sessions.note(st, st.session, h)
	}
	for provider := range h.Providers {
		st.otherUsers = st.otherUsers || provider != "wechat" && provider != "http_basic"
		st.guarded = st.guarded || provider != "wechat"
	}
	fail(st)
	st.authenticated = true
	next(st)
}

// describe says where a handler is.
func (w *walker) describe(st state, h *handler) string {
	place := strings.Join(slices.Compact(slices.Clone(st.place)), " > ")
	words := h.words()
	if dial := h.firstDial(); dial != "" {
		words += " " + dial
	}
	if st.onError {
		words = "handle_errors > " + words
	}
	return fmt.Sprintf("%s > %s", place, words)
}
