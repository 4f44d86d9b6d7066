// Command bench compares the gateway with plain Caddy and with what one would put in its place, all doing the same work in
// the same run on 127.0.0.1:
//
//	go run ./tests/bench [flags] [case...]
//
// It builds what it needs. Each proxy has one core for itself, the load and all that stands behind the proxies have the
// other; the proxies take turns in short rounds, so that whatever else the machine does meets them all. What is shown are
// ratios of the same round, as median and quartiles. CPU time per request is the steadier figure. No figures are shown when
// a function received a wrong body, or WeChat was asked in a wrong way.
//
// With --short it sends a few requests of each case and checks bodies and the number of WeChat calls, but no times.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	short, tuning    bool
	launches, rounds int
	slice            time.Duration
	only             string   // proxies, separated by commas; "": all
	caddy            string   // the gateway's binary
	builds           []string // other builds of the gateway, by name=binary
	profiles         string   // directory; "": none

	root, dir  string // of the repository; for what this run writes
	pin        bool
	reference  string // the proxy that the others are compared with
	standIns   *standIns
	peers      []peer // that are compared
	contenders []*contender
}

// contender is a proxy that runs.
type contender struct {
	peer
	*process
	forms map[string]*forms // by case
}

func main() {
	b := bench{reference: plainCaddy}
	flag.BoolVar(&b.short, "short", false, "check bodies and WeChat calls with a few requests, without times")
	flag.BoolVar(&b.tuning, "tuning", false, "compare the gateway with itself, one thing changed that an operator may choose")
	flag.IntVar(&b.rounds, "rounds", 9, "how often each proxy has its turn in each case")
	flag.IntVar(&b.launches, "launches", 1, "how often the proxies are started anew for as many rounds: two processes of the same build differ by some per cent for as long as they live")
	flag.DurationVar(&b.slice, "slice", 600*time.Millisecond, "how long a turn is measured")
	flag.StringVar(&b.only, "only", "", "compare only these proxies, as in caddy,cloudid,nginx+lua")
	flag.StringVar(&b.caddy, "caddy", "", "the gateway's `binary`; default: build it")
	flag.Func("build", "another build of the gateway to compare with, as `name=binary`; may be repeated", func(build string) error {
		b.builds = append(b.builds, build)
		return nil
	})
	flag.StringVar(&b.profiles, "profile", "", "write CPU and allocation profiles of each Caddy that is compared, one of each case, into this `directory`")
	flag.Parse()
	if err := b.main(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) main(names []string) (err error) {
	chosen := cases
	if len(names) > 0 {
		chosen = nil
		for _, name := range names {
			c, err := caseNamed(name)
			if err != nil {
				return err
			}
			chosen = append(chosen, c)
		}
	}
	if b.dir, err = os.MkdirTemp("", "cloudid-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.stopAll()
	if err := b.launchAll(0); err != nil {
		return err
	}
	if b.short {
		return b.check(chosen)
	}
	return b.measure(chosen)
}

func (b *bench) prepare() (err error) {
	if b.profiles != "" {
		if err := os.MkdirAll(b.profiles, 0o755); err != nil {
			return err
		}
	}
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return err
	}
	b.root = filepath.Dir(strings.TrimSpace(string(gomod)))
	if b.caddy == "" {
		fmt.Fprintln(os.Stderr, "building the gateway; the first time takes some minutes")
		if b.caddy, err = b.build("caddy", "./caddymodule/cmd/caddy"); err != nil {
			return err
		}
	}
	if b.standIns, err = newStandIns(); err != nil {
		return err
	}
	if err := b.choosePeers(); err != nil {
		return err
	}
	if b.pin = !b.short && pinnable(); b.pin {
		return pinSelf()
	}
	if !b.short {
		fmt.Fprintln(os.Stderr, "no two cores to choose between with taskset: the proxies and the load share what there is, and figures mean little")
	}
	return nil
}

// choosePeers chooses the proxies that were asked for.
func (b *bench) choosePeers() error {
	b.peers = comparedPeers()
	if b.tuning {
		b.reference, b.peers = gateway, tunedPeers()
	}
	for _, build := range b.builds {
		name, binary, found := strings.Cut(build, "=")
		if !found {
			return fmt.Errorf("--build %s: name=binary is expected", build)
		}
		p := gatewayPeer(name, caddyOptions{HTTP1: true})
		p.binary = binary
		b.peers = append(b.peers, p)
	}
	b.peers = slices.DeleteFunc(b.peers, func(p peer) bool {
		return b.short && (p.name == withLua || p.name == "node") || b.only != "" && !slices.Contains(strings.Split(b.only, ","), p.name)
	})
	return nil
}

// launchAll starts all proxies. The one that is started first has an advantage, of a per cent perhaps, for as long as it lives; so which
// it is changes with the number.
func (b *bench) launchAll(number int) error {
	places := make(map[string]int)
	for i := range b.peers {
		place := (number + i) % len(b.peers)
		p := b.peers[place]
		places[p.name] = place
		running, err := b.launch(p)
		if errors.Is(err, errSkipped) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, err)
			continue
		}
		if err != nil {
			return err
		}
		b.contenders = append(b.contenders, &contender{p, running, make(map[string]*forms)})
	}
	slices.SortFunc(b.contenders, func(x, y *contender) int { return places[x.name] - places[y.name] })
	return nil
}

func (b *bench) stopAll() {
	for _, c := range b.contenders {
		c.stop()
	}
	b.contenders = nil
}

// formsOf returns what the proxy's bodies of a case look like.
func (c *contender) formsOf(work workCase) *forms {
	if c.forms[work.name] == nil {
		c.forms[work.name] = &forms{work: work, replaces: c.replaces, exact: c.exact}
	}
	return c.forms[work.name]
}

// named returns the contender of a name, or nil.
func (b *bench) named(name string) *contender {
	for _, c := range b.contenders {
		if c.name == name {
			return c
		}
	}
	return nil
}
