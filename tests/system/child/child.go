// Package child runs the programs that tests need beside themselves, as child processes.
package child

import (
	"bytes"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs until its test ends.
type Process struct {
	Name   string
	Output *Output
	Ended  <-chan struct{} // closed when it has ended; Cmd.ProcessState says how
	Cmd    *exec.Cmd
}

// Start runs a program until the test ends, together with the programs that it starts. What it says is shown if the test fails.
// Its standard output is the caller's where cmd says so. Start may be called on any goroutine.
func Start(t testing.TB, name string, cmd *exec.Cmd) (*Process, error) {
	t.Helper()
	ended := make(chan struct{})
	p := &Process{Name: name, Output: new(Output), Ended: ended, Cmd: cmd}
	if cmd.Stdout == nil {
		cmd.Stdout = p.Output
	}
	cmd.Stderr = p.Output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true // so that it ends with its own children, who hold its output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.Output.Tail())
		}
	})
	return p, nil
}

// Stop asks the program to end, and waits until it has.
func (p *Process) Stop() {
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
	case <-time.After(15 * time.Second):
	}
	p.Kill()
}

// Kill ends the program and its children as a crash would, and waits until it has ended.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL)
	<-p.Ended
}

// Output is what a program has said so far.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Tail is the end of it, as much as is read.
func (o *Output) Tail() string {
	const most = 4000
	text := o.String()
	return text[max(0, len(text)-most):]
}
