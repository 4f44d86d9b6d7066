package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

const (
	// fetchTimeout bounds one fetch of a token. Callers that wait for it have deadlines of their own.
	fetchTimeout = 10 * time.Second

	// renewBefore is how long before the end of a token WeChat has the next one ready, while the old one is still valid.
	renewBefore = 5 * time.Minute

	// renewRetryDelay is the pause after a renewal that failed, while the old token is still valid.
	renewRetryDelay = 20 * time.Second
)

var errClosed = errors.New("the token source was closed")

// tokenCache keeps one token: fetched when it is first needed, once however many wait for it, and renewed in the background before
// it expires for as long as somebody uses it.
//
// It shares a fetch by its own means, since golang.org/x/sync/singleflight does not say whether a call joins another or starts one.
// Close has to wait for every fetch that was started, and a token of a fetch that was abandoned (singleflight's Forget) must not
// replace one of a fetch that was started later; both take a count of the fetches that were started.
type tokenCache struct {
	appid    string
	fetch    func(context.Context) (wechat.Token, error)
	observer func(error) // told of each fetch; nil: nobody is. It is set before the cache is used

	mu             sync.Mutex
	token          string
	fetched        time.Time
	expires        time.Time
	usedSinceFetch bool
	renewalSkipped bool // nobody had used the token when it was to be renewed
	started        int  // how many fetches were started
	stored         int  // the number of the one that token came from
	current        *tokenFetch
	renewal        *time.Timer

	ctx    context.Context //nolint:containedctx // the lifetime of fetches that no single request owns
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// tokenFetch is one fetch under way, and what came of it once done is closed.
type tokenFetch struct {
	number int
	done   chan struct{}
	token  string
	err    error
}

func newTokenCache(appid string, fetch func(context.Context) (wechat.Token, error)) *tokenCache {
	c := &tokenCache{appid: appid, fetch: fetch}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Token implements apicall.TokenSource.
func (c *tokenCache) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	if c.token != "" && time.Now().Before(c.expires) {
		c.usedSinceFetch = true
		if c.renewalSkipped {
			c.renewalSkipped = false
			c.startFetch()
		}
		token := c.token
		c.mu.Unlock()
		return token, nil
	}
	fetch := c.startFetch()
	c.mu.Unlock()
	if fetch == nil {
		return "", errClosed
	}

	select {
	case <-fetch.done:
		return fetch.token, fetch.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.abandon(fetch)
		}
		return "", fmt.Errorf("no access token yet: %w", ctx.Err())
	}
}

// abandon lets the next caller start a fetch of its own: one lost response must not fail all calls until fetchTimeout.
func (c *tokenCache) abandon(fetch *tokenFetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == fetch {
		c.current = nil
	}
}

// times returns when the present token was fetched and when it expires; zero times if there is none.
func (c *tokenCache) times() (fetched, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == "" || !time.Now().Before(c.expires) {
		return time.Time{}, time.Time{}
	}
	return c.fetched, c.expires
}

// Rejected implements apicall.TokenSource. It ignores a token that was replaced already.
func (c *tokenCache) Rejected(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == c.token {
		c.token = ""
	}
}

// Close implements io.Closer.
func (c *tokenCache) Close() error {
	c.mu.Lock()
	c.cancel()
	if c.renewal != nil {
		c.renewal.Stop()
	}
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}

// startFetch returns the fetch under way, or a new one; nil after Close. c.mu is held.
func (c *tokenCache) startFetch() *tokenFetch {
	if c.ctx.Err() != nil {
		return nil
	}
	if c.current == nil {
		c.started++
		fetch := &tokenFetch{number: c.started, done: make(chan struct{})}
		c.current = fetch
		c.wg.Go(func() { c.run(fetch) })
	}
	return c.current
}

func (c *tokenCache) run(fetch *tokenFetch) {
	ctx, cancel := context.WithTimeout(c.ctx, fetchTimeout)
	defer cancel()
	start := time.Now() // the token's life is counted from before it was given, so that it never expires earlier than we think
	token, err := c.fetch(ctx)
	fetch.token, fetch.err = token.Value, err
	if c.observer != nil {
		c.observer(err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil && fetch.number > c.stored: // else it was abandoned, and a later one has brought a newer token
		c.stored = fetch.number
		c.token, c.fetched, c.expires = token.Value, start, start.Add(token.Expires)
		c.usedSinceFetch, c.renewalSkipped = false, false
		c.scheduleRenewal(renewAfter(token.Expires))
	case err != nil && c.token != "" && time.Now().Before(c.expires):
		c.scheduleRenewal(renewRetryDelay)
		c.logRenewal(err)
	}
	if c.current == fetch {
		c.current = nil
	}
	close(fetch.done)
}

// logRenewal warns of a renewal that failed. Nobody waited for it, so that no request will tell.
func (c *tokenCache) logRenewal(err error) {
	if c.ctx.Err() != nil {
		return
	}
	caddy.Log().Named("cloudid").Warn("access token could not be renewed; the present one is used until it expires, and renewing is tried again",
		zap.String("appid", c.appid),
		zap.Duration("expires_in", time.Until(c.expires)),
		zap.String("errcode", wechat.MetricLabel(err)),
		zap.Error(err),
		zap.String("advice", wechat.Advice(err)))
}

// renewAfter returns the age at which a token is renewed: when WeChat has the next one ready, but not before half its life,
// so that a token with little left is not asked for again and again.
func renewAfter(life time.Duration) time.Duration {
	return max(life-renewBefore, life/2)
}

// scheduleRenewal sets the renewal's timer. c.mu is held.
func (c *tokenCache) scheduleRenewal(d time.Duration) {
	if c.renewal != nil {
		c.renewal.Stop()
	}
	if c.ctx.Err() == nil {
		c.renewal = time.AfterFunc(d, c.renew)
	}
}

// renew fetches the next token, unless nobody used the present one: an account that is idle makes no calls. The next call after
// that uses the present token, for as long as it is valid, and starts the renewal.
func (c *tokenCache) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usedSinceFetch {
		c.startFetch()
	} else {
		c.renewalSkipped = true
	}
}
