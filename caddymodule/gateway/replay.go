package gateway

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// replayableBody is a body in memory that reverse_proxy can send again. It closes the body after an attempt that failed and
// reads the same one at the next; so Close rewinds, where somebody met the body's end.
//
// A transport may still read, or close, while the next attempt is under way. That must never mix the bytes of two attempts
// into a body of the right length. So an attempt that ended in the middle tears the body: the next one fails at its first
// read, sends nothing, and only the one after it starts anew. That the last byte was read is no end: an attempt under way
// may have read all but what a dying one took from it.
//
// Its bytes are borrowed until the request was answered; a transport that still reads then gets an error, never what the
// memory holds next.
type replayableBody struct {
	mu    sync.Mutex
	bytes []byte
	at    int
	ended bool // somebody met the end
	torn  bool
	known bool // somebody was told that it is torn
	over  bool // the request is, and the bytes are gone
}

var (
	errTorn = errors.New("an attempt before this one sent only a part of the body")
	errOver = errors.New("the request that the body belongs to is over")
)

func (b *replayableBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errOver
	}
	if b.torn {
		b.known = true
		return 0, errTorn
	}
	if b.at == len(b.bytes) {
		b.ended = true
		return 0, io.EOF
	}
	n := copy(p, b.bytes[b.at:])
	b.at += n
	return n, nil
}

func (b *replayableBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended || b.known:
		b.at, b.ended, b.torn, b.known = 0, false, false, false
	case b.at > 0:
		b.torn = true
	}
	return nil
}

// text returns a copy of all bytes; none when the request is over.
func (b *replayableBody) text() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.bytes)
}

// end gives the bytes back. A nil body has none.
func (b *replayableBody) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	giveBack(b.bytes)
	b.bytes, b.over = nil, true
}
