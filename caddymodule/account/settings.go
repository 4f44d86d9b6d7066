package account

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/placeholder"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Defaults of an account.
const (
	defaultTimeout      = 3 * time.Second
	defaultRetries      = 2
	defaultCacheTTL     = time.Minute
	defaultCacheEntries = 10000
	defaultLimit        = 60
	defaultLimitWindow  = time.Minute
)

const (
	// minDuration is shorter than any duration that is meant: what is below is a number of JSON that counts nanoseconds.
	minDuration = time.Millisecond

	maxRetries      = 10
	maxCacheEntries = 100_000_000
	maxLimit        = 1_000_000
	maxMaxCalls     = 65_536

	// minKey is the length in bytes of the shortest key.
	minKey = 16
)

// Cache bounds the open data that an account keeps.
type Cache struct {
	// Whether no open data is kept.
	Off bool `json:"off,omitempty"`

	// For how long open data is kept: a duration such as "1m", a number of nanoseconds, or a placeholder, which is replaced when
	// the config is loaded and may stand for the word off. CloudIDs are valid for five minutes. Default: 1m.
	TTL placeholder.Duration `json:"ttl,omitempty"`

	// For how many CloudIDs open data is kept at most; those of one user are at most an eighth of them. A number, or a placeholder that
	// is replaced when the config is loaded. Default: 10000.
	Entries placeholder.Number `json:"entries,omitempty"`
}

// Limit bounds the CloudIDs that one user may have exchanged.
type Limit struct {
	// Whether there is no limit.
	Off bool `json:"off,omitempty"`

	// How many CloudIDs one user may have exchanged within the window. Those that the cache has are not counted. A number, or a
	// placeholder, which is replaced when the config is loaded and may stand for the word off. Default: 60.
	CloudIDs placeholder.Number `json:"cloudids,omitempty"`

	// The time after which as many are allowed again: a duration such as "1m", a number of nanoseconds, or a placeholder that is
	// replaced when the config is loaded. Default: 1m.
	Window placeholder.Duration `json:"window,omitempty"`
}

// tunables are the settings that may change without a loss at a reload, as they are in force. The keys of pools are made of them.
type tunables struct {
	Timeout  time.Duration
	Retries  int
	Cache    cacheBounds
	Limit    limitBounds
	MaxCalls int
}

type cacheBounds struct {
	Off     bool
	TTL     time.Duration
	Entries int
}

type limitBounds struct {
	Off      bool
	CloudIDs int
	Window   time.Duration
}

