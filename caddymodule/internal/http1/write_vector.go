//go:build darwin || linux

package http1

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// write writes both pieces with one system call: a second one would cost some 10 µs.
func write(fd int, head, data []byte) (int, error) {
	if len(data) == 0 {
		return syscall.Write(fd, head)
	}
	return unix.Writev(fd, [][]byte{head, data})
}
