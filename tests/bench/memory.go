package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// printMemory holds requests in flight, the function not responding, and looks at what a proxy has grown by. It takes fresh
// processes, whose memory has no room yet that earlier requests made.
func (b *bench) printMemory() error {
	for _, held := range []struct {
		work     workCase
		requests int
	}{
		{workCase{name: "2 KB, one CloudID", size: 2 << 10, ids: 1}, 256},
		{workCase{name: "100 KB, one CloudID", size: 100 << 10, ids: 1}, 128},
		{workCase{name: "1 MB", size: 1_000_000}, 32},
		{workCase{name: "1 MB, one CloudID", size: 1_000_000, ids: 1}, 32},
	} {
		resident, live, err := b.hold(b.named(gateway).peer, held.work, held.requests)
		if err != nil {
			return fmt.Errorf("memory of %s: %w", held.work.name, err)
		}
		plain, _, err := b.hold(caddyPeer, held.work, held.requests)
		if err != nil {
			return fmt.Errorf("memory of %s: %w", held.work.name, err)
		}
		limit := plain + 3*held.work.size + 8<<10
		if held.work.size < 64<<10 {
			limit = plain + 8<<10 // a small event costs hardly more than its proxy
		}
		verdict(resident <= limit, "memory, %d in flight of %s: %d KB resident a request, %d KB of it live; plain Caddy %d KB (bound: ≤ %d)",
			held.requests, held.work.name, resident>>10, live>>10, plain>>10, limit>>10)
	}
	ours, plain := b.named(gateway), b.named(plainCaddy)
	if plain == nil {
		return nil
	}
	oursNow, _, err := ours.memory()
	if err != nil {
		return err
	}
	plainNow, _, err := plain.memory()
	if err != nil {
		return err
	}
	oursLive, err := ours.liveHeap()
	if err != nil {
		return err
	}
	plainLive, err := plain.liveHeap()
	if err != nil {
		return err
	}
	verdict(oursNow <= plainNow+25e6, "RSS after all this: %d MB, %d MB of it live; plain Caddy %d MB, %d MB live (bound: ≤ 25 MB more)",
		oursNow/1e6, oursLive/1e6, plainNow/1e6, plainLive/1e6)
	return nil
}

// hold returns how many bytes a request in flight takes: of the process's resident set, and of what is live on its heap.
func (b *bench) hold(p peer, work workCase, requests int) (resident, live int, err error) {
	running, err := b.launch(p)
	if err != nil {
		return 0, 0, err
	}
	defer running.stop()
	// One request first: what the process sets up once is not a request's.
	f := &forms{work: work, replaces: p.replaces, exact: p.exact}
	b.standIns.start(running.address, f, 1, 1, nil).running.Wait()
	idleHeap, err := running.liveHeap()
	if err != nil {
		return 0, 0, err
	}
	idle, _, err := running.memory()
	if err != nil {
		return 0, 0, err
	}

	b.standIns.gate.Lock()
	load := b.standIns.start(running.address, f, requests, 1, nil)
	for deadline := time.Now().Add(20 * time.Second); int(b.standIns.waiting.Load()) < requests && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	full, _, errMemory := running.memory()
	fullHeap, errHeap := running.liveHeap()
	b.standIns.gate.Unlock()
	load.running.Wait()
	for _, err := range []error{errMemory, errHeap, b.standIns.mistakes.err()} {
		if err != nil {
			return 0, 0, err
		}
	}
	return int(full-idle) / requests, (fullHeap - idleHeap) / requests, nil
}

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`)

// liveHeap collects garbage and returns how many bytes are left.
func (p *process) liveHeap() (int, error) {
	profile, err := p.debug("heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	found := heapAlloc.FindSubmatch(profile)
	if found == nil {
		return 0, fmt.Errorf("no HeapAlloc in the heap profile")
	}
	return strconv.Atoi(string(found[1]))
}

// debug asks Caddy's admin API for a profile.
func (p *process) debug(profile string) ([]byte, error) {
	res, err := http.Get("http://" + p.admin + "/debug/pprof/" + profile)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// profile writes a CPU profile of each Caddy that runs for each case, and one of what it has allocated on the way.
func (b *bench) profile(chosen []workCase) error {
	for _, work := range chosen {
		for _, c := range b.contenders {
			if !c.isCaddy {
				continue
			}
			if err := b.profileCase(c, work); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) profileCase(c *contender, work workCase) error {
	path := filepath.Join(b.profiles, work.name+"."+c.name)
	before, err := c.debug("allocs")
	if err != nil {
		return err
	}
	type result struct {
		profile []byte
		err     error
	}
	cpu := make(chan result, 1)
	go func() {
		profile, err := c.debug("profile?seconds=5")
		cpu <- result{profile, err}
	}()
	slice := b.slice
	b.slice = 6 * time.Second
	_, err = b.turn(c, work)
	b.slice = slice
	if err != nil {
		return err
	}
	profiled := <-cpu
	after, err := c.debug("allocs")
	if err := errors.Join(profiled.err, err); err != nil {
		return err
	}
	// For `go tool pprof -diff_base case.proxy.allocs0 case.proxy.allocs`.
	return errors.Join(
		os.WriteFile(path+".cpu", profiled.profile, 0o644),
		os.WriteFile(path+".allocs0", before, 0o644),
		os.WriteFile(path+".allocs", after, 0o644),
	)
}