// provision checks the settings and sets up what they describe. It makes no calls.
func (a *Account) provision(ctx caddy.Context) error {
	a.logger, a.report = ctx.Logger(), a.logExchange
	for _, step := range []func() error{
		a.setEndpoint,
		a.resolveSecret,
		func() error { return a.loadTokens(ctx) },
		a.setTunables,
		a.makeKeys,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	a.metrics = a.loadMetrics()
	a.loadShared()
	a.warnOfLimit()
	return nil
}

// warnOfLimit says that events which declare as many CloudIDs as WeChat allows in one call are rejected, however long a client waits.
func (a *Account) warnOfLimit() {
	const inOneCall = 5
	if limit := a.tunables.Limit; !limit.Off && limit.CloudIDs < inOneCall {
		a.logger.Warn("the limit is below the CloudIDs that one event may declare, so an event with more is always rejected with 429",
			zap.String("appid", a.Name()), zap.Int("limit", limit.CloudIDs), zap.Int("default_max_ids", inOneCall),
			zap.String("advice", "raise limit, or lower max_ids of cloudid to it"))
	}
}

func (a *Account) resolveSecret() (err error) {
	if a.Secret != "" {
		a.Secret, err = placeholder.Secret("secret", a.Secret, checkSecret)
	}
	return err
}

func (a *Account) loadTokens(ctx caddy.Context) error {
	if a.TokenRaw == nil {
		if a.Secret == "" {
			return errors.New("no source of access tokens is configured; add `secret <secret>`, or `token stable|static|service|none …`")
		}
		a.tokens = &StableToken{Secret: a.Secret}
		return nil
	}
	// Caddy's error would show all that is there, the secret too.
	if source := gjson.GetBytes(a.TokenRaw, "source"); source.Str == "" {
		return errors.New(`token: no source is named; give one, as in "source": "stable"`)
	}
	module, err := ctx.LoadModule(a, "TokenRaw")
	if err != nil {
		return err
	}
	tokens, ok := module.(TokenModule)
	if !ok {
		return fmt.Errorf("token: the module %T is no source of tokens", module)
	}
	a.tokens = tokens
	return nil
}

func (a *Account) setEndpoint() (err error) {
	if a.Endpoint == "" {
		a.Endpoint = wechat.DefaultEndpoint
		return nil
	}
	a.Endpoint, err = placeholder.Secret("endpoint", a.Endpoint, wechat.CheckEndpoint) // which may hold a password
	return err
}

// setTunables resolves the settings that may change without a loss at a reload.
func (a *Account) setTunables() (err error) {
	t := &a.tunables
	if t.Timeout, err = a.Timeout.Resolve("timeout", defaultTimeout, minDuration); err != nil {
		return err
	}
	if t.Retries, err = a.Retries.Resolve("retries", defaultRetries, 0, maxRetries); err != nil {
		return err
	}
	if t.Cache, err = a.Cache.resolve(); err != nil {
		return err
	}
	if t.Limit, err = a.Limit.resolve(); err != nil {
		return err
	}
	t.MaxCalls, err = a.MaxCalls.Resolve("max_calls", apicall.DefaultMaxCalls, 1, maxMaxCalls)
	return err
}

func (c *Cache) resolve() (bounds cacheBounds, err error) {
	if c == nil {
		c = new(Cache)
	}
	if c.Off || isOff(string(c.TTL)) {
		return cacheBounds{Off: true}, nil
	}
	if bounds.TTL, err = c.TTL.Resolve("cache: ttl", defaultCacheTTL, minDuration); err != nil {
		return bounds, err
	}
	bounds.Entries, err = c.Entries.Resolve("cache: entries", defaultCacheEntries, 1, maxCacheEntries)
	return bounds, err
}

func (l *Limit) resolve() (bounds limitBounds, err error) {
	if l == nil {
		l = new(Limit)
	}
	if l.Off || isOff(string(l.CloudIDs)) {
		return limitBounds{Off: true}, nil
	}
	if bounds.CloudIDs, err = l.CloudIDs.Resolve("limit: cloudids", defaultLimit, 1, maxLimit); err != nil {
		return bounds, err
	}
	bounds.Window, err = l.Window.Resolve("limit: window", defaultLimitWindow, time.Second)
	return bounds, err
}

// isOff reports whether a placeholder stands for the word off.
func isOff(text string) bool {
	value, err := placeholder.ResolveLoaded("", text)
	return err == nil && value == "off"
}

// makeKeys makes what signs user tokens, from the keys given or else from the secret.
func (a *Account) makeKeys() error {
	var secrets []string
	for _, key := range a.Keys {
		secret, err := placeholder.Secret("key", key, checkKey)
		if err != nil {
			return err
		}
		secrets = append(secrets, secret)
	}
	if secret, err := a.appSecret(); err == nil && len(secrets) == 0 {
		secrets = []string{secret}
	}
	if len(secrets) == 0 {
		return nil
	}
	var err error
	if a.keys, err = usertoken.NewKeys(a.appid, secrets); err != nil {
		return err
	}
	a.invocations = newInvocationTokens(a.keys)
	return nil
}

func checkKey(secret string) error {
	if len(secret) < minKey {
		return fmt.Errorf("has less than %d bytes, and could be guessed; make one with: openssl rand -base64 24", minKey)
	}
	return nil
}

var errSwapped = errors.New("what stands in the place of an AppID looks like a secret (32 hexadecimal digits); write the AppID behind account, and the secret behind secret")

// checkSecret returns an error for what cannot be the secret of an AppID.
func checkSecret(secret string) error {
	if looksLikeAppID(secret) {
		return errors.New("is an AppID; write the secret that belongs to it")
	}
	return nil
}

// looksLikeSecret reports whether a word has the form of WeChat's secrets.
func looksLikeSecret(word string) bool { return len(word) == 32 && isHex(word) }

// looksLikeAppID reports whether a word has the form of WeChat's AppIDs.
func looksLikeAppID(word string) bool {
	digits, ok := strings.CutPrefix(word, "wx")
	return ok && len(digits) == 16 && isHex(digits)
}

func isHex(word string) bool { return strings.Trim(word, "0123456789abcdefABCDEF") == "" }
