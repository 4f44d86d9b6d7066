//go:build !unix

package http1

import "syscall"

// Supported reports whether a connection can be asked, without waiting, if anything came on it. Where it cannot, none is kept.
const Supported = false

func silent(syscall.RawConn) bool { return false }

func (*exchange) turn(uintptr) bool { return true }

func writeOnce(uintptr, []byte, []byte) (int, error) { return 0, nil }
