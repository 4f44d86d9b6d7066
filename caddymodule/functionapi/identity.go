package functionapi

import (
	"net/http"
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
		// Other schemes are not ours: the SDK signs its requests in one of Tencent's.
		if scheme, token, _ := strings.Cut(authorization, " "); strings.EqualFold(scheme, "Bearer") {
			c.tokens = append(c.tokens, strings.TrimSpace(token))
		}
	}
	return c, nil
}

// user returns the user that a request is made for. All that the request says of them must agree.
func (h *Handler) user(r *http.Request, c claims) (usertoken.User, error) {
	user, err := h.caller(r, c)
	if err == nil && user.OpenID == "" {
		return usertoken.User{}, noUser()
	}
	return user, err
}

// caller is user for what needs no user: callers in trust may leave it out, and so may a function that one of them called. Its
// OpenID is empty then.
func (h *Handler) caller(r *http.Request, c claims) (usertoken.User, error) {
	var user usertoken.User
	tokens, openids := nonEmpty(c.tokens), nonEmpty(c.openids)
	for i, token := range tokens {
		named, err := h.verify(token)
		if err != nil {
			return usertoken.User{}, err
		}
		if i > 0 && named.OpenID != user.OpenID {
			return usertoken.User{}, unauthorized("two invocation tokens were sent, of different users; send the one that came with this call")
		}
		named.Depth = max(named.Depth, user.Depth)
		user = named
	}
	for _, named := range openids {
		if user.OpenID == "" && !h.isTrusted(r) {
			return usertoken.User{}, unauthorized("openid= is only for callers in the trust list of cloudid_api; " + sendToken)
		}
		if user.OpenID != "" && named != user.OpenID {
			return usertoken.User{}, forbidden("the openid named is not the one that the call is made for; leave it out")
		}
		user.OpenID = named
	}
	if len(tokens) == 0 && user.OpenID == "" && !h.isTrusted(r) {
		return usertoken.User{}, noUser()
	}
	return user, nil
}

const sendToken = "send the invocation token that came with the call in the header X-WX-CLOUDBASE-ACCESS-TOKEN, " +
	"as Authorization: Bearer <token> or as cloudbase_access_token=<token>"

// verify returns the user whom a token names; an unattended token names none.
func (h *Handler) verify(token string) (usertoken.User, error) {
	if h.keys == nil {
		return usertoken.User{}, unauthorized("this gateway's account has no key to verify invocation tokens with")
	}
	if user, err := h.keys.Verify(usertoken.Invocation, token); err == nil {
		return user, nil
	}
	unattended, err := h.keys.Verify(usertoken.Unattended, token)
	if err != nil {
		return usertoken.User{}, unauthorized("the invocation token is invalid or has expired; send the one that came with this call")
	}
	return usertoken.User{Depth: unattended.Depth}, nil
}

// nonEmpty leaves out what was sent empty: unset variables, mostly.
func nonEmpty(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" })
}

func noUser() error {
	return unauthorized("the request does not say for which user it is; " + sendToken)
}
