// Package opendata gets from "these CloudIDs, this user" to "these answers" with as few calls of WeChat as possible: one
// for all CloudIDs of an invocation, none for those that another invocation is asking for at the moment or that were
// answered a moment ago, and none at all while WeChat keeps failing.
package opendata

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/metrics"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// maxCachedSize is the size in bytes of the largest answer that is kept, so that the number of entries bounds the
// cache's memory too.
const maxCachedSize = 64 << 10

// Config shapes a Resolver.
type Config struct {
	AppID   string
	Timeout time.Duration // for all that one exchange asks of WeChat

	// How long answers are kept, and how many. 0: none are.
	CacheTTL     time.Duration
	CacheEntries int
}

// Resolver answers for one account. It may be used by many goroutines at once.
type Resolver struct {
	config Config
	client *wechat.Client
	caller *apicall.Caller
	cache  *ttlcache.Cache[key, wechat.OpenData] // nil: off
	crew   *crew
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // the lifetime of calls that no single request owns

	mu       sync.Mutex
	inflight map[key]*call // by each CloudID that is being asked for
}

type key struct{ openid, id string }

// call is one exchange under way, and what came of it once done is closed.
type call struct {
	done    chan struct{}
	answers map[string]wechat.OpenData
	err     error
}

// New returns a resolver that asks client, with what caller knows of tokens and retries.
func New(config Config, client *wechat.Client, caller *apicall.Caller) *Resolver {
	r := &Resolver{config: config, client: client, caller: caller, inflight: make(map[key]*call)}
	if config.CacheTTL > 0 && config.CacheEntries > 0 {
		r.cache = ttlcache.New[key, wechat.OpenData](config.CacheTTL, config.CacheEntries)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.crew = newCrew(r.ctx)
	return r
}

// errClosed is what those are told who still ask.
var errClosed = errors.New("the resolver was closed")

// Close ends the calls under way and waits for them. Nothing is asked of WeChat after it.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.crew.members.Wait()
}

// Exchange is one exchange with WeChat as its initiator may report it.
type Exchange struct {
	IDs      int // how many CloudIDs were asked for
	Duration time.Duration
	Err      error // why none of them was answered; nil if any was
}

// Request is what one invocation asks for.
type Request struct {
	OpenID string
	IDs    []string

	// Told of the exchange that this request started, if it started one, when that ends. It may run after Resolve has
	// returned, on another goroutine.
	Report func(Exchange)
}

// Result answers a Request.
type Result struct {
	// One for one with the IDs asked for. An id whose exchange failed has the error object that belongs to the failure.
	OpenData []wechat.OpenData

	// How many distinct CloudIDs were answered from the cache.
	Cached int

	// Why some of the CloudIDs could not be asked for at all; nil if WeChat answered.
	Err error
}

