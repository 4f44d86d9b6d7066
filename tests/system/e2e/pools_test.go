package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Functions share clients between calls: the first call makes them, and their connections serve all. With the preload, code that a
// client calls back acts for the user of its own call, or for nobody; never for another. Real clients against real servers, with
// fewer connections than calls.
func TestPooledClientsBelongToNoCall(t *testing.T) {
	folder := poolsFolder(t)
	httpServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Millisecond)
		_, _ = w.Write([]byte("hello"))
	}))
	t.Cleanup(httpServer.Close)
	servers := []string{
		"HTTP=" + httpServer.URL, "REDIS=" + startRedis(t), "PG=" + startPostgres(t), "MYSQL=" + startMariaDB(t), "MONGO=" + startMongo(t, folder),
	}
	address := startPools(t, folder, servers)
	var list struct{ Styles []string }
	getJSON(t, "http://"+address+"/", "", &list)
	if len(list.Styles) < 20 {
		t.Fatalf("the styles are %q", list.Styles)
	}
	for _, style := range list.Styles {
		t.Run(style, func(t *testing.T) { usePool(t, "http://"+address+"/"+style) })
	}
}

// usePool calls as one user first, who makes the client, and then as many at once.
func usePool(t *testing.T, url string) {
	t.Helper()
	check := func(openid string) {
		var got struct {
			Error string
			Seen  []*string
			Kept  bool // a promise, which keeps whom the call is for
		}
		getJSON(t, url, openid, &got)
		if got.Error != "" || len(got.Seen) == 0 {
			t.Errorf("%s: %s", openid, got.Error)
		}
		for i, seen := range got.Seen {
			switch {
			case seen != nil && *seen != openid:
				t.Errorf("callback %d of %s acts for %s", i, openid, *seen)
			case seen == nil && got.Kept:
				t.Errorf("behind a promise, the call of %s acts for nobody", openid)
			}
		}
	}
	check("the first")
	for round := range 3 {
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { check(fmt.Sprintf("user %d of round %d", i, round)) })
		}
		wg.Wait()
	}
}

func getJSON(t *testing.T, url, openid string, to any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-WX-OPENID", openid)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(to); err != nil {
		t.Errorf("%s: %v", url, err)
	}
}

func poolsFolder(t *testing.T) string {
	t.Helper()
	program(t, "node")
	folder := filepath.Join(root(), "tests", "functions", "pools")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		missing(t, "the clients are not installed: run `npm ci` in tests/functions/pools")
	}
	return folder
}

// startPools runs the function, which names no address to listen on.
func startPools(t *testing.T, folder string, environment []string) string {
	t.Helper()
	address := freeport.Addr(t)
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("node", "--require", filepath.Join(root(), "caddymodule", "functionapi", "preload.cjs"), "server.cjs")
	cmd.Dir = folder
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PORT=" + port, "CLOUDID_LISTEN=127.0.0.1"}, environment...)
	start(t, "the function", cmd)
	waitFor(t, address)
	return address
}

// waitFor waits until somebody listens.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nobody listens on %s: %v", address, err)
		}
	}
}

func startRedis(t *testing.T) string {
	t.Helper()
	address := freeport.Addr(t)
	host, port, _ := net.SplitHostPort(address)
	start(t, "redis", exec.Command(program(t, "redis-server"), "--bind", host, "--port", port, "--save", "", "--dir", t.TempDir()))
	waitFor(t, address)
	return "redis://" + address
}

func startMongo(t *testing.T, folder string) string {
	t.Helper()
	address := freeport.Addr(t)
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("node", "mongo.cjs")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "PORT="+port)
	start(t, "mongo", cmd)
	waitFor(t, address)
	return "mongodb://" + address + "/?directConnection=true"
}

func startPostgres(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		missing(t, "postgresql is not installed")
	}
	bin := found[len(found)-1]
	data, owner := serverFolder(t, "postgres")
	runAs(t, owner, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "test", "--no-sync")
	address := freeport.Addr(t)
	host, port, _ := net.SplitHostPort(address)
	cmd := commandAs(owner, filepath.Join(bin, "postgres"), "-D", data, "-h", host, "-p", port, "-k", "", "-F")
	start(t, "postgres", cmd)
	waitFor(t, address)
	return "postgres://test@" + address + "/postgres"
}

func startMariaDB(t *testing.T) string {
	t.Helper()
	mariadbd := program(t, "mariadbd")
	data, owner := serverFolder(t, "mysql")
	runAs(t, owner, program(t, "mariadb-install-db"), "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	address := freeport.Addr(t)
	host, port, _ := net.SplitHostPort(address)
	start(t, "mariadb", commandAs(owner, mariadbd, "--no-defaults", "--datadir="+data, "--bind-address="+host, "--port="+port, "--socket="+filepath.Join(data, "s"), "--pid-file="+filepath.Join(data, "p"), "--skip-name-resolve"))
	waitFor(t, address)
	return "mysql://root@" + address + "/mysql"
}

// serverFolder makes a folder for a database server, which does not run as root: it belongs to the server's own user then.
func serverFolder(t *testing.T, account string) (folder string, owner *syscall.Credential) {
	t.Helper()
	folder, err := os.MkdirTemp("", "cloudid-"+account+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if os.Getuid() != 0 {
		return folder, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		missing(t, "the user %s is not there", account)
	}
	var uid, gid int
	if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &uid, &gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, uid, gid); err != nil {
		t.Fatal(err)
	}
	return folder, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func commandAs(owner *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOME=") })
	if owner != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	}
	return cmd
}

func runAs(t *testing.T, owner *syscall.Credential, name string, args ...string) {
	t.Helper()
	if out, err := commandAs(owner, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
}
