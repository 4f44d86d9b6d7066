package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// workCase is one kind of work that all proxies do.
type workCase struct {
	name        string
	size        int  // of the body, in bytes, about
	ids         int  // CloudIDs in each event
	again       bool // always the same CloudIDs; else new ones in each event
	text        bool // the body is one long string, as a picture in base64; else rows of short members
	latency     time.Duration
	connections int
}

const weChatLatency = 20 * time.Millisecond

// The cases. With WeChat at 20 ms it takes many connections to keep a proxy busy.
var cases = []workCase{
	{name: "200B", size: 200, connections: 32},
	{name: "2KB", size: 2 << 10, connections: 32},
	{name: "2KB-1new", size: 2 << 10, ids: 1, connections: 32},
	{name: "2KB-3new", size: 2 << 10, ids: 3, connections: 32},
	{name: "2KB-1new-20ms", size: 2 << 10, ids: 1, latency: weChatLatency, connections: 256},
	{name: "2KB-3new-20ms", size: 2 << 10, ids: 3, latency: weChatLatency, connections: 256},
	{name: "2KB-1again", size: 2 << 10, ids: 1, again: true, connections: 32},
	{name: "2KB-3again", size: 2 << 10, ids: 3, again: true, connections: 32},
	{name: "100KB", size: 100 << 10, connections: 8},
	{name: "100KB-1new", size: 100 << 10, ids: 1, connections: 8},
	{name: "1MB", size: 1_000_000, connections: 4},
	{name: "1MB-text", size: 1_000_000, text: true, connections: 4},
}

func caseNamed(name string) (workCase, error) {
	for _, c := range cases {
		if c.name == name {
			return c, nil
		}
	}
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.name
	}
	return workCase{}, fmt.Errorf("there is no case %q; there are %s", name, strings.Join(names, ", "))
}

// A CloudID of the benchmark is prefix and a number, in idLength bytes as WeChat's own.
const (
	idPrefix = "27_Bench"
	idDigits = 54
	idLength = len(idPrefix) + idDigits
)

func cloudID(number uint64) string { return fmt.Sprintf("%s%0*d", idPrefix, idDigits, number) }

// sent is the event of a client with these CloudIDs, received is what the function must be given instead. The last of
// three CloudIDs is sent as an object, the others as strings.
func (c workCase) sent(ids []string) []byte {
	return c.event(ids, func(i int, id string) string {
		if i == 2 {
			return `{"cloudID":"` + id + `"}`
		}
		return `"` + id + `"`
	})
}

func (c workCase) received(ids []string) []byte {
	return c.event(ids, func(_ int, id string) string { return openData(id) })
}

func (c workCase) event(ids []string, value func(i int, id string) string) []byte {
	var body strings.Builder
	body.WriteString(`{"action":"\u8fd0\u52a8","date":"2024-05-17","user":{"name":"x","cloud":"y"},`)
	for i, id := range ids {
		fmt.Fprintf(&body, `"openData%d":%s,`, i, value(i, id))
	}
	// Rows as applications send them: mixed values, Chinese, some escapes.
	const row = `{"id":12345,"name":"a name of usual length","note":"走了一万步\n再走一万步","tags":["a","\u6b65"],"price":1.10,"ok":true},`
	if c.text {
		body.WriteString(`"picture":"data:image/png;base64,` + strings.Repeat("iVBORw0KGgoAAAANSUhEUgAAAAUA", c.size/28) + `","n":1}`)
		return []byte(body.String())
	}
	rows := max(c.size-len(ids)*(idLength+16), 0) / len(row)
	body.WriteString(`"rows":[` + strings.Repeat(row, rows) + `{}],"n":1}`)
	return []byte(body.String())
}

// openData is what WeChat's stand-in says of a CloudID. It names the id twice, so that answers cannot be mixed up unseen.
func openData(id string) string {
	return `{"cloudID":"` + id + `","data":{"phoneNumber":"+8613800000000","purePhoneNumber":"13800000000","countryCode":"86","of":"` +
		id + `","watermark":{"timestamp":1574338655,"appid":"` + appID + `"}}}`
}

// request is the whole HTTP request of a worker, and where the CloudIDs' numbers stand in it. Each worker is a user of their
// own, but where the same CloudIDs are sent again: those belong to one.
func (c workCase) request(address string, worker int, ids []string) (request []byte, numbers []int) {
	body, user := c.sent(ids), worker
	if c.again {
		user = 0
	}
	head := fmt.Sprintf("POST /fn/bench HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 MicroMessenger/8.0 MiniProgramEnv\r\n"+
		"Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: zh-CN\r\nReferer: https://servicewechat.com/%s/1/page-frame.html\r\n"+
		"Content-Type: application/json\r\nX-Bench-Worker: %d\r\nX-Bench-User: oBench-%021d\r\nContent-Length: %d\r\n\r\n", address, appID, worker, user, len(body))
	request = append([]byte(head), body...)
	for _, id := range ids {
		numbers = append(numbers, bytes.Index(request, []byte(id))+len(idPrefix))
	}
	return request, numbers
}
