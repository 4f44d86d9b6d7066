package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
)

const (
	// maxHeld is the size in bytes up to which a body may be kept: to be sent in one write with the head, and sent again.
	maxHeld = 64 << 10

	// maxJoined is the size in bytes up to which a body that is in memory is copied behind its head.
	maxJoined = 16 << 10

	// bodyWait is how long a body is waited for that may have to come first. Then what came of it is sent, and the rest as it comes.
	bodyWait = time.Millisecond

	// usualHead is the size of the buffer that a request's head begins in.
	usualHead = 2 << 10

	// writeWait is how long the end of a response waits for the end of its request, so that the connection can be kept.
	writeWait = 50 * time.Millisecond

	// maxEmptyReads is how often a body may return neither a byte nor an error.
	maxEmptyReads = 100
)

// outgoing is a request as bytes. Its head is made at once. Its body is read when there is a connection: what could not be
// sent may be sent to another server, by a caller who has only a body that was not read.
type outgoing struct {
	body      io.ReadCloser // nil if there is none
	length    int64
	data      []byte        // the body, where it is in memory and large; not part of buf
	anew      bool          // buf can be made once more: there is no body, or it is in memory
	askedGzip bool          // which the caller did not
	pumped    chan struct{} // closed at the end of the goroutine that reads the body; nil if there is none
	first     exchange      // that it is sent in; most are in no other, and both in one piece of memory

	mu       sync.Mutex
	buf      []byte // the head, and what was read of the body; later a buffer for what follows
	read     bool   // the body, to its end
	stream   bool   // what is read is written at once
	written  bool   // the whole request
	err      error  // of reading the body, or of writing what was streamed
	closed   bool   // the body is
	ended    bool   // nobody reads the body any more
	released bool   // buf is given back when nobody does
}

// bodyError is a failure to read a request's body, which is no fault of the server's.
type bodyError struct{ error }

func (c *Client) newOutgoing(req *http.Request) (*outgoing, error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	o := &outgoing{length: outgoingLength(req)}
	if o.length > 0 {
		o.body = req.Body
	}
	o.read = o.body == nil
	o.anew = o.body == nil
	if err := o.fill(c, req); err != nil {
		return nil, err
	}
	return o, nil
}

// fill makes the head, and takes the body where that is in memory.
func (o *outgoing) fill(c *Client, req *http.Request) error {
	var extra []string
	if !c.options.DisableCompression && req.Method != http.MethodHead &&
		req.Header.Get("Accept-Encoding") == "" && req.Header.Get("Range") == "" {
		o.askedGzip = true
		extra = append(extra, "Accept-Encoding: gzip")
	}
	if c.options.DisableKeepAlives {
		extra = append(extra, "Connection: close")
	}
	head, err := appendHead(bufpool.Get(usualHead), req, extra...)
	o.buf = head
	if err == nil {
		err = o.take(req)
	}
	if err != nil {
		bufpool.Put(o.buf)
		o.buf = nil
	}
	return err
}

// take takes the body of a request where it is in memory.
func (o *outgoing) take(req *http.Request) error {
	body, ok := req.Body.(*InMemory)
	if !ok || o.body == nil {
		return nil
	}
	data := body.unread()
	if int64(len(data)) != o.length {
		return fmt.Errorf("the request's body has %d bytes, not the %d it is said to have", len(data), o.length)
	}
	o.read, o.anew = true, true
	if len(data) > maxJoined {
		o.data = data
		return nil
	}
	o.buf = append(growBuffer(o.buf, len(data)), data...)
	return nil
}

// send writes the request to a connection, or begins to: what is large or slow follows from another goroutine, which tells x
// about its end. A *bodyError says that nothing was sent. So does errUnasked.
func (o *outgoing) send(x *exchange) error {
	o.written = false // on this connection
	if o.buf == nil { // it is sent again
		if err := o.fill(x.client, x.req); err != nil {
			return &bodyError{err}
		}
	}
	if o.read {
		return o.sendHeld(x)
	}
	if !x.conn.quiet() {
		return errUnasked
	}
	if o.length > maxHeld {
		return o.sendLarge(x)
	}
	if err := o.hold(x); err != nil || o.stream {
		return err
	}
	return o.sendHeld(x)
}

// sendHeld writes a request that is in memory, as far as the connection takes it at once. The rest follows from another goroutine: a
// server may respond before it has read all. Where there is no rest and the connection is plain, the response is waited for.
func (o *outgoing) sendHeld(x *exchange) error {
	c, size := x.conn, len(o.buf)+len(o.data)
	var err error
	switch {
	case c.plain:
		if err = c.socket.Read(c.turn); x.written == size {
			x.awaitErr = err
			return nil
		}
		if x.writeErr != nil {
			err = x.writeErr
		}
	case !c.quiet():
		err = errUnasked
	case o.data == nil:
		x.written, err = c.Write(o.buf)
	default:
		x.written, err = c.writeAtOnce(o.buf, o.data)
	}
	switch {
	case err != nil:
	case x.written == size:
		o.complete(x)
	default:
		o.sendRest(x)
	}
	return err
}

// complete takes note that the whole request was written. A buffer that can be filled anew does not wait for the response.
func (o *outgoing) complete(x *exchange) {
	o.written = true
	if o.anew {
		bufpool.Put(o.buf)
		o.buf = nil
	}
	x.sent()
}

