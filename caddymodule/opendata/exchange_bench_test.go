package opendata_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
)

// benchUsers is how many users ask in turn.
const benchUsers = 64

// benchID returns a CloudID of the usual length.
func benchID(n int) string {
	return "27_Bench" + strconv.Itoa(1_000_000_000+n) + strings.Repeat("x", 44)
}

// benchWeChat is a stand-in for WeChat that does next to nothing: what it reads is one request with as many CloudIDs as usual, all
// of the same length, and what it writes is the same response each time but for these.
type benchWeChat struct {
	response []byte
	places   [][]int // of each id
}

func newBenchWeChat(ids int) *benchWeChat {
	items := make([]string, 0, ids)
	for n := range ids {
		id := benchID(n)
		data := `{"cloudID":"` + id + `","data":{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86","watermark":{"timestamp":1574338655,"appid":"` + appid + `"}}}`
		items = append(items, `{"cloud_id":"`+id+`","json":`+string(gjson.AppendJSONString(nil, data))+`}`)
	}
	body := `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
	s := &benchWeChat{response: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)}
	for n := range ids {
		id, at := []byte(benchID(n)), 0
		var places []int
		for {
			next := bytes.Index(s.response[at:], id)
			if next < 0 {
				break
			}
			places = append(places, at+next)
			at += next + len(id)
		}
		s.places = append(s.places, places)
	}
	return s
}

func (s *benchWeChat) serve(listener net.Listener) {
	length := len(benchID(0))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			request := make([]byte, 4<<10)
			for {
				n, err := connection.Read(request)
				if err != nil {
					return
				}
				at := bytes.LastIndexByte(request[:n], '[') + len(`["`)
				for _, places := range s.places {
					for _, place := range places {
						copy(s.response[place:], request[at:at+length])
					}
					at += length + len(`","`)
				}
				if _, err := connection.Write(s.response); err != nil {
					return
				}
			}
		}()
	}
}

// BenchmarkExchange has new CloudIDs resolved in requests of their own, one after the other, with a cache that is full. The call
// and the stand-in's response, system calls and all, are the larger part of it.
func BenchmarkExchange(b *testing.B) {
	for _, count := range []int{1, 3} {
		b.Run(fmt.Sprint(count, " new"), func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer listener.Close()
			go newBenchWeChat(count).serve(listener)
			resolver := benchResolver(b, "http://"+listener.Addr().String())
			n, ids := 0, make([]string, count)
			resolve := func() {
				openid := "o6_bmjrPTlm6_2sgVt7hMZOPfL" + strconv.Itoa(10+n%benchUsers)
				for i := range ids {
					ids[i] = benchID(n)
					n++
				}
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				result, err := resolver.Resolve(ctx, opendata.Request{OpenID: openid, IDs: ids})
				if err != nil || result.Err != nil || result.OpenData[count-1].Code != 0 {
					b.Fatal(err, result.Err, result.OpenData)
				}
			}
			for range 10_000 {
				resolve()
			}
			b.ReportAllocs()
			for b.Loop() {
				resolve()
			}
		})
	}
}
