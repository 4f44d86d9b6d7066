package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// gateway notes how a cloudid handler was reached, and what its own lines say.
func (w *walker) gateway(h *handler, st state, next, fail func(state)) {
	use, place := w.report.gateways[h], w.describe(st, h)
	if st.repeats() {
		use.repeated = st.taken
		st.passed, st.inVain = h, true
		next(st)
		return
	}
	h.reached = true
	w.accounts(h, st, place)
	if use.ways[place] == nil {
		use.ways[place] = new(way)
	}
	use.ways[place].note(st, w.caller(h, st), w.guesses(h), passes(h), w.trustedHeaders(h, st))
	st.stripped = st.stripped || !h.TrustHeaders
	fail(st)
	st.passed, st.inVain = h, false
	next(st)
}

// note adds what a request shows that came this way.
func (y *way) note(st state, caller Finding, others ...Finding) {
	y.authenticated = y.authenticated || st.authenticated
	y.known = y.known || caller.Kind != unsetOpenID
	for _, f := range append(others, caller) {
		if f.Kind != "" && !slices.Contains(y.findings, f) {
			y.findings = append(y.findings, f)
		}
	}
}

// unsetOpenID is the kind of the finding that something must set the openid: in front of some request, not of each.
const unsetOpenID = "unset-openid"

// clientWritten are placeholders whose value the client writes.
var clientWritten = []string{
	"http.request.uri", "http.request.orig_uri", "http.request.cookie.", "http.request.body", "http.request.host",
	"http.request.header.", "http.regexp.", "http.request.remote", "http.request.method", "http.request.tls.server_name", "http.matchers.file.",
}

// knownOfUsers are the placeholders that wechat_session and basic_auth set.
var knownOfUsers = []string{"http.auth.user.id", "http.auth.user.appid", "http.auth.user.unionid"}

// caller judges where the openid comes from.
func (w *walker) caller(h *handler, st state) Finding {
	openid := h.openid()
	if h.TrustHeaders && h.OpenID == "" {
		return Finding{}
	}
	found := Finding{directive: "openid", argument: h.OpenID, Fix: "delete the line openid and put wechat_session in front, or name a placeholder that an authenticator sets"}
	open, end := strings.Index(openid, "{"), strings.Index(openid, "}")
	if open < 0 || end < open || placeholder.WaitsForLoad(openid) {
		if w.report.config.speaksToSandbox() {
			return Finding{} // everybody is one user of the sandbox, which has no secrets
		}
		found.argument = ""
		found.Kind, found.Problem = "fixed-openid", "the openid is a fixed text, so everybody who calls is the same user"
		return found
	}
	name := openid[open+1 : end]
	if clients := st.clientsPart(openid); clients != "" {
		if strings.HasPrefix(clients, "http.request.header.") && w.entrance(st).isLocal() {
			return Finding{} // the client is a server on this machine
		}
		found.Kind, found.Problem = "client-openid", fmt.Sprintf("the openid comes from %s, which the client writes, so anybody can act as anybody", h.shown(clients))
		return found
	}
	if strings.HasPrefix(name, "http.auth.") && (!st.authenticated || st.unknown || st.otherUsers || slices.Contains(knownOfUsers, name)) {
		return Finding{} // whether an authenticator is in front is asked over all requests
	}
	if st.isSet(name) {
		return Finding{}
	}
	found.Kind, found.Problem = unsetOpenID, fmt.Sprintf("the openid comes from %s, which nothing in front of cloudid sets, so nobody is ever known", h.shown(name))
	return found
}

// shown names a placeholder of the openid; of one that stands for others, what it stands for is not shown.
func (h *handler) shown(name string) string {
	if from := "{" + name + "}"; strings.Contains(h.OpenID, from) {
		return from
	}
	return h.OpenID
}

// isSet reports whether a placeholder is set by something in front, as far as is known.
func (st *state) isSet(name string) bool {
	if header, ok := strings.CutPrefix(name, "http.request.header."); ok && slices.Contains(st.headers, strings.ToLower(header)) {
		return true
	}
	return slices.Contains(st.placeholders, name) || st.unknown ||
		strings.HasPrefix(name, "http.request.tls.client.") || st.asked && strings.HasPrefix(name, "http.reverse_proxy.header.")
}

