package ttlcache

import (
	"slices"
	"testing"
	"time"
)

// model does what a cache does as plainly as can be. Its time goes by when it is told to.
type model struct {
	now               time.Duration
	ttl               time.Duration
	maxEntries, share int
	entries           []modelEntry // the oldest first
}

type modelEntry struct {
	key, value byte
	expires    time.Duration
}

func ownerOf(key byte) byte { return key & 0xf0 }

func (m *model) add(key, value byte) {
	m.expire()
	m.removeIf(func(e modelEntry) bool { return e.key == key })
	mine := 0
	for _, e := range m.entries {
		if ownerOf(e.key) == ownerOf(key) {
			mine++
		}
	}
	if m.share > 0 && mine == m.share {
		oldest := slices.IndexFunc(m.entries, func(e modelEntry) bool { return ownerOf(e.key) == ownerOf(key) })
		m.entries = slices.Delete(m.entries, oldest, oldest+1)
	}
	if len(m.entries) == m.maxEntries {
		m.entries = m.entries[1:]
	}
	m.entries = append(m.entries, modelEntry{key, value, m.now + m.ttl})
}

func (m *model) expire() { m.removeIf(func(e modelEntry) bool { return e.expires <= m.now }) }

func (m *model) removeIf(gone func(modelEntry) bool) {
	m.entries = slices.DeleteFunc(slices.Clone(m.entries), gone)
}

// FuzzCache has a cache and the model do the same: pairs of bytes, of which the first says what (below 4: time passes;
// else this key is added) and the second with what.
func FuzzCache(f *testing.F) {
	f.Add(uint8(200), uint8(100), []byte("\x10a\x20b\x10c\x01\x05\x03\x00\x10d"))
	f.Add(uint8(5), uint8(2), []byte("\x10a\x11b\x12c\x20d\x21e\x22f\x10g\x00\x09\x30h\x31i\x03\x00"))
	f.Add(uint8(1), uint8(0), []byte("\x10a\x11b"))
	var many []byte
	for i := range 250 {
		many = append(many, byte(i), byte(i))
	}
	f.Add(uint8(255), uint8(0), slices.Concat(many, []byte{2, 11}, many[:40], []byte{2, 11, 0, 11}, many))
	f.Add(uint8(255), uint8(9), slices.Concat(many, []byte{2, 11}, many[:40], []byte{2, 11, 0, 11}, many))
	f.Fuzz(func(t *testing.T, maxEntries, share uint8, steps []byte) {
		m := &model{ttl: time.Minute, maxEntries: max(1, int(maxEntries)), share: int(share)}
		c := New[byte, byte](m.ttl, int(maxEntries))
		if share > 0 {
			c = NewShared[byte, byte](m.ttl, int(maxEntries), m.share, ownerOf, nil)
		}
		for pair := range slices.Chunk(steps[:min(len(steps), 2000)], 2) {
			what, with := pair[0], pair[len(pair)-1]
			if what >= 4 {
				c.Add(what, with)
				m.add(what, with)
				continue
			}
			passed := time.Duration(what)*12*time.Second + time.Duration(with)*time.Second
			c.epoch = c.epoch.Add(-passed)
			m.now += passed
			wantSame(t, c, m)
		}
		wantSame(t, c, m)
	})
}

// wantSame checks that a cache keeps what the model does, and in how much memory.
func wantSame(t *testing.T, c *Cache[byte, byte], m *model) {
	t.Helper()
	m.expire()
	if n := c.Len(); n != len(m.entries) {
		t.Fatalf("there are %d values, want %d", n, len(m.entries))
	}
	var want [256]modelEntry
	for _, e := range m.entries {
		want[e.key] = e
	}
	for key := range 256 {
		if got, ok := c.Get(byte(key)); got != want[key].value || ok == (want[key].expires == 0) {
			t.Fatalf("Get(%d) = %d, %v; want %+v", key, got, ok, want[key])
		}
	}
	if c.owner != nil {
		owned := 0
		for _, one := range c.owners.nodes {
			owned += int(one.value.length)
		}
		if owned != len(m.entries) {
			t.Fatalf("there are %d values, %d of them of owners", len(m.entries), owned)
		}
	}
	if most := max(minPlaces, 4*len(m.entries)+3); len(c.entries.nodes) > most {
		t.Fatalf("%d values take %d places, want at most %d", len(m.entries), len(c.entries.nodes), most)
	}
	if room := cap(c.entries.nodes); room > m.maxEntries+2 {
		t.Fatalf("there is room for %d values of at most %d", room-1, m.maxEntries)
	}
}