// Resolve returns the answers for req. The error is that of ctx, when it ends first; what was asked goes on then for
// those who wait for the same CloudIDs, and for the cache.
func (r *Resolver) Resolve(ctx context.Context, req Request) (Result, error) {
	known := make(map[string]wechat.OpenData, len(req.IDs))
	flights, cached := r.join(req, known)
	result := Result{Cached: cached}
	for _, f := range flights {
		select {
		case <-f.done:
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
		for _, id := range req.IDs {
			if answer, ok := f.answers[id]; ok {
				known[id] = answer
			}
		}
		if f.err != nil {
			result.Err = f.err
		}
	}
	result.OpenData = make([]wechat.OpenData, len(req.IDs))
	for i, id := range req.IDs {
		result.OpenData[i] = known[id]
	}
	return result, nil
}

// join fills known from the cache, joins the flights under way for what is left, and starts one for the rest.
func (r *Resolver) join(req Request, known map[string]wechat.OpenData) (flights []*call, cached int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []string
	for i, id := range req.IDs {
		if slices.Contains(req.IDs[:i], id) {
			continue
		}
		k := key{req.OpenID, id}
		// The cache first would be a race: an exchange fills it before it leaves flights.
		if f := r.inflight[k]; f != nil {
			metrics.Coalesced.Inc()
			if !slices.Contains(flights, f) {
				flights = append(flights, f)
			}
			continue
		}
		if answer, ok := r.cacheGet(k); ok {
			known[id] = answer
			cached++
			continue
		}
		missing = append(missing, id)
	}
	metrics.CacheHits.Add(float64(cached))
	if len(missing) == 0 {
		return flights, cached
	}
	f := &call{done: make(chan struct{})}
	if r.ctx.Err() != nil {
		f.answers, f.err = failAll(missing, errClosed), errClosed
		close(f.done)
		return append(flights, f), cached
	}
	for _, id := range missing {
		r.inflight[key{req.OpenID, id}] = f
	}
	r.crew.run(func() { r.run(f, req, missing) })
	return append(flights, f), cached
}

func (r *Resolver) cacheGet(k key) (wechat.OpenData, bool) {
	if r.cache == nil {
		return wechat.OpenData{}, false
	}
	return r.cache.Get(k)
}

// run makes the exchange that a flight stands for. It belongs to nobody's request: whoever gives up, others may wait.
func (r *Resolver) run(f *call, req Request, ids []string) {
	ctx, cancel := context.WithTimeout(r.ctx, r.config.Timeout)
	defer cancel()
	start := time.Now()
	f.answers, f.err = r.exchange(ctx, req.OpenID, ids)

	if f.err == nil {
		for id, answer := range f.answers {
			r.cachePut(key{req.OpenID, id}, answer)
		}
	}
	r.mu.Lock()
	for _, id := range ids {
		delete(r.inflight, key{req.OpenID, id})
	}
	r.mu.Unlock()
	close(f.done)
	if req.Report != nil {
		req.Report(Exchange{IDs: len(ids), Duration: time.Since(start), Err: f.err})
	}
}

func (r *Resolver) cachePut(k key, answer wechat.OpenData) {
	definite := answer.Code == 0 || wechat.IsConclusive(answer.Code)
	if r.cache != nil && definite && len(answer.JSON) <= maxCachedSize {
		r.cache.Add(k, answer)
	}
}

// exchange returns an answer for each id. The error is set when WeChat answered for none of them.
func (r *Resolver) exchange(ctx context.Context, openid string, ids []string) (map[string]wechat.OpenData, error) {
	list, err := r.request(ctx, openid, ids)
	if len(ids) > 1 && maybeSingleBadID(err) {
		return r.requestEach(ctx, openid, ids)
	}
	if err != nil {
		answers := failAll(ids, err)
		if wechat.IsConclusive(wechat.Code(err)) {
			err = nil // said of the whole call, but about the one id in it
		}
		return answers, err
	}
	answers := make(map[string]wechat.OpenData, len(ids))
	for i, id := range ids {
		answers[id] = r.checkWatermark(id, list[i])
	}
	return answers, nil
}

// failAll are the error objects for ids that could not be asked for.
func failAll(ids []string, err error) map[string]wechat.OpenData {
	answers := make(map[string]wechat.OpenData, len(ids))
	for _, id := range ids {
		answers[id] = wechat.OpenDataError(id, wechat.ErrCode(err))
	}
	return answers
}

func (r *Resolver) request(ctx context.Context, openid string, ids []string) ([]wechat.OpenData, error) {
	return apicall.Do(ctx, r.caller, func(ctx context.Context, token string) ([]wechat.OpenData, error) {
		metrics.IDsPerCall.Observe(float64(len(ids)))
		return r.client.GetOpenData(ctx, token, openid, ids)
	})
}

// maybeSingleBadID reports whether the whole call failed for what may be the fault of a single id.
func maybeSingleBadID(err error) bool {
	code := wechat.Code(err)
	return code == 40097 || wechat.IsConclusive(code)
}

// requestEach asks for each id in a call of its own, all at once, so that one bad id does not cost the others.
func (r *Resolver) requestEach(ctx context.Context, openid string, ids []string) (map[string]wechat.OpenData, error) {
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		answers = make(map[string]wechat.OpenData, len(ids))
		failed  []error
	)
	for _, id := range ids {
		wg.Go(func() {
			answer, err := r.exchange(ctx, openid, []string{id})
			mu.Lock()
			defer mu.Unlock()
			answers[id] = answer[id]
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	if len(failed) < len(ids) {
		return answers, nil
	}
	return answers, failed[0]
}

// checkWatermark refuses open data that was made out for another app.
func (r *Resolver) checkWatermark(id string, answer wechat.OpenData) wechat.OpenData {
	if appid := answer.Watermark(); answer.Code != 0 || appid == "" || appid == r.config.AppID {
		return answer
	}
	metrics.WatermarkMismatches.Inc()
	return wechat.OpenDataError(id, wechat.CodeUserMismatch)
}
