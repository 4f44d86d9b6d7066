package opendata

import (
	"context"
	"sync"
)

// maxIdle goroutines of a crew wait for their next task, at the most.
const maxIdle = 32

// crew runs tasks on goroutines that stay for the next one: a new goroutine outgrows its stack more than once on the way
// down to a socket, and copies it each time.
type crew struct {
	alive   context.Context //nolint:containedctx // ends the waiting
	tasks   chan func()
	idle    chan struct{} // a place for each that waits
	members sync.WaitGroup
}

func newCrew(alive context.Context) *crew {
	return &crew{alive: alive, tasks: make(chan func()), idle: make(chan struct{}, maxIdle)}
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
	for {
		task()
		select {
		case c.idle <- struct{}{}:
		default:
			return // enough are waiting
		}
		select {
		case task = <-c.tasks:
			<-c.idle
		case <-c.alive.Done():
			return
		}
	}
}
