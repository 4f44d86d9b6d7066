package account

import (
	"context"
	"io"
)

// CheckToken gets an access token as a call of WeChat would need it, and returns why that failed, with an advice
// (wechat.Advice); never the token. It does not use the token that calls share, so it says what WeChat says now.
func (a *Account) CheckToken(ctx context.Context) error {
	held := a.acquire()
	defer a.release()
	source := a.metrics.open(a.tokens, a.appid, held.client)
	if closer, ok := source.(io.Closer); ok {
		defer closer.Close()
	}
	_, err := source.Token(ctx)
	return err
}
