//go:build !unix

package http1

import "net"

// Supported reports whether a connection can be asked, without waiting, if anything came on it. Where it cannot, none is kept.
const Supported = false

func silent(net.Conn) bool { return false }

func writeAtOnce(net.Conn, ...[]byte) (int, error) { return 0, nil }
