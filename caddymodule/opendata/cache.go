package opendata

import (
	"hash/maphash"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// maxCachedSize is the size in bytes of the largest open data that is kept, so that the number of entries bounds the
// memory of a cache too.
const maxCachedSize = 64 << 10

// Cache keeps open data, and WeChat's conclusive errors, for a fixed time. One user has at most an eighth of its entries. It
// has no goroutines and nothing to close, and may be shared by the resolvers of one account.
type Cache struct {
	seed    maphash.Seed
	entries *ttlcache.Cache[keyHash, record]
}

// key is a CloudID of a user: what WeChat says of it to one user is not for another.
type key struct{ openid, id string }

// keyHash is where the record of a key is kept. It takes less memory than a key, and the garbage collector need not look at it.
// Two keys may have the same hash, by chance: the record says whose it is.
type keyHash struct{ openid, id uint64 }

// record is a key and what WeChat said of it, all in one piece of memory, which never changes.
type record struct {
	bytes []byte // openid, id, JSON
	id    int    // where that begins in bytes
	json  int
	code  int
}

// NewCache returns a cache that keeps each entry for ttl, and at most maxEntries of them.
func NewCache(ttl time.Duration, maxEntries int) *Cache {
	user := func(h keyHash) keyHash { return keyHash{openid: h.openid} }
	return &Cache{maphash.MakeSeed(), ttlcache.NewShared[keyHash, record](ttl, maxEntries, maxEntries/8, user)}
}

// Len returns the number of entries.
func (c *Cache) Len() int { return c.entries.Len() }

func (c *Cache) get(k key) (wechat.OpenData, bool) {
	if c == nil {
		return wechat.OpenData{}, false
	}
	r, ok := c.entries.Get(c.hash(k))
	if !ok || !r.isOf(k) {
		return wechat.OpenData{}, false
	}
	return wechat.OpenData{Code: r.code, JSON: r.bytes[r.json:]}, true
}

// put keeps what WeChat said of a CloudID, unless asking again may give something else.
func (c *Cache) put(k key, data wechat.OpenData) {
	conclusive := data.Code == 0 || wechat.IsConclusive(data.Code)
	if c != nil && conclusive && len(data.JSON) <= maxCachedSize {
		c.entries.Add(c.hash(k), newRecord(k, data))
	}
}

func (c *Cache) hash(k key) keyHash {
	return keyHash{maphash.String(c.seed, k.openid), maphash.String(c.seed, k.id)}
}

func newRecord(k key, data wechat.OpenData) record {
	r := record{id: len(k.openid), json: len(k.openid) + len(k.id), code: data.Code}
	r.bytes = make([]byte, 0, r.json+len(data.JSON))
	r.bytes = append(append(append(r.bytes, k.openid...), k.id...), data.JSON...)
	return r
}

func (r *record) isOf(k key) bool {
	return string(r.bytes[:r.id]) == k.openid && string(r.bytes[r.id:r.json]) == k.id
}
