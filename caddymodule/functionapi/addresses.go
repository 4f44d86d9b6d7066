package functionapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
)

// isAllowed reports whether a connection is answered at all. A Unix socket, which has no address, counts as loopback: whoever may
// open it is on this machine.
func (h *Handler) isAllowed(r *http.Request) bool {
	ip, ok := peer(r)
	if !ok {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if !isUnixSocket(r) {
			return false
		}
	}
	if h.allow == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return contains(h.allow, ip)
}

// isUnixSocket reports whether a request came over a Unix socket, whose peers have no address, or the name that they are bound to.
func isUnixSocket(r *http.Request) bool {
	return r.RemoteAddr == "" || r.RemoteAddr[0] == '@' || r.RemoteAddr[0] == '/'
}

// proxyHeaders are headers of a request that somebody sends for somebody else: a proxy for its client, a browser for a page.
var proxyHeaders = []string{
	"Forwarded", "Via", "Origin", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Original-Host",
	"X-Envoy-External-Address", "X-Envoy-Internal", "X-Proxyuser-Ip", "True-Client-Ip", "Fastly-Client-Ip", "Fly-Client-Ip",
	"Client-Ip", "Cdn-Loop", "X-Azure-Clientip", "X-Appengine-User-Ip", "Ali-Cdn-Real-Ip", "Sec-Fetch-Site", "Sec-Fetch-Mode",
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
// function, and does lend its trust.
func (h *Handler) isTrusted(r *http.Request) bool {
	ip, ok := peer(r)
	return ok && !isForwarded(r) && contains(h.trust, ip)
}

// peer returns the address at the other end of the connection.
func peer(r *http.Request) (netip.Addr, bool) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	return address.Addr().Unmap().WithZone(""), true
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// parsePrefixes reads the values of an option, in which placeholders are replaced.
func parsePrefixes(option string, texts []string) ([]netip.Prefix, error) {
	if err := placeholder.ResolveAll(option, texts); err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// parsePrefix reads an IP address or a range of them.
func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap().WithZone("")
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no IP address and no range of them, such as 10.1.0.0/16", text)
	}
	return prefix, nil
}
