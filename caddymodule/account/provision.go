package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// What must outlive a config reload: a reloaded config finds its connections, tokens and answers here. Each is keyed by
// a hash of all that shapes it, so that a change of the timeout does not cost a token.
var (
	clients   = caddy.NewUsagePool()
	sources   = caddy.NewUsagePool()
	resolvers = caddy.NewUsagePool()
)

// shared is what accounts of the same settings have in common, over all configs.
type shared struct {
	client   *wechat.Client
	resolver *opendata.Resolver
	voip     *apicall.Caller
	relay    *apicall.Caller
}

// Destruct implements caddy.Destructor.
func (s *shared) Destruct() error {
	s.resolver.Close()
	return nil
}

type pooledClient struct{ *wechat.Client }

func (c pooledClient) Destruct() error {
	c.Close()
	return nil
}

type pooledSource struct{ apicall.TokenSource }

func (s pooledSource) Destruct() error {
	if closer, ok := s.TokenSource.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

func (a *Account) provision(ctx caddy.Context, appid string) error {
	a.appid = appid
	a.logger = ctx.Logger()
	if a.Secret != "" {
		secret, err := resolveSecret("secret", a.Secret)
		if err != nil {
			return err
		}
		a.Secret = secret
	}
	if err := a.loadTokens(ctx); err != nil {
		return err
	}
	if err := a.setDefaults(); err != nil {
		return err
	}
	if err := a.makeKeys(); err != nil {
		return err
	}
	return a.loadShared()
}

func (a *Account) loadTokens(ctx caddy.Context) error {
	if a.TokenRaw == nil {
		if a.Secret == "" {
			return errors.New("it says nothing of tokens; add `secret <secret>`, or `token stable|static|service|none …`")
		}
		a.tokens = &StableToken{Secret: a.Secret}
		return nil
	}
	// Caddy's error would show all that is there, the secret too.
	if source := gjson.GetBytes(a.TokenRaw, "source"); source.Type != gjson.String || source.Str == "" {
		return errors.New(`token: it names no source; give one, as in "source": "stable"`)
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

func (a *Account) setDefaults() error {
	if a.Timeout < 0 {
		return errors.New("timeout: it must be longer than 0")
	}
	if a.Timeout == 0 {
		a.Timeout = caddy.Duration(DefaultTimeout)
	}
	if a.Retries == nil {
		a.Retries = new(int)
		*a.Retries = DefaultRetries
	}
	if *a.Retries < 0 || *a.Retries > 10 {
		return errors.New("retries: a number from 0 to 10 is expected")
	}
	if a.Cache == nil {
		a.Cache = new(Cache)
	}
	if a.Cache.TTL < 0 || a.Cache.Entries < 0 {
		return errors.New("cache: a time and a number of entries above 0 are expected, or off")
	}
	if a.Cache.TTL == 0 {
		a.Cache.TTL = caddy.Duration(DefaultCacheTTL)
	}
	if a.Cache.Entries == 0 {
		a.Cache.Entries = DefaultCacheEntries
	}
	if a.Endpoint == "" {
		a.Endpoint = wechat.DefaultEndpoint
	}
	endpoint, err := caddy.NewReplacer().ReplaceOrErr(a.Endpoint, true, true)
	if err != nil {
		return fmt.Errorf("endpoint: %w", errPlaceholder)
	}
	a.Endpoint = endpoint
	return nil
}

// makeKeys makes what signs user tokens, from the keys given or else from the secret.
func (a *Account) makeKeys() error {
	var secrets []string
	for _, key := range a.Keys {
		secret, err := resolveSecret("key", key)
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

// loadShared finds, or makes, what this account has in common with configs before and after it.
func (a *Account) loadShared() error {
	client, err := load(a, clients, []any{a.Endpoint}, func() (pooledClient, error) {
		client, err := wechat.New(a.Endpoint, observe)
		if err != nil {
			return pooledClient{}, fmt.Errorf("endpoint: it %w", err)
		}
		return pooledClient{client}, nil
	})
	if err != nil {
		return err
	}
	sourceKey := []any{a.appid, a.Endpoint, a.tokens.CaddyModule().ID, a.tokens.Key()}
	source, err := load(a, sources, sourceKey, func() (pooledSource, error) {
		return pooledSource{a.tokens.Open(a.appid, client.Client)}, nil
	})
	if err != nil {
		return err
	}
	a.shared, err = load(a, resolvers, append(sourceKey, a.Timeout, *a.Retries, *a.Cache), func() (*shared, error) {
		config := opendata.Config{AppID: a.appid, Timeout: time.Duration(a.Timeout)}
		if !a.Cache.Off {
			config.CacheTTL, config.CacheEntries = time.Duration(a.Cache.TTL), a.Cache.Entries
		}
		return &shared{
			client:   client.Client,
			resolver: opendata.New(config, client.Client, apicall.NewCaller(wechat.APIGetOpenData, a.appid, source, *a.Retries)),
			voip:     apicall.NewCaller(wechat.APIGetVoIPSign, a.appid, source, *a.Retries),
			relay:    apicall.NewCaller(wechat.APIRelay, a.appid, source, *a.Retries),
		}, nil
	})
	return err
}

// load returns the value that a pool has for what shapes it, or a new one, and notes that a must let go of it.
func load[T caddy.Destructor](a *Account, pool *caddy.UsagePool, shape []any, open func() (T, error)) (T, error) {
	written, err := json.Marshal(shape)
	if err != nil {
		var none T
		return none, err
	}
	sum := sha256.Sum256(written) // the shape holds secrets; the key need not
	key := hex.EncodeToString(sum[:])
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return open() })
	if err != nil {
		var none T
		return none, err
	}
	a.closers = append(a.closers, func() { _, _ = pool.Delete(key) })
	return value.(T), nil
}

// acquire returns what a shares with other configs, and keeps it open until the caller is done with it. Caddy cleans up a
// config that was replaced while requests that came in by it are under way, and some come to ask WeChat only then.
func (a *Account) acquire() (held *shared, done func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired && a.refs == 0 {
		if err := a.loadShared(); err != nil {
			return nil, nil, err
		}
	}
	a.refs++
	return a.shared, a.releaseShared, nil
}

func (a *Account) releaseShared() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refs--
	a.closeIfUnused()
}

// retire lets go of all that provision took hold of, as soon as no request needs it. It is called once, also after a
// provisioning that failed.
func (a *Account) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retired = true
	a.closeIfUnused()
}

// closeIfUnused lets go, the last first. a.mu is held.
func (a *Account) closeIfUnused() {
	if !a.retired || a.refs > 0 {
		return
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

// observe counts a call of WeChat.
func observe(call wechat.Call) {
	metrics.WeChatCalls.WithLabelValues(call.API, wechat.MetricLabel(call.Err)).Inc()
	metrics.CallDuration.WithLabelValues(call.API).Observe(call.Duration.Seconds())
}
