package session

import (
	"context"
	"crypto/sha256"
	"errors"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/account"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// exchanges is one for the process: neither two handlers nor the configs before and after a reload may send the same code.
var exchanges exchanger

// exchanger exchanges login codes for users. Its zero value is ready.
type exchanger struct {
	flights    singleflight.Group
	unanswered unansweredCodes // the codes that got no answer
}

// errCodeMayBeUsed is for a code that was sent before, and got no answer.
var errCodeMayBeUsed = errors.New("the code got no answer before, and may be used up")

// codeHash stands for a code of an account.
type codeHash [sha256.Size]byte

// login asks WeChat whose code this is. Equal codes at the same time are one call, whose failure is reported once. The
// call belongs to nobody's request: whoever gives up, others may wait, and the code is used up anyway. It ends with the
// account's timeout.
func (e *exchanger) login(ctx context.Context, a *account.Account, code string, report func(*account.Account, error)) (usertoken.User, error) {
	hash := codeHash(sha256.Sum256([]byte(a.AppID() + "\x00" + code)))
	detached := context.WithoutCancel(ctx)
	answer := e.flights.DoChan(string(hash[:]), func() (any, error) {
		// In here, so that no other call for this code can be between the look and the note.
		if e.unanswered.has(hash) {
			return nil, errCodeMayBeUsed
		}
		session, err := a.Login(detached, code)
		if err != nil {
			if !isWeChatError(err) {
				e.unanswered.add(hash)
			}
			report(a, err)
			return nil, err
		}
		return usertoken.User{OpenID: session.OpenID, UnionID: session.UnionID}, nil
	})
	select {
	case <-ctx.Done():
		return usertoken.User{}, ctx.Err()
	case result := <-answer:
		user, _ := result.Val.(usertoken.User) // none beside an error
		return user, result.Err
	}
}

// answered reports whether a failure is WeChat's word. If it is anything else, a broken answer included, nobody knows what
// became of the code.
func isWeChatError(err error) bool {
	_, ok := errors.AsType[*wechat.Error](err)
	return ok
}
