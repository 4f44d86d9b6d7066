package inspector

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// admit rejects everybody but those who may see the calls: other addresses, other web pages that a browser of an allowed
// machine has open, and names that an attacker's DNS points at this machine.
func (h *Handler) checkAccess(r *http.Request) error {
	if !h.allowed.Contain(r.RemoteAddr) {
		return forbidden("the inspector answers connections from this machine only; its line allow names others")
	}
	if !isOwnName(r) {
		return forbidden("the inspector answers to addresses, to localhost and to the names that its site is configured with; this is how it keeps pages of other sites out (DNS rebinding)")
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return forbidden("the inspector does not answer pages of other sites")
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("X-Inspector") != "1" {
		return forbidden("only the inspector's own page may ask this") // a field that a form of another site cannot send
	}
	return nil
}

func forbidden(message string) error {
	return caddyhttp.Error(http.StatusForbidden, errors.New(message))
}

// isOwnName reports whether the Host of a request is one that no foreign DNS server can have made up: an address,
// localhost, or a name that a host matcher of this server has.
func isOwnName(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && server != nil && matchesHost(server.Routes, host)
}

func matchesHost(routes caddyhttp.RouteList, host string) bool {
	for _, route := range routes {
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				var names []string
				switch m := matcher.(type) {
				case caddyhttp.MatchHost:
					names = m
				case *caddyhttp.MatchHost:
					names = *m
				}
				for _, name := range names {
					if strings.EqualFold(name, host) {
						return true
					}
				}
			}
		}
	}
	return false
}
