package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/system/child"
)

// patience is how long anything may take that takes no time: the machines that run tests are busy.
const patience = 60 * time.Second

// process is a program under test.
type process struct{ *child.Process }

// start runs a program until the test ends.
func start(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p, err := child.Start(t, name, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return &process{p}
}

// serves waits until the process serves a URL.
func (p *process) serves(t *testing.T, url string) {
	t.Helper()
	soon(t, p.Name+" serves", func() bool {
		select {
		case <-p.Ended:
			t.Fatalf("%s has ended", p.Name)
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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
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
	p.serves(t, url)
	return p
}

// again starts a Caddy with the config of one that has ended.
func (p *caddyProcess) again(t *testing.T, url string) *caddyProcess {
	t.Helper()
	return runCaddy(t, p.Name+", again", p.config, url)
}

// get returns what a URL responds with.
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
