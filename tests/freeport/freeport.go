// Package freeport gives tests an address for a server that is started later.
package freeport

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// Below the range from which systems take ports for outgoing connections and for listeners that ask for any port
// (32768 and up on Linux, 49152 on others): nobody is given one of these by chance between here and the server's start.
const first, count = 10000, 20000

// Test binaries run at the same time, so each begins at a place of its own.
var next atomic.Uint32

func init() { next.Store(uint32(os.Getpid()) * 97) }

// Addr returns an address on 127.0.0.1 whose port is free, and is not given out again for a while.
func Addr(t testing.TB) string {
	t.Helper()
	for range count {
		address := fmt.Sprintf("127.0.0.1:%d", first+next.Add(1)%count)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		listener.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}
