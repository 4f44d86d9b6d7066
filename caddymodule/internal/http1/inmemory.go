package http1

import "bytes"

// InMemory is the body of a request, where it is in memory. A client sends it in one piece with the request's head, without
// copying it if it is large, and sends it again on another connection where that is safe.
type InMemory struct {
	bytes.Reader
	data []byte
	done func()
}

// NewInMemory returns a body. Nobody may change data until Close is called, which calls done, unless that is nil.
func NewInMemory(data []byte, done func()) *InMemory {
	body := &InMemory{data: data, done: done}
	body.Reset(data)
	return body
}

// unread is what was not read of it.
func (b *InMemory) unread() []byte { return b.data[len(b.data)-b.Len():] }

// Close implements io.Closer.
func (b *InMemory) Close() error {
	if b.done != nil {
		b.done()
	}
	return nil
}
