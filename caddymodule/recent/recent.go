// Package recent makes caches that keep the latest values for a fixed time.
package recent

import (
	"hash/maphash"
	"time"

	"github.com/elastic/go-freelru"
)

// MaxEntries is how many values a cache may keep. Room for as many as it may keep, about 100 bytes each, is set aside when it
// is made.
const MaxEntries = 1_000_000

// New returns a cache of at most entries values, from 1 to MaxEntries, each of which ends ttl after it was added, by the wall clock. It has
// no goroutines, and may be used by many.
func New[K comparable, V any](ttl time.Duration, entries int) (*freelru.SyncedLRU[K, V], error) {
	seed := maphash.MakeSeed() // so that nobody can choose keys that meet in one bucket
	cache, err := freelru.NewSynced[K, V](uint32(entries), func(key K) uint32 {
		return uint32(maphash.Comparable(seed, key))
	})
	if err != nil {
		return nil, err
	}
	cache.SetLifetime(ttl)
	return cache, nil
}
