package functionapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/allow"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
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

// parseRanges reads the values of an option, in which placeholders are replaced.
func parseRanges(option string, texts []string) (allow.Ranges, error) {
	if err := placeholder.ResolveAll(option, texts); err != nil {
		return nil, err
	}
	ranges, err := allow.Parse(texts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return ranges, nil
}

func checkRange(text string) error {
	_, err := allow.Parse([]string{text})
	return err
}
