package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/tests/freeport"
)

// Who pastes the README's commands, as they are, sees what the README says.
func TestREADME(t *testing.T) {
	bash := program(t, "bash")
	program(t, "curl")
	clone := cloneRepository(t)
	firstScreen, withLogin := section(t, ""), section(t, "Moving a client")
	commands, responses := blocks(firstScreen, "sh"), blocks(firstScreen, "json")
	if len(commands) != 2 || len(responses) != 1 {
		t.Fatalf("the README's first screen has %d commands and %d answers; this test knows two and one", len(commands), len(responses))
	}
	paste := func(t *testing.T, command string) string {
		t.Helper()
		cmd := exec.Command(bash, "-c", command)
		cmd.Dir, cmd.Env = clone, freshMachine(t)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s\n%v", command, err)
		}
		return strings.TrimSuffix(string(out), "\n")
	}

	run := exec.Command(bash, "-c", commands[0])
	run.Dir, run.Env = clone, freshMachine(t)
	addrs := portsOfExample(t)
	example := start(t, commands[0], run)
	for _, addr := range addrs {
		waitForBuild(t, example, addr)
	}

	t.Run("the first call", func(t *testing.T) {
		if got := paste(t, commands[1]); got != responses[0] {
			t.Errorf("the README's command\n%s\nprints\n\t%s\nnot\n\t%s", commands[1], got, responses[0])
		}
	})

	t.Run("what a function asks with its invocation token", func(t *testing.T) {
		commands := blocks(section(t, "Moving a function"), "sh")
		ask := commands[len(commands)-1]
		want := `{"list":[` + strings.TrimPrefix(openDataOf(responses[0]), `"weRunData":`) + `],"errCode":0,"errMsg":"getOpenData:ok"}`
		if got := paste(t, ask); got != want {
			t.Errorf("the README's commands\n%s\nprint\n\t%s\nnot\n\t%s", ask, got, want)
		}
	})

	login, told := blocks(withLogin, "sh"), inlineJSON(withLogin)
	if len(login) != 1 || len(told) < 2 {
		t.Fatalf("the section Moving a client has %d commands and tells %d answers; this test knows one and two", len(login), len(told))
	}
	t.Run("a call with login, and with forged open data", func(t *testing.T) {
		want := "{" + openDataOf(responses[0]) + `,"phone":` + told[0] + "}"
		if got := paste(t, login[0]); got != want {
			t.Errorf("the README's commands\n%s\nprint\n\t%s\nnot\n\t%s", login[0], got, want)
		}
	})
	t.Run("the same without the token", func(t *testing.T) {
		withoutToken := strings.Replace(login[0], `-H "Authorization: Bearer $TOKEN"`, "", 1)
		if withoutToken == login[0] {
			t.Fatal("the command shows no token")
		}
		if got := paste(t, withoutToken); got != told[1] {
			t.Errorf("prints\n\t%s\nnot\n\t%s", got, told[1])
		}
	})
}

// openDataOf returns the member with open data of the response on the first screen.
func openDataOf(response string) string {
	return strings.TrimSuffix(strings.TrimPrefix(response, "{"), `,"n":1.10}`)
}

// With the example's error page, clients are told nothing of a function that is dead, and the log everything.
func TestExampleWithDeadFunction(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(), "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	dead := freeport.Addr(t)
	example := strings.ReplaceAll(string(text), "reverse_proxy 127.0.0.1:8091", "reverse_proxy "+dead)
	var gateway string
	for _, site := range regexp.MustCompile(`(?m)^http://(\S+) \{`).FindAllStringSubmatch(example, -1) {
		addr := freeport.Addr(t)
		example = strings.ReplaceAll(example, site[1], addr)
		if gateway == "" {
			gateway = addr
		}
	}
	p := startCaddy(t, "the example without its function", example, "http://"+gateway+"/")
	status, body := post(t, "http://"+gateway+"/try/steps", `{}`)
	if want := `{"error":{"status":502,"message":"Bad Gateway"}}`; status != 502 || body != want {
		t.Errorf("the client is told %d %s; want 502 %s", status, body, want)
	}
	soon(t, "the log says why", func() bool {
		return regexp.MustCompile(`"level":"error".*"status":502.*` + regexp.QuoteMeta(dead)).MatchString(p.Output.String())
	})
	if strings.Contains(p.Output.String(), "user-of-the-sandbox") {
		t.Error("the log names the user")
	}
}

