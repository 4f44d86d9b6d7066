package invocation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"sync/atomic"
)

// CallerHash is a short hash of an openid, by which calls of the same user can be told to be that: the same on every node. Zero is the
// hash of nobody. As a text it has eight hexadecimal digits; that of nobody is "".
type CallerHash uint64

// somebody is set in each hash but that of nobody.
const somebody CallerHash = 1 << 32

// Caller returns the short hash of an openid or unionid; that of nobody if it is "".
func Caller(id string) CallerHash {
	if id == "" {
		return 0
	}
	key := maphash.String(seed, id)
	known := &hashes[key%uint64(len(hashes))]
	if entry := known.Load(); entry != 0 && entry>>32 == key>>32 {
		return somebody | CallerHash(uint32(entry))
	}
	sum := sha256.Sum256([]byte(id))
	short := binary.BigEndian.Uint32(sum[:])
	known.Store(key>>32<<32 | uint64(short))
	return somebody | CallerHash(short)
}

// hashes are short hashes that were asked for lately, since SHA-256 takes longer than all else that a call notes of its caller. No id is
// in them: an entry has its place by the last ten bits of a seeded hash of the id, the 32 bits above those as its key, and the short hash below. That
// another id has the same 42 bits is a thousand times less probable than that it has the same short hash.
var (
	hashes [1 << 10]atomic.Uint64
	seed   = maphash.MakeSeed()
)

func (h CallerHash) String() string {
	if h == 0 {
		return ""
	}
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], uint32(h))
	return hex.EncodeToString(sum[:])
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
