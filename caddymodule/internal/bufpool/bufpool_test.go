package bufpool

import (
	"strconv"
	"testing"
)

func TestBuffers(t *testing.T) {
	for _, test := range []struct {
		it         string
		size, room int
		kept       bool
	}{
		{"nothing", 0, 2<<10 + headroom, true},
		{"2 KiB and what meets its end", 2<<10 + headroom, 2<<10 + headroom, true},
		{"one byte more", 2<<10 + headroom + 1, 4<<10 + headroom, true},
		{"100 KiB", 100 << 10, 128<<10 + headroom, true},
		{"1 MiB and one byte", 1<<20 + 1, 1<<20 + headroom, true},
		{"2 MiB and what meets its end", 2<<20 + headroom, 2<<20 + headroom, true},
		{"too much to be kept", 2<<20 + headroom + 1, 2<<20 + headroom + 1, false},
	} {
		again := false
		for range 50 { // with the race detector a pool forgets some at random, as it does whenever memory is collected
			buffer := Get(test.size)
			if len(buffer) != 0 || cap(buffer) != test.room {
				t.Fatalf("for %s: %d bytes long, room for %d, want %d", test.it, len(buffer), cap(buffer), test.room)
			}
			Put(append(buffer, 'x'))
			again = again || &buffer[:1][0] == &Get(test.size)[:1][0]
		}
		if again != test.kept {
			t.Errorf("for %s: a buffer that was given back is used again: %t", test.it, again)
		}
	}
}

func TestSlicesFromElsewhereAreIgnored(t *testing.T) {
	for _, room := range []int{0, 1, headroom, 3000, 2<<10 + headroom - 1, 2<<10 + headroom + 1, 4<<20 + headroom} {
		Put(make([]byte, 0, room))
		if buffer := Get(room); cap(buffer) < room {
			t.Errorf("a buffer of %d bytes was returned for %d", cap(buffer), room)
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
