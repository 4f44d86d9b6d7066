package gateway

import (
	"math/bits"
	"sync"
)

// Bodies live in memory that is used again: to set aside, clear and collect it anew for each request would cost more than
// to read a large event does. Whoever borrows gives back what nobody can reach any more; what is never given back is
// collected like any other memory.

const (
	minClass = 11 // as a power of two: 2 KiB
	maxClass = 21 // 2 MiB; events larger than that are too rare to keep memory for

	// headroom is what each piece has beyond its power of two, so that a body of just that size meets its end in it.
	headroom = 512
)

var bufferPools [maxClass - minClass + 1]sync.Pool // of *[]byte with room for 1<<(smallest+i) + headroom

// getBuffer returns an empty slice with room for at least size bytes.
func getBuffer(size int) []byte {
	class := max(bits.Len(uint(max(size-headroom, 1)-1)), minClass)
	if class > maxClass {
		return make([]byte, 0, size)
	}
	if piece, ok := bufferPools[class-minClass].Get().(*[]byte); ok {
		return (*piece)[:0]
	}
	return make([]byte, 0, 1<<class+headroom)
}

// putBuffer ends the use of what borrow returned, with or without bytes in it.
func putBuffer(piece []byte) {
	class := bits.Len(uint(max(cap(piece)-headroom, 1) - 1))
	if class < minClass || class > maxClass || cap(piece) != 1<<class+headroom {
		return // it was made for one body alone
	}
	bufferPools[class-minClass].Put(&piece)
}
