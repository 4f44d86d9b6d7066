package opendata

import (
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
	entries *ttlcache.Cache[key, wechat.OpenData]
}

// key is a CloudID of a user: what WeChat says of it to one user is not for another.
type key struct{ openid, id string }

// NewCache returns a cache that keeps each entry for ttl, and at most maxEntries of them.
func NewCache(ttl time.Duration, maxEntries int) *Cache {
	return &Cache{ttlcache.NewShared[key, wechat.OpenData](ttl, maxEntries, maxEntries/8, func(k key) string { return k.openid })}
}

// Len returns the number of entries.
func (c *Cache) Len() int { return c.entries.Len() }

func (c *Cache) get(k key) (wechat.OpenData, bool) {
	if c == nil {
		return wechat.OpenData{}, false
	}
	return c.entries.Get(k)
}

// put keeps what WeChat said of a CloudID, unless asking again may give something else.
func (c *Cache) put(k key, data wechat.OpenData) {
	conclusive := data.Code == 0 || wechat.IsConclusive(data.Code)
	if c != nil && conclusive && len(data.JSON) <= maxCachedSize {
		c.entries.Add(k, data)
	}
}
