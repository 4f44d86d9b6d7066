//go:build unix && !darwin && !linux

package http1

import "syscall"

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
