//go:build unix

package wechat

import (
	"net"
	"syscall"
)

// silent reports whether a connection is open and nothing has come on it that was not read. It does not wait.
func silent(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	var readErr error
	err = control.Read(func(fd uintptr) bool {
		var first [1]byte
		_, readErr = syscall.Read(int(fd), first[:]) // the end, or a byte, is more than nothing
		return true
	})
	return err == nil && (readErr == syscall.EAGAIN || readErr == syscall.EWOULDBLOCK)
}
