package functionapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxyHeaders are headers of a request that somebody sends for somebody else: a proxy for its client, a browser for a page.
var proxyHeaders = []string{
	"Forwarded", "Via", "Origin", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Original-Host",
	"X-Envoy-External-Address", "X-Envoy-Internal", "X-Proxyuser-Ip", "True-Client-Ip", "Fastly-Client-Ip", "Fly-Client-Ip",
	"Client-Ip", "Cdn-Loop", "X-Azure-Clientip", "X-Appengine-User-Ip", "Ali-Cdn-Real-Ip", "Sec-Fetch-Site",
}

// proxyHeaderPrefixes begin further ones.
var proxyHeaderPrefixes = []string{"X-Forwarded", "Cf-", "X-Amz-Cf-", "X-Arr-"}

// isForwarded reports whether a request shows that a proxy or a browser sent it.
func isForwarded(r *http.Request) bool {
	for name := range r.Header {
		if slices.Contains(proxyHeaders, name) || slices.ContainsFunc(proxyHeaderPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return true
		}
	}
	return false
}

// isTrusted reports whether the request comes from one of the callers that may name a user.
//
// What counts is the address of the connection, not the client's address as Caddy determines it behind trusted_proxies: that
// one is read from X-Forwarded-For, which a client can begin itself. A request that shows signs of a proxy is not trusted, since
// a proxy on a trusted machine would lend its own address to all its clients. One that adds no header cannot be told from a
// function, and does lend its trust. Nobody behind a Unix socket is trusted, since nobody can be told from another there.
func (h *Handler) isTrusted(r *http.Request) bool {
	_, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && !isForwarded(r) && h.trust.Contain(r.RemoteAddr)
}
