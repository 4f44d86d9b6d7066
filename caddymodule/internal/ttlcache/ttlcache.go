// Package ttlcache is a cache that keeps the latest values for a fixed time. It takes memory only for what it keeps, so that
// an account hardly anybody uses costs hardly any, and has no goroutines.
package ttlcache

import (
	"sync"
	"time"
)

// Cache keeps values, each until a fixed time after it was added. It may be used by many goroutines at once.
type Cache[K comparable, V any] struct {
	ttl        time.Duration
	maxEntries int
	epoch      time.Time

	mu     sync.Mutex
	values map[K]entry[V]
	queue  []queued[K] // in that order, which is also the one in which they end
}

type entry[V any] struct {
	value   V
	expires time.Duration // after start
}

type queued[K comparable] struct {
	key     K
	expires time.Duration
}

// New returns a cache that keeps each value for ttl, and the latest limit of them at the most.
func New[K comparable, V any](ttl time.Duration, limit int) *Cache[K, V] {
	return &Cache[K, V]{ttl: ttl, maxEntries: limit, epoch: time.Now(), values: make(map[K]entry[V])}
}

// Get returns the value that was last added for key, if it is kept.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.values[key]
	if !ok || found.expires <= time.Since(c.epoch) {
		return value, false
	}
	return found.value, true
}

// Add keeps a value.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.epoch)
	for len(c.queue) > 0 && (c.queue[0].expires <= now || len(c.queue) >= c.maxEntries) {
		c.dropOldest()
	}
	ends := now + c.ttl
	c.values[key] = entry[V]{value, ends}
	c.queue = append(c.queue, queued[K]{key, ends})
}

func (c *Cache[K, V]) dropOldest() {
	oldest := c.queue[0]
	if c.values[oldest.key].expires == oldest.expires { // nobody added another since
		delete(c.values, oldest.key)
	}
	c.queue[0] = queued[K]{} // or the array below would keep the key
	c.queue = c.queue[1:]
}
