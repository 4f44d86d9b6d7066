package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

// identify finds the caller. It is called before the headers that might tell it are removed.
func (h *Handler) identify(r *http.Request, c *call) error {
	defer c.describeCaller(r)
	if again, ok := invocation.CallerOf(r.Context()); ok {
		c.record.Again = true
		found, err := h.account.App().Account(again.AppID)
		if err == nil && validID(again.OpenID) {
			c.caller = caller{found, again.OpenID, again.UnionID}
		}
		return nil // an account that is gone since has no callers
	}
	openid := h.id(r, c, h.OpenID, headerOpenID)
	if openid == "" {
		return nil
	}
	found, ok := h.account.ResolveForUser(c.repl)
	if !ok {
		return caddyhttp.Error(http.StatusForbidden, errors.New("this gateway does not serve the mini program that the call comes from"))
	}
	c.caller = caller{found, openid, h.id(r, c, h.UnionID, headerUnionID)}
	return nil
}

// id returns the id that a placeholder holds, or else a header that is trusted; "" if neither is a valid id.
func (h *Handler) id(r *http.Request, c *call, placeholder, header string) string {
	id := replaceAll(c.repl, placeholder)
	if id == "" && h.TrustHeaders {
		id = r.Header.Get(header)
	}
	if !validID(id) {
		return ""
	}
	return id
}

// replaceAll is Replacer.ReplaceAll, which copies the value of a text that is a single placeholder, as nearly all are; here it is not
// copied.
func replaceAll(repl *caddy.Replacer, text string) string {
	if last := len(text) - 1; last > 0 && text[0] == '{' && strings.IndexByte(text, '}') == last && strings.LastIndexByte(text, '{') == 0 {
		value, _ := repl.GetString(text[1:last])
		return value
	}
	return repl.ReplaceAll(text, "")
}

// validID reports whether an id can be one of WeChat's, and so may stand in a header: printable ASCII without space.
func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7F {
			return false
		}
	}
	return id != "" && len(id) <= 128
}
