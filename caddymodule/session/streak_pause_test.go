package session

import (
	"testing"
	"time"
)

// While nobody gets in, the operator is told once an hour.
func TestHowOftenTheOperatorIsTold(t *testing.T) {
	var s streak
	start := time.Now()
	var told []time.Duration
	for after := time.Duration(0); after <= 2*time.Hour+10*time.Minute; after += time.Minute {
		if s.rejection(start.Add(after)) {
			told = append(told, after)
		}
	}
	if len(told) != 3 || told[0] != 4*time.Minute || told[1] != 64*time.Minute || told[2] != 124*time.Minute {
		t.Errorf("told after %v, want the fifth rejection, and each an hour later", told)
	}
}
