// Package ttlcache is a cache that keeps the latest values for a fixed time. It has no goroutines, and takes memory only for
// what it keeps, so that an account that hardly anybody uses costs hardly any.
package ttlcache

import (
	"container/list"
	"sync"
	"time"
)

// Cache keeps values, each until a fixed time after it was added. It may be used by many goroutines at once.
type Cache[K comparable, V any] struct {
	ttl        time.Duration
	maxEntries int
	share      int            // how many entries one owner may have
	owner      func(K) string // nil: entries have no owner
	epoch      time.Time

	mu      sync.Mutex
	entries map[K]*entry[K, V]
	peak    int                   // the most entries since entries was made
	queue   list.List             // of *entry, in the order in which they were added, in which they also expire
	owned   map[string]*list.List // of *entry, for each owner the same
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Duration // after epoch
	place   *list.Element // in queue
	owned   *list.Element // in the list of its owner
}

// minPeak is the number of entries from which on an emptied map is not worth keeping.
const minPeak = 64

// New returns a cache that keeps each value for ttl, and at most maxEntries of them: those added last.
func New[K comparable, V any](ttl time.Duration, maxEntries int) *Cache[K, V] {
	return &Cache[K, V]{ttl: ttl, maxEntries: max(1, maxEntries), epoch: time.Now(), entries: make(map[K]*entry[K, V])}
}

// NewShared returns a cache like New in which one owner has at most share entries, so that no owner can push out those of
// all others. An owner who adds more loses their own oldest.
func NewShared[K comparable, V any](ttl time.Duration, maxEntries, share int, owner func(K) string) *Cache[K, V] {
	c := New[K, V](ttl, maxEntries)
	c.share, c.owner, c.owned = max(1, share), owner, make(map[string]*list.List)
	return c
}

// Get returns the value that was last added for key, if it is kept.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	e := c.entries[key]
	if e == nil {
		return value, false
	}
	return e.value, true
}

// Add keeps a value, in place of what was kept for the same key.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.removeExpired()
	c.makeRoom(key)
	e := &entry[K, V]{key: key, value: value, expires: now + c.ttl}
	e.place = c.queue.PushBack(e)
	c.entries[key] = e
	c.peak = max(c.peak, len(c.entries))
	if c.owner != nil {
		name := c.owner(key)
		if c.owned[name] == nil {
			c.owned[name] = list.New()
		}
		e.owned = c.owned[name].PushBack(e)
	}
}

// makeRoom removes what a new entry for key replaces: the one for the same key, the oldest of an owner who has their share,
// the oldest of all.
func (c *Cache[K, V]) makeRoom(key K) {
	if e := c.entries[key]; e != nil {
		c.remove(e)
	}
	if c.owner != nil {
		if mine := c.owned[c.owner(key)]; mine != nil && mine.Len() >= c.share {
			c.remove(mine.Front().Value.(*entry[K, V]))
		}
	}
	if len(c.entries) >= c.maxEntries {
		c.remove(c.queue.Front().Value.(*entry[K, V]))
	}
}

// Len returns the number of values that are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	return len(c.entries)
}

// removeExpired removes what has expired, and returns the time since epoch.
func (c *Cache[K, V]) removeExpired() time.Duration {
	now := time.Since(c.epoch)
	for first := c.queue.Front(); first != nil; first = c.queue.Front() {
		e := first.Value.(*entry[K, V])
		if e.expires > now {
			break
		}
		c.remove(e)
	}
	return now
}

func (c *Cache[K, V]) remove(e *entry[K, V]) {
	c.queue.Remove(e.place)
	delete(c.entries, e.key)
	if e.owned != nil {
		name := c.owner(e.key)
		mine := c.owned[name]
		mine.Remove(e.owned)
		if mine.Len() == 0 {
			delete(c.owned, name)
		}
	}
	if len(c.entries) == 0 && c.peak > minPeak { // a map does not shrink
		c.entries, c.owned, c.peak = make(map[K]*entry[K, V]), make(map[string]*list.List), 0
	}
}
