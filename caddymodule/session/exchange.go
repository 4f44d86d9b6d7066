package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// exchanges is one for the process: neither two handlers nor the configs before and after a reload may send the same code.
var exchanges = newExchanger()

const (
	// codeLife is how long a code can be used: five minutes, says WeChat's document of wx.login.
	codeLife = 5 * time.Minute

	// maxUnanswered bounds the codes that are remembered, to some ten megabytes. Beyond it the oldest are forgotten, and WeChat has
	// to say by itself that they are used up.
	maxUnanswered = 1 << 16
)

// exchanger exchanges login codes for users.
type exchanger struct {
	calls      singleflight.Group
	unanswered *ttlcache.Cache[codeHash, struct{}] // codes that were sent and got no response

	mu      sync.Mutex
	waiting map[codeHash]*waiters // for the login with a code
}

// waiters are the requests that wait for one login.
type waiters struct {
	n     int
	queue context.Context //nolint:containedctx // ends when none of them waits any more
	leave context.CancelFunc
}

func newExchanger() *exchanger {
	return &exchanger{
		unanswered: ttlcache.New[codeHash, struct{}](codeLife, maxUnanswered),
		waiting:    make(map[codeHash]*waiters),
	}
}

// errCodeMayBeUsed is for a code that was sent before, and got no response.
var errCodeMayBeUsed = errors.New("the code got no response before, and may be used up")

// codeHash stands for a code of an account.
type codeHash [sha256.Size]byte

// wait counts a request that waits for the login with a code, until leave is called. When the last one leaves, queue ends, and
// with it a call that waits for its turn.
func (e *exchanger) wait(hash codeHash) (queue context.Context, leave func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.waiting[hash]
	if w == nil {
		w = new(waiters)
		w.queue, w.leave = context.WithCancel(context.Background())
		e.waiting[hash] = w
	}
	w.n++
	return w.queue, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if w.n--; w.n == 0 {
			w.leave()
			delete(e.waiting, hash)
		}
	}
}

// login asks WeChat whose code this is. Equal codes at the same time are one call, whose failure is reported once. The call is not
// tied to any request: while others wait it goes on, and once the code was sent it is used up anyway. It ends with the account's
// timeout.
func (e *exchanger) login(ctx context.Context, a *account.Account, code string, report func(error)) (wechat.Session, error) {
	hash := codeHash(sha256.Sum256([]byte(a.AppID() + "\x00" + code)))
	queue, leave := e.wait(hash)
	defer leave()
	detached := context.WithoutCancel(ctx)
	ask := func() (wechat.Session, error) { return a.Login(detached, queue, code) }
	for {
		response := e.calls.DoChan(string(hash[:]), func() (any, error) { return e.send(hash, ask, report) })
		select {
		case <-ctx.Done():
			return wechat.Session{}, ctx.Err()
		case result := <-response:
			if errors.Is(result.Err, context.Canceled) && queue.Err() == nil {
				continue // it was the call of requests that left the queue just before this one came
			}
			session, _ := result.Val.(wechat.Session) // none beside an error
			return session, result.Err
		}
	}
}

// send makes the call, unless the code was sent before. It runs inside the shared call, so that no other call for this code can
// come between the look and the note.
func (e *exchanger) send(hash codeHash, ask func() (wechat.Session, error), report func(error)) (any, error) {
	if _, known := e.unanswered.Get(hash); known {
		return nil, errCodeMayBeUsed
	}
	session, err := ask()
	switch {
	case err == nil:
		return session, nil
	case errors.Is(err, context.Canceled):
		return nil, err // nobody waited, and the code was not sent
	case mayBeUsed(err):
		e.unanswered.Add(hash, struct{}{})
	}
	report(err)
	return nil, err
}

// mayBeUsed reports whether a login that failed may have used up its code: WeChat was asked, and did not respond with an errcode. An
// unreadable response counts as well.
func mayBeUsed(err error) bool {
	_, notCalled := apicall.NotCalled(err)
	return !notCalled && !isWeChatError(err)
}

// isWeChatError reports whether a failure is an errcode of WeChat's.
func isWeChatError(err error) bool {
	_, ok := errors.AsType[*wechat.Error](err)
	return ok
}
