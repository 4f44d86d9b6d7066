// Package check reads a Caddy config as JSON and says what in it is dangerous for functions behind the gateway: a proxy
// that can be reached around the directive `cloudid`, a caller without proof, an endpoint that anybody reaches.
//
// It runs no handler. It makes up requests from what the config's own matchers ask for (their paths, hosts and methods),
// follows each through the routes as Caddy would, and takes both ways at a matcher that only a real request decides. Then
// it looks at what reached what. Start with Config; everything else in here serves it.
package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Finding is one thing that is wrong or dangerous.
type Finding struct {
	// A short name of the kind, such as "bypass".
	Kind string `json:"kind"`

	// Where in the config it is: the server's address, then the matchers on the way, then the handler.
	Place string `json:"place"`

	// What is wrong, as a sentence.
	Problem string `json:"problem"`

	// What to write instead.
	Fix string `json:"fix"`

	// A word of the Caddyfile by which the line can be found, and an argument on that line; may be empty.
	directive, argument string
}

// Config returns what is wrong in an adapted config, in a stable order. The error is that of JSON which is no config.
func Config(adapted []byte) ([]Finding, error) {
	var c config
	var compact bytes.Buffer // so that matchers that are alike are so to the byte
	if json.Compact(&compact, adapted) == nil {
		adapted = compact.Bytes()
	}
	if err := json.Unmarshal(adapted, &c); err != nil {
		return nil, fmt.Errorf("the config is not JSON as Caddy knows it: %w", err)
	}
	r := newReport(&c)
	servers := c.servers()
	for _, s := range servers {
		r.noteGateways(s)
	}
	for _, s := range servers {
		r.server(s)
	}
	r.admin()
	return r.findings(), nil
}

// report collects what the walks through a config saw.
type report struct {
	config *config
	seen   map[Finding]bool

	// The requests that reached each upstream, told apart by whether they had passed cloudid.
	proxies map[string]*proxyUse

	// Every cloudid handler of the config, and how it was reached.
	gateways map[*handler]*gatewayUse

	// The authenticators that read the field Authorization.
	authorized map[*handler]*authorization
}

// proxyUse is how an upstream was reached.
type proxyUse struct {
	through bool     // by a request that had passed cloudid
	around  *arrival // the first that had not
	errors  *arrival // the first on an error route that still carried the client's own X-WX-*
}

// arrival is a request at a handler.
type arrival struct {
	place     string
	request   string
	handler   *handler
	undecided []string
}

// gatewayUse is how a cloudid handler was reached.
type gatewayUse struct {
	place    string          // where it is written
	repeated []string        // by a request whose path had these beginnings twice, of which one was taken away
	missed   bool            // by a request that its own matcher does not take
	ways     map[string]*way // by their places: a named route is reached in several
}

// way is how requests reach a cloudid handler at one place.
type way struct {
	authenticated bool // by a request that had passed an authenticator, or a handler that might be one
	known         bool // by a request of which something in front says who calls
	findings      []Finding
}

func newReport(c *config) *report {
	return &report{config: c, seen: map[Finding]bool{}, proxies: map[string]*proxyUse{}, gateways: map[*handler]*gatewayUse{}, authorized: map[*handler]*authorization{}}
}

func (r *report) add(f Finding) { r.seen[f] = true }

// noteGateways notes the cloudid handlers of a server, so that those are known which no request reaches.
func (r *report) noteGateways(s *server) {
	w := newWalker(r, s)
	w.handlersNamed("cloudid", func(g *handler, place []string) {
		r.gateways[g] = &gatewayUse{place: w.describe(state{place: place}, g), ways: map[string]*way{}}
	})
}

// server follows requests through one server.
func (r *report) server(s *server) {
	w := newWalker(r, s)
	for _, host := range r.config.hosts(s) {
		part := s.forHost(host)
		w.steps = 0
		for _, request := range r.config.requestsFor(s, host) {
			w.follow(request, part.Routes, part.Errors)
		}
	}
	w.logIns()
	if w.exhausted {
		r.add(Finding{
			Kind: "undecided", Place: s.listen(),
			Problem: "the routes of this server branch too often to follow all of them, so this check is incomplete",
			Fix:     "split the site, or look at its routes by hand",
		})
	}
}

