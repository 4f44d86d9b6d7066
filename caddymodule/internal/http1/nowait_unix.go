//go:build unix

package http1

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
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
	return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
}

// sendAndAwait writes a request to a plain connection and waits until a response begins. Both are one turn at the socket, which the
// runtime watches from its beginning, so that no response is missed, and the socket need not be asked for one after the
// write: that would be one more system call. sent is called when the whole request was written.
//
// Where something came on the connection before, nothing is written, and the error is errUnasked. Where it does not take the whole
// request at once, nothing is waited for. Else the error is that of waiting.
func sendAndAwait(c *conn, head, data []byte, sent func()) (n int, err error) {
	var writeErr error
	begun := false
	err = c.socket.Read(func(fd uintptr) bool {
		if begun {
			return true // for nothing, at worst: then the read that follows waits
		}
		begun = true
		if c.ended || c.reused && !isSilent(fd) {
			writeErr = errUnasked
			return true
		}
		if n, writeErr = writeOnce(fd, head, data); n < len(head)+len(data) {
			return true
		}
		sent()
		return false
	})
	if writeErr != nil {
		return n, writeErr
	}
	return n, err
}

// awaitInput waits until a connection can be read from: something came, or it ended.
func awaitInput(socket syscall.RawConn) error {
	waited := false
	return socket.Read(func(fd uintptr) bool {
		if waited {
			return true // for nothing, at worst: then the read that follows waits
		}
		waited = true
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		return n > 0 || err != nil
	})
}

// writeAtOnce writes as much of a request as a connection takes without waiting. It returns how many bytes that are.
func writeAtOnce(socket syscall.RawConn, head, data []byte) (n int, err error) {
	if socket == nil {
		return 0, nil
	}
	var writeErr error
	err = socket.Control(func(fd uintptr) { // not Write, for the same reason
		n, writeErr = writeOnce(fd, head, data)
	})
	if writeErr != nil {
		return n, writeErr
	}
	return n, err
}

// writeOnce writes what a socket takes. That it takes nothing now is no error.
func writeOnce(fd uintptr, head, data []byte) (int, error) {
	n, err := write(int(fd), head, data)
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
		return max(n, 0), os.NewSyscallError("write", err)
	}
	return max(n, 0), nil
}
