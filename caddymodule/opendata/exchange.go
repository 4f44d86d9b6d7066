package opendata

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

const (
	// maxApart is how many calls one exchange makes at once where one call for all did not do.
	maxApart = 4

	// maxSingly is how many ids are then asked for singly. More of them are asked for in groups first, and only the groups
	// that fail as well are taken apart: one bad id among a hundred takes 21 calls instead of a hundred.
	maxSingly = 10
)

// exchange is one exchange under way, and what came of it.
type exchange struct {
	openid  string
	ids     []string
	keys    []key         // of ids
	done    chan struct{} // closed once the results are complete
	results []result      // one for one with ids
	failure error         // why all calls failed; nil if WeChat responded to any
	waited  time.Duration // until the first call
	started time.Time

	lifetime lifetime // ends with Timeout, and when nobody waits any more and no call is under way

	// Guarded by Resolver.mu.
	request context.Context //nolint:containedctx // of the request that makes it, whose end was not noticed yet; nil: none does
	waiting int             // requests, the one that started it among them
	calling int             // calls that have begun
	asked   bool            // one has ever
	left    bool            // nobody waits any more
}

// result is what came of one id. Unless it is settled, asking again may give another.
type result struct {
	data    wechat.OpenData
	settled bool
	err     error // why not; nil where WeChat's response cannot be used
}

func failed(id string, err error) result {
	return result{data: wechat.OpenDataError(id, wechat.ErrCode(err)), err: err}
}

// addTo enters what came of an exchange into the result of a request for ids.
func (e *exchange) addTo(result *Result, ids []string) {
	for i, id := range e.ids {
		fill(ids, result.OpenData, id, e.results[i].data)
	}
	result.Waited = max(result.Waited, e.waited)
	if e.failure != nil {
		result.Err = e.failure
	}
}

// start makes an exchange for the ids in some places of a request known, for others to join. run must follow. r.mu is held.
func (r *Resolver) start(ctx context.Context, req Request, keys []key, places []int) *exchange {
	n, now := len(places), time.Now()
	e := &exchange{openid: req.OpenID, ids: make([]string, n), keys: make([]key, n), results: make([]result, n), done: make(chan struct{}), started: now, waiting: 1}
	e.lifetime.parent, e.lifetime.deadline = r.ctx, now.Add(r.config.Timeout)
	if !endsBefore(ctx, e.lifetime.deadline) {
		e.request = ctx
	}
	for i, place := range places {
		e.ids[i], e.keys[i] = req.IDs[place], keys[place]
		r.inflight[e.keys[i]] = e
	}
	r.wg.Add(1)
	return e
}

// asksFor reports whether an exchange is for a CloudID of a user.
func (e *exchange) asksFor(openid, id string) bool {
	return e.openid == openid && slices.Contains(e.ids, id)
}

// runWhile makes an exchange on the goroutine of the request that started it, which no longer waits for it when ctx ends. The end is
// noticed wherever the exchange waits for anything, and before each call.
func (r *Resolver) runWhile(ctx context.Context, e *exchange, report func(Exchange)) {
	e.lifetime.watch = func() func() bool {
		return context.AfterFunc(ctx, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.requestEnded(e)
		})
	}
	r.run(e, report)
}

// run makes an exchange. Whatever happens, it is finished, since others may wait for it.
func (r *Resolver) run(e *exchange, report func(Exchange)) {
	defer r.wg.Done()
	defer e.lifetime.cancel()
	defer r.finish(e, report)
	r.ask(e)
}

// finish gives the results of an exchange to the cache, and to those who wait for it.
func (r *Resolver) finish(e *exchange, report func(Exchange)) {
	outcome := e.outcome()
	r.config.Cache.put(e)
	r.mu.Lock()
	r.forget(e)
	asked := e.asked
	r.mu.Unlock()
	if r.config.Limiter != nil && !asked {
		r.config.Limiter.refund(e.openid, len(e.ids))
	}
	close(e.done)
	if report != nil {
		report(outcome)
	}
}

// forget takes an exchange out of those that can be joined. r.mu is held.
func (r *Resolver) forget(e *exchange) {
	for _, k := range e.keys {
		if r.inflight[k] == e {
			delete(r.inflight, k)
		}
	}
}

// abandon notes that a request no longer waits. An exchange that nobody waits for ends, unless it has a call under way, whose result
// is for the cache.
func (r *Resolver) abandon(exchanges ...*exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range exchanges {
		r.leave(e)
	}
}

// requestEnded notes that the request which makes an exchange no longer waits. r.mu is held.
func (r *Resolver) requestEnded(e *exchange) {
	if e.request != nil {
		e.request = nil
		r.leave(e)
	}
}

// leave counts a request that no longer waits. r.mu is held.
func (r *Resolver) leave(e *exchange) {
	if e.waiting--; e.waiting == 0 && e.calling == 0 {
		r.drop(e)
	}
}

// drop ends an exchange that nobody waits for, as soon as it has no call under way. r.mu is held.
func (r *Resolver) drop(e *exchange) {
	e.left = true
	r.forget(e)
	if e.calling == 0 {
		e.lifetime.cancel()
	}
}

