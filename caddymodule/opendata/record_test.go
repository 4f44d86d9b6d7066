package opendata

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// Two keys with one hash take each other's place, which hardly ever happens, but never each other's open data.
func TestKeysWithTheSameHashAreNotConfused(t *testing.T) {
	t.Parallel()
	kept := key{"o_alice", "27_a"}
	data := wechat.OpenData{Code: wechat.CodeExpiredCloudID, JSON: []byte(`{"cloudID":"27_a","errCode":-601006}`)}
	for _, other := range []key{
		{"o_alice", "27_b"},
		{"o_bobby", "27_a"},
		{"", ""},
		{"o_alice", "27_"},
		{"o_alice", "27_aa"},
		{"o_alice", "27_a{"}, // the JSON begins with one
		// The same bytes, divided in another place.
		{"o_alice2", "7_a"},
		{"o_alic", "e27_a"},
		{"", "o_alice27_a"},
		{"o_alice27_a", ""},
	} {
		c := NewCache(time.Minute, 100)
		c.put(kept, data)
		if got, ok := c.get(kept); !ok || got.Code != data.Code || !bytes.Equal(got.JSON, data.JSON) {
			t.Errorf("%v: got %+v, %v", kept, got, ok)
		}
		c.entries.Add(c.hash(other), newRecord(kept, data))
		if got, ok := c.get(other); ok {
			t.Errorf("%v was given what belongs to %v: %s", other, kept, got.JSON)
		}
	}
}

// What a cache gave stays as it is, whatever is done to it or to the cache.
func TestOpenDataFromTheCacheIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	const text = `{"cloudID":"27_a","data":{}}`
	c := NewCache(time.Minute, 1)
	put := []byte(text)
	c.put(key{"o1", "27_a"}, wechat.OpenData{JSON: put})
	clear(put)
	got, _ := c.get(key{"o1", "27_a"})
	_ = append(got.JSON, "more"...)
	c.put(key{"o1", "27_b"}, wechat.OpenData{JSON: []byte(strings.ToUpper(text))})
	if string(got.JSON) != text {
		t.Errorf("it is %s now", got.JSON)
	}
}

// benchKey returns the n-th of keys that are as long as WeChat's. Three in a row belong to one user.
func benchKey(n int) key {
	return key{fmt.Sprintf("oBench-%021d", n/3), fmt.Sprintf("27_Bench%054d", n)}
}

// benchData returns open data of usual length: a phone number's.
func benchData(k key) wechat.OpenData {
	return wechat.OpenData{JSON: fmt.Appendf(nil, `{"cloudID":"%s","data":{"phoneNumber":"+8613800000000","purePhoneNumber":"13800000000",`+
		`"countryCode":"86","watermark":{"timestamp":1574338655,"appid":"wxbench0123456789a"}}}`, k.id)}
}

// fullCache returns a cache of so many entries, and the keys of twice as many, which were all added.
func fullCache(entries int) (*Cache, []key) {
	c, keys := NewCache(time.Hour, entries), make([]key, 2*entries)
	for i := range keys {
		keys[i] = benchKey(i)
		c.put(keys[i], benchData(keys[i]))
	}
	return c, keys
}

// A cache of ten thousand phone numbers takes five megabytes.
func TestMemoryOfAnEntry(t *testing.T) {
	const entries, most = 10_000, 520 // bytes of heap each, 332 of which are the record
	before := heap()
	c, _ := fullCache(entries)
	each := (heap() - before) / entries
	if each > most {
		t.Errorf("an entry takes %d bytes, want at most %d", each, most)
	}
	t.Logf("an entry takes %d bytes", each)
	if n := c.Len(); n != entries {
		t.Errorf("there are %d entries", n)
	}
}

func heap() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// BenchmarkCache adds to a full cache, finds in it, and has the garbage collector run while there is little else on the heap.
func BenchmarkCache(b *testing.B) {
	c, keys := fullCache(10_000)
	data := benchData(keys[0])
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.put(keys[i%len(keys)], data) // a key that was pushed out meanwhile
		}
	})
	b.Run("get", func(b *testing.B) {
		c.put(keys[0], data)
		b.ReportAllocs()
		for b.Loop() {
			c.get(keys[0])
		}
	})
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(c)
	})
}
