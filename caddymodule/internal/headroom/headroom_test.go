package headroom

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestSize(t *testing.T) {
	for _, test := range []struct {
		it    string
		gogc  string
		limit int64
		want  int
	}{
		{"no limit", "", math.MaxInt64, 8 << 20},
		{"a large container", "", 4 << 30, 8 << 20},
		{"a container of 256 MiB", "", 256 << 20, 8 << 20},
		{"a container of a quarter of that", "", 64 << 20, 2 << 20},
		{"a limit of nothing", "", 0, 0},
		{"an operator who chose", "100", math.MaxInt64, 0},
		{"an operator who chose in a small container", "off", 64 << 20, 0},
	} {
		if got := sizeFor(8<<20, test.gogc, test.limit); got != test.want {
			t.Errorf("%s: %d bytes, want %d", test.it, got, test.want)
		}
	}
}

// Headroom moves the heap's size at which the collector runs, and takes no memory of the machine's.
func TestNew(t *testing.T) {
	t.Setenv("GOGC", "")
	m := measured()
	if m.size < 1<<20 {
		t.Skip("the memory limit leaves no headroom")
	}
	if m.moved < m.size*3/2 { // not twice: Go never collects below 4 MiB
		t.Errorf("%d bytes of headroom moved the next collection by %d", m.size, m.moved)
	}
	if m.taken > m.size/4 {
		t.Errorf("%d bytes of headroom take %d of the machine", m.size, m.taken)
	}
}

// measured allocates headroom once: what was used before and is allocated anew is cleared, and that takes memory.
var measured = sync.OnceValue(func() (m measurement) {
	runtime.GC()
	next, used := nextGC(), resident()
	h := New(8 << 20)
	runtime.GC()
	m = measurement{moved: nextGC() - next, taken: resident() - used, size: len(h)}
	runtime.KeepAlive(h)
	return m
})

// measurement is what headroom of a size did, in bytes.
type measurement struct{ moved, taken, size int }

func nextGC() int {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.NextGC)
}

// resident is how much memory of the machine's this process takes; 0 where that cannot be read.
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}
