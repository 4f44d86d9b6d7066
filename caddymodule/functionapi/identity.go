package functionapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

// claims is what a request says about the user it is made for.
type claims struct {
	tokens  []string // invocation tokens
	openids []string // openids by name
}

// parseClaims reads the claims in a request's head. Those in a body are for the caller to add.
func parseClaims(r *http.Request) (claims, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return claims{}, badRequest("the query cannot be read: it has a semicolon or a broken percent code")
	}
	c := claims{tokens: query["cloudbase_access_token"], openids: query["openid"]}
	for _, authorization := range r.Header["Authorization"] {
		// Other schemes are none of ours: the SDK signs its requests in one of Tencent's.
		if scheme, token, _ := strings.Cut(authorization, " "); strings.EqualFold(scheme, "Bearer") {
			c.tokens = append(c.tokens, strings.TrimSpace(token))
		}
	}
	return c, nil
}

// user returns the openid of the user that a request is made for. All that the request says of it must agree.
func (h *Handler) user(r *http.Request, c claims) (openid string, err error) {
	for _, token := range nonEmpty(c.tokens) {
		named, err := h.verify(token)
		if err != nil {
			return "", err
		}
		if openid != "" && named != openid {
			return "", unauthorized("two invocation tokens were sent, of different users; send the one that came with this call")
		}
		openid = named
	}
	for _, named := range nonEmpty(c.openids) {
		if openid == "" && !h.isTrusted(r) {
			return "", unauthorized("openid= is only for callers in the trust list of cloudid_api; " + sendToken)
		}
		if openid != "" && named != openid {
			return "", forbidden("the openid named is not the one that the call is made for; leave it out")
		}
		openid = named
	}
	if openid == "" {
		return "", unauthorized("the request does not say for which user it is; " + sendToken)
	}
	return openid, nil
}

const sendToken = "send the invocation token that came with the call in the header X-WX-CLOUDBASE-ACCESS-TOKEN, " +
	"as Authorization: Bearer <token> or as cloudbase_access_token=<token>"

func (h *Handler) verify(token string) (openid string, err error) {
	if h.keys == nil {
		return "", unauthorized("this gateway's account has no key to verify invocation tokens with")
	}
	user, err := h.keys.Verify(usertoken.Invocation, token)
	if err != nil {
		return "", unauthorized("the invocation token is invalid or has ended; send the one that came with this call")
	}
	return user.OpenID, nil
}

// proxyHeaders are headers of a request that somebody sends for somebody else: a proxy for its client, a browser for a page.
var proxyHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin"}

// isTrusted reports whether the request comes from one of the callers that may name a user.
//
// What counts is the address of the connection, not the client's address as Caddy makes it out behind trusted_proxies: that
// one is read from X-Forwarded-For, which a client can begin itself. And as a proxy on a trusted machine would lend its
// own address to all the world, a request that shows signs of one is not trusted.
func (h *Handler) isTrusted(r *http.Request) bool {
	if slices.ContainsFunc(proxyHeaders, func(name string) bool { return r.Header[name] != nil }) {
		return false
	}
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := address.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(h.trust, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// parsePrefix reads an IP address or a range of them.
func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap().WithZone("")
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("trust: %q is no IP address and no range of them, such as 10.1.0.0/16", text)
	}
	return prefix, nil
}

// nonEmpty leaves out what was sent empty: unset variables, mostly.
func nonEmpty(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" })
}
