package frameworks

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
	"github.com/caddy-cloudid/caddy-cloudid/tests/system/child"
)

// framework is something that reads requests behind the gateway.
type framework struct {
	name  string
	proxy string // the Caddyfile lines that forward to it

	// The file in which a function that cannot answer leaves what it was given; empty for one that can.
	seen string
}

// startFrameworks starts every framework that this machine has, until the test ends.
func startFrameworks(t *testing.T) []framework {
	t.Helper()
	var (
		mu    sync.Mutex
		found []framework
		wait  sync.WaitGroup
	)
	for _, start := range []func(*testing.T) []framework{startNode, startPython, startPHP, startRuby, startPlack, startMojolicious, startGo} {
		wait.Go(func() {
			started := start(t)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, started...)
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return found
}

// missing says what this machine lacks; in CI, where nothing may be left out, it fails the test.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Errorf(format, args...)
		return
	}
	t.Logf("left out: "+format, args...)
}

func startNode(t *testing.T) []framework {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
		return nil
	}
	if _, err := os.Stat("node/node_modules"); err != nil {
		missing(t, "the packages for Node.js are not installed: run `npm ci` in tests/system/frameworks/node")
		return nil
	}
	found := startServers(t, node, "node/servers.cjs")
	seen := filepath.Join(t.TempDir(), "seen.json")
	const tcb, google = "node_modules/@cloudbase/functions-framework/bin/tcb-ff.js", "node_modules/@google-cloud/functions-framework/build/src/main.js"
	for _, f := range []struct {
		framework
		args []string
	}{
		{framework{name: "tcb-ff"}, []string{tcb, "--logDirname=" + t.TempDir()}},
		{framework{name: "google"}, []string{google, "--target=http", "--signature-type=http"}},
		{framework{name: "google-event", seen: seen}, []string{google, "--target=event", "--signature-type=cloudevent"}},
	} {
		address := freeport.Addr(t)
		_, port, _ := net.SplitHostPort(address)
		cmd := exec.Command(node, append(append([]string{"--require", "./loopback.cjs"}, f.args...), "--source=functions.cjs", "--port="+port)...)
		cmd.Dir = "node"
		cmd.Env = append(os.Environ(), "SEEN="+f.seen)
		start(t, f.name, cmd)
		f.proxy = "reverse_proxy " + address
		found = append(found, f.framework)
		dialable(t, f.name, "tcp", address)
	}
	return found
}

func startPython(t *testing.T) []framework {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import flask").Run() == nil {
			return startServers(t, python, "python/servers.py")
		}
	}
	missing(t, "python3 with Flask is not installed")
	return nil
}

// startServers starts a program that says in its first line where each of its servers listens.
func startServers(t *testing.T, name string, args ...string) (found []framework) {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe() // the program ends with it
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { in.Close() })
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	start(t, args[0], cmd)
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	var ports map[string]int
	if err == nil {
		err = json.Unmarshal(line, &ports)
	}
	if err != nil {
		t.Errorf("%s said %q: %v", args[0], line, err)
	}
	for server, port := range ports {
		found = append(found, framework{name: server, proxy: fmt.Sprintf("reverse_proxy 127.0.0.1:%d", port)})
	}
	return found
}

func startPHP(t *testing.T) []framework {
	t.Helper()
	programs, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(programs) == 0 {
		missing(t, "php-fpm is not installed")
		return nil
	}
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "fpm.sock"), filepath.Join(dir, "fpm.conf")
	text := fmt.Sprintf("[global]\nerror_log = %s/log\ndaemonize = no\n[www]\nlisten = %s\npm = static\npm.max_children = 2\n", dir, socket)
	if os.Getuid() == 0 {
		text += "user = root\ngroup = root\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Error(err)
		return nil
	}
	start(t, "php-fpm", exec.Command(programs[0], "--allow-to-run-as-root", "--nodaemonize", "--no-php-ini", "--fpm-config", config))
	dialable(t, "php-fpm", "unix", socket)
	root, err := filepath.Abs("php")
	if err != nil {
		t.Error(err)
	}
	return []framework{{name: "php", proxy: fmt.Sprintf("php_fastcgi unix/%s {\n root %s\n }", socket, root)}}
}

func startRuby(t *testing.T) []framework {
	t.Helper()
	address := freeport.Addr(t)
	if !startListener(t, "puma", address, "puma", "--config", "/dev/null", "--bind", "tcp://"+address, "--environment", "production", "ruby/config.ru") {
		return nil
	}
	return []framework{{name: "rack", proxy: "reverse_proxy " + address}, {name: "sinatra", proxy: "reverse_proxy " + address}}
}

func startPlack(t *testing.T) []framework {
	t.Helper()
	address := freeport.Addr(t)
	host, port, _ := net.SplitHostPort(address)
	if !startListener(t, "plackup", address, "plackup", "--host", host, "--port", port, "--env", "production", "--no-default-middleware", "perl/readers.psgi") {
		return nil
	}
	return []framework{{name: "plack", proxy: "reverse_proxy " + address}, {name: "cgi", proxy: "reverse_proxy " + address}}
}

func startMojolicious(t *testing.T) []framework {
	t.Helper()
	if exec.Command("perl", "-MMojolicious", "-e", "1").Run() != nil {
		missing(t, "Mojolicious is not installed")
		return nil
	}
	address := freeport.Addr(t)
	if !startListener(t, "mojolicious", address, "perl", "perl/mojolicious.pl", "daemon", "--listen", "http://"+address) {
		return nil
	}
	return []framework{{name: "mojolicious", proxy: "reverse_proxy " + address}}
}

// startListener starts a program and waits until it listens. It returns false if the program is not installed.
func startListener(t *testing.T, name, address, program string, args ...string) bool {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "%s is not installed", program)
		return false
	}
	start(t, name, exec.Command(program, args...))
	dialable(t, name, "tcp", address)
	return true
}

// start runs a program until the test ends.
func start(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	if _, err := child.Start(t, name, cmd); err != nil {
		t.Error(err) // on a goroutine that may not end the test
	}
}

// dialable waits until somebody listens.
func dialable(t *testing.T, name, network, address string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial(network, address); err == nil {
			conn.Close()
			return
		}
	}
	t.Errorf("%s does not listen", name)
}
