// Package opendata gets from "these CloudIDs, this user" to "this open data" with as few calls of WeChat as possible: one
// for all CloudIDs of an invocation, none for those that another invocation is asking for at the moment or that were
// answered a moment ago, and none for a user who asks for more than they may.
package opendata

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Config shapes a Resolver.
type Config struct {
	// The account's. Open data whose watermark names another AppID is rejected.
	AppID string

	// For all that one exchange asks of WeChat, its wait for a free slot and its retries included.
	Timeout time.Duration

	// Where results are kept. It may outlive the Resolver. nil: nowhere.
	Cache *Cache

	// What bounds the CloudIDs of one user. It may outlive the Resolver. nil: nothing does.
	Limiter *Limiter

	// Called for each request as soon as its CloudIDs were looked up. It must not block. nil: it is not called.
	Observe func(Lookup)
}

// Lookup says how many distinct CloudIDs of a request did not have to be asked for.
type Lookup struct {
	Cached    int // found in the cache
	Coalesced int // waited for a call that another request had made
	Limited   int // guesses beyond the user's limit
}

// Resolver has CloudIDs exchanged in the name of one account. Close it when no request can come any more. It may be used by
// many goroutines at once.
type Resolver struct {
	config Config
	client *wechat.Client
	caller *apicall.Caller
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // the lifetime of calls that no single request owns

	mu       sync.Mutex
	inflight map[key]*exchange // by each CloudID that is being asked for; whether it is for that very one, it says itself
	closed   bool
	wg       sync.WaitGroup // of exchanges; none is added once closed
}

