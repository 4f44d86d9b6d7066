package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that takes no time: the machines that run tests are busy.
const patience = 60 * time.Second

// process is a program under test.
type process struct {
	name   string
	cmd    *exec.Cmd
	output output
	ended  chan struct{} // closed when it has ended
}

// start runs a program until the test ends. What it says is shown if the test fails.
func start(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its output
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.output.tail())
		}
	})
	return p
}

// stop asks the process to end, and waits until it has.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		p.kill()
	}
}

// kill ends the process as a crash would, and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// answers waits until the process serves a URL.
func (p *process) answers(t *testing.T, url string) {
	t.Helper()
	soon(t, p.name+" answers", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("%s has ended", p.name)
		default:
		}
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		return true
	})
}

// memory returns a figure of /proc/PID/status, in MiB: VmRSS is what the process holds now, VmHWM the most it ever held.
func (p *process) memory(t *testing.T, figure string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		missing(t, "the memory of a process is read from /proc: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, figure+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatalf("/proc has no %s", figure)
	return 0
}

// soon fails unless a condition comes true before patience ends.
func soon(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// caddy is a process of the binary with a config of its own.
type caddyProcess struct {
	*process
	config string // the Caddyfile's path
}

// startCaddy runs the binary with a Caddyfile, until it serves the URL. What env sets comes on top of the environment.
func startCaddy(t *testing.T, name, caddyfile, url string, env ...string) *caddyProcess {
	t.Helper()
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	return runCaddy(t, name, config, url, env...)
}

func runCaddy(t *testing.T, name, config, url string, env ...string) *caddyProcess {
	t.Helper()
	cmd := exec.Command(caddyBinary(t), "run", "--config", config, "--adapter", "caddyfile")
	cmd.Dir = filepath.Dir(config)
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	cmd.Env = append(cmd.Env, env...)
	p := &caddyProcess{start(t, name, cmd), config}
	p.answers(t, url)
	return p
}

// again starts a Caddy with the config of one that has ended.
func (p *caddyProcess) again(t *testing.T, url string) *caddyProcess {
	t.Helper()
	return runCaddy(t, p.name+", again", p.config, url)
}

// output is what a process has said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tail is the end of it, as much as is read.
func (o *output) tail() string {
	const most = 4000
	text := o.String()
	return text[max(0, len(text)-most):]
}

// get returns what a URL responses.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return bodyOf(t, res)
}

// post sends JSON and returns the status and the response.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, bodyOf(t, res)
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
