package account

import (
	"context"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// Relay makes a call of another of WeChat's APIs with the account's token. WeChat's errors are answers like any other, but
// that a refused token is replaced and the call repeated once. If that is refused as well, there is an answer and an error.
func (a *Account) Relay(ctx context.Context, request wechat.RelayRequest) (wechat.RelayAnswer, error) {
	held, done, err := a.hold()
	if err != nil {
		return wechat.RelayAnswer{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Timeout))
	defer cancel()
	answer, err := opendata.Do(ctx, held.relay, func(ctx context.Context, token string) (wechat.RelayAnswer, error) {
		return held.client.Relay(ctx, token, request)
	})
	if err != nil {
		a.logFailure("relayed call failed", err)
	}
	return answer, err
}
