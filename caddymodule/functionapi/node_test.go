package functionapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// seen is what tests/functions/plain.cjs responds with.
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

// run runs a script behind the preload, in tests/functions, and returns what it prints.
func run(t *testing.T, script string, environment ...string) string {
	t.Helper()
	preload, err := filepath.Abs("preload.cjs")
	if err != nil {
		t.Fatal(err)
	}
	folder := functions(t)
	cmd := node(t, environment, "--require", preload, "--eval", script)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// SDKs that send tokens to Tencent, whatever the environment says, are not loaded; all others are, by whatever name they are
// installed.
func TestPreloadRejectsOldSDKs(t *testing.T) {
	if _, err := os.Stat(filepath.Join(functions(t), "node_modules")); err != nil {
		missing(t, "wx-server-sdk is not installed: run npm ci in tests/functions")
	}
	for _, load := range []string{`require('wx-server-sdk-old')`, `import('wx-server-sdk-old').catch(error => { console.error(error); process.exit(1) })`} {
		if got := run(t, load); !strings.Contains(got, "wx-server-sdk 2.3.0 in ") || !strings.Contains(got, "Install 2.3.3 or newer: npm install wx-server-sdk@^2.6.3") {
			t.Errorf("%s: %s", load, got)
		}
	}
	if got := run(t, `for (const v of ['2.3', 2, 3, 4]) require('wx-server-sdk-' + v).init({env: 'x'}); console.log('loaded')`); got != "loaded" {
		t.Error(got)
	}
	for version, rejected := range map[string]bool{
		"0.8.1": true, "1.99.0": true, "2.2.9": true, "2.3.2": true, "2.3.3": false, "2.3.10": false, "2.10.0": false, "10.0.0": false,
		"2.3.3-beta": false, "": true, "next": true,
	} {
		folder := t.TempDir()
		for name, text := range map[string]string{"package.json": `{"name":"wx-server-sdk","version":"` + version + `"}`, "lib/index.js": "exports.loaded = true"} {
			path := filepath.Join(folder, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if got := run(t, `console.log(require(`+strconv.Quote(folder+"/lib/index.js")+`).loaded)`); (got != "true") != rejected {
			t.Errorf("version %q: %s", version, got)
		}
	}
}

// Servers that name no address listen on that of CLOUDID_LISTEN, in each form of listen; those that name one do so as before.
func TestPreloadListen(t *testing.T) {
	const script = `
		const net = require('node:net'), http = require('node:http'), https = require('node:https'), http2 = require('node:http2')
		const forms = {
			port: s => s.listen(0), text: s => s.listen('0'), callback: s => s.listen(0, () => {}), none: s => s.listen(), only: s => s.listen(() => {}),
			backlog: s => s.listen(0, 5), backlogCallback: s => s.listen(0, 5, () => {}), undefinedHost: s => s.listen(0, undefined, () => {}),
			nullHost: s => s.listen(0, null, 5, () => {}), emptyHost: s => s.listen(0, ''), options: s => s.listen({ port: 0 }), optionsBacklog: s => s.listen({ port: 0, backlog: 5 }, () => {}),
			host: s => s.listen(0, 'localhost'), optionsHost: s => s.listen({ port: 0, host: '0.0.0.0' }), everywhere: s => s.listen(0, '0.0.0.0', () => {}),
			path: s => s.listen('./cloudid-test.sock'), optionsPath: s => s.listen({ path: './cloudid-test2.sock' })
		}
		process.chdir(require('node:fs').mkdtempSync(require('node:os').tmpdir() + '/l'))
		const make = { net: () => net.createServer(), http: () => http.createServer(), https: () => https.createServer({}), http2: () => http2.createServer() }
		;(async () => {
			for (const [name, form] of Object.entries(forms)) {
				for (const [kind, server] of Object.entries(make)) {
					if (kind !== 'net' && name !== 'port') continue
					const s = server()
					await new Promise((resolve, reject) => { s.on('listening', resolve).on('error', reject); form(s) })
					console.log(name, kind, s.address().address ?? s.address())
					s.close()
				}
			}
		})()`
	got := run(t, script, "CLOUDID_LISTEN=127.0.0.2")
	want := `port net 127.0.0.2
port http 127.0.0.2
port https 127.0.0.2
port http2 127.0.0.2
text net 127.0.0.2
callback net 127.0.0.2
none net 127.0.0.2
only net 127.0.0.2
backlog net 127.0.0.2
backlogCallback net 127.0.0.2
undefinedHost net 127.0.0.2
nullHost net 127.0.0.2
emptyHost net 127.0.0.2
options net 127.0.0.2
optionsBacklog net 127.0.0.2
host net LOCAL
optionsHost net 0.0.0.0
everywhere net 0.0.0.0
path net ./cloudid-test.sock
optionsPath net ./cloudid-test2.sock`
	got = strings.NewReplacer("host net ::1", "host net LOCAL", "host net 127.0.0.1", "host net LOCAL").Replace(got)
	if got != want {
		t.Errorf("the servers listen on\n%s\nwant\n%s", got, want)
	}
	if got = run(t, `const s = require('node:net').createServer().listen(0, () => { console.log(s.address().address); s.close() })`); got != "::" && got != "0.0.0.0" {
		t.Errorf("without CLOUDID_LISTEN: %s", got)
	}
}

// Code of which nobody knows for which request it runs acts for nobody: neither for the user whose request made what it serves, nor
// for whom the process or other such code named.
func TestPreloadLostCalls(t *testing.T) {
	const script = `
		const http = require('node:http'), net = require('node:net'), { EventEmitter } = require('node:events')
		const { Worker } = require('node:worker_threads'), { fork, execSync } = require('node:child_process')
		const shared = {}, seen = {}
		const echo = net.createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1')
		console.log('before', process.env.WX_OPENID)
		const server = http.createServer(async (request, response) => {
			shared.socket ??= net.connect(echo.address().port, '127.0.0.1')
			shared.worker ??= new Worker('require("worker_threads").parentPort.on("message", m => require("worker_threads").parentPort.postMessage(process.env.WX_OPENID))', { eval: true })
			shared.child ??= fork(__filename === '[eval]' ? process.env.CHILD : '', [], { stdio: 'ignore' })
			const once = (emitter, event, act) => new Promise(resolve => { emitter.once(event, value => resolve([process.env.WX_OPENID, String(value)])); act() })
			const results = [
				await once(shared.socket, 'data', () => shared.socket.write('x')),
				await once(shared.worker, 'message', () => shared.worker.postMessage('x')),
				await once(shared.child, 'message', () => shared.child.send('x')),
				process.env.WX_OPENID,
				execSync('echo $WX_OPENID').toString().trim()
			]
			response.end(JSON.stringify(results))
		}).listen(0, '127.0.0.1', async () => {
			for (const user of ['a', 'b']) {
				const url = 'http://127.0.0.1:' + server.address().port
				console.log(user, await (await fetch(url, { headers: { 'x-wx-openid': user } })).text())
			}
			process.env.WX_OPENID = 'written outside'
			process.env.OTHER = 'written outside'
			console.log('after', process.env.WX_OPENID, 'WX_OPENID' in process.env, Object.keys(process.env).includes('WX_OPENID'), process.env.OTHER, delete process.env.WX_OPENID)
			process.exit()
		})`
	child := filepath.Join(t.TempDir(), "child.js")
	if err := os.WriteFile(child, []byte(`process.on('message', () => process.send(String(process.env.WX_OPENID)))`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, script, "WX_OPENID=the process", "CHILD="+child)
	want := `before the process
a [[null,"x"],[null,"the process"],[null,"undefined"],"a","a"]
b [[null,"x"],[null,"the process"],[null,"undefined"],"b","b"]
after undefined false false written outside true`
	if got != want {
		t.Errorf("seen:\n%s\nwant\n%s", got, want)
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
