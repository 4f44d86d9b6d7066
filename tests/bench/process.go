package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// The proxy under measurement has one core for itself, all else the other one.
const (
	proxyCore = "0"
	loadCore  = "1"
)

// pinnable reports whether there are two cores, and taskset to choose between them.
func pinnable() bool {
	_, err := exec.LookPath("taskset")
	self, errSelf := exec.Command("taskset", "-cp", strconv.Itoa(os.Getpid())).Output()
	return err == nil && errSelf == nil && !strings.HasSuffix(strings.TrimSpace(string(self)), " 0")
}

// pinSelf moves all threads of this process to the core of the load.
func pinSelf() error {
	return exec.Command("taskset", "-acp", loadCore, strconv.Itoa(os.Getpid())).Run()
}

// process is a proxy that runs.
type process struct {
	cmd     *exec.Cmd
	address string // where it takes requests
	admin   string // Caddy's admin API
	log     string // file
	exited  chan struct{}
}

// startProcess starts a proxy and waits until it takes connections.
func startProcess(dir, name, address string, pin bool, env []string, command ...string) (*process, error) {
	if pin {
		command = append([]string{"taskset", "-c", proxyCore}, command...)
	}
	p := &process{cmd: exec.Command(command[0], command[1:]...), address: address, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir = dir
	p.cmd.Env = append(append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s did not start: %s", name, p.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s takes no connections: %s", name, p.lastWords())
}

func (p *process) lastWords() string {
	log, _ := os.ReadFile(p.log)
	return string(log[max(0, len(log)-1000):])
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// cpuTime is the CPU time that the process has taken, in user and kernel, over all its threads. The clock of another
// process is named by its pid (clock_getcpuclockid); it counts nanoseconds, where /proc counts hundredths of a second.
func (p *process) cpuTime() (time.Duration, error) {
	const cpuClock = 2 // CPUCLOCK_SCHED
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^p.cmd.Process.Pid<<3|cpuClock), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, errno
	}
	return time.Duration(t.Nano()), nil
}

// memory returns the process's resident set, in bytes: now, and at its peak since forgetPeak.
func (p *process) memory() (now, peak int64, err error) {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = kilobytes << 10
		case "VmHWM:":
			peak = kilobytes << 10
		}
	}
	if now == 0 {
		return 0, 0, errors.New("a proxy ended")
	}
	return now, peak, nil
}

// forgetPeak begins a new peak.
func (p *process) forgetPeak() error {
	return os.WriteFile(p.proc("clear_refs"), []byte("5"), 0)
}

func (p *process) proc(file string) string {
	return fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file)
}

// freeAddress returns an address of 127.0.0.1 that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
