package opendata

import (
	"context"
	"sync"
	"time"
)

// patience is how long a member of a crew waits for its next task.
const patience = time.Second

// crew runs tasks on goroutines that stay a while for the next one: a new goroutine outgrows its stack more than once on
// the way down to a socket, and copies it each time.
type crew struct {
	alive   context.Context //nolint:containedctx // ends the waiting
	tasks   chan func()
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
	for {
		task()
		leave.Reset(patience)
		select {
		case task = <-c.tasks:
		case <-leave.C:
			return
		case <-c.alive.Done():
			return
		}
	}
}
