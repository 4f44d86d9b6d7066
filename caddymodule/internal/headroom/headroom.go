// Package headroom lets the garbage collector of a small process run less often. Go collects when the heap has doubled. A gateway
// lives on seven megabytes, so it would collect after every seven, some hundred requests, and spend about a tenth of its CPU time
// on that (docs/performance.md). Memory that is allocated and never touched takes no memory of the machine's, but counts: with 8 MiB of
// it there are 8 MiB more between two collections, and at most as much more in use, however large the heap is.
package headroom

import (
	"os"
	"runtime/debug"
)

// enough is the memory limit of a process from which on it has all the headroom that is asked for, in bytes.
const enough = 256 << 20

// Headroom is memory that nobody uses. The collector runs less often as long as it is referenced.
type Headroom []byte

// New allocates headroom of a size in bytes. There is none where an operator chose how often the collector runs (GOGC), and less where
// the process has a memory limit (GOMEMLIMIT, or that of a container, which Caddy minds) of less than 256 MiB.
func New(size int) Headroom {
	return make(Headroom, sizeFor(size, os.Getenv("GOGC"), debug.SetMemoryLimit(-1)))
}

func sizeFor(size int, gogc string, memoryLimit int64) int {
	if gogc != "" {
		return 0
	}
	return int(float64(size) * min(1, float64(memoryLimit)/enough))
}
