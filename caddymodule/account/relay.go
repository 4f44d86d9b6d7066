package account

import (
	"context"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// Relay makes a call of another of WeChat's APIs with the account's token, for the user with this openid or for nobody (""), whose
// share of the calls in flight it counts towards. WeChat's errors are responses like any other, except that a rejected token is
// replaced and the call repeated once. If that is rejected as well, there is a response and an error.
func (a *Account) Relay(ctx context.Context, openid string, request wechat.RelayRequest) (wechat.RelayResponse, error) {
	held := a.acquire()
	defer a.release()
	ctx, cancel := context.WithTimeout(ctx, a.tunables.Timeout)
	defer cancel()
	response, err := apicall.Do(ctx, held.relay, apicall.Call{User: openid}, func(ctx context.Context, token string) (wechat.RelayResponse, error) {
		return held.client.Relay(ctx, token, request)
	})
	if err != nil {
		a.logFailure("relayed call failed", err)
	}
	return response, err
}