// New returns a resolver that asks client, by way of caller.
func New(config Config, client *wechat.Client, caller *apicall.Caller) *Resolver {
	r := &Resolver{config: config, client: client, caller: caller, inflight: make(map[key]*exchange)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// errClosed is the error of requests that come after Close.
var errClosed = errors.New("not asked: this configuration of the account has ended")

// Close ends the exchanges under way and waits for them. Nothing is asked of WeChat after it.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
}

// Request is what one invocation asks for.
type Request struct {
	OpenID string
	IDs    []string

	// One for one with IDs: whether the id is a guess, which need not be asked for beyond the user's limit. nil: none is.
	Guesses []bool

	// Called when the exchange that this request started, if it started one, has ended. It may run after Resolve has returned,
	// on another goroutine. nil: it is not called.
	Report func(Exchange)
}

// Exchange is one exchange with WeChat, as Request.Report learns of it.
type Exchange struct {
	// How many distinct CloudIDs were asked for, and for how many of them nothing conclusive came. Those that WeChat calls
	// expired, invalid or another user's are not among the failed.
	IDs, Failed int

	// How many were rejected because the watermark of their open data names another AppID.
	Mismatched int

	// Why Failed of them failed; each cause once, joined by errors.Join. nil if none did; context.Canceled if nobody waited
	// for the exchange any more before it was made.
	Err error

	Duration time.Duration
}

// Result is what came of a Request.
type Result struct {
	// One for one with the IDs asked for. An id whose exchange failed has the error object that belongs to the failure; a
	// guess beyond the user's limit has no JSON.
	OpenData []wechat.OpenData

	// One for one with the IDs asked for: where their open data came from.
	Origins []Origin

	// How long the longest of the exchanges was not in a call yet: it waited for its turn, or for a token.
	Waited time.Duration

	Lookup

	// Why a call for some of the CloudIDs failed; nil if WeChat responded to all of them.
	Err error
}

// Origin is where what is known of a CloudID came from.
type Origin uint8

// The origins.
const (
	Asked     Origin = iota // WeChat was asked for this request
	Cached                  // the cache
	Coalesced               // a call that another request had made
	Limited                 // nowhere: it is a guess beyond the user's limit
)

// Resolve returns the open data for req. The error is that of ctx, if that ends first, or a *LimitError if the user's limit
// leaves too little for the ids that are no guesses; nothing is asked of WeChat then. The Lookup is set beside an error too.
//
// A request that needs what nobody has asked for yet starts an exchange, and others that need the same wait for it. That takes
// no goroutine: the request makes the exchange itself. When its ctx is canceled, because its client has gone, a call that was
// sent goes on for those who wait and for the cache, and Resolve returns when WeChat has responded, after Timeout at the latest.
// In all other cases it returns as soon as ctx ends: where the request waits for the exchange of another, or for its turn to
// call, or where ctx has a deadline before the end of Timeout. Only in the last case the exchange gets a goroutine of its own.
func (r *Resolver) Resolve(ctx context.Context, req Request) (Result, error) {
	result := Result{OpenData: make([]wechat.OpenData, len(req.IDs)), Origins: make([]Origin, len(req.IDs))}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	own, joined, err := r.join(ctx, req, &result)
	if r.config.Observe != nil {
		r.config.Observe(result.Lookup)
	}
	if err != nil {
		return result, err
	}
	switch {
	case own == nil:
	case own.request == nil:
		joined = append(joined, own)
		go r.run(own, req.Report)
	default:
		r.runWhile(ctx, own, req.Report)
		if err := ctx.Err(); err != nil {
			r.abandon(joined...)
			return result, err
		}
		own.addTo(&result, req.IDs)
	}
	for i, e := range joined {
		select {
		case <-e.done:
			e.addTo(&result, req.IDs)
		case <-ctx.Done():
			r.abandon(joined[i:]...)
			return result, ctx.Err()
		}
	}
	return result, nil
}

// endsBefore reports whether ctx has an earlier deadline than this.
func endsBefore(ctx context.Context, deadline time.Time) bool {
	earlier, ok := ctx.Deadline()
	return ok && earlier.Before(deadline)
}

// join fills in what the cache has, joins the exchanges under way for what is left, and returns the one that is to be made for
// the rest; nil if nothing is.
func (r *Resolver) join(ctx context.Context, req Request, result *Result) (own *exchange, joined []*exchange, err error) {
	var (
		fewKeys   [usualIDs]key // on the stack
		fewPlaces [usualIDs]int
	)
	keys, missing := appendKeys(fewKeys[:0], req.OpenID, req.IDs), fewPlaces[:0]
	r.mu.Lock()
	defer r.mu.Unlock()
	// An exchange leaves inflight, which takes r.mu, after it has filled the cache: one of the two knows what was asked for.
	r.config.Cache.get(req.OpenID, req.IDs, keys, func(i int, data wechat.OpenData) {
		result.OpenData[i], result.Origins[i] = data, Cached
	})
	for i, id := range req.IDs {
		switch e := r.inflight[keys[i]]; {
		case slices.Contains(req.IDs[:i], id):
		case result.Origins[i] == Cached:
			result.Cached++
		case e == nil || !e.asksFor(req.OpenID, id):
			missing = append(missing, i)
		default:
			result.Coalesced++
			fill(req.IDs[i:], result.Origins[i:], id, Coalesced)
			if !slices.Contains(joined, e) {
				joined = append(joined, e)
			}
		}
	}
	if missing, err = r.spend(req, missing, result); err != nil {
		return nil, nil, err
	}
	if len(missing) > 0 && r.closed {
		result.fail(req.IDs, missing, errClosed)
	} else if len(missing) > 0 {
		own = r.start(ctx, req, keys, missing)
	}
	for _, e := range joined {
		e.waiting++
	}
	return own, joined, nil
}

// spend takes the ids in some places from what is left of the user's limit, and returns the places without those of guesses that are
// beyond that.
func (r *Resolver) spend(req Request, places []int, result *Result) ([]int, error) {
	limiter := r.config.Limiter
	if limiter == nil || len(places) == 0 {
		return places, nil
	}
	guesses := 0
	for _, i := range places {
		if req.isGuess(i) {
			guesses++
		}
	}
	granted, err := limiter.take(req.OpenID, len(places)-guesses, guesses)
	if err != nil {
		return nil, err
	}
	if result.Limited = guesses - granted; result.Limited == 0 {
		return places, nil
	}
	return slices.DeleteFunc(places, func(i int) bool {
		if !req.isGuess(i) {
			return false
		}
		if granted--; granted >= 0 {
			return false
		}
		fill(req.IDs, result.Origins, req.IDs[i], Limited)
		return true
	}), nil
}

// fail fills in that the ids in some places could not be asked for.
func (r *Result) fail(ids []string, places []int, err error) {
	for _, i := range places {
		fill(ids, r.OpenData, ids[i], failed(ids[i], err).data)
	}
	r.Err = err
}

// isGuess reports whether the id at i is a guess wherever it stands in the request.
func (q *Request) isGuess(i int) bool {
	if q.Guesses == nil {
		return false
	}
	for j := i; j < len(q.IDs); j++ {
		if q.IDs[j] == q.IDs[i] && !q.Guesses[j] {
			return false
		}
	}
	return true
}

// fill puts value wherever id stands among ids.
func fill[T any](ids []string, list []T, id string, value T) {
	for i := range ids {
		if ids[i] == id {
			list[i] = value
		}
	}
}