// begin reports whether somebody still waits for an exchange, so that a call may begin. end must follow.
func (r *Resolver) begin(e *exchange) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.request != nil && e.request.Err() != nil {
		r.requestEnded(e)
	}
	if e.waiting == 0 && !e.left {
		r.drop(e)
	}
	if e.left {
		return false
	}
	e.calling++
	if !e.asked {
		e.asked, e.waited = true, time.Since(e.started)
	}
	return true
}

func (r *Resolver) end(e *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.calling--; e.left {
		r.drop(e)
	}
}

// request makes one call for some of an exchange's ids.
func (r *Resolver) request(e *exchange, ids []string) ([]wechat.OpenData, error) {
	return apicall.Do(&e.lifetime, r.caller, apicall.Call{User: e.openid}, func(ctx context.Context, token string) ([]wechat.OpenData, error) {
		if !r.begin(e) {
			return nil, context.Canceled
		}
		defer r.end(e)
		return r.client.GetOpenData(ctx, token, e.openid, ids)
	})
}

// ask asks for all ids in one call, and apart where that fails for what may be the fault of one of them.
func (r *Resolver) ask(e *exchange) {
	if again := r.askFor(e, 0, len(e.ids)); len(again) == 0 {
		return
	}
	group := 1
	if len(e.ids) > maxSingly {
		for group*group < len(e.ids) {
			group++
		}
	}
	var spans []span
	for from := 0; from < len(e.ids); from += group {
		spans = append(spans, span{from, min(from+group, len(e.ids))})
	}
	for len(spans) > 0 {
		spans = r.askApart(e, spans)
	}
}

// span is a range of an exchange's ids.
type span struct{ from, to int }

// askApart asks for the ids of each span in a call of its own, and returns those of the spans that must be taken apart, singly.
func (r *Resolver) askApart(e *exchange, spans []span) (again []span) {
	var (
		mu    sync.Mutex
		group errgroup.Group
	)
	group.SetLimit(maxApart)
	for _, s := range spans {
		group.Go(func() error {
			singles := r.askFor(e, s.from, s.to)
			mu.Lock()
			defer mu.Unlock()
			again = append(again, singles...)
			return nil
		})
	}
	_ = group.Wait() // no task returns an error
	return again
}

// askFor asks for the ids from one place to another in one call. It returns their single places if they are to be asked for
// apart.
func (r *Resolver) askFor(e *exchange, from, to int) (apart []span) {
	ids := e.ids[from:to]
	list, err := r.request(e, ids)
	if len(ids) > 1 && mayBeOneID(err) {
		for i := from; i < to; i++ {
			apart = append(apart, span{i, i + 1})
		}
		return apart
	}
	for i, id := range ids {
		one := &e.results[from+i]
		switch {
		case err == nil:
			*one = r.judge(id, list[i])
		case wechat.IsConclusive(wechat.Code(err)): // said of the whole call, but about the one id in it
			*one = result{data: wechat.OpenDataError(id, wechat.ErrCode(err)), settled: true}
		default:
			*one = failed(id, err)
		}
	}
	return nil
}

// mayBeOneID reports whether a whole call failed for what may be the fault of a single id.
func mayBeOneID(err error) bool {
	code := wechat.Code(err)
	return code == 40097 || wechat.IsConclusive(code) || wechat.IsUnreadable(err)
}

// judge makes a result of what WeChat said of an id. Open data of another app is rejected.
func (r *Resolver) judge(id string, data wechat.OpenData) result {
	switch {
	case data.Code == 0 && !data.IsFor(r.config.AppID):
		return result{data: wechat.OpenDataError(id, wechat.CodeUserMismatch), settled: true, err: errMismatch}
	case data.Code == 0 || wechat.IsConclusive(data.Code):
		return result{data: data, settled: true}
	}
	return result{data: data}
}

// errMismatch marks open data that was rejected for its watermark.
var errMismatch = errors.New("the open data has the watermark of another AppID")

// errUnfinished is the error of ids of which nothing is known although the exchange has ended: it panicked.
var errUnfinished = errors.New("the exchange broke off")

// outcome sums up an exchange for its report, and completes its results.
func (e *exchange) outcome() Exchange {
	outcome := Exchange{IDs: len(e.ids), Duration: time.Since(e.started)}
	var causes []error
	calls := 0 // that failed, as many as ids
	for i := range e.results {
		one := &e.results[i]
		if one.data.JSON == nil {
			*one = failed(e.ids[i], errUnfinished)
		}
		switch {
		case one.err == errMismatch:
			outcome.Mismatched++
			continue
		case one.settled:
			continue
		case one.err == nil:
			one.err = &wechat.Error{API: wechat.APIGetOpenData, Code: one.data.Code}
		default:
			calls++
		}
		outcome.Failed++
		if !slices.ContainsFunc(causes, func(c error) bool { return wechat.MetricLabel(c) == wechat.MetricLabel(one.err) }) {
			causes = append(causes, one.err)
		}
	}
	if calls == len(e.ids) {
		e.failure = e.results[0].err
	}
	outcome.Err = errors.Join(causes...)
	return outcome
}
