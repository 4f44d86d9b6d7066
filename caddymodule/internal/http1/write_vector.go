//go:build darwin || linux

package http1

import "golang.org/x/sys/unix"

func write(fd int, pieces [][]byte) (int, error) { return unix.Writev(fd, pieces) }
