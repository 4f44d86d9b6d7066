package opendata_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// A resolver of an account whose users may have two CloudIDs exchanged in a minute: the first request asks WeChat, here its
// stand-in, the second is answered from the cache, the third is beyond the limit.
func ExampleResolver_Resolve() {
	server := httptest.NewServer(sandbox.New())
	defer server.Close()
	client, err := wechat.New(server.URL, func(wechat.Call) {})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	resolver := opendata.New(opendata.Config{
		AppID:   "wx3d289323f5900f8e",
		Timeout: 3 * time.Second,
		Cache:   opendata.NewCache(time.Minute, 10_000),
		Limiter: opendata.NewLimiter(2, time.Minute),
	}, client, apicall.NewCaller(apicall.Config{
		API:       wechat.APIGetOpenData,
		Tokens:    stableToken{client},
		Retries:   2,
		Breaker:   apicall.NewBreaker(func(change apicall.StateChange) { log.Print(change.To) }),
		Semaphore: apicall.NewSemaphore(apicall.DefaultMaxCalls),
	}))
	defer resolver.Close()

	const steps, phone = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g", "46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc"
	for _, ids := range [][]string{{steps, phone}, {phone}, {"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"}} {
		result, err := resolver.Resolve(context.Background(), opendata.Request{OpenID: "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", IDs: ids})
		if limit, ok := errors.AsType[*opendata.LimitError](err); ok {
			fmt.Println("beyond the limit:", limit.Max, "in", limit.Per)
			continue
		}
		for i, data := range result.OpenData {
			fmt.Println(data.Code, result.Origins[i] == opendata.Cached)
		}
	}
	// Output:
	// 0 false
	// 0 false
	// 0 true
	// beyond the limit: 2 in 1m0s
}

// stableToken fetches a token for each call. A real source keeps it until shortly before its end.
type stableToken struct{ client *wechat.Client }

func (s stableToken) Token(ctx context.Context) (string, error) {
	token, err := s.client.StableToken(ctx, "wx3d289323f5900f8e", "secret")
	return token.Value, err
}

func (stableToken) Rejected(string) {}
