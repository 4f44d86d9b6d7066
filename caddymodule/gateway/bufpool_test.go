package gateway

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

func TestBorrowedMemoryHasRoom(t *testing.T) {
	for _, size := range []int{0, 1, 2047, 2048, 2560, 2561, 100 << 10, 1 << 20, 1<<20 + 1, 2<<20 + headroom, 2<<20 + headroom + 1, 10 << 20} {
		for range 2 { // new, and perhaps used before
			piece := getBuffer(size)
			if len(piece) != 0 || cap(piece) < size {
				t.Errorf("for %d bytes: %d bytes long, room for %d", size, len(piece), cap(piece))
			}
			if cap(piece) > max(2*size, 1<<minClass)+headroom {
				t.Errorf("for %d bytes: room for %d, more than twice as much", size, cap(piece))
			}
			putBuffer(append(piece, make([]byte, size)...))
		}
	}
	for _, strange := range [][]byte{nil, {}, make([]byte, 3000), make([]byte, 0, 64<<20)} {
		putBuffer(strange)
		if piece := getBuffer(cap(strange)); cap(piece) < cap(strange) {
			t.Errorf("memory of %d bytes was lent for %d", cap(piece), cap(strange))
		}
	}
}

// However a body arrives, and wherever that is against the sizes of pieces, it is read whole and not beyond its limit.
func TestBodiesAreReadIntoPieces(t *testing.T) {
	const limit = 1 << 20
	for _, size := range []int{0, 1, 511, 512, 513, 2560, 2561, initialBufferSize, initialBufferSize + headroom, initialBufferSize + headroom + 1, 300_000, limit - 1, limit, limit + 1, limit + 100} {
		sent := bytes.Repeat([]byte("body "), size/5+1)[:size]
		for _, promised := range []int{-1, size, 10, limit} {
			for name, source := range map[string]io.Reader{
				"as fast as it can be read": bytes.NewReader(sent),
				"in halves":                 iotest.HalfReader(bytes.NewReader(sent)),
				"with its end":              iotest.DataErrReader(bytes.NewReader(sent)),
			} {
				got, err := readLimited(source, limit, int64(promised))
				if want := sent[:min(size, limit+1)]; err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, of which %d were promised, %s: %d bytes and %v", size, promised, name, len(got), err)
				}
				putBuffer(got)
			}
		}
	}
}

// A transport may read on when the request is over and its memory holds another body.
func TestABodyIsNotReadBeyondItsRequest(t *testing.T) {
	body := &replayableBody{bytes: append(getBuffer(10), "0123456789"...)}
	start := make([]byte, 4)
	if n, err := body.Read(start); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	body.release()
	for range 2 {
		if n, err := body.Read(start); n != 0 || err != errBodyReleased {
			t.Errorf("read %d bytes and %v", n, err)
		}
		if text := body.text(); len(text) != 0 {
			t.Errorf("it shows %d bytes", len(text))
		}
		_ = body.Close() // which begins anew a body that is not over
		body.release()
	}
	(*replayableBody)(nil).release()
}
