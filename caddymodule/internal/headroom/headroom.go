// Package headroom lets the garbage collector of a small process run less often. Go collects when the heap has doubled. A gateway
// lives on seven megabytes, so it would collect after every seven, some hundred requests, and spend about a tenth of its CPU time
// on that (docs/performance.md). Memory that is allocated and never touched takes no memory of the machine's, but counts:
// with 8 MiB of it there are 8 MiB more between two collections, and at most as much more in use, however large the heap is.
package headroom

import (
	"math"
	"os"
	"runtime/debug"
)

const (
	// size is what is allocated where nothing speaks against it, in bytes. With twice as much of it a small request would cost 1 %
	// less, and the process take 12 MB more.
	size = 8 << 20

	// share is the largest part of the process's memory limit that is allocated.
	share = 1.0 / 32
)

// Headroom is memory that nobody uses. The collector runs less often as long as it is referenced.
type Headroom []byte

// New allocates headroom. There is none where an operator chose how often the collector runs (GOGC), and less where the process
// has a memory limit (GOMEMLIMIT, or that of a container, which Caddy minds) of less than 256 MiB.
func New() Headroom {
	return make(Headroom, sizeFor(os.Getenv("GOGC"), debug.SetMemoryLimit(-1)))
}

func sizeFor(gogc string, memoryLimit int64) int {
	switch {
	case gogc != "":
		return 0
	case memoryLimit == math.MaxInt64: // none
		return size
	default:
		return int(min(size, float64(memoryLimit)*share))
	}
}
