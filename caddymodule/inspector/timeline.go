package inspector

import (
	"math/bits"
	"slices"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
)

const (
	bucketWidth = 5 * time.Second
	buckets     = 120 // ten minutes
)

// timeline counts calls and their durations over the last ten minutes, whatever number of calls is kept. Its zero value is
// ready.
type timeline struct {
	ring [buckets]bucket
}

// bucket is what happened in five seconds.
type bucket struct {
	Start    int64          `json:"start"` // Unix time in seconds, a multiple of five
	Outcomes map[string]int `json:"outcomes"`

	// The time within which half of the calls ended, and 95 of a hundred, in milliseconds, to the next power of two.
	Half       int `json:"p50_ms"`
	NinetyFive int `json:"p95_ms"`

	counts    [len(outcomes)]int // of each of outcomes
	durations [24]int            // by the number of bits of the milliseconds
}

// outcomes are those that are counted: all, the most frequent first.
var outcomes = [...]invocation.Outcome{
	invocation.Untouched, invocation.Resolved, invocation.Partial, invocation.AllFailed,
	invocation.ClientError, invocation.UpstreamError, invocation.Canceled,
}

func (t *timeline) add(r *invocation.Record) {
	const width = int64(bucketWidth / time.Second)
	start := r.Time.Add(r.Timing.Total).Unix() / width * width // when it ended
	b := &t.ring[uint64(start/width)%buckets]
	if b.Start != start {
		*b = bucket{Start: start}
	}
	if outcome := slices.Index(outcomes[:], r.Outcome); outcome >= 0 {
		b.counts[outcome]++
	}
	b.durations[min(bits.Len64(uint64(max(0, r.Timing.Total.Milliseconds()))), len(b.durations)-1)]++
}

// recent returns the buckets of the last ten minutes in which there were calls, oldest first.
func (t *timeline) recent(now time.Time) []bucket {
	list := make([]bucket, 0, buckets)
	last := now.Truncate(bucketWidth).Unix()
	step := int64(bucketWidth / time.Second)
	for start := last - (buckets-1)*step; start <= last; start += step {
		b := t.ring[start/step%buckets]
		if b.Start != start {
			continue
		}
		b.Outcomes = map[string]int{}
		for i, n := range b.counts {
			if n > 0 {
				b.Outcomes[string(outcomes[i])] = n
			}
		}
		b.Half, b.NinetyFive = b.quantile(50), b.quantile(95)
		list = append(list, b)
	}
	return list
}

// quantile returns the milliseconds within which this percentage of the calls ended, rounded up to a power of two.
func (b *bucket) quantile(percent int) int {
	total := 0
	for _, n := range b.durations {
		total += n
	}
	seen := 0
	for size, n := range b.durations {
		if seen += n; seen*100 >= total*percent && n > 0 {
			return 1 << size
		}
	}
	return 0
}
