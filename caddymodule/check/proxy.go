package check

import (
	"net/http"
	"slices"
)

// maxProxied bounds the ways of servers that proxy to each other.
const maxProxied = 4

// front is a proxy by which requests reach another server of the same config.
type front struct {
	server  *server
	place   string
	handler *handler
}

// proxy notes who reached an upstream. One that is asked with GET whether the request may go on, as forward_auth does, is no function.
func (w *walker) proxy(h *handler, st state, next, fail func(state)) {
	asks := false
	for _, response := range h.HandleResponse {
		asks = asks || len(response.Routes) > 0 && h.Rewrite.Method == http.MethodGet
		behind := st
		behind.asked = st.asked || asks
		behind.guarded = st.guarded || asks
		w.routes(response.Routes, behind, next, fail)
	}
	fail(st)
	if asks {
		return
	}
	for _, dial := range h.dials() {
		if s := w.report.config.listening(dial); s != nil {
			w.enter(s, h, st)
			continue
		}
		w.note(dial, &arrival{w.describe(st, h), st.request.String(), h, st.undecided()}, st)
	}
}

// note adds what a request shows that reached an upstream.
func (w *walker) note(dial string, a *arrival, st state) {
	use := w.report.proxies[dial]
	if use == nil {
		use = new(proxyUse)
		w.report.proxies[dial] = use
	}
	if st.front != nil {
		a.place, a.handler = st.front.place, st.front.handler
	}
	switch {
	case st.passed != nil:
		use.through = use.through || !st.inVain
	case w.entrance(st).isLocal() || st.near():
	case !st.onError:
		if use.around == nil || len(a.undecided) < len(use.around.undecided) {
			use.around = a
		}
	case !st.stripped && use.errors == nil:
		use.errors = a
	}
}

// enter follows a request that a proxy sends to another server of the config.
func (w *walker) enter(s *server, h *handler, st state) {
	if st.proxied++; st.proxied > maxProxied {
		return
	}
	inner := newWalker(w.report, s)
	inner.steps = w.steps
	if st.front == nil {
		st.front = &front{w.server, w.describe(st, h), h}
	}
	st.place = append(slices.Clip(st.place), h.directive()+" "+h.firstDial(), s.listen())
	st.request.host = h.hostSent(st.request.host)
	st.groups, st.placeholders, st.fromClient = nil, nil, nil
	st.authenticated, st.otherUsers, st.asked, st.session = false, false, false, ""
	st = st.forget("", "remote_ip", "client_ip", "vars", "vars_regexp", "expression")
	if st.strange = []string{"remote_ip"}; len(s.TrustedProxies.Ranges) == 0 || !s.knowsProxies() {
		st.strange = []string{"remote_ip", "client_ip"}
	}
	part := s.forHost(st.request.host)
	inner.withErrors(part.Routes, part.Errors, st, func(state) {})
	w.steps, w.exhausted = inner.steps, w.exhausted || inner.exhausted
}

// entrance returns the server to which the client of a request is connected.
func (w *walker) entrance(st state) *server {
	if st.front != nil {
		return st.front.server
	}
	return w.server
}
