package wechat_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// A client asks WeChat, here its stand-in, for the open data behind two CloudIDs of a user. Each has a result of its own.
func ExampleClient_GetOpenData() {
	server := httptest.NewServer(sandbox.New())
	defer server.Close()
	client, err := wechat.New(server.URL, func(call wechat.Call) { fmt.Println(call.API, wechat.MetricLabel(call.Err)) })
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	token, err := client.StableToken(ctx, "wx3d289323f5900f8e", "secret")
	if err != nil {
		log.Fatal(err)
	}
	list, err := client.GetOpenData(ctx, token.Value, "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", []string{
		"46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc",
		"27_this_is_no_CloudID_that_WeChat_ever_gave_to_anybody_at_all",
	})
	if err != nil {
		log.Fatal(err, wechat.Advice(err))
	}
	for _, data := range list {
		fmt.Println(data.MetricLabel())
	}
	// Output:
	// stable_token 0
	// getopendata 0
	// ok
	// -601005
}

// What an operator is told of a code, in log lines, by the command explain and in docs/errors.md.
func ExampleExplain() {
	code, known := wechat.Explain(40243)
	fmt.Println(known, code.English.Meaning)
	fmt.Println(code.Party)
	fmt.Println(code.Chinese.Meaning)
	// Output:
	// true secret frozen
	// the operator of the gateway
	// AppSecret 已被冻结
}
