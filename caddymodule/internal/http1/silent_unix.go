//go:build unix

package http1

import (
	"net"
	"syscall"
)

// Supported reports whether a connection can be asked, without waiting, if anything came on it. Where it cannot, none is kept.
const Supported = true

// silent reports whether a connection is open and nothing has come on it that was not read. It does not wait.
func silent(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	var readErr error
	err = control.Control(func(fd uintptr) { // not Read, which minds a deadline that was another request's
		var first [1]byte
		_, readErr = syscall.Read(int(fd), first[:]) // the end, or a byte, is more than nothing
	})
	return err == nil && (readErr == syscall.EAGAIN || readErr == syscall.EWOULDBLOCK)
}
