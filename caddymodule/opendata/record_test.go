package opendata

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// owned is a CloudID of a user.
type owned struct{ openid, id string }

func (o owned) key() key { return appendKeys(nil, o.openid, []string{o.id})[0] }

// settled returns an exchange for CloudIDs of one user of which WeChat said this.
func settled(data wechat.OpenData, list ...owned) *exchange {
	e := &exchange{openid: list[0].openid}
	for _, o := range list {
		e.ids, e.keys, e.results = append(e.ids, o.id), append(e.keys, o.key()), append(e.results, result{data: data, settled: true})
	}
	return e
}

// getOne returns what a cache has of a CloudID.
func getOne(c *Cache, o owned) (data wechat.OpenData, ok bool) {
	c.get(o.openid, []string{o.id}, []key{o.key()}, func(_ int, found wechat.OpenData) { data, ok = found, true })
	return data, ok
}

// Two keys with one hash take each other's place, which hardly ever happens, but never each other's open data.
func TestKeysWithTheSameHashAreNotConfused(t *testing.T) {
	t.Parallel()
	kept := owned{"o_alice", "27_a"}
	data := wechat.OpenData{Code: wechat.CodeExpiredCloudID, JSON: []byte(`{"cloudID":"27_a","errCode":-601006}`)}
	for _, other := range []owned{
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
		c.put(settled(data, kept))
		if got, ok := getOne(c, kept); !ok || got.Code != data.Code || !bytes.Equal(got.JSON, data.JSON) {
			t.Errorf("%v: got %+v, %v", kept, got, ok)
		}
		of, _ := c.entries.Get(kept.key())
		c.entries.Add(other.key(), of)
		if got, ok := getOne(c, other); ok {
			t.Errorf("%v was given what belongs to %v: %s", other, kept, got.JSON)
		}
	}
}

// What a cache gave stays as it is, whatever is done to it or to the cache.
func TestOpenDataFromTheCacheIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	const text = `{"cloudID":"27_a","data":{}}`
	c := NewCache(time.Minute, 16)
	put := []byte(text)
	c.put(settled(wechat.OpenData{JSON: put}, owned{"o1", "27_a"}, owned{"o1", "27_b"}))
	clear(put)
	first, _ := getOne(c, owned{"o1", "27_a"})
	second, _ := getOne(c, owned{"o1", "27_b"})
	_ = append(first.JSON, "more"...)
	for i := range 16 {
		c.put(settled(wechat.OpenData{JSON: []byte(strings.ToUpper(text))}, owned{"o1", fmt.Sprint(i)}))
	}
	if string(first.JSON) != text || string(second.JSON) != text {
		t.Errorf("they are %s and %s now", first.JSON, second.JSON)
	}
}

// So may two keys have one hash while they are asked for: neither has what the other waits for.
func TestAnExchangeForAnotherKeyWithTheSameHashIsNotJoined(t *testing.T) {
	t.Parallel()
	asked := owned{"o_alice", "27_a"}
	for _, test := range []struct {
		other owned
		join  bool
	}{
		{asked, true},
		{owned{"o_alice", "27_b"}, false},
		{owned{"o_bobby", "27_a"}, false},
	} {
		r := New(Config{Timeout: time.Minute}, nil, nil)
		other := settled(wechat.OpenData{}, test.other)
		r.inflight[asked.key()] = other
		var result Result
		result.OpenData, result.Origins = make([]wechat.OpenData, 1), make([]Origin, 1)
		own, joined, err := r.join(t.Context(), Request{OpenID: asked.openid, IDs: []string{asked.id}}, &result)
		if err != nil || (own == nil) != test.join || slices.Contains(joined, other) != test.join {
			t.Errorf("%+v: own %v, joined %v, %v", test.other, own, joined, err)
		}
		if own != nil {
			r.forget(other) // which must leave the one that took its place
			if r.inflight[asked.key()] != own {
				t.Errorf("%+v: it cannot be joined any more", test.other)
			}
		}
	}
}

// benchOwned returns the n-th of CloudIDs that are as long as WeChat's. Three in a row belong to one user.
func benchOwned(n int) owned {
	return owned{fmt.Sprintf("oBench-%021d", n/3), fmt.Sprintf("27_Bench%054d", n)}
}

// benchData returns open data of usual length: a phone number's.
func benchData(o owned) wechat.OpenData {
	return wechat.OpenData{JSON: fmt.Appendf(nil, `{"cloudID":"%s","data":{"phoneNumber":"+8613800000000","purePhoneNumber":"13800000000",`+
		`"countryCode":"86","watermark":{"timestamp":1574338655,"appid":"wxbench0123456789a"}}}`, o.id)}
}

// fullCache returns a cache of so many entries, and twice as many exchanges that put one each into it.
func fullCache(entries int) (*Cache, []*exchange) {
	c, exchanges := NewCache(time.Hour, entries), make([]*exchange, 2*entries)
	for i := range exchanges {
		o := benchOwned(i)
		exchanges[i] = settled(benchData(o), o)
		c.put(exchanges[i])
	}
	return c, exchanges
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
	c, exchanges := fullCache(10_000)
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.put(exchanges[i%len(exchanges)]) // whose key was pushed out meanwhile
		}
	})
	b.Run("get", func(b *testing.B) {
		c.put(exchanges[0])
		b.ReportAllocs()
		for b.Loop() {
			getOne(c, owned{exchanges[0].openid, exchanges[0].ids[0]})
		}
	})
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(c)
	})
}
