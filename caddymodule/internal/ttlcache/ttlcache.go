// Package ttlcache is a cache that keeps the latest values for a fixed time. It has no goroutines, and takes memory only for
// what it keeps, so that an account that hardly anybody uses costs hardly any.
//
// Its entries are in one slice and refer to each other by their places in it. The garbage collector finds a full cache in one
// object instead of thousands, and follows no pointers but those of keys and values. Where keys have none, the index has none.
package ttlcache

import (
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
	epoch      time.Time

	mu      sync.Mutex
	entries []entry[K, V] // nil, or the first is never used: no entry has place 0
	index   map[K]place   // of entries
	unused  place         // the first entry that was given up; in the queue's links each of them has the next
	queue   list          // of all, in the order in which they were added, in which they also expire
	owned   map[K]list    // for each owner the same
}

// place is the index of an entry in Cache.entries, 0 of none.
type place int32

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Duration // after epoch
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

// minPlaces is the number of places up to which it is not worth giving back those that are not used.
const minPlaces = 64

// New returns a cache that keeps each value for ttl, and at most maxEntries of them: those added last.
func New[K comparable, V any](ttl time.Duration, maxEntries int) *Cache[K, V] {
	return &Cache[K, V]{ttl: ttl, maxEntries: min(max(1, maxEntries), math.MaxInt32-1), epoch: time.Now()}
}

// NewShared returns a cache like New in which one owner has at most share entries, so that no owner can push out those of
// all others. An owner who adds more loses their own oldest. Keys belong to the same owner if owner returns the same for them.
func NewShared[K comparable, V any](ttl time.Duration, maxEntries, share int, owner func(K) K) *Cache[K, V] {
	c := New[K, V](ttl, maxEntries)
	c.share, c.owner = max(1, share), owner
	return c
}

// Get returns the value that was last added for key, if it is kept.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	at, ok := c.index[key]
	if !ok {
		return value, false
	}
	return c.entries[at].value, true
}

// Add keeps a value, in place of what was kept for the same key.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.removeExpired()
	c.makeRoom(key)
	c.insert(key, value, now+c.ttl)
}

// Len returns the number of values that are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeExpired()
	return len(c.index)
}

// makeRoom removes what a new entry for key replaces: the one for the same key, the oldest of an owner who has their share,
// the oldest of all.
func (c *Cache[K, V]) makeRoom(key K) {
	if at, ok := c.index[key]; ok {
		c.remove(at)
	}
	if c.owner != nil {
		if mine := c.owned[c.owner(key)]; int(mine.length) >= c.share {
			c.remove(mine.first)
		}
	}
	if len(c.index) >= c.maxEntries {
		c.remove(c.queue.first)
	}
}

// removeExpired removes what has expired, and returns the time since epoch.
func (c *Cache[K, V]) removeExpired() time.Duration {
	now := time.Since(c.epoch)
	if c.queue.length == 0 || c.entries[c.queue.first].expires > now {
		return now
	}
	for c.queue.length > 0 && c.entries[c.queue.first].expires <= now {
		c.remove(c.queue.first)
	}
	if len(c.entries) > minPlaces && len(c.index) < len(c.entries)/4 {
		c.shrink()
	}
	return now
}

// insert adds an entry that is the last to expire.
func (c *Cache[K, V]) insert(key K, value V, expires time.Duration) {
	if c.entries == nil {
		c.entries, c.index, c.owned = make([]entry[K, V], 1), make(map[K]place), make(map[K]list)
	}
	at := c.newPlace()
	c.entries[at] = entry[K, V]{key: key, value: value, expires: expires}
	c.index[key] = at
	c.push(&c.queue, at, inQueue)
	if c.owner != nil {
		name := c.owner(key)
		mine := c.owned[name]
		c.push(&mine, at, inOwned)
		c.owned[name] = mine
	}
}

func (c *Cache[K, V]) remove(at place) {
	key := c.entries[at].key
	delete(c.index, key)
	c.unlink(&c.queue, at, inQueue)
	if c.owner != nil {
		name := c.owner(key)
		mine := c.owned[name]
		c.unlink(&mine, at, inOwned)
		if mine.length > 0 {
			c.owned[name] = mine
		} else {
			delete(c.owned, name)
		}
	}
	c.entries[at] = entry[K, V]{links: [2]links{inQueue: {next: c.unused}}} // which refers to the value no more
	c.unused = at
}

// newPlace returns a place for an entry.
func (c *Cache[K, V]) newPlace() place {
	if at := c.unused; at != 0 {
		c.unused = c.entries[at].links[inQueue].next
		return at
	}
	n := len(c.entries)
	if n == cap(c.entries) { // append would not mind maxEntries
		entries := make([]entry[K, V], n, min(n+n/2+minPlaces/8, c.maxEntries+1))
		copy(entries, c.entries)
		c.entries = entries
	}
	c.entries = c.entries[:n+1]
	return place(n)
}

// shrink gives back the memory that a larger number of entries took.
func (c *Cache[K, V]) shrink() {
	entries, queue := c.entries, c.queue
	c.entries, c.index, c.unused, c.queue, c.owned = nil, nil, 0, list{}, nil
	for at := queue.first; at != 0; at = entries[at].links[inQueue].next {
		c.insert(entries[at].key, entries[at].value, entries[at].expires)
	}
}

// push puts an entry at the end of a list.
func (c *Cache[K, V]) push(l *list, at place, which int) {
	c.entries[at].links[which] = links{previous: l.last}
	if l.last == 0 {
		l.first = at
	} else {
		c.entries[l.last].links[which].next = at
	}
	l.last = at
	l.length++
}

func (c *Cache[K, V]) unlink(l *list, at place, which int) {
	from := c.entries[at].links[which]
	if from.previous == 0 {
		l.first = from.next
	} else {
		c.entries[from.previous].links[which].next = from.next
	}
	if from.next == 0 {
		l.last = from.previous
	} else {
		c.entries[from.next].links[which].previous = from.previous
	}
	l.length--
}