// findings returns everything that was found, after what only the sum of all walks can tell.
func (r *report) findings() []Finding {
	for _, dial := range slices.Sorted(maps.Keys(r.proxies)) {
		r.upstream(dial, r.proxies[dial])
	}
	for g, use := range r.gateways {
		r.gateway(g, use)
	}
	r.authorizations()
	list := slices.Collect(maps.Keys(r.seen))
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Problem, b.Problem))
	})
	return list
}

// upstream reports an upstream that some requests reach through cloudid and others around it.
func (r *report) upstream(dial string, use *proxyUse) {
	if !use.through {
		return
	}
	if a := use.around; a != nil {
		r.add(Finding{
			Kind: "bypass", Place: a.place,
			Problem:   fmt.Sprintf("%s reaches the functions at %s without passing cloudid, so a client may make up open data and X-WX-* headers%s", a.request, dial, a.unless()),
			Fix:       "put cloudid in front of every request that this proxy gets, for example on a line of its own without a matcher, or in the same handle block",
			directive: a.handler.directive(), argument: a.handler.firstDial(),
		})
	}
	if a := use.errors; a != nil {
		r.add(Finding{
			Kind: "error-route", Place: a.place,
			Problem:   fmt.Sprintf("an error route sends %s to the functions at %s with the X-WX-* headers that the client wrote, when a handler in front of cloudid rejects it", a.request, dial),
			Fix:       "remove them in the error route first: request_header -X-WX-*, request_header -X-CloudID-* and request_header -X-Functions-Extended-Context",
			directive: "handle_errors",
		})
	}
}

func (a *arrival) unless() string {
	doubts := slices.DeleteFunc(slices.Clone(a.undecided), func(name string) bool { return slices.Contains(clientChoice, name) })
	slices.Sort(doubts)
	if doubts = slices.Compact(doubts); len(doubts) == 0 {
		return ""
	}
	return "; whether it does depends on what this check cannot decide: " + strings.Join(doubts, ", ")
}

// gateway reports a cloudid handler that no request reaches, or none with a proven caller.
func (r *report) gateway(g *handler, use *gatewayUse) {
	if !g.reached {
		r.add(use.unreachable())
		return
	}
	for place, way := range use.ways {
		for _, f := range way.findings {
			if f.Kind != unsetOpenID || !way.known {
				f.Place = place
				r.add(f)
			}
		}
		if g.needsSession() && !way.authenticated {
			r.add(Finding{
				Kind: "no-session", Place: place,
				Problem:   fmt.Sprintf("cloudid takes the caller from %s, which nothing in front of it sets: no CloudID can be exchanged", cmp.Or(g.OpenID, defaultOpenID)),
				Fix:       "add wechat_session (and wechat_login) in front, or another authenticator whose user is the openid",
				directive: "cloudid",
			})
		}
	}
}

// unreachable says why no request reaches a cloudid handler.
func (use *gatewayUse) unreachable() Finding {
	found := Finding{
		Kind: "unreachable", Place: use.place, directive: "cloudid",
		Problem: "no request reaches this cloudid: a handler in front of it, such as the proxy, has responded by then",
		Fix:     "let Caddy order the directives (outside of route), or move cloudid in front of reverse_proxy",
	}
	switch {
	case use.repeated != nil:
		found.Problem = fmt.Sprintf("no request reaches this cloudid: its matcher asks for a path that begins with %s, which handle_path (or uri strip_prefix) has taken away by then, so the functions get what the client sent", strings.Join(use.repeated, ", "))
		found.Fix = "write cloudid without a matcher there, or handle in place of handle_path"
	case use.missed:
		found.Problem = "no request reaches this cloudid: its matcher takes none of those that get there, so the functions get what the client sent"
		found.Fix = "write cloudid without a matcher there, or with one that takes what the block around it lets in"
	}
	return found
}
