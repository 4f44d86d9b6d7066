// Package freeport gives tests an address for a server that is started later.
package freeport

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// Below the range from which systems take ports for outgoing connections and for listeners that ask for any port
// (32768 and up on Linux, 49152 on others): nobody is given one of these by chance between here and the server's start.
//
// Test binaries run at the same time, so each takes ports from blocks that it owns: whoever listens at the first port of a
// block has its others, until the process ends.
const (
	first     = 10000
	blocks    = 400
	blockSize = 50
	mostOwned = 10 // then its own ports are given out once more
)

var (
	mu     sync.Mutex
	guards []net.Listener // one for each block that is owned
	ports  []int          // of these blocks
	given  int
)

// Addr returns an address on 127.0.0.1 whose port is free, and is not given out again for a while.
func Addr(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range blocks * blockSize {
		if given == len(ports) && (len(guards) == mostOwned || !own()) {
			given = 0
		}
		if len(ports) == 0 {
			break
		}
		address := fmt.Sprintf("127.0.0.1:%d", ports[given])
		given++
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// own takes one more block, and reports whether there was one. Each process begins to look at a place of its own.
func own() bool {
	for i := range blocks {
		guard := first + (os.Getpid()+i)%blocks*blockSize
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", guard))
		if err != nil {
			continue
		}
		guards = append(guards, listener)
		for port := guard + 1; port < guard+blockSize; port++ {
			ports = append(ports, port)
		}
		return true
	}
	return false
}