// Caddyfile.example is valid, and formatted as `caddy fmt` would.
func TestCaddyfileExample(t *testing.T) {
	caddyfile := filepath.Join(root(), "Caddyfile.example")
	for _, args := range [][]string{
		{"validate", "--config", caddyfile, "--adapter", "caddyfile"},
		{"fmt", "--diff", caddyfile},
	} {
		if out, err := exec.Command(caddyBinary(t), args...).CombinedOutput(); err != nil {
			t.Errorf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// cloneRepository copies what a clone has and xcaddy.sh takes, so that nothing of this tree is written to.
func cloneRepository(t *testing.T) string {
	t.Helper()
	clone := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "imports.go", "xcaddy.sh", "Caddyfile.example", "README.md"} {
		text, err := os.ReadFile(filepath.Join(root(), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(clone, name), text, 0o700); err != nil { //nolint:gosec // a script among them
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"caddymodule", "miniprogram"} {
		if err := os.CopyFS(filepath.Join(clone, folder), os.DirFS(filepath.Join(root(), folder))); err != nil {
			t.Fatal(err)
		}
	}
	return clone
}

// freshMachine is the environment of somebody with an empty home. Only Go's caches are ours, to save the time of a first
// build.
func freshMachine(t *testing.T) []string {
	t.Helper()
	caches, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(caches))
	return append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "GOCACHE="+dirs[0], "GOMODCACHE="+dirs[1])
}

// portsOfExample returns the addresses that Caddyfile.example listens on. They are written into the README's commands, so
// they must be free.
func portsOfExample(t *testing.T) (addrs []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range regexp.MustCompile(`(?m)^http://(\S+) \{`).FindAllStringSubmatch(string(text), -1) {
		l, err := net.Listen("tcp", site[1])
		if err != nil {
			t.Fatalf("the README's commands need %s, and on this machine something else listens there: %v", site[1], err)
		}
		l.Close()
		addrs = append(addrs, site[1])
	}
	if len(addrs) == 0 {
		t.Fatal("Caddyfile.example has no address")
	}
	return addrs
}

// waitForBuild waits until a program that is built first listens.
func waitForBuild(t *testing.T, p *process, addr string) {
	t.Helper()
	const longest = 15 * time.Minute // on two cores, with nothing compiled yet
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.Ended:
			t.Fatalf("%s has ended", p.Name)
		default:
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not listen on %s", p.Name, addr)
}

// section returns the text of the README below a heading of the second level; "" stands for the first screen, before any.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "\n## ") {
		title, rest, _ := strings.Cut(part, "\n")
		if i == 0 && heading == "" || i > 0 && title == heading {
			return rest
		}
	}
	t.Fatalf("the README has no section %q", heading)
	return ""
}

// blocks returns the code blocks of a language.
func blocks(markdown, language string) (found []string) {
	for _, block := range regexp.MustCompile(fmt.Sprintf("(?ms)^```%s\n(.*?)\n```$", language)).FindAllStringSubmatch(markdown, -1) {
		found = append(found, block[1])
	}
	return found
}

// inlineJSON returns the objects that stand as code in the running text.
func inlineJSON(markdown string) (found []string) {
	prose := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(markdown, "")
	for _, object := range regexp.MustCompile("`(\\{\"[^`]*\\})`").FindAllStringSubmatch(prose, -1) {
		found = append(found, object[1])
	}
	return found
}
