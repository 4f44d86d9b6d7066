package opendata

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A lifetime ends as a context of package context would, whether somebody has waited for its end before, does so then, or never.
func TestTheEndOfALifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		end      func(l *lifetime, cancelParent func())
		want     error
	}{
		{"at its deadline", func(*lifetime, func()) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
		{"with its parent", func(_ *lifetime, cancelParent func()) { cancelParent() }, context.Canceled},
		{"when it is canceled", func(l *lifetime, _ func()) { l.cancel() }, context.Canceled},
		{"when it is canceled, for which its deadline is no reason any more", func(l *lifetime, _ func()) {
			l.cancel()
			_ = l.Err()
			time.Sleep(time.Minute)
		}, context.Canceled},
		{"at its deadline, and canceled too late", func(l *lifetime, _ func()) {
			time.Sleep(time.Minute + time.Nanosecond)
			_ = l.Err()
			l.cancel()
		}, context.DeadlineExceeded},
	} {
		for _, waits := range []string{"before", "then", "in a child", "never"} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := &lifetime{parent: parent, deadline: time.Now().Add(time.Minute)}
				if deadline, ok := l.Deadline(); !ok || deadline != time.Now().Add(time.Minute) {
					t.Errorf("%s: the deadline is %s", test.sentence, deadline)
				}
				if err := l.Err(); err != nil {
					t.Errorf("%s: it has ended before: %v", test.sentence, err)
				}
				var done <-chan struct{}
				switch waits {
				case "before":
					done = l.Done()
				case "in a child":
					child, stop := context.WithCancel(l)
					defer stop()
					done = child.Done()
				}
				test.end(l, cancel)
				if waits == "then" {
					done = l.Done()
				}
				if done != nil {
					ended := time.Now()
					<-done
					if late := time.Since(ended); late > 0 {
						t.Errorf("%s, waited for %s: the end is told %s late", test.sentence, waits, late)
					}
				}
				for range 2 {
					if err := l.Err(); !errors.Is(err, test.want) {
						t.Errorf("%s, waited for %s: the error is %v", test.sentence, waits, err)
					}
				}
				l.cancel()
			})
		}
	}
}

// What is watched is watched from the first wait to the end, and not at all where nobody waits.
func TestWhatALifetimeWatches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence         string
		do               func(l *lifetime)
		watched, stopped int
	}{
		{"nobody waits", func(l *lifetime) { _ = l.Err() }, 0, 0},
		{"nobody waits, and it is canceled", func(l *lifetime) { l.cancel() }, 0, 0},
		{"somebody waits", func(l *lifetime) { l.Done() }, 1, 0},
		{"somebody waits twice, until it is canceled", func(l *lifetime) { l.Done(); l.Done(); l.cancel() }, 1, 1},
		{"somebody waits when it is canceled", func(l *lifetime) { l.cancel(); l.Done() }, 0, 0},
	} {
		watched, stopped := 0, 0
		l := &lifetime{parent: t.Context(), deadline: time.Now().Add(time.Minute), watch: func() func() bool {
			watched++
			return func() bool {
				stopped++
				return true
			}
		}}
		test.do(l)
		if watched != test.watched || stopped != test.stopped {
			t.Errorf("%s: watched %d times, stopped %d times", test.sentence, watched, stopped)
		}
		l.cancel()
	}
}