// sendRest writes what was not written yet of a request in memory, from another goroutine.
func (o *outgoing) sendRest(x *exchange) {
	n := x.written
	head, data := o.buf[min(n, len(o.buf)):], o.data[max(0, n-len(o.buf)):]
	o.stream, o.ended = true, false
	o.pumped = make(chan struct{})
	go func() {
		defer close(o.pumped)
		rest := net.Buffers{head, data}
		_, err := rest.WriteTo(x.conn)
		o.end(x, err)
	}()
}

// hold reads a body that is small enough to be kept. Where that takes too long, the request leaves as it comes.
func (o *outgoing) hold(x *exchange) error {
	o.buf = growBuffer(o.buf, int(o.length))
	o.pumped = make(chan struct{})
	go func() {
		defer close(o.pumped)
		o.pump(x)
	}()
	timer := time.NewTimer(bodyWait)
	defer timer.Stop()
	select {
	case <-o.pumped:
	case <-timer.C:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.read || o.err != nil {
		return o.err
	}
	o.stream = true
	var err error
	x.written, err = x.conn.Write(o.buf)
	return err
}

// sendLarge writes the head, and lets the body follow.
func (o *outgoing) sendLarge(x *exchange) error {
	var err error
	if x.written, err = x.conn.Write(o.buf); err != nil {
		o.closeBody()
		return err
	}
	o.stream = true
	o.buf = growBuffer(o.buf[:0], maxHeld)
	o.pumped = make(chan struct{})
	go func() {
		defer close(o.pumped)
		o.pump(x)
	}()
	return nil
}

// pump reads the body to its end and closes it. It writes what it reads, once the request is streamed.
func (o *outgoing) pump(x *exchange) {
	err := o.copy(x)
	o.end(x, err)
}

// end takes note that nobody reads the body any more, or writes it where it is streamed.
func (o *outgoing) end(x *exchange, err error) {
	o.closeBody()
	o.mu.Lock()
	stream := o.stream
	if err == nil && !stream {
		o.read = true
	}
	o.err = err
	o.written = err == nil && stream
	o.ended = true
	if o.released {
		bufpool.Put(o.buf)
	}
	o.mu.Unlock()
	if !stream {
		return
	}
	_, unreadable := errors.AsType[*bodyError](err)
	switch {
	case err == nil:
		x.sent()
	case unreadable, errors.Is(err, os.ErrDeadlineExceeded):
		x.abort(err)
	}
	// After any other error of writing nothing more can be read than what the server said before it hung up.
}

// copy reads length bytes, and sees that no more come.
func (o *outgoing) copy(x *exchange) error {
	left, empty := o.length, 0
	for {
		space := o.space(left)
		n, err := o.body.Read(space)
		if n > 0 && left == 0 {
			return &bodyError{fmt.Errorf("the request's body is longer than the %d bytes it is said to have", o.length)}
		}
		left -= int64(n)
		if err := o.add(x, space[:n]); err != nil {
			return err
		}
		switch {
		case err == io.EOF && left > 0:
			return &bodyError{fmt.Errorf("the request's body ended %d bytes before the %d it is said to have", left, o.length)}
		case err == io.EOF:
			return nil
		case err != nil:
			return &bodyError{err}
		case n == 0:
			if empty++; empty == maxEmptyReads {
				return &bodyError{io.ErrNoProgress}
			}
		default:
			empty = 0
		}
	}
}

// space returns where the next bytes of the body go, at least one. While the body is read, nobody else changes buf.
func (o *outgoing) space(left int64) []byte {
	if left == 0 {
		return make([]byte, 1) // for what must not come
	}
	free := o.buf[len(o.buf):cap(o.buf)]
	return free[:min(int64(len(free)), left)]
}

func (o *outgoing) add(x *exchange, read []byte) error {
	o.mu.Lock()
	stream := o.stream
	if !stream {
		o.buf = o.buf[:len(o.buf)+len(read)]
	}
	o.mu.Unlock()
	if !stream || len(read) == 0 {
		return nil
	}
	_, err := x.conn.Write(read)
	return err
}

// canBeSent reports whether the request is still there, to be sent on another connection: its body was read and kept, or not
// yet begun.
func (o *outgoing) canBeSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.stream && o.err == nil && (o.read || o.pumped == nil && !o.closed)
}

// wait waits until nobody reads the body.
func (o *outgoing) wait() {
	if o.pumped != nil {
		<-o.pumped
	}
}

// wasWritten reports whether the whole request was written. It waits a little for that.
func (o *outgoing) wasWritten() bool {
	if o.pumped == nil {
		return o.written
	}
	timer := time.NewTimer(writeWait)
	defer timer.Stop()
	select {
	case <-o.pumped:
	case <-timer.C:
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// failure returns the error that reading or streaming the body ended with.
func (o *outgoing) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *outgoing) closeBody() {
	if o.body != nil && !o.closed {
		o.closed = true
		_ = o.body.Close()
	}
}

// release gives the buffer back, as soon as nobody reads into it.
func (o *outgoing) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pumped != nil && !o.ended {
		o.released = true
		return
	}
	o.closeBody()
	bufpool.Put(o.buf)
	o.buf = nil
}

// growBuffer returns b with room for more bytes.
func growBuffer(b []byte, more int) []byte {
	if cap(b)-len(b) >= more {
		return b
	}
	grown := append(bufpool.Get(len(b)+more), b...)
	bufpool.Put(b)
	return grown
}
