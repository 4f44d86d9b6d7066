package bufpool

import (
	"strconv"
	"testing"
)

func TestBuffersHaveRoom(t *testing.T) {
	for _, size := range []int{0, 1, 2047, 2048, 2560, 2561, 100 << 10, 1 << 20, 1<<20 + 1, 2<<20 + headroom, 2<<20 + headroom + 1, 10 << 20} {
		for range 2 { // new, and perhaps used before
			buffer := Get(size)
			if len(buffer) != 0 || cap(buffer) < size {
				t.Errorf("for %d bytes: %d bytes long, room for %d", size, len(buffer), cap(buffer))
			}
			if cap(buffer) > max(2*size, 1<<minClass)+headroom {
				t.Errorf("for %d bytes: room for %d, more than twice as much", size, cap(buffer))
			}
			Put(append(buffer, make([]byte, size)...))
		}
	}
	for _, strange := range [][]byte{nil, {}, make([]byte, 3000), make([]byte, 0, 64<<20)} {
		Put(strange)
		if buffer := Get(cap(strange)); cap(buffer) < cap(strange) {
			t.Errorf("a buffer of %d bytes was returned for %d", cap(buffer), cap(strange))
		}
	}
}

// BenchmarkBuffers compares pooled buffers with new ones, as a body fills them.
func BenchmarkBuffers(b *testing.B) {
	for _, size := range []int{2 << 10, 100 << 10, 1 << 20} {
		body := make([]byte, size)
		b.Run("pooled/"+strconv.Itoa(size), func(b *testing.B) {
			for b.Loop() {
				Put(append(Get(size), body...))
			}
		})
		b.Run("new/"+strconv.Itoa(size), func(b *testing.B) {
			for b.Loop() {
				sink = append(make([]byte, 0, size), body...)
			}
		})
	}
}

var sink []byte
