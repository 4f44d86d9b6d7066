package opendata

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestACrewStaysForTheNextTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		c := newCrew(ctx)
		begun := 0
		for range 3 {
			c.run(func() { begun++ })
			synctest.Wait()
			if len(c.idle) != 1 {
				t.Errorf("%d wait, want 1", len(c.idle))
			}
		}
		if begun != 3 {
			t.Errorf("%d tasks were run, want 3", begun)
		}
		end()
		c.members.Wait()
	})
}

func TestNoTaskOfACrewWaitsForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		c := newCrew(ctx)
		begun, gate := make(chan struct{}, 2*maxIdle), make(chan struct{})
		for range 2 * maxIdle {
			c.run(func() {
				begun <- struct{}{}
				<-gate
			})
		}
		synctest.Wait()
		if len(begun) != 2*maxIdle {
			t.Errorf("%d tasks have begun, want %d", len(begun), 2*maxIdle)
		}
		close(gate)
		synctest.Wait()
		if len(c.idle) != maxIdle {
			t.Errorf("%d wait for the next task, want %d", len(c.idle), maxIdle)
		}
		end()
		c.members.Wait() // or synctest finds those who stay for ever
	})
}

func TestACrewThatEndsFinishesItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		c := newCrew(ctx)
		finished, gate := false, make(chan struct{})
		c.run(func() {
			<-gate
			finished = true
		})
		end()
		synctest.Wait()
		close(gate)
		c.members.Wait()
		if !finished {
			t.Error("a task was left")
		}
	})
}
