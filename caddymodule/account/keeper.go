package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// fetchTimeout bounds one fetch of a token. Those who wait for it have deadlines of their own.
	fetchTimeout = 10 * time.Second

	// overlap is for how long before its end WeChat has the next token ready while the old one still counts.
	overlap = 5 * time.Minute

	// renewalPause is the pause after a renewal that failed, while the old token still counts.
	renewalPause = 20 * time.Second
)

var errClosed = errors.New("the token source was closed")

// keeper keeps one token: fetched when it is first asked for, once however many wait, and renewed in the background before
// its end for as long as somebody uses it.
type keeper struct {
	appid string
	fetch func(context.Context) (wechat.Token, error)

	mu      sync.Mutex
	token   string
	ends    time.Time
	used    bool // since it was fetched
	overdue bool // its renewal was left out, since nobody had used it
	flight  *tokenFlight
	renewal *time.Timer

	alive   context.Context //nolint:containedctx // the lifetime of fetches that no single request owns
	close   context.CancelFunc
	running sync.WaitGroup
}

// tokenFlight is one fetch under way, and what came of it once done is closed.
type tokenFlight struct {
	done  chan struct{}
	token string
	err   error
}

func newKeeper(appid string, fetch func(context.Context) (wechat.Token, error)) *keeper {
	k := &keeper{appid: appid, fetch: fetch}
	k.alive, k.close = context.WithCancel(context.Background())
	return k
}

// Token implements opendata.TokenSource.
func (k *keeper) Token(ctx context.Context) (string, error) {
	k.mu.Lock()
	if k.token != "" && time.Now().Before(k.ends) {
		k.used = true
		if k.overdue {
			k.overdue = false
			k.takeOff()
		}
		token := k.token
		k.mu.Unlock()
		return token, nil
	}
	flight := k.takeOff()
	k.mu.Unlock()
	if flight == nil {
		return "", errClosed
	}

	select {
	case <-flight.done:
		return flight.token, flight.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			k.despairOf(flight)
		}
		return "", fmt.Errorf("no access token yet: %w", ctx.Err())
	}
}

// despairOf lets the next who asks begin a fetch of his own: one lost answer must not fail all calls until fetchTimeout.
func (k *keeper) despairOf(flight *tokenFlight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight == flight {
		k.flight = nil
	}
}

// Refused implements opendata.TokenSource. A token that was replaced already is no news.
func (k *keeper) Refused(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if token == k.token {
		k.token = ""
	}
}

// Close implements io.Closer.
func (k *keeper) Close() error {
	k.mu.Lock()
	k.close()
	if k.renewal != nil {
		k.renewal.Stop()
	}
	k.mu.Unlock()
	k.running.Wait()
	return nil
}

// takeOff returns the fetch under way, or a new one; nil after Close. k.mu is held.
func (k *keeper) takeOff() *tokenFlight {
	if k.alive.Err() != nil {
		return nil
	}
	if k.flight == nil {
		k.flight = &tokenFlight{done: make(chan struct{})}
		k.running.Add(1)
		go k.fly(k.flight)
	}
	return k.flight
}

func (k *keeper) fly(flight *tokenFlight) {
	defer k.running.Done()
	ctx, cancel := context.WithTimeout(k.alive, fetchTimeout)
	defer cancel()
	start := time.Now() // the token's time runs from before it was given, so it never ends earlier than we think
	token, err := k.fetch(ctx)
	flight.token, flight.err = token.Value, err
	result := "ok"
	if err != nil {
		result = "failed"
	}
	metrics.TokenFetch.WithLabelValues(k.appid, result).Inc()

	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.token, k.ends, k.used, k.overdue = token.Value, start.Add(token.Expires), false, false
		k.renewIn(renewAfter(token.Expires))
	} else if k.token != "" && time.Now().Before(k.ends) {
		k.renewIn(renewalPause)
	}
	if k.flight == flight {
		k.flight = nil
	}
	close(flight.done)
}

// renewAfter returns the age at which a token is renewed: when WeChat has the next one ready, but not before half its life,
// so that a token with little left is not asked for again and again.
func renewAfter(expires time.Duration) time.Duration {
	return max(expires-overlap, expires/2)
}

// renewIn sets the renewal's timer. k.mu is held.
func (k *keeper) renewIn(d time.Duration) {
	if k.renewal != nil {
		k.renewal.Stop()
	}
	if k.alive.Err() == nil {
		k.renewal = time.AfterFunc(d, k.renew)
	}
}

// renew fetches the next token, unless nobody asked for the present one: an account that lies idle costs no calls. Who asks
// after that is given the present one, for as long as it counts, and sets off the renewal.
func (k *keeper) renew() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used {
		k.takeOff()
	} else {
		k.overdue = true
	}
}
