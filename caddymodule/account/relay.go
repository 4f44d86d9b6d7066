package account

import (
	"context"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Relay makes a call of another of WeChat's APIs with the account's token. WeChat's errors are answers like any other, but
// that a refused token is replaced and the call repeated once. If that is refused as well, there is an answer and an error.
func (a *Account) Relay(ctx context.Context, request wechat.RelayRequest) (wechat.RelayResponse, error) {
	held, done, err := a.acquire()
	if err != nil {
		return wechat.RelayResponse{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Timeout))
	defer cancel()
	answer, err := apicall.Do(ctx, held.relay, apicall.Call{}, func(ctx context.Context, token string) (wechat.RelayResponse, error) {
		return held.client.Relay(ctx, token, request)
	})
	if err != nil {
		a.logFailure("relayed call failed", err)
	}
	return answer, err
}
