// Package ttlcache is a cache that keeps the latest values for a fixed time. It has no goroutines, and takes memory only for
// what it keeps, so that an account that hardly anybody uses costs hardly any.
//
// Its entries are in one slice and refer to each other by their places in it. The garbage collector finds a full cache in one
// object instead of thousands, and follows no pointers but those of keys and values.
package ttlcache

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// Cache keeps values, each until a fixed time after it was added. It may be used by many goroutines at once.
type Cache[K comparable, V any] struct {
	ttl        time.Duration
	maxEntries int
	share      int       // how many entries one owner may have
	owner      func(K) K // nil: entries have no owner
	hash       func(K) uint64
	epoch      time.Time

	mu      sync.Mutex
	entries table[K, entry[V]]
	queue   list           // of all, in the order in which they were added, in which they also expire
	owners  table[K, list] // for each owner the same
}

type entry[V any] struct {
	value   V
	expires time.Duration // after epoch
	owner   place         // in Cache.owners; 0: there are none
	links   [2]links      // by inQueue and inOwned
}

// list is a list of entries.
type list struct {
	first, last place
	length      int32
}

// links are the neighbours of an entry in a list.
type links struct{ previous, next place }

const (
	inQueue = iota
	inOwned // by the owner of the entry
)

// minPlaces is the number of places up to which it is not worth freeing those that are not used.
const minPlaces = 64

// New returns a cache that keeps each value for ttl, and at most maxEntries of them: those added last.
func New[K comparable, V any](ttl time.Duration, maxEntries int) *Cache[K, V] {
	return NewShared[K, V](ttl, maxEntries, math.MaxInt, nil, nil)
}

// NewShared returns a cache like New in which one owner has at most share entries, so that no owner can push out those of
// all others. An owner who adds more loses their own oldest. Keys belong to the same owner if owner returns the same for them.
// Keys are found by their hash, which clients must not be able to foresee. nil: the cache makes one.
func NewShared[K comparable, V any](ttl time.Duration, maxEntries, share int, owner func(K) K, hash func(K) uint64) *Cache[K, V] {
	if hash == nil {
		seed := maphash.MakeSeed()
		hash = func(key K) uint64 { return maphash.Comparable(seed, key) }
	}
	c := &Cache[K, V]{
		ttl: ttl, maxEntries: min(max(1, maxEntries), math.MaxInt32-2),
		share: max(1, share), owner: owner, hash: hash, epoch: time.Now(),
	}
	c.reset()
	return c
}

// Get returns the value that was last added for key, if it is kept.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	return c.get(key)
}

// GetAll calls visit for each key whose value is kept. It must not use the cache.
func (c *Cache[K, V]) GetAll(keys []K, visit func(i int, value V)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	for i, key := range keys {
		if value, ok := c.get(key); ok {
			visit(i, value)
		}
	}
}

func (c *Cache[K, V]) get(key K) (value V, ok bool) {
	if at := c.entries.find(c.entries.hash(key), key); at != 0 {
		return c.entries.at(at).value, true
	}
	return value, false
}

// Add keeps a value, in place of what was kept for the same key.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value, c.removeExpired()+c.ttl)
}

// AddAll is Add for each of some keys, and the value of the same index.
func (c *Cache[K, V]) AddAll(keys []K, values []V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	expires := c.removeExpired() + c.ttl
	for i, key := range keys {
		c.add(key, values[i], expires)
	}
}

// Len returns the number of values that are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	return c.entries.length
}

// add adds an entry that is the last to expire, and removes what it replaces: the one for the same key, the oldest of an owner who has
// their share, the oldest of all.
func (c *Cache[K, V]) add(key K, value V, expires time.Duration) {
	hash := c.entries.hash(key)
	if at := c.entries.find(hash, key); at != 0 {
		c.remove(at)
	}
	owner := c.insert(hash, key, entry[V]{value: value, expires: expires})
	if owner != 0 {
		if mine := c.owners.at(owner); int(mine.length) > c.share {
			c.remove(mine.first)
		}
	}
	if c.entries.length > c.maxEntries {
		c.remove(c.queue.first)
	}
}

// removeExpired removes what has expired, and returns the time since epoch.
func (c *Cache[K, V]) removeExpired() time.Duration {
	now := time.Since(c.epoch)
	for c.queue.length > 0 && c.entries.at(c.queue.first).expires <= now {
		c.remove(c.queue.first)
	}
	if places := len(c.entries.nodes); places > minPlaces && c.entries.length < places/4 {
		c.shrink()
	}
	return now
}

// insert adds an entry that is the last to expire, and returns the place of its owner.
func (c *Cache[K, V]) insert(hash uint64, key K, one entry[V]) (owner place) {
	if c.owner != nil {
		owner = c.placeOfOwner(c.owner(key))
	}
	one.owner = owner
	at := c.entries.add(hash, key, one)
	c.push(&c.queue, at, inQueue)
	if owner != 0 {
		c.push(c.owners.at(owner), at, inOwned)
	}
	return owner
}

func (c *Cache[K, V]) placeOfOwner(name K) place {
	hash := c.owners.hash(name)
	if at := c.owners.find(hash, name); at != 0 {
		return at
	}
	return c.owners.add(hash, name, list{})
}

func (c *Cache[K, V]) remove(at place) {
	c.unlink(&c.queue, at, inQueue)
	if owner := c.entries.at(at).owner; owner != 0 {
		mine := c.owners.at(owner)
		c.unlink(mine, at, inOwned)
		if mine.length == 0 {
			c.owners.remove(owner)
		}
	}
	c.entries.remove(at)
}

// reset forgets all entries. There is room for one more than there may be: that is added before the oldest is removed.
func (c *Cache[K, V]) reset() {
	c.entries = table[K, entry[V]]{hash: c.hash, max: c.maxEntries + 1}
	c.owners = table[K, list]{hash: c.hash, max: c.maxEntries + 1}
	c.queue = list{}
}

// shrink frees the memory that a larger number of entries took.
func (c *Cache[K, V]) shrink() {
	entries, queue := c.entries.nodes, c.queue
	c.reset()
	for at := queue.first; at != 0; at = entries[at].value.links[inQueue].next {
		key, one := entries[at].key, entries[at].value
		c.insert(c.entries.hash(key), key, entry[V]{value: one.value, expires: one.expires})
	}
}

// push puts an entry at the end of a list.
func (c *Cache[K, V]) push(l *list, at place, which int) {
	c.entries.at(at).links[which] = links{previous: l.last}
	if l.last == 0 {
		l.first = at
	} else {
		c.entries.at(l.last).links[which].next = at
	}
	l.last = at
	l.length++
}

func (c *Cache[K, V]) unlink(l *list, at place, which int) {
	from := c.entries.at(at).links[which]
	if from.previous == 0 {
		l.first = from.next
	} else {
		c.entries.at(from.previous).links[which].next = from.next
	}
	if from.next == 0 {
		l.last = from.previous
	} else {
		c.entries.at(from.next).links[which].previous = from.previous
	}
	l.length--
}
