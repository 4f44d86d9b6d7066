package freeport_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

const each = 1000 // more than a process owns, so some come twice

// Processes that run at the same time are never given the same port.
func TestProcessesShareNoPort(t *testing.T) {
	if os.Getenv("FREEPORT_CHILD") != "" {
		for range each {
			fmt.Println("address", freeport.Addr(t))
		}
		fmt.Println("done")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent has heard from all
		return
	}
	owner := map[string]int{}
	for child := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestProcessesShareNoPort$")
		cmd.Env = append(os.Environ(), "FREEPORT_CHILD=1")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			stdin.Close()
			_ = cmd.Wait()
		}()
		count := 0
		for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "done"; {
			address, is := strings.CutPrefix(lines.Text(), "address ")
			if !is {
				continue
			}
			count++
			if other, taken := owner[address]; taken && other != child {
				t.Fatalf("%s was given to processes %d and %d", address, other, child)
			}
			owner[address] = child
		}
		if count != each {
			t.Fatalf("process %d was given %d addresses, want %d", child, count, each)
		}
	}
}
