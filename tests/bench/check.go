package main

import "fmt"

// check sends a few requests of each case through each proxy. Bodies are checked by the function as always; here it is the
// number of WeChat calls.
func (b *bench) check(chosen []workCase) error {
	for _, c := range b.contenders {
		for _, work := range chosen {
			if err := b.checkCase(c, work); err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, work.name, err)
			}
		}
		fmt.Printf("%-14s %d cases: bodies and WeChat calls are right\n", c.name, len(chosen))
	}
	if c := b.named(gateway); c != nil {
		if err := b.checkCoalescing(c); err != nil {
			return err
		}
		fmt.Printf("%-14s 100 requests with the same new CloudID at once: 1 WeChat call\n", c.name)
	}
	return nil
}

func (b *bench) checkCase(c *contender, work workCase) error {
	const connections, requests = 4, 5
	want := 0
	if c.replaces && work.ids > 0 {
		want = connections * requests
	}
	var ids []string
	if work.again {
		ids = newIDs(work.ids)
	}
	before := b.standIns.calls.Load()
	if work.again && c.remembers {
		want = 1
		b.standIns.start(c.address, c.formsOf(work), 1, 1, ids).stop() // else they would wait for the same call, which is another case
	}
	load := b.standIns.start(c.address, c.formsOf(work), connections, requests, ids)
	load.running.Wait()
	if err := b.standIns.mistakes.err(); err != nil {
		return err
	}
	if calls := int(b.standIns.calls.Load() - before); calls != want {
		return fmt.Errorf("%d WeChat calls instead of %d", calls, want)
	}
	return nil
}

// checkCoalescing sends the same new CloudID over many connections at once.
func (b *bench) checkCoalescing(c *contender) error {
	work := workCase{name: "100 at once", size: 2 << 10, ids: 1, again: true, latency: 10 * weChatLatency}
	before := b.standIns.calls.Load()
	b.standIns.start(c.address, c.formsOf(work), 100, 1, newIDs(work.ids)).running.Wait()
	if err := b.standIns.mistakes.err(); err != nil {
		return err
	}
	if calls := b.standIns.calls.Load() - before; calls != 1 {
		return fmt.Errorf("%s: %d WeChat calls for 100 requests with the same CloudID at once", c.name, calls)
	}
	return nil
}
