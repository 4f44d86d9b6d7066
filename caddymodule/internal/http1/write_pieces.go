//go:build unix && !darwin && !linux

package http1

import "syscall"

// write writes pieces one by one, where the system has no call for several that golang.org/x/sys knows.
func write(fd int, pieces [][]byte) (written int, err error) {
	for _, piece := range pieces {
		n, err := syscall.Write(fd, piece)
		written += max(n, 0)
		if err != nil || n < len(piece) {
			return written, err
		}
	}
	return written, nil
}
