package ttlcache

import (
	"maps"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// want checks what a cache says of keys; 0 means that it knows none.
func want(t *testing.T, c *Cache[string, int], values map[string]int) {
	t.Helper()
	for key, value := range values {
		if got, ok := c.Get(key); got != value || ok != (value != 0) {
			t.Errorf("Get(%s) = %d, %v; want %d", key, got, ok, value)
		}
	}
}

func TestAValueEndsAFixedTimeAfterItWasAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](time.Minute, 10)
		want(t, c, map[string]int{"a": 0})
		c.Add("a", 1)
		time.Sleep(40 * time.Second)
		c.Add("b", 2)
		want(t, c, map[string]int{"a": 1, "b": 2})
		time.Sleep(20 * time.Second)
		want(t, c, map[string]int{"a": 0, "b": 2})
		time.Sleep(40 * time.Second)
		want(t, c, map[string]int{"a": 0, "b": 0})
	})
}

func TestTheLatestAreKept(t *testing.T) {
	c := New[string, int](time.Minute, 2)
	c.Add("a", 1)
	c.Add("b", 2)
	want(t, c, map[string]int{"a": 1, "b": 2})
	c.Add("c", 3)
	want(t, c, map[string]int{"a": 0, "b": 2, "c": 3})
}

func TestAValueThatIsAddedAgainStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](time.Minute, 10)
		c.Add("a", 1)
		time.Sleep(40 * time.Second)
		c.Add("a", 2)
		time.Sleep(40 * time.Second)
		c.Add("b", 3) // the first a is dropped, the second is not
		want(t, c, map[string]int{"a": 2, "b": 3})
		time.Sleep(20 * time.Second)
		want(t, c, map[string]int{"a": 0, "b": 3})
	})
}

func TestSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](time.Minute, 2)
		wantAll := func(keys []string, want map[int]int) {
			t.Helper()
			got := make(map[int]int)
			c.GetAll(keys, func(i, value int) { got[i] = value })
			if !maps.Equal(got, want) {
				t.Errorf("of %q there are %v, want %v", keys, got, want)
			}
		}
		c.AddAll([]string{"a", "b", "a", "c"}, []int{1, 2, 3, 4}) // b is the oldest of three when c is added
		wantAll([]string{"c", "b", "a", "c"}, map[int]int{0: 4, 2: 3, 3: 4})
		time.Sleep(time.Minute)
		wantAll([]string{"a", "c"}, nil)
		c.AddAll([]string{"d", "e"}, []int{5, 6})
		time.Sleep(time.Minute - 1)
		wantAll([]string{"d", "e"}, map[int]int{0: 5, 1: 6})
	})
}

func TestAKeyThatIsAddedAgainTakesNoPlaceOfOthers(t *testing.T) {
	t.Parallel()
	c := New[string, int](time.Minute, 3)
	c.Add("a", 1)
	for i := range 5 {
		c.Add("b", i+2)
	}
	want(t, c, map[string]int{"a": 1, "b": 6})
}

// A configuration cannot ask for a cache that keeps nothing: that is no cache at all.
func TestACacheKeepsAtLeastOneValue(t *testing.T) {
	t.Parallel()
	owner := func(string) string { return "" } // one for all
	for size := -1; size <= 1; size++ {
		for name, c := range map[string]*Cache[string, int]{
			"of this size":                New[string, int](time.Minute, size),
			"with this share":             NewShared[string, int](time.Minute, 10, size, owner, nil),
			"of this size, and no shares": NewShared[string, int](time.Minute, size, 10, owner, nil),
		} {
			c.Add("a", 1)
			want(t, c, map[string]int{"a": 1})
			c.Add("b", 2)
			want(t, c, map[string]int{"a": 0, "b": 2})
			if n := c.Len(); n != 1 {
				t.Errorf("a cache %s keeps %d values for size %d", name, n, size)
			}
			want(t, c, map[string]int{"b": 2}) // and can still be asked
		}
	}
}

