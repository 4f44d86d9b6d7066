//go:build unix

package http1

import (
	"errors"
	"os"
	"syscall"
)

// Supported reports whether a connection can be asked, without waiting, if anything came on it. Where it cannot, none is kept.
const Supported = true

// silent reports whether a connection is open and nothing has come on it that was not read. It does not wait.
func silent(socket syscall.RawConn) bool {
	if socket == nil {
		return false
	}
	quiet := false
	err := socket.Control(func(fd uintptr) { // not Read, which minds a deadline that was another request's
		quiet = isSilent(fd)
	})
	return err == nil && quiet
}

func isSilent(fd uintptr) bool {
	var first [1]byte
	_, err := syscall.Read(int(fd), first[:]) // the end, or a byte, is more than nothing
	return err == syscall.EAGAIN
}

// turn writes a request to a plain connection, and is over when a response begins. It is called with the socket when its turn
// comes, and again when there is something to read. It is one turn, which the runtime watches from its beginning, so that no response
// is missed, and the socket need not be asked for one after the write: that would be one more system call.
//
// Where something came on the connection before, nothing is written, and the error is errUnasked. Where it does not take the whole
// request at once, nothing is waited for.
func (x *exchange) turn(fd uintptr) (over bool) {
	if x.turned {
		return true // for nothing, at worst: then the read that follows waits
	}
	x.turned = true
	if x.conn.reused && !isSilent(fd) {
		x.writeErr = errUnasked
		return true
	}
	o := x.out
	size := len(o.buf) + len(o.data)
	if x.written, x.writeErr = writeOnce(fd, o.buf, o.data); x.written < size {
		return true
	}
	o.complete(x)
	return false
}

// writeOnce writes what a socket takes. That it takes nothing now is no error.
func writeOnce(fd uintptr, head, data []byte) (int, error) {
	n, err := write(int(fd), head, data)
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
		return max(n, 0), os.NewSyscallError("write", err)
	}
	return max(n, 0), nil
}
