package opendata

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestACrewStaysForTheNextTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t.Context())
		before, run := runtime.NumGoroutine(), 0
		for range 3 {
			time.Sleep(patience / 2)
			c.run(func() { run++ })
			synctest.Wait()
			if n := runtime.NumGoroutine() - before; n != 1 {
				t.Errorf("%d goroutines are there after a task, want 1", n)
			}
		}
		if run != 3 {
			t.Errorf("%d tasks were run, want 3", run)
		}
		start := time.Now()
		c.members.Wait()
		if stayed := time.Since(start); stayed != patience {
			t.Errorf("it stayed %s after the last task, want %s", stayed, patience)
		}
	})
}

func TestNoTaskOfACrewWaitsForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t.Context())
		const tasks = 3 * maxWaiting
		before := runtime.NumGoroutine()
		begun, gate := make(chan struct{}, tasks), make(chan struct{})
		for range tasks {
			c.run(func() {
				begun <- struct{}{}
				<-gate
			})
		}
		synctest.Wait()
		if len(begun) != tasks {
			t.Errorf("%d tasks have begun, want %d", len(begun), tasks)
		}
		close(gate)
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != maxWaiting {
			t.Errorf("%d goroutines stay for more, want %d", n, maxWaiting)
		}
		c.members.Wait()
	})
}

func TestACrewThatEndsFinishesItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		c := newCrew(ctx)
		finished := false
		c.run(func() {
			time.Sleep(time.Hour)
			finished = true
		})
		end()
		start := time.Now()
		c.members.Wait()
		if !finished || time.Since(start) != time.Hour {
			t.Errorf("after %s the task was finished: %v", time.Since(start), finished)
		}
	})
}
