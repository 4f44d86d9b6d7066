package opendata

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// maxCachedSize is the size in bytes of the largest open data that is kept, so that the number of entries bounds the
// memory of a cache too.
const maxCachedSize = 64 << 10

// usualIDs is how many CloudIDs hardly any request has more of.
const usualIDs = 8

// Cache keeps open data, and WeChat's conclusive errors, for a fixed time. One user has at most an eighth of its entries. It
// has no goroutines and nothing to close, and may be shared by the resolvers of one account.
type Cache struct {
	entries *ttlcache.Cache[key, record]
}

// key is a CloudID of a user, since what WeChat says of it to one user is not for another: the hashes of both. It takes less memory
// than these, and the garbage collector need not look at it. Two may have the same key, by chance: who finds something by a key must
// ask that whose it is.
type key struct{ openid, id uint64 }

// seed makes hashes that nobody can foresee.
var seed = maphash.MakeSeed()

// appendKeys appends the keys of a user's ids.
func appendKeys(keys []key, openid string, ids []string) []key {
	user := maphash.String(seed, openid)
	for _, id := range ids {
		keys = append(keys, key{user, maphash.String(seed, id)})
	}
	return keys
}

// record is a CloudID of a user and what WeChat said of it, in one piece of memory, which never changes. It is a part of the one
// for all that were asked for together.
type record struct {
	bytes []byte // openid, id, JSON
	id    int    // where that begins in bytes
	json  int
	code  int
}

// NewCache returns a cache that keeps each entry for ttl, and at most maxEntries of them.
func NewCache(ttl time.Duration, maxEntries int) *Cache {
	user := func(k key) key { return key{openid: k.openid} }
	hash := func(k key) uint64 { return k.openid + 3*k.id } // of hashes; not the same for all whose id is their openid
	return &Cache{ttlcache.NewShared[key, record](ttl, maxEntries, maxEntries/8, user, hash)}
}

// Len returns the number of entries.
func (c *Cache) Len() int { return c.entries.Len() }

// get calls found with what is kept for each of a user's ids, whose keys are given.
func (c *Cache) get(openid string, ids []string, keys []key, found func(i int, data wechat.OpenData)) {
	if c == nil {
		return
	}
	c.entries.GetAll(keys, func(i int, r record) {
		if r.isOf(openid, ids[i]) {
			found(i, wechat.OpenData{Code: r.code, JSON: r.bytes[r.json:]})
		}
	})
}

// put keeps what WeChat said in an exchange, but for what may be something else if it is asked again.
func (c *Cache) put(e *exchange) {
	if c == nil {
		return
	}
	var (
		fewKeys    [usualIDs]key // on the stack
		fewRecords [usualIDs]record
	)
	keys, records, size := fewKeys[:0], fewRecords[:0], 0
	for i := range e.results {
		if e.results[i].isKept() {
			size += len(e.openid) + len(e.ids[i]) + len(e.results[i].data.JSON)
		}
	}
	memory := make([]byte, 0, size)
	for i := range e.results {
		if one := &e.results[i]; one.isKept() {
			start := len(memory)
			memory = append(append(append(memory, e.openid...), e.ids[i]...), one.data.JSON...)
			keys = append(keys, e.keys[i])
			records = append(records, record{
				bytes: slices.Clip(memory[start:]),
				id:    len(e.openid),
				json:  len(e.openid) + len(e.ids[i]),
				code:  one.data.Code,
			})
		}
	}
	c.entries.AddAll(keys, records)
}

// isKept reports whether asking again would not give something else, and it is not too large for a cache.
func (r *result) isKept() bool { return r.settled && len(r.data.JSON) <= maxCachedSize }

func (r *record) isOf(openid, id string) bool {
	return string(r.bytes[:r.id]) == openid && string(r.bytes[r.id:r.json]) == id
}
