package http1

import (
	"compress/gzip"
	"io"
	"net/http"
	"sync/atomic"
)

// body is a response's body. Its end, or Close, ends the exchange. Close may be called while Read waits.
type body struct {
	exchange *exchange
	src      io.Reader // of net/http, which knows lengths, chunks and trailers; nil where the length is all there is to know
	left     int64     // how many bytes are to come, if src is nil
	keep     bool
	err      error // what every further Read returns
	closed   atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if err == nil {
		return n, nil
	}
	b.exchange.finish(b.keep && err == io.EOF)
	switch {
	case err == io.EOF:
	case b.closed.Load():
		err = http.ErrBodyReadAfterClose
	default:
		err = b.exchange.reason(err)
	}
	b.err = err
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	if b.src != nil {
		return b.src.Read(p)
	}
	n, err := b.exchange.conn.reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the connection if the body was not read to its end.
func (b *body) Close() error {
	b.closed.Store(true)
	b.exchange.finish(false)
	return nil
}

// gzipBody decodes a body that came compressed because the client asked for that, and its caller did not.
type gzipBody struct {
	body   *body
	reader *gzip.Reader
	err    error
}

func (g *gzipBody) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.body.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if g.reader == nil {
		if g.reader, g.err = gzip.NewReader(g.body); g.err != nil {
			return 0, g.err
		}
	}
	n, err := g.reader.Read(p)
	g.err = err
	return n, err
}

func (g *gzipBody) Close() error { return g.body.Close() }
