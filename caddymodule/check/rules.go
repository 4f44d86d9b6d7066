package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// gateway notes how a cloudid handler was reached, and what its own lines say.
func (w *walker) gateway(h *handler, st state, next, fail func(state)) {
	use := w.report.gateways[h]
	use.place = w.describe(st, h)
	if st.repeats() {
		use.repeated = st.taken
		st.passed, st.inVain = h, true
		next(st)
		return
	}
	h.reached = true
	use.authenticated = use.authenticated || st.authenticated
	w.accounts(h, st, use.place)
	use.findings = nil
	for _, f := range []Finding{w.caller(h, st), w.guesses(h), passes(h), w.trustedHeaders(h, st)} {
		if f.Kind != "" {
			f.Place = use.place
			use.findings = append(use.findings, f)
		}
	}
	st.stripped = st.stripped || !h.TrustHeaders
	fail(st)
	st.passed, st.inVain = h, false
	next(st)
}

// clientWritten are placeholders whose value the client writes.
var clientWritten = []string{
	"http.request.uri", "http.request.orig_uri", "http.request.cookie.", "http.request.body", "http.request.host",
	"http.request.header.", "http.regexp.", "http.request.remote", "http.request.method",
}

// knownOfUsers are the placeholders that wechat_session and basic_auth set.
var knownOfUsers = []string{"http.auth.user.id", "http.auth.user.appid", "http.auth.user.unionid"}

// caller judges where the openid comes from.
func (w *walker) caller(h *handler, st state) Finding {
	openid := h.openid()
	if h.TrustHeaders && h.OpenID == "" {
		return Finding{}
	}
	found := Finding{directive: "openid", Fix: "delete the line openid and put wechat_session in front, or name a placeholder that an authenticator sets"}
	open, end := strings.Index(openid, "{"), strings.Index(openid, "}")
	if open < 0 || end < open || placeholder.WaitsForLoad(openid) {
		if w.report.config.speaksToSandbox() {
			return Finding{} // everybody is one user of the sandbox, which has no secrets
		}
		found.Kind, found.Problem = "fixed-openid", "the openid is a fixed text, so everybody who calls is the same user"
		return found
	}
	name := openid[open+1 : end]
	from := "{" + name + "}"
	if !strings.Contains(h.OpenID, from) {
		from = h.OpenID // a placeholder that stands for another; what else it stands for is not shown
	}
	found.argument = h.OpenID
	switch {
	case strings.HasPrefix(name, "http.auth.") && (!st.authenticated || st.unknown || st.otherUsers || slices.Contains(knownOfUsers, name)):
		return Finding{} // whether an authenticator is in front is asked over all walks
	case st.isClients(openid):
		found.Kind, found.Problem = "client-openid", fmt.Sprintf("the openid comes from %s, which the client writes, so anybody can act as anybody", from)
	case st.isSet(name):
		return Finding{}
	default:
		found.Kind, found.Problem = "unset-openid", fmt.Sprintf("the openid comes from %s, which nothing in front of cloudid sets, so nobody is ever known", from)
	}
	return found
}

// isSet reports whether a placeholder is set by something in front, as far as is known.
func (st *state) isSet(name string) bool {
	if header, ok := strings.CutPrefix(name, "http.request.header."); ok && slices.Contains(st.headers, strings.ToLower(header)) {
		return true
	}
	return slices.Contains(st.placeholders, name) || st.unknown || strings.HasPrefix(name, "http.request.tls.client.")
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
	if !h.TrustHeaders || w.server.isPrivate() || st.near() {
		return Finding{}
	}
	return Finding{
		Kind: "trust-headers", directive: "trust_headers",
		Problem: fmt.Sprintf("trust_headers takes the caller from X-WX-* headers, and %s can be reached by others than WeChat's own gateway", w.listen()),
		Fix:     "delete the line trust_headers, or bind the site to a private address that only WeChat's gateway reaches",
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
	if w.server.isPrivate() || st.near() {
		return
	}
	if areNamed(h.Allow) || st.guarded && h.Handler != "cloudid_api" {
		return
	}
	what := map[string]string{
		"cloudid_api":       "anybody who reaches it may ask WeChat in the name of this account",
		"cloudid_sandbox":   "anybody who reaches it mints open data and login codes",
		"cloudid_inspector": "anybody who reaches it sees the calls of all users",
	}[h.Handler]
	w.report.add(Finding{
		Kind: "public", Place: place, directive: h.Handler,
		Problem: fmt.Sprintf("%s is served at %s, which is not a private address: %s", h.Handler, w.listen(), what),
		Fix:     "add bind 127.0.0.1 to the site, or name who may call with allow <cidr>",
	})
}
