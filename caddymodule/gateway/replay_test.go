package gateway

import (
	"errors"
	"io"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/bufpool"
)

// step is one call of a replayableBody: a Read of at most n bytes and what it returns, or a Close.
type step struct {
	n    int
	want string
	err  error
}

var closing = step{n: -1}

// The transport of an attempt that failed may read and close while the next attempt is under way. What an attempt reads
// must be the body from its start, or end in an error.
func TestAReplayableBodyIsNeverMixed(t *testing.T) {
	t.Parallel()
	read := func(n int, want string) step { return step{n: n, want: want} }
	fails := func(err error) step { return step{n: 9, err: err} }
	for name, steps := range map[string][]step{
		"read to its end, it starts anew": {read(9, "body"), fails(io.EOF), closing, read(9, "body"), fails(io.EOF)},
		"closed unread, it starts anew":   {closing, read(9, "body"), fails(io.EOF), closing, closing, read(9, "body")},
		"an end is an end each time":      {read(9, "body"), fails(io.EOF), fails(io.EOF), closing, read(9, "body")},
		"closed in the middle, it fails once": {
			read(2, "bo"), closing, fails(errPartialBody), closing, read(9, "body"), fails(io.EOF),
		},
		"a late read of the old attempt does not hide that from the new one": {
			read(2, "bo"), closing, fails(errPartialBody) /* late */, fails(errPartialBody), closing, read(9, "body"),
		},
		"a late read and a late close do not restart the new attempt in its middle": {
			closing /* old */, read(2, "bo") /* new */, read(2, "dy") /* old */, closing /* old */, fails(errPartialBody) /* new, not "bo" */, closing, read(9, "body"),
		},
		"a late close does not restart the new attempt before its end": {
			closing /* old */, read(9, "body") /* new */, closing /* old */, fails(errPartialBody), /* new */
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := &replayableBody{bytes: []byte("body")}
			for i, s := range steps {
				if s == closing {
					if err := body.Close(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				p := make([]byte, s.n)
				n, err := body.Read(p)
				if string(p[:n]) != s.want || !errors.Is(err, s.err) {
					t.Fatalf("step %d: read %q, %v; want %q, %v", i, p[:n], err, s.want, s.err)
				}
			}
		})
	}
}

// A transport may read on when the request is over and its memory holds another body.
func TestABodyIsNotReadBeyondItsRequest(t *testing.T) {
	t.Parallel()
	body := &replayableBody{bytes: append(bufpool.Get(10), "0123456789"...)}
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

// A transport that sends the bytes from where they are may still do so when the request is over: then they are not used for
// another body.
func TestWhatIsLentIsNotReused(t *testing.T) {
	for it, test := range map[string]struct {
		before func(*replayableBody)
		lends  bool
	}{
		"a body that nobody read":             {func(*replayableBody) {}, true},
		"one that is lent already":            {func(b *replayableBody) { _, _, _ = b.Lend() }, true},
		"one that was read and starts anew":   {func(b *replayableBody) { _, _ = io.ReadAll(b); _ = b.Close() }, true},
		"one that is being read":              {func(b *replayableBody) { _, _ = b.Read(make([]byte, 2)) }, false},
		"one of which an attempt sent a part": {func(b *replayableBody) { _, _ = b.Read(make([]byte, 2)); _ = b.Close() }, false},
		"one whose request is over":           {func(b *replayableBody) { b.release() }, false},
	} {
		body := &replayableBody{bytes: []byte("body")}
		test.before(body)
		data, done, ok := body.Lend()
		if ok != test.lends || ok && string(data) != "body" {
			t.Errorf("%s: %q, %t", it, data, ok)
		}
		if ok {
			done()
		}
	}

	pooled := func() *replayableBody { return &replayableBody{bytes: append(bufpool.Get(1<<20), "body"...)} }
	kept, returned := pooled(), pooled()
	data, _, _ := kept.Lend()
	_, done, _ := returned.Lend()
	done()
	kept.release()
	returned.release()
	if kept.lent != 1 || returned.lent != 0 {
		t.Errorf("lent %d and %d times", kept.lent, returned.lent)
	}
	for range 100 {
		if other := bufpool.Get(1 << 20); &other[:1][0] == &data[0] {
			t.Fatal("another body uses the bytes that are being sent")
		}
	}
}

// Where it is not, no buffer of a body is used again.
func TestCaddysListOfExtraFieldsIsWhereItIsLookedFor(t *testing.T) {
	if !extraFieldsKnown {
		t.Error("ExtraLogFields has another form in this version of Caddy: mend isToBeLogged")
	}
}
