package gateway

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
)

// replayableBody is a body in memory that reverse_proxy can send again. It closes the body after an attempt that failed and
// reads the same one at the next; so Close rewinds, if somebody met the body's end.
//
// A transport may still read, or close, while the next attempt is under way. That must never mix the bytes of two attempts
// into a body of the right length. So an attempt that ended in the middle makes the body partial: the next one fails at its
// first read and sends nothing, and only the one after it starts at the beginning. That the last byte was read is no end: an
// attempt under way may have read all but what one that is ending took from it.
//
// Its bytes are from bufpool until the request was responded to; a transport that still reads then gets an error, never what
// the buffer holds next.
type replayableBody struct {
	mu              sync.Mutex
	bytes           []byte
	off             int
	sawEOF          bool // somebody met the end
	partial         bool
	partialReported bool // somebody was told so
	released        bool // the request is over, and the bytes are gone
	lent            int  // how many have the bytes
}

var (
	errPartialBody  = errors.New("an attempt before this one sent only a part of the body")
	errBodyReleased = errors.New("the request that the body belongs to is over")
)

func (b *replayableBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errBodyReleased
	}
	if b.partial {
		b.partialReported = true
		return 0, errPartialBody
	}
	if b.off == len(b.bytes) {
		b.sawEOF = true
		return 0, io.EOF
	}
	n := copy(p, b.bytes[b.off:])
	b.off += n
	return n, nil
}

func (b *replayableBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.sawEOF || b.partialReported:
		b.off, b.sawEOF, b.partial, b.partialReported = 0, false, false, false
	case b.off > 0:
		b.partial = true
	}
	return nil
}

// Lend gives a transport the bytes, which need not be copied to be sent, if nothing of them was read. Nobody may change them; done
// is to be called when they are not read any more.
func (b *replayableBody) Lend() (bytes []byte, done func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.off > 0 || b.partial || b.released {
		return nil, nil, false
	}
	b.lent++
	return b.bytes, b.takeBack, true
}

// takeBack is called by who does not read the bytes any more.
func (b *replayableBody) takeBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent--
}

// text returns a copy of all bytes; none when the request is over.
func (b *replayableBody) text() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.bytes)
}

// release gives the bytes back, unless somebody still has them: then they are left to the garbage collector. A nil body has none.
func (b *replayableBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lent == 0 {
		bufpool.Put(b.bytes)
	}
	b.bytes, b.released = nil, true
}
