package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

//go:embed Caddyfile nginx.conf
var configs embed.FS

// peer is a proxy that is compared.
type peer struct {
	name      string
	replaces  bool // puts open data in the place of CloudIDs
	exact     bool // leaves every other byte as it was
	remembers bool // asks WeChat for a CloudID once
	isCaddy   bool // has Caddy's admin API

	run     func(b *bench, p peer, s setup) (command []string, err error)
	binary  string // of a Caddy; "": the one that is built
	options caddyOptions
	env     []string
}

// caddyOptions are what the Caddyfile has beyond a reverse_proxy.
type caddyOptions struct {
	CloudID     bool // the directive
	HTTP1       bool // transport http1
	NoKeepAlive bool // a new connection to the function for each request
	AccessLog   bool // to a file
	Quiet       bool // reverse_proxy logs nothing
	Inspector   int  // how many calls cloudid_inspector keeps; 0: there is none
}

// setup is what a proxy's config is made of.
type setup struct {
	caddyOptions
	Name, Listen, Admin, Function, WeChat string
	InspectorAt                           string // a site of its own, as in Caddyfile.example
	AppID, OpenID, Token                  string
}

const (
	plainCaddy   = "caddy"
	http1Caddy   = "caddy+http1"
	gateway      = "cloudid"
	plainGateway = "cloudid+http"
	withLua      = "nginx+lua"
)

// caddyPeer is what everybody has, and what the others are measured against.
var caddyPeer = peer{name: plainCaddy, exact: true, isCaddy: true, run: runCaddy}

// comparedPeers are the proxies that do the same work. The gateway runs as its README recommends, with transport http1, and once more
// with Caddy's own.
func comparedPeers() []peer {
	return []peer{
		caddyPeer,
		{name: http1Caddy, exact: true, isCaddy: true, run: runCaddy, options: caddyOptions{HTTP1: true}},
		gatewayPeer(gateway, caddyOptions{HTTP1: true}),
		gatewayPeer(plainGateway, caddyOptions{}),
		{name: withLua, replaces: true, run: runNginx},
		{name: "node", replaces: true, run: runNode},
		{name: "go", replaces: true, run: runHandmade},
	}
}

// gatewayPeer is our gateway, with what an operator may choose.
func gatewayPeer(name string, options caddyOptions) peer {
	options.CloudID = true
	return peer{name: name, replaces: true, exact: true, remembers: true, isCaddy: true, run: runCaddy, options: options}
}

// tunedPeers are the gateway, and the gateway with one thing changed, for --tuning.
func tunedPeers() []peer {
	collectsLess := gatewayPeer("cloudid+GOGC=400", caddyOptions{HTTP1: true})
	collectsLess.env = []string{"GOGC=400"}
	return []peer{
		gatewayPeer(gateway, caddyOptions{HTTP1: true}),
		gatewayPeer(plainGateway, caddyOptions{}),
		collectsLess,
		gatewayPeer("cloudid+quiet", caddyOptions{HTTP1: true, Quiet: true}),
		gatewayPeer("cloudid+inspector", caddyOptions{HTTP1: true, Inspector: 200}),
		gatewayPeer("cloudid+inspector 10000", caddyOptions{HTTP1: true, Inspector: 10_000}),
		gatewayPeer("cloudid+log", caddyOptions{HTTP1: true, AccessLog: true}),
		gatewayPeer("cloudid+keepalive off", caddyOptions{HTTP1: true, NoKeepAlive: true}),
	}
}

// errSkipped is returned for a proxy that cannot be had here.
var errSkipped = errors.New("skipped")

func skip(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSkipped, fmt.Sprintf(format, args...))
}

// launch starts a proxy.
func (b *bench) launch(p peer) (*process, error) {
	s := setup{caddyOptions: p.options, Name: p.name, Function: b.standIns.function, WeChat: b.standIns.weChat, AppID: appID, OpenID: openID, Token: token}
	var err error
	if s.Listen, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.Admin, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.InspectorAt, err = freeAddress(); err != nil {
		return nil, err
	}
	command, err := p.run(b, p, s)
	if err != nil {
		return nil, err
	}
	running, err := startProcess(b.dir, p.name, s.Listen, b.pin, p.env, command...)
	if err == nil && p.isCaddy {
		running.admin = s.Admin
	}
	return running, err
}

// writeConfig fills in one of the configs and returns the file's path.
func (b *bench) writeConfig(name string, s setup) (string, error) {
	path := filepath.Join(b.dir, s.Name+"."+name)
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, template.Must(template.ParseFS(configs, name)).Execute(file, s)
}

// build builds a program of this repository.
func (b *bench) build(name, directory string) (string, error) {
	path := filepath.Join(b.dir, name)
	// The flags of xcaddy.sh, so that what it compiled is found again.
	cmd := exec.Command("go", "build", "-tags=nobadger,nomysql,nopgx", "-buildvcs=false", "-ldflags=-s -w", "-o", path, directory)
	cmd.Dir = b.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", directory, err, output)
	}
	return path, nil
}

func runCaddy(b *bench, p peer, s setup) ([]string, error) {
	binary := p.binary
	if binary == "" {
		binary = b.caddy
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	config, err := b.writeConfig("Caddyfile", s)
	return []string{binary, "run", "--config", config, "--adapter", "caddyfile"}, err
}

func runHandmade(b *bench, _ peer, s setup) ([]string, error) {
	binary, err := b.build("handmade", "./tests/bench/handmade")
	return []string{binary, s.Listen, s.Function, s.WeChat, s.OpenID, s.Token}, err
}

func runNode(b *bench, _ peer, s setup) ([]string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, skip("there is no node")
	}
	dir := filepath.Join(b.root, "tests/bench/node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		install.Dir = dir
		if output, err := install.CombinedOutput(); err != nil {
			return nil, skip("npm ci failed: %v %.300s", err, output)
		}
	}
	return []string{node, filepath.Join(dir, "gateway.mjs"), s.Listen, s.Function, s.WeChat, s.OpenID, s.Token}, nil
}

func runNginx(b *bench, _ peer, s setup) ([]string, error) {
	const module = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
	cjson, _ := filepath.Glob("/usr/lib/*/lua/5.1/cjson.so")
	if _, err := os.Stat(module); err != nil || len(cjson) == 0 {
		install := exec.Command("apt-get", "install", "-yq", "--no-install-recommends", "nginx", "libnginx-mod-http-lua", "lua-cjson")
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1") // and do not start it
		if output, err := install.CombinedOutput(); err != nil {
			return nil, skip("libnginx-mod-http-lua and lua-cjson are missing, and apt-get did not install them: %v %.300s", err, output)
		}
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // not on everybody's path
	}
	config, err := b.writeConfig("nginx.conf", s)
	return []string{nginx, "-p", b.dir, "-e", "stderr", "-c", config}, err
}