// guesses recommends to name the members that are open data.
func (w *walker) guesses(h *handler) Finding {
	if len(h.Fields) > 0 || h.NoGuess {
		return Finding{}
	}
	return Finding{
		Kind: "guesses", directive: "cloudid",
		Problem: "without fields, a member that the client made up looks to the function like open data, unless it asks X-WX-OPEN-DATA-INFO; and any string with the look of a CloudID is sent to WeChat",
		Fix:     "name the members that are open data, as in: fields weRunData phone shareInfo; or write guess off",
	}
}

// readAsEvents are types of bodies that function frameworks make events of.
var readAsEvents = []string{"application/x-www-form-urlencoded", "text/plain", "application/csp-report", "application/json", "application/cloudevents+json"}

// passes warns of types that become an event unread.
func passes(h *handler) Finding {
	if len(h.Fields) == 0 && !h.UserInfo {
		return Finding{}
	}
	for _, written := range h.Pass {
		mediaType := strings.ToLower(loaded(written))
		if slices.Contains(readAsEvents, mediaType) || strings.HasSuffix(mediaType, "+json") || strings.HasPrefix(mediaType, "*") {
			return Finding{
				Kind: "pass", directive: "pass", argument: written,
				Problem: fmt.Sprintf("bodies of type %s reach the function unread, and function frameworks make events of them: fields and user_info promise nothing then", mediaType),
				Fix:     "pass only what uploads need, such as image/png or application/octet-stream",
			}
		}
	}
	return Finding{}
}

// trustedHeaders warns of X-WX-* headers that anybody can write.
func (w *walker) trustedHeaders(h *handler, st state) Finding {
	if !h.TrustHeaders || w.entrance(st).isPrivate() || st.near() {
		return Finding{}
	}
	return Finding{
		Kind: "trust-headers", directive: "trust_headers",
		Problem: fmt.Sprintf("trust_headers takes the caller from X-WX-* headers, and %s can be reached by others than WeChat's own gateway", w.entrance(st).listen()),
		Fix:     "delete the line trust_headers, or let only WeChat's gateway get there: by a private address, or by its addresses in a remote_ip matcher",
	}
}

// endpoint judges who reaches what was never meant for clients.
func (w *walker) endpoint(h *handler, st state) {
	h.reached = true
	place := w.describe(st, h)
	for _, cidr := range h.Trust {
		if !isPrivateRange(cidr) {
			w.report.add(Finding{
				Kind: "trust", Place: place, directive: "trust", argument: cidr,
				Problem: fmt.Sprintf("trust %s lets public addresses act as any user", cidr),
				Fix:     "trust only addresses of your own machines, such as 127.0.0.1/32",
			})
		}
	}
	if w.entrance(st).isPrivate() || st.near() || st.guarded && h.Handler != "cloudid_api" {
		return
	}
	found := Finding{
		Kind: "public", Place: place, directive: h.Handler,
		Fix: "add bind 127.0.0.1 to the site, or name who may call with allow <cidr>",
	}
	switch {
	case st.front != nil: // allow sees the address of the proxy
		found.Place, found.directive, found.argument = st.front.place, st.front.handler.directive(), st.front.handler.firstDial()
		found.Fix = "delete this proxy, or let in only those who may call, with a remote_ip matcher or, for a page, with basic_auth in front"
	case areNamed(h.Allow):
		return
	case slices.ContainsFunc(st.assumed, func(f fact) bool { return f.strange && areNamed(f.ranges()) }):
		found.Fix = "name in trusted_proxies your own proxies alone: everybody whom it trusts chooses the client_ip; or use remote_ip"
	}
	what := map[string]string{
		"cloudid_api":       "anybody who reaches it may ask WeChat in the name of this account",
		"cloudid_sandbox":   "anybody who reaches it mints open data and login codes",
		"cloudid_inspector": "anybody who reaches it sees the calls of all users",
	}[h.Handler]
	found.Problem = fmt.Sprintf("%s is served at %s, which is not a private address: %s", h.Handler, w.entrance(st).listen(), what)
	w.report.add(found)
}
