package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// figure is what one turn of one proxy gave.
type figure struct {
	throughput float64 // requests a second
	cpu        float64 // of the proxy, in µs a request
	calls      float64 // of WeChat, a request
	busy       float64 // the proxy's share of its core
	peak       float64 // resident set, in MB
}

// results are the figures by case and proxy, one a round.
type results map[string]map[string][]figure

// warmUp is how long a proxy works before it is measured.
const warmUp = 100 * time.Millisecond

// enough requests for a figure. Where a turn is too short for them, it is made longer.
const enough = 30

func (b *bench) measure(chosen []workCase) error {
	measured := make(results)
	for launch := range b.launches {
		if launch > 0 {
			b.stopAll()
			if err := b.launchAll(launch); err != nil {
				return err
			}
		}
		for round := range b.rounds {
			if err := b.round(chosen, launch*b.rounds+round, measured); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "round %d of %d\n", launch*b.rounds+round+1, b.launches*b.rounds)
		}
	}
	if b.profiles != "" {
		if err := b.profile(chosen); err != nil {
			return err
		}
	}
	b.printTable(chosen, measured)
	if b.reference != plainCaddy {
		return nil
	}
	return b.printBounds(measured)
}

// round gives each proxy its turn in each case. Who begins changes with the round's number.
func (b *bench) round(chosen []workCase, number int, measured results) error {
	for _, work := range chosen {
		if measured[work.name] == nil {
			measured[work.name] = make(map[string][]figure)
		}
		for i := range b.contenders {
			c := b.contenders[(number+i)%len(b.contenders)]
			f, err := b.turn(c, work)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, work.name, err)
			}
			measured[work.name][c.name] = append(measured[work.name][c.name], f)
		}
	}
	return nil
}

// turn measures one proxy for a moment.
func (b *bench) turn(c *contender, work workCase) (f figure, err error) {
	var ids []string
	if work.again {
		ids = make([]string, work.ids)
		for i := range ids {
			ids[i] = cloudID(uint64(i))
		}
	}
	if err := c.forgetPeak(); err != nil {
		return f, err
	}
	calls := b.standIns.calls.Load()
	load := b.standIns.start(c.address, c.formsOf(work), work.connections, 0, ids)
	time.Sleep(warmUp)
	start, requests := time.Now(), load.requests.Load()
	cpu, err := c.cpuTime()
	if err != nil {
		return f, err
	}
	for time.Sleep(b.slice); load.requests.Load()-requests < enough && time.Since(start) < 20*b.slice; {
		time.Sleep(b.slice / 4)
	}
	cpuEnd, err := c.cpuTime()
	if err != nil {
		return f, err
	}
	requests, elapsed := load.requests.Load()-requests, time.Since(start)
	load.stop()
	if err := b.standIns.mistakes.err(); err != nil {
		return f, err
	}
	if requests == 0 {
		return f, fmt.Errorf("no response within %s", elapsed)
	}
	_, peak, err := c.memory()
	return figure{
		throughput: float64(requests) / elapsed.Seconds(),
		cpu:        float64((cpuEnd - cpu).Nanoseconds()) / 1e3 / float64(requests),
		calls:      float64(b.standIns.calls.Load()-calls) / float64(load.requests.Load()),
		busy:       float64(cpuEnd-cpu) / float64(elapsed),
		peak:       float64(peak) / 1e6,
	}, err
}

// spread is the median of some rounds, the quartiles around it, and the least.
type spread struct{ least, low, median, high float64 }

func spreadOf(values []float64) spread {
	slices.Sort(values)
	last := len(values) - 1
	return spread{values[0], values[last/4], values[len(values)/2], values[last-last/4]}
}

func (s spread) String() string { return fmt.Sprintf("%.3f (%.3f–%.3f)", s.median, s.low, s.high) }

// of returns one figure of a proxy over all rounds; ratio, the same divided by that of another proxy in the same round.
func (r results) of(work, proxy string, value func(figure) float64) spread {
	var values []float64
	for _, f := range r[work][proxy] {
		values = append(values, value(f))
	}
	return spreadOf(values)
}

func (r results) ratio(work, proxy, to string, value func(figure) float64) spread {
	var values []float64
	for i, f := range r[work][proxy] {
		values = append(values, value(f)/value(r[work][to][i]))
	}
	return spreadOf(values)
}

func (r results) has(work, proxy string) bool { return len(r[work][proxy]) > 0 }

func throughput(f figure) float64 { return f.throughput }
func cpu(f figure) float64        { return f.cpu }
func calls(f figure) float64      { return f.calls }
func busy(f figure) float64       { return f.busy }
func peak(f figure) float64       { return f.peak }

// leastCPU is the ratio of what two proxies took in the round that disturbed each of them least. What else the machine does
// only ever adds CPU time, by taking caches away, so of a noisy machine's figures the least are the truest.
func (r results) leastCPU(work, proxy, to string) float64 {
	return r.of(work, proxy, cpu).least / r.of(work, to, cpu).least
}

func (b *bench) printTable(chosen []workCase, r results) {
	fmt.Printf("| case | proxy | requests/s | × %[1]s | CPU µs/request | × %[1]s | least | × %[1]s | WeChat calls/request | core busy | peak RSS MB |\n", b.reference)
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, work := range chosen {
		for _, c := range b.contenders {
			timesFaster, timesCPU, timesLeast := "", "", ""
			if c.name != b.reference && r.has(work.name, b.reference) {
				timesFaster = r.ratio(work.name, c.name, b.reference, throughput).String()
				timesCPU = r.ratio(work.name, c.name, b.reference, cpu).String()
				timesLeast = fmt.Sprintf("%.3f", r.leastCPU(work.name, c.name, b.reference))
			}
			took := r.of(work.name, c.name, cpu)
			fmt.Printf("| %s | %s | %.0f | %s | %.1f | %s | %.1f | %s | %.3f | %.0f %% | %.0f |\n", work.name, c.name,
				r.of(work.name, c.name, throughput).median, timesFaster,
				took.median, timesCPU, took.least, timesLeast,
				r.of(work.name, c.name, calls).median,
				100*r.of(work.name, c.name, busy).median,
				r.of(work.name, c.name, peak).high)
		}
	}
}
