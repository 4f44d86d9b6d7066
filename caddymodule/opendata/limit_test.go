package opendata

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// taken is one look at a limiter.
type taken struct {
	at        time.Duration // since the start
	must, may int
	granted   int
	rejected  time.Duration // how long a client is to wait; 0: not rejected
}

func TestTheLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		steps    []taken // with a limit of 6 in a minute
	}{
		{"as many as the limit says, at once or one by one", []taken{
			{0, 6, 0, 0, 0}, {0, 1, 0, 0, time.Minute}, {59 * time.Second, 1, 0, 0, time.Second}, {time.Minute, 1, 0, 0, 0},
		}},
		{"each is free again a minute after it was taken", []taken{
			{0, 2, 0, 0, 0},
			{10 * time.Second, 2, 0, 0, 0},
			{20 * time.Second, 2, 0, 0, 0},
			{30 * time.Second, 1, 0, 0, 30 * time.Second},
			{30 * time.Second, 3, 0, 0, 40 * time.Second},
			{time.Minute, 2, 0, 0, 0},
			{time.Minute, 1, 0, 0, 10 * time.Second},
		}},
		{"never more than the limit in any minute", []taken{
			{0, 1, 0, 0, 0}, {59 * time.Second, 5, 0, 0, 0}, {61 * time.Second, 1, 0, 0, 0}, {62 * time.Second, 1, 0, 0, 57 * time.Second},
		}},
		{"all or nothing of what must be, and nothing is taken by who is rejected", []taken{
			{0, 4, 0, 0, 0}, {1, 3, 0, 0, time.Minute - 1}, {1, 2, 0, 0, 0},
		}},
		{"as many as are left of what may be", []taken{
			{0, 2, 9, 4, 0}, {0, 0, 9, 0, 0}, {0, 1, 9, 0, time.Minute}, {time.Minute, 0, 9, 6, 0},
		}},
		{"more than may ever be at once", []taken{{0, 7, 0, 0, time.Minute}, {0, 6, 0, 0, 0}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(6, time.Minute)
			start := time.Now()
			for i, step := range test.steps {
				time.Sleep(step.at - time.Since(start))
				granted, err := l.take("o1", step.must, step.may)
				var after time.Duration
				if limit, ok := errors.AsType[*LimitError](err); ok {
					after = limit.RetryAfter()
				}
				if granted != step.granted || after != step.rejected || (err != nil) != (step.rejected != 0) {
					t.Errorf("%s: step %d: granted %d, %v, wait %s", test.sentence, i+1, granted, err, after)
				}
			}
		})
	}
}

func TestEachUserHasALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := NewLimiter(2, time.Hour)
	for _, user := range []string{"o1", "o2", "O1", ""} {
		if _, err := l.take(user, 2, 0); err != nil {
			t.Errorf("%q: %v", user, err)
		}
		if _, err := l.take(user, 1, 0); err == nil {
			t.Errorf("%q has no limit", user)
		}
	}
}

func TestWhatWasNotAskedIsGivenBack(t *testing.T) {
	t.Parallel()
	l := NewLimiter(6, time.Hour)
	for _, n := range []int{1, 2, 3} {
		_, _ = l.take("o1", n, 0)
	}
	l.refund("o1", 4)
	if granted, _ := l.take("o1", 0, 9); granted != 4 {
		t.Errorf("%d are left, want 4", granted)
	}
	l.refund("o1", 100)
	if granted, _ := l.take("o1", 0, 9); granted != 6 {
		t.Errorf("%d are left, want all", granted)
	}
	l.refund("o2", 1) // of whom nothing is known
}

// What is given back is not free a second time when it would have expired.
func TestWhatWasGivenBackExpiresOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(6, time.Minute)
		_, _ = l.take("o1", 3, 0)
		_, _ = l.take("o1", 2, 0)
		l.refund("o1", 3) // the two, and one of the three
		time.Sleep(time.Second)
		if granted, _ := l.take("o1", 0, 9); granted != 4 {
			t.Errorf("%d are left, want 4", granted)
		}
		time.Sleep(time.Minute - time.Second)
		if granted, _ := l.take("o1", 0, 9); granted != 2 {
			t.Errorf("%d are free again, want 2", granted)
		}
	})
}

// A user who is granted nothing leaves nothing.
func TestNothingIsRememberedOfNothing(t *testing.T) {
	t.Parallel()
	l := NewLimiter(1, time.Hour)
	_, _ = l.take("o1", 2, 0)
	if len(l.users) != 0 {
		t.Error("a rejected user is remembered")
	}
	for range 10 {
		_, _ = l.take("o1", 0, 5)
	}
	if place := l.recent.Front(); place == nil || len(place.Value.(*spending).parts) != 1 {
		t.Error("looks that granted nothing are remembered")
	}
}

func TestALimiterForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(1, time.Minute)
		for i := range maxLimitedUsers + 10 {
			_, _ = l.take(strconv.Itoa(i), 1, 0)
		}
		if len(l.users) != 65536 || l.recent.Len() != 65536 {
			t.Errorf("%d users, %d in the list", len(l.users), l.recent.Len())
		}
		if _, err := l.take("0", 1, 0); err != nil {
			t.Error("who was quiet longest is remembered: ", err)
		}
		if _, err := l.take(strconv.Itoa(maxLimitedUsers+9), 1, 0); err == nil {
			t.Error("the latest is forgotten")
		}
		time.Sleep(time.Minute)
		if _, err := l.take("o1", 1, 0); err != nil || len(l.users) != 1 || l.recent.Len() != 1 {
			t.Errorf("%v, %d users are remembered after a minute", err, len(l.users))
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l := NewLimiter(60, time.Microsecond)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.take("o6_bmjrPTlm6_2sgVt7hMZOPfL2M", 3, 0)
	}
}
