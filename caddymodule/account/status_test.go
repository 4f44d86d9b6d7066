package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Those who ask often whether a token can be had cause few calls.
func TestHowOftenAHealthCheckAsks(t *testing.T) {
	failed := errors.New("no token")
	synctest.Test(t, func(t *testing.T) {
		var h healthCheck
		for _, test := range []struct {
			sentence string
			response error // to one who asks
			asks     bool
			want     error
		}{
			{"there is a token", nil, true, nil},
			{"still", nil, true, nil},
			{"the one who asks goes away", context.Canceled, true, context.Canceled},
			{"which says nothing", failed, true, failed},
			{"a failure counts for a while", nil, false, failed},
			{"whoever asks", context.Canceled, false, failed},
		} {
			asked := false
			got := h.check(func() error {
				asked = true
				return test.response
			})
			if asked != test.asks || got != test.want {
				t.Errorf("%s: %v, asked %t", test.sentence, got, asked)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(healthPause)
		if err := h.check(func() error { return nil }); err != nil {
			t.Errorf("after that it is asked for again: %v", err)
		}
	})
}

// Who asks for the state of the accounts holds nothing of them.
func TestStatusAndHealthHoldNothing(t *testing.T) {
	t.Parallel()
	p := newProcess()
	_, url := startSandbox(t)
	c := p.load(t, app1(url, `,"secret":"s"`))
	if status, health := c.Status(), c.Health(t.Context()); len(status.Accounts) != 1 || !health.Healthy {
		t.Errorf("%+v, %+v", status, health)
	}
	c.unload()
	p.wantNothingPooled(t)
}
