package functionapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// missing skips a test for what this machine lacks; in CI, where nothing may skip, it fails it.
func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// functions is the folder with the functions of these tests.
func functions(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node is not installed")
	}
	folder, err := filepath.Abs("../../tests/functions")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// node is a command that is killed when the test ends. Its environment has these variables and no others but PATH and HOME.
func node(t *testing.T, environment []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}, environment...)
	return cmd
}

// snapshot is what a request finds in process.env at one point of its life.
type snapshot struct {
	OpenID string `json:"openid"`
	Token  string `json:"token"`
	Has    bool   `json:"has"`
	Home   string `json:"home"`
}

// seen is what tests/functions/plain.cjs answers.
type seen struct {
	Start, Data, End, Late snapshot
	Written                string
	Deleted                *string
	Listed                 []string
}

// startPlain runs the plain http server, with the preload or without, and returns its URL.
func startPlain(t *testing.T, args ...string) string {
	t.Helper()
	cmd := node(t, []string{"WX_OPENID=the process", "WX_UNIONID=the process", "CLOUDID_TEST=kept"}, append(args, filepath.Join(functions(t), "plain.cjs"))...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

func askPlain(t *testing.T, url, openid string, together int) (got seen) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat("x", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	if openid != "" {
		req.Header.Set("X-WX-OPENID", openid)
		req.Header.Set("X-WX-CLOUDBASE-ACCESS-TOKEN", "token of "+openid)
	}
	req.Header.Set("X-Together", fmt.Sprint(together))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return got
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Error(err)
	}
	return got
}

// Twenty requests at once to a plain http server: each finds its own variables all through its life, also in events that
// come from the connection, and the process's variables are none of them.
func TestPreloadInPlainServer(t *testing.T) {
	preload, err := filepath.Abs("preload.cjs")
	if err != nil {
		t.Fatal(err)
	}
	url := startPlain(t, "--require", preload)
	const together = 20
	var wg sync.WaitGroup
	for i := range together {
		wg.Go(func() {
			openid := fmt.Sprintf("user %d", i)
			got := askPlain(t, url, openid, together)
			want := snapshot{OpenID: openid, Token: "token of " + openid, Has: true, Home: "kept"}
			for when, found := range map[string]snapshot{"start": got.Start, "data": got.Data, "end": got.End, "late": got.Late} {
				if found != want {
					t.Errorf("%s, %s: %+v", openid, when, found)
				}
			}
			if got.Written != "written by "+openid || got.Deleted != nil {
				t.Errorf("%s: written %q, deleted %v", openid, got.Written, got.Deleted)
			}
			if want := []string{"WX_API_TOKEN", "WX_APPID", "WX_CONTEXT_KEYS"}; !slices.Equal(got.Listed, want) {
				t.Errorf("%s: the variables listed are %q, want %q", openid, got.Listed, want)
			}
		})
	}
	wg.Wait()

	// A request that says nothing of a user finds none: it must not act for the one that the process was started with.
	if got := askPlain(t, url, "", 1); got.Start != (snapshot{Home: "kept"}) {
		t.Errorf("a request without a user: %+v", got.Start)
	}
}

// The same server without the preload, so that it is known that the test above can fail.
func TestPlainServerWithoutPreload(t *testing.T) {
	got := askPlain(t, startPlain(t), "user 1", 1)
	if got.Start.OpenID != "the process" {
		t.Errorf("the request finds %+v", got.Start)
	}
}

// The preload's variables reach ES modules and child processes as well, and what is set already is left alone.
func TestPreloadDefaults(t *testing.T) {
	functions(t)
	preload, err := filepath.Abs("preload.cjs")
	if err != nil {
		t.Fatal(err)
	}
	const script = `import { env } from 'node:process'
		import { execSync } from 'node:child_process'
		console.log([env.TCB_CONTEXT_CNFG, env.SCF_NAMESPACE, env.TENCENTCLOUD, env.TENCENTCLOUD_SECRETID, env.TENCENTCLOUD_SECRETKEY, env.WX_CONTEXT_KEYS].join(' '))
		console.log(execSync('echo $SCF_NAMESPACE').toString())`
	run := func(environment ...string) string {
		cmd := node(t, environment, "--require", preload, "--input-type=module", "--eval", script)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	const keys = "WX_OPENID,WX_APPID,WX_UNIONID,WX_FROM_OPENID,WX_FROM_APPID,WX_OPEN_DATA_INFO,WX_API_TOKEN"
	if got, want := run("CLOUDID_GATEWAY=http://g:9080/"), `{"URL":"http://g:9080/admin"} cloudid true unused unused `+keys+"\ncloudid"; got != want {
		t.Errorf("with a gateway:\n\t%s\nwant\n\t%s", got, want)
	}
	if got, want := run("CLOUDID_GATEWAY=http://g", "TCB_CONTEXT_CNFG=mine", "SCF_NAMESPACE=theirs", "WX_CONTEXT_KEYS=WX_X"), "mine theirs true unused unused WX_X\ntheirs"; got != want {
		t.Errorf("with variables set:\n\t%s\nwant\n\t%s", got, want)
	}
	if got := run(); got != keys {
		t.Errorf("without a gateway:\n\t%s\nwant\n\t%s", got, keys)
	}
}
