package invocation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// Caller returns a short hash of an openid, by which calls of the same user can be told to be that: the same on every node.
func Caller(openid string) string {
	if openid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(openid))
	return hex.EncodeToString(sum[:4])
}

// Credentials say in whose name a call is sent again.
type Credentials struct {
	AppID, OpenID, UnionID string
}

type credentialsKey struct{}

// WithCaller makes the handler take the caller of a request with this context as c says, and mark its record as Again. No client can
// do that.
func WithCaller(ctx context.Context, c Credentials) context.Context {
	return context.WithValue(ctx, credentialsKey{}, c)
}

// CallerOf returns what WithCaller put into a context.
func CallerOf(ctx context.Context) (c Credentials, ok bool) {
	c, ok = ctx.Value(credentialsKey{}).(Credentials)
	return c, ok
}
