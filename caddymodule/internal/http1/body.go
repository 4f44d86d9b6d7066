package http1

import (
	"compress/gzip"
	"io"
	"net/http"
	"sync"
)

// body is a response's body. Its end, or Close, ends the exchange. Close may be called while Read waits.
type body struct {
	src      io.Reader // of net/http, which knows lengths, chunks and trailers
	exchange *exchange
	keep     bool

	mu  sync.Mutex
	err error // what every further Read returns
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ended(); err != nil {
		return 0, err
	}
	n, err := b.src.Read(p)
	if err == nil {
		return n, nil
	}
	b.exchange.finish(b.keep && err == io.EOF)
	if err != io.EOF {
		err = b.exchange.reason(err)
	}
	return n, b.end(err)
}

// Close closes the connection if the body was not read to its end.
func (b *body) Close() error {
	b.exchange.finish(false)
	_ = b.end(http.ErrBodyReadAfterClose)
	return nil
}

func (b *body) ended() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// end remembers the first end, and returns it.
func (b *body) end(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	return b.err
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
	if err := g.body.ended(); err == http.ErrBodyReadAfterClose {
		return 0, err
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
