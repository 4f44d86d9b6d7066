package invocation

import (
	"context"
	"fmt"
	"hash/fnv"
)

// CallerHash is a short hash of an openid, by which calls of the same user can be told to be that: the same on every node. Zero is the
// hash of nobody. As a text it has eight hexadecimal digits; that of nobody is "".
type CallerHash uint64

// somebody is set in each hash but that of nobody.
const somebody CallerHash = 1 << 32

// Caller returns the short hash of an openid or unionid; that of nobody if it is "". It is FNV-1a, since each call needs one, and that
// is fast: of the 130 random bits of an id it keeps 32, from which nobody can find the id, whatever the function.
func Caller(id string) CallerHash {
	if id == "" {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id)) // it never fails
	return somebody | CallerHash(hash.Sum32())
}

func (h CallerHash) String() string {
	if h == 0 {
		return ""
	}
	return fmt.Sprintf("%08x", uint32(h))
}

// MarshalText implements encoding.TextMarshaler.
func (h CallerHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

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