// What a large number of entries took is given back when few are left.
func TestACacheShrinks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entries, later int // of which the later ones stay
		places         int // the entries take at the end
	}{
		{1, 0, 1},
		{minPlaces - 1, 0, minPlaces - 1}, // too few to be worth it
		{minPlaces, 0, 0},
		{999, 0, 0},
		{999, 10, 10},
		{999, 249, 249},
		{999, 250, 1001}, // a quarter of the places is in use
		{500, 500, 1000},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewShared[int, int](time.Minute, 1000, 1000, func(key int) int { return key % 3 }, nil)
			for i := range test.entries {
				c.Add(i, i)
			}
			time.Sleep(time.Second)
			for i := range test.later {
				c.Add(-1-i, i)
			}
			time.Sleep(time.Minute - time.Second)
			for i := range test.later {
				if got, ok := c.Get(-1 - i); got != i || !ok {
					t.Errorf("%+v: Get(%d) = %d, %v", test, -1-i, got, ok)
				}
			}
			if n, places := c.Len(), max(0, len(c.entries.nodes)-1); n != test.later || places != test.places {
				t.Errorf("%+v: there are %d entries in %d places", test, n, places)
			}
			time.Sleep(time.Second) // no later than they would have otherwise
			if n := c.Len(); n != 0 {
				t.Errorf("%+v: %d entries outlive their time", test, n)
			}
		})
	}
}

// A place that was given up no longer refers to what was there.
func TestAValueThatIsNotKeptCanBeCollected(t *testing.T) {
	t.Parallel()
	c := New[string, *[1 << 10]byte](time.Minute, 10)
	value := new([1 << 10]byte)
	seen := weak.Make(value)
	c.Add("a", value)
	c.epoch = c.epoch.Add(-time.Minute / 2)
	c.Add("b", nil)
	c.epoch = c.epoch.Add(-time.Minute / 2)
	if c.Len() != 1 {
		t.Errorf("there are %d values", c.Len())
	}
	runtime.GC()
	if seen.Value() != nil {
		t.Error("it is still there")
	}
	runtime.KeepAlive(c)
}

// Owners come and go while the cache is never empty.
func TestAnOwnerWithoutValuesTakesNoMemory(t *testing.T) {
	t.Parallel()
	c := NewShared[int, int](time.Minute, 10, 2, func(key int) int { return key }, nil)
	for i := range 1000 {
		c.Add(i, i)
	}
	if c.Len() != 10 || c.owners.length != 10 {
		t.Errorf("there are %d values of %d owners", c.Len(), c.owners.length)
	}
}

// Get and Len are enough: an account that nobody uses any more adds nothing.
func TestWhatHasExpiredTakesNoMemory(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(c *Cache[int, int]){
		"Get": func(c *Cache[int, int]) { c.Get(-1) },
		"Add": func(c *Cache[int, int]) { c.Add(-1, 1) },
		"Len": func(c *Cache[int, int]) { c.Len() },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewShared[int, int](time.Minute, 1000, 600, func(key int) int { return key & 1 }, nil)
			for i := range 10_000 {
				c.Add(i, i)
				c.Add(0, i)
			}
			if c.entries.length != 1000 || c.queue.length != 1000 || c.owners.length != 2 || len(c.entries.nodes) != 1002 {
				t.Errorf("there are %d values in %d places, %d in the queue, of %d owners", c.entries.length, len(c.entries.nodes)-1, c.queue.length, c.owners.length)
			}
			time.Sleep(time.Minute)
			look(c)
			left := 0
			if name == "Add" {
				left = 1
			}
			if c.entries.length != left || int(c.queue.length) != left || c.owners.length != left || len(c.entries.nodes) != 2*left {
				t.Errorf("%s: there are %d values in %d places, %d in the queue, %d owners", name, c.entries.length, len(c.entries.nodes)-1, c.queue.length, c.owners.length)
			}
		})
	}
}

func TestOneOwnerHasAShareOfTheCache(t *testing.T) {
	t.Parallel()
	c := NewShared[string, int](time.Minute, 4, 2, func(key string) string { return key[:1] }, nil)
	for i, key := range []string{"a1", "b1", "b2", "b3", "b1", "a2", "a2"} {
		c.Add(key, i+1)
	}
	// b3 pushed out b1, which came back and pushed out b2; nobody else lost anything.
	want(t, c, map[string]int{"a1": 1, "a2": 7, "b1": 5, "b2": 0, "b3": 4})
	c.Add("c1", 8) // a full cache: the oldest of all goes
	want(t, c, map[string]int{"a1": 0, "a2": 7, "b1": 5, "b3": 4, "c1": 8})
	if c.Len() != 4 || c.owners.length != 3 {
		t.Errorf("%d entries of %d owners", c.Len(), c.owners.length)
	}
}

func TestManyMayUseACache(t *testing.T) {
	c := New[int, int](time.Minute, 10)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c.Add(i%20, worker)
				c.Get(i % 20)
			}
		})
	}
	wg.Wait()
	if c.Len() != 10 {
		t.Errorf("there are %d values", c.Len())
	}
}
