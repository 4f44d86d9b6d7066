// Package recent is a cache that keeps the latest values for a fixed time. It takes memory only for what it keeps, so that
// an account hardly anybody uses costs hardly any, and has no goroutines.
package recent

import (
	"sync"
	"time"
)

// Cache keeps values, each until a fixed time after it was added. It may be used by many goroutines at once.
type Cache[K comparable, V any] struct {
	ttl   time.Duration
	limit int
	start time.Time

	mu     sync.Mutex
	values map[K]kept[V]
	added  []addition[K] // in that order, which is also the one in which they end
}

type kept[V any] struct {
	value V
	ends  time.Duration // after start
}

type addition[K comparable] struct {
	key  K
	ends time.Duration
}

// New returns a cache that keeps each value for ttl, and the latest limit of them at the most.
func New[K comparable, V any](ttl time.Duration, limit int) *Cache[K, V] {
	return &Cache[K, V]{ttl: ttl, limit: limit, start: time.Now(), values: make(map[K]kept[V])}
}

// Get returns the value that was last added for key, if it is kept.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.values[key]
	if !ok || found.ends <= time.Since(c.start) {
		return value, false
	}
	return found.value, true
}

// Add keeps a value.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.start)
	for len(c.added) > 0 && (c.added[0].ends <= now || len(c.added) >= c.limit) {
		c.dropOldest()
	}
	ends := now + c.ttl
	c.values[key] = kept[V]{value, ends}
	c.added = append(c.added, addition[K]{key, ends})
}

func (c *Cache[K, V]) dropOldest() {
	oldest := c.added[0]
	if c.values[oldest.key].ends == oldest.ends { // nobody added another since
		delete(c.values, oldest.key)
	}
	c.added[0] = addition[K]{} // or the array below would keep the key
	c.added = c.added[1:]
}
