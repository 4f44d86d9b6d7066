//go:build poison

package bufpool

import (
	"bytes"
	"testing"
)

func TestABufferThatIsGivenBackIsOverwritten(t *testing.T) {
	buffer := append(Get(3), "old"...)
	whole := buffer[:cap(buffer)]
	Put(buffer)
	if want := bytes.Repeat([]byte{0xFF}, len(whole)); !bytes.Equal(whole, want) {
		t.Errorf("it begins with %q", whole[:3])
	}
}
