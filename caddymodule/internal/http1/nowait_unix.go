//go:build unix

package http1

import (
	"errors"
	"net"
	"os"
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

// writeAtOnce writes as much of some pieces as a connection takes without waiting. It returns how many bytes that are.
func writeAtOnce(conn net.Conn, pieces ...[]byte) (n int, err error) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return 0, nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0, err
	}
	var writeErr error
	err = control.Write(func(fd uintptr) bool {
		n, writeErr = write(int(fd), pieces)
		return true
	})
	if writeErr != nil && !errors.Is(writeErr, syscall.EAGAIN) && !errors.Is(writeErr, syscall.EINTR) {
		return max(n, 0), os.NewSyscallError("write", writeErr)
	}
	return max(n, 0), err
}
