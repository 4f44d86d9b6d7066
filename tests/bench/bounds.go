package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// bound is what the gateway's CPU time may be at the most, measured against another proxy, or its throughput at the least.
type bound struct {
	work, what, against string
	limit               float64
}

const (
	cpuAtMost         = "CPU"
	throughputAtLeast = "throughput"
)

var bounds = []bound{
	{"200B", cpuAtMost, plainCaddy, 0.85},
	{"2KB", cpuAtMost, plainCaddy, 0.85},
	{"2KB-1again", cpuAtMost, plainCaddy, 0.9},
	{"2KB-3again", cpuAtMost, plainCaddy, 0.9},
	{"2KB-1new", cpuAtMost, plainCaddy, 1.15},
	{"2KB-1new", throughputAtLeast, withLua, 0.8},
	{"2KB-3new", cpuAtMost, plainCaddy, 1.3},
	{"2KB-3new", throughputAtLeast, withLua, 0.8},
	{"100KB", cpuAtMost, plainCaddy, 1.3},
	{"100KB", throughputAtLeast, withLua, 3},
	{"1MB", cpuAtMost, plainCaddy, 2.8},
	{"1MB", throughputAtLeast, withLua, 5},
	{"1MB-text", cpuAtMost, plainCaddy, 1.2},
	{"1MB-text", throughputAtLeast, withLua, 5},
}

// verdict prints a line of the bounds.
func verdict(met bool, format string, args ...any) {
	word := "met    "
	if !met {
		word = "NOT MET"
	}
	fmt.Printf("%s  %s\n", word, fmt.Sprintf(format, args...))
}

func (b *bench) printBounds(r results) error {
	fmt.Println()
	for _, bound := range bounds {
		if !r.has(bound.work, gateway) || !r.has(bound.work, bound.against) {
			continue
		}
		if bound.what == throughputAtLeast {
			ratio := r.ratio(bound.work, gateway, bound.against, throughput)
			verdict(ratio.median >= bound.limit, "%s: throughput %s × %s (bound: ≥ %.2f)", bound.work, ratio, bound.against, bound.limit)
			continue
		}
		least := r.leastCPU(bound.work, gateway, bound.against)
		verdict(least <= bound.limit, "%s: CPU %.2f × %s, least to least; in the same round %s (bound: ≤ %.2f)",
			bound.work, least, bound.against, r.ratio(bound.work, gateway, bound.against, cpu), bound.limit)
	}
	gatewayRuns := b.named(gateway)
	if gatewayRuns == nil {
		return nil
	}
	for _, work := range cases {
		if !r.has(work.name, gateway) {
			continue
		}
		want, most := 0.0, 0.0
		switch {
		case work.again:
			most = 0.01 // the first request of a turn may find that the responses have left the cache since the last turn
		case work.ids > 0:
			want, most = 1, 1
		}
		got := r.of(work.name, gateway, calls)
		verdict(got.low >= want && got.high <= most, "%s: %.4f WeChat calls a request (bound: %.0f)", work.name, got.median, want)
	}
	err := b.checkCoalescing(gatewayRuns)
	verdict(err == nil, "100 parallel repeats of a new CloudID: 1 WeChat call %s", errorText(err))
	if err := b.printFind(); err != nil {
		return err
	}
	return b.printMemory()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return "(" + err.Error() + ")"
}

// printFind runs the benchmark of the pure part.
func (b *bench) printFind() error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkFind$/^no_CloudID$/^100KB$", "-benchmem", "./caddymodule/internal/event")
	cmd.Dir = b.root
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	found := regexp.MustCompile(`([0-9.]+) MB/s\s+\d+ B/op\s+(\d+) allocs/op`).FindSubmatch(output)
	if found == nil {
		return fmt.Errorf("no figures in what go test printed:\n%s", output)
	}
	speed, _ := strconv.ParseFloat(string(found[1]), 64)
	verdict(speed >= 1000 && string(found[2]) == "0", "find and refuse, 100 KB without a CloudID: %.0f MB/s, %s allocations (bound: ≥ 1000, 0)", speed, found[2])
	return nil
}
