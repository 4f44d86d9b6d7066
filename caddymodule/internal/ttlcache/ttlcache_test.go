package ttlcache

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

func TestWhatHasEndedTakesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[int, int](time.Minute, 1000)
		for i := range 10_000 {
			c.Add(i, i)
			c.Add(0, i)
		}
		if len(c.values) > 1000 || len(c.queue) > 1000 || cap(c.queue) > 10_000 {
			t.Errorf("there are %d values and %d additions, in an array of %d", len(c.values), len(c.queue), cap(c.queue))
		}
		time.Sleep(time.Minute)
		c.Add(-1, 1)
		if len(c.values) != 1 || len(c.queue) != 1 {
			t.Errorf("there are %d values and %d additions, want 1", len(c.values), len(c.queue))
		}
	})
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
	if len(c.values) > 10 {
		t.Errorf("there are %d values", len(c.values))
	}
}

func BenchmarkGet(b *testing.B) {
	c := New[struct{ openid, id string }, []byte](time.Minute, 10_000)
	key := struct{ openid, id string }{"o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"}
	c.Add(key, nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Get(key)
	}
}
