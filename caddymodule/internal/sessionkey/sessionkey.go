// Package sessionkey carries a user's session_key from the session that has it to the handler that decrypts open data with it. It
// travels in the request's context only: a placeholder, variable or header could end up in a log, or with a function.
package sessionkey

import (
	"context"
	"net/http"
)

type contextKey struct{}

// value is a struct, so that printing a context does not show what is in it.
type value struct{ appid, openid, sessionKey string }

// Set attaches a user's session_key to a request, in place: handlers hold pointers to it.
func Set(r *http.Request, appid, openid, sessionKey string) {
	*r = *r.WithContext(context.WithValue(r.Context(), contextKey{}, value{appid, openid, sessionKey}))
}

// Of returns the session_key of a user of an account, or false if the request has none or has another user's.
func Of(ctx context.Context, appid, openid string) (sessionKey string, ok bool) {
	v, ok := ctx.Value(contextKey{}).(value)
	if !ok || v.appid != appid || v.openid != openid {
		return "", false
	}
	return v.sessionKey, true
}
