//go:build poison

package bufpool

// poison overwrites a buffer with a byte that no UTF-8 text holds.
func poison(buffer []byte) {
	for i := range buffer {
		buffer[i] = 0xFF
	}
}
