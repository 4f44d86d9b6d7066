package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
)

// wire reads HTTP/1.1 messages from a connection: as much of the protocol as the proxies here need, and no more. The load
// generator and what stands behind the proxies share one core, and net/http there would take as much of it as a proxy
// takes of the other, so that all proxies would look equally fast.
type wire struct {
	net.Conn
	reader *bufio.Reader
	body   []byte
}

func newWire(conn net.Conn) *wire {
	return &wire{Conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}
}

// message is one request or response. Its bytes are the wire's and last until the next one is read.
type message struct {
	start  [64]byte // the first line, or the beginning of it
	worker int      // the header X-Bench-Worker; -1 if there is none
	body   []byte
}

var (
	contentLength = []byte("content-length")
	chunked       = []byte("transfer-encoding") // nothing here sends another coding
	workerHeader  = []byte("x-bench-worker")
)

var errMessage = errors.New("what came is no HTTP message")

func (w *wire) read() (message, error) {
	m := message{worker: -1}
	length, inChunks := 0, false
	for first := true; ; first = false {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return m, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			copy(m.start[:], line)
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return m, errMessage
		}
		switch {
		case bytes.EqualFold(name, contentLength):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, chunked):
			inChunks = true
		case bytes.EqualFold(name, workerHeader):
			m.worker, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if err != nil {
			return m, errMessage
		}
	}
	err := w.readBody(length, inChunks)
	m.body = w.body
	return m, err
}

func (w *wire) readBody(length int, inChunks bool) (err error) {
	if inChunks {
		if w.body, err = io.ReadAll(httputil.NewChunkedReader(w.reader)); err == nil {
			_, err = w.reader.Discard(len("\r\n"))
		}
		return err
	}
	if cap(w.body) < length {
		w.body = make([]byte, length)
	}
	w.body = w.body[:length]
	_, err = io.ReadFull(w.reader, w.body)
	return err
}

// serve answers requests on a free port of 127.0.0.1, each connection with a handler of its own, and returns the address.
func serve(handler func() func(*wire, message) error) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				w, handle := newWire(conn), handler()
				for {
					m, err := w.read()
					if err != nil || handle(w, m) != nil {
						return // the proxy closed it, or went away
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), nil
}
