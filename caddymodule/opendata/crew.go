package opendata

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting members of a crew wait for their next task, at the most, each for patience.
	maxWaiting = 32
	patience   = time.Second
)

// crew runs tasks on goroutines that stay a while for the next one: a new goroutine outgrows its stack more than once on
// the way down to a socket, and copies it each time.
type crew struct {
	alive   context.Context //nolint:containedctx // ends the waiting
	tasks   chan func()
	waiting atomic.Int32
	members sync.WaitGroup
}

func newCrew(alive context.Context) *crew {
	return &crew{alive: alive, tasks: make(chan func())}
}

// run runs a task, and does not wait for it.
func (c *crew) run(task func()) {
	select {
	case c.tasks <- task:
	default: // nobody waits for one
		c.members.Go(func() { c.work(task) })
	}
}

func (c *crew) work(task func()) {
	leave := time.NewTimer(patience)
	for task != nil {
		task()
		leave.Reset(patience)
		task = c.next(leave.C)
	}
}

// next waits for a task. It returns nil when there is no more to wait for.
func (c *crew) next(leave <-chan time.Time) func() {
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > maxWaiting {
		return nil
	}
	select {
	case task := <-c.tasks:
		return task
	case <-leave:
	case <-c.alive.Done():
	}
	return nil
}
