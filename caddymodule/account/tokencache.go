package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// fetchTimeout bounds one fetch of a token. Those who wait for it have deadlines of their own.
	fetchTimeout = 10 * time.Second

	// renewBefore is for how long before its end WeChat has the next token ready while the old one still counts.
	renewBefore = 5 * time.Minute

	// renewRetryDelay is the pause after a renewal that failed, while the old token still counts.
	renewRetryDelay = 20 * time.Second
)

var errClosed = errors.New("the token source was closed")

// tokenCache keeps one token: fetched when it is first asked for, once however many wait, and renewed in the background before
// its end for as long as somebody uses it.
type tokenCache struct {
	appid string
	fetch func(context.Context) (wechat.Token, error)

	mu             sync.Mutex
	token          string
	expires        time.Time
	usedSinceFetch bool // since it was fetched
	renewalSkipped bool // its renewal was left out, since nobody had used it
	flight         *tokenFetch
	renewal        *time.Timer

	alive context.Context //nolint:containedctx // the lifetime of fetches that no single request owns
	close context.CancelFunc
	wg    sync.WaitGroup
}

// tokenFetch is one fetch under way, and what came of it once done is closed.
type tokenFetch struct {
	done  chan struct{}
	token string
	err   error
}

func newTokenCache(appid string, fetch func(context.Context) (wechat.Token, error)) *tokenCache {
	k := &tokenCache{appid: appid, fetch: fetch}
	k.alive, k.close = context.WithCancel(context.Background())
	return k
}

// Token implements apicall.TokenSource.
func (k *tokenCache) Token(ctx context.Context) (string, error) {
	k.mu.Lock()
	if k.token != "" && time.Now().Before(k.expires) {
		k.usedSinceFetch = true
		if k.renewalSkipped {
			k.renewalSkipped = false
			k.startFetch()
		}
		token := k.token
		k.mu.Unlock()
		return token, nil
	}
	flight := k.startFetch()
	k.mu.Unlock()
	if flight == nil {
		return "", errClosed
	}

	select {
	case <-flight.done:
		return flight.token, flight.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			k.abandon(flight)
		}
		return "", fmt.Errorf("no access token yet: %w", ctx.Err())
	}
}

// abandon lets the next who asks begin a fetch of his own: one lost answer must not fail all calls until fetchTimeout.
func (k *tokenCache) abandon(flight *tokenFetch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight == flight {
		k.flight = nil
	}
}

// Rejected implements apicall.TokenSource. A token that was replaced already is no news.
func (k *tokenCache) Rejected(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if token == k.token {
		k.token = ""
	}
}

// Close implements io.Closer.
func (k *tokenCache) Close() error {
	k.mu.Lock()
	k.close()
	if k.renewal != nil {
		k.renewal.Stop()
	}
	k.mu.Unlock()
	k.wg.Wait()
	return nil
}

// startFetch returns the fetch under way, or a new one; nil after Close. k.mu is held.
func (k *tokenCache) startFetch() *tokenFetch {
	if k.alive.Err() != nil {
		return nil
	}
	if k.flight == nil {
		k.flight = &tokenFetch{done: make(chan struct{})}
		k.wg.Add(1)
		go k.fetchOnce(k.flight)
	}
	return k.flight
}

func (k *tokenCache) fetchOnce(flight *tokenFetch) {
	defer k.wg.Done()
	ctx, cancel := context.WithTimeout(k.alive, fetchTimeout)
	defer cancel()
	start := time.Now() // the token's time runs from before it was given, so it never ends earlier than we think
	token, err := k.fetch(ctx)
	flight.token, flight.err = token.Value, err
	result := "ok"
	if err != nil {
		result = "failed"
	}
	metrics.TokenFetches.WithLabelValues(k.appid, result).Inc()

	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.token, k.expires, k.usedSinceFetch, k.renewalSkipped = token.Value, start.Add(token.Expires), false, false
		k.scheduleRenewal(renewAfter(token.Expires))
	} else if k.token != "" && time.Now().Before(k.expires) {
		k.scheduleRenewal(renewRetryDelay)
	}
	if k.flight == flight {
		k.flight = nil
	}
	close(flight.done)
}

// renewAfter returns the age at which a token is renewed: when WeChat has the next one ready, but not before half its life,
// so that a token with little left is not asked for again and again.
func renewAfter(expires time.Duration) time.Duration {
	return max(expires-renewBefore, expires/2)
}

// scheduleRenewal sets the renewal's timer. k.mu is held.
func (k *tokenCache) scheduleRenewal(d time.Duration) {
	if k.renewal != nil {
		k.renewal.Stop()
	}
	if k.alive.Err() == nil {
		k.renewal = time.AfterFunc(d, k.renew)
	}
}

// renew fetches the next token, unless nobody asked for the present one: an account that lies idle costs no calls. Who asks
// after that is given the present one, for as long as it counts, and sets off the renewal.
func (k *tokenCache) renew() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.usedSinceFetch {
		k.startFetch()
	} else {
		k.renewalSkipped = true
	}
}
