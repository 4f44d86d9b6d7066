package account

import (
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/ttlcache"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/usertoken"
)

const (
	// invocationTTL is how long a function may act for the user who called it.
	invocationTTL = 15 * time.Minute

	// invocationReuse is for how long a user's invocation token is given out again. Signing one takes longer than everything
	// else that the gateway does for a call without CloudIDs.
	invocationReuse = time.Minute

	// invocationEntries bounds the tokens that are kept for that.
	invocationEntries = 10000
)

// invocationTokens signs the tokens that functions are given.
type invocationTokens struct {
	keys   *usertoken.Keys
	cached *ttlcache.Cache[usertoken.User, string]
}

func newInvocationTokens(keys *usertoken.Keys) *invocationTokens {
	return &invocationTokens{keys, ttlcache.New[usertoken.User, string](invocationReuse, invocationEntries)}
}

func (t *invocationTokens) For(user usertoken.User) (string, error) {
	if token, ok := t.cached.Get(user); ok {
		return token, nil
	}
	token, err := t.keys.Sign(usertoken.Invocation, user, invocationTTL)
	if err == nil {
		t.cached.Add(user, token)
	}
	return token, err
}

// InvocationToken returns a token with which a function may ask the gateway in a user's name, for a quarter of an hour or a little
// less; "" where the account has no key to sign with.
func (a *Account) InvocationToken(user usertoken.User) (string, error) {
	if a.invocations == nil {
		return "", nil
	}
	return a.invocations.For(user)
}

// UnattendedToken returns a token for a function that another function called, depth calls of functions away from one that no
// user called, such as a timer's. With it a function may ask what needs no user. It is "" where the account has no key to sign
// with.
func (a *Account) UnattendedToken(depth int) (string, error) {
	if a.keys == nil {
		return "", nil
	}
	return a.keys.Sign(usertoken.Unattended, usertoken.User{OpenID: "nobody", Depth: depth}, invocationTTL)
}
