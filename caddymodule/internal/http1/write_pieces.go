//go:build unix && !darwin && !linux

package http1

import "syscall"

// write writes the pieces one by one, where the system has no call for both that golang.org/x/sys knows.
func write(fd int, head, data []byte) (int, error) {
	n, err := syscall.Write(fd, head)
	if err != nil || n < len(head) || len(data) == 0 {
		return n, err
	}
	more, err := syscall.Write(fd, data)
	return n + max(more, 0), err
}
