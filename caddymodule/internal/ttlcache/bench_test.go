package ttlcache

import (
	"runtime"
	"testing"
	"time"
)

type benchKey struct{ owner, id uint64 }

func ownerOfKey(k benchKey) benchKey { return benchKey{owner: k.owner} }

// hashOfKey is good enough for keys that are numbered.
func hashOfKey(k benchKey) uint64 { return (k.owner ^ k.id<<32) * 0x9E3779B97F4A7C15 >> 16 }

// full returns a cache that is full, of which each owner has three entries, and the number of the next entry.
func full(value []byte) (c *Cache[benchKey, []byte], next uint64) {
	const entries = 10_000
	c = NewShared[benchKey, []byte](time.Hour, entries, entries/8, ownerOfKey, hashOfKey)
	for next < 2*entries {
		c.Add(benchKey{next / 3, next}, value)
		next++
	}
	return c, next
}

func BenchmarkAdd(b *testing.B) {
	c, next := full(nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Add(benchKey{next / 3, next}, nil)
		next++
	}
}

func BenchmarkGet(b *testing.B) {
	c, next := full(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(benchKey{(next - 1) / 3, next - 1}); !ok {
			b.Fatal("it is missing")
		}
	}
}

// BenchmarkCollect is what a full cache adds to each run of the garbage collector, in an otherwise empty process.
func BenchmarkCollect(b *testing.B) {
	c, _ := full([]byte("one value for all"))
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(c)
}
