package session

import (
	"context"
	"crypto/sha256"
	"errors"
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
	unanswered *ttlcache.Cache[codeHash, struct{}] // codes that were sent and got no answer
}

func newExchanger() *exchanger {
	return &exchanger{unanswered: ttlcache.New[codeHash, struct{}](codeLife, maxUnanswered)}
}

// errCodeMayBeUsed is for a code that was sent before, and got no answer.
var errCodeMayBeUsed = errors.New("the code got no answer before, and may be used up")

// codeHash stands for a code of an account.
type codeHash [sha256.Size]byte

// login asks WeChat whose code this is. Equal codes at the same time are one call, whose failure is reported once. The call is not
// tied to any request: when one client gives up, others may wait, and the code is used up anyway. It ends with the account's timeout.
func (e *exchanger) login(ctx context.Context, a *account.Account, code string, report func(*account.Account, error)) (wechat.Session, error) {
	hash := codeHash(sha256.Sum256([]byte(a.AppID() + "\x00" + code)))
	detached := context.WithoutCancel(ctx)
	response := e.calls.DoChan(string(hash[:]), func() (any, error) {
		// Inside the call, so that no other call for this code can come between the look and the note.
		if _, known := e.unanswered.Get(hash); known {
			return nil, errCodeMayBeUsed
		}
		session, err := a.Login(detached, code)
		if err != nil {
			if mayBeUsed(err) {
				e.unanswered.Add(hash, struct{}{})
			}
			report(a, err)
			return nil, err
		}
		return session, nil
	})
	select {
	case <-ctx.Done():
		return wechat.Session{}, ctx.Err()
	case result := <-response:
		session, _ := result.Val.(wechat.Session) // none beside an error
		return session, result.Err
	}
}

// mayBeUsed reports whether nobody knows if a login that failed has used up its code: neither did WeChat say so, nor was it not
// asked at all. An unreadable response counts as well.
func mayBeUsed(err error) bool {
	_, notCalled := apicall.NotCalled(err)
	return !notCalled && !isWeChatError(err)
}

// isWeChatError reports whether a failure is WeChat's word.
func isWeChatError(err error) bool {
	_, ok := errors.AsType[*wechat.Error](err)
	return ok
}
