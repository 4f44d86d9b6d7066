package session

import (
	"sync/atomic"
	"time"
)

const (
	// streakLength is how many rejections in a row, with nobody let in between, say that it is not about single clients.
	streakLength = 5

	// streakPause is how long nothing more is said of it, so that a client that sends nonsense on purpose cannot fill the log.
	streakPause = time.Hour
)

// streak counts rejections in a row. A single one is about its client, and no line in the operator's log; when nobody gets in any
// more, it is about the config. The zero value is ready for use, by many goroutines at once.
type streak struct {
	rejected atomic.Int32
	said     atomic.Int64 // when, in Unix nanoseconds; 0: never
}

// broken notes that somebody was let in.
func (s *streak) broken() {
	if s.rejected.Load() != 0 { // most of the time, nothing is written that other cores read
		s.rejected.Store(0)
	}
}

// rejection notes one more, and reports whether the operator should be told now.
func (s *streak) rejection(now time.Time) bool {
	if s.rejected.Add(1) < streakLength {
		return false
	}
	said := s.said.Load()
	return now.UnixNano()-said >= int64(streakPause) && s.said.CompareAndSwap(said, now.UnixNano())
}
