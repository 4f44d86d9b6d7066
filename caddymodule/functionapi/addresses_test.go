package functionapi_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// allow is about connections: whoever is not in it gets 403, whatever they send.
func TestAllow(t *testing.T) {
	for _, c := range []struct {
		it, options string
		status      int
	}{
		{"loopback, by default", "", 200},
		{"private ranges, by their name", "allow private_ranges", 200},
		{"what is listed", "allow 192.0.2.1 127.0.0.1", 200},
		{"and nothing else", "allow 192.0.2.0/24", 403},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := start(t, setup{api: "trust 127.0.0.1\n" + c.options})
			for _, header := range []string{"X-Test", "X-Forwarded-For"} { // a header changes nothing
				r := g.do(call{path: "/getOpenData", token: token(t, user), body: `{"list":[]}`, header: map[string]string{header: "192.0.2.1"}})
				if r.says(c.status); c.status == 403 {
					r.says(403, `"errcode":-604104`, "`allow <cidr>...` of cloudid_api")
				}
			}
			if c.status == 403 {
				g.do(call{path: "/nothing"}).says(403)
			}
		})
	}
}

// A request that shows a proxy, or a browser, is not trusted: the machine's trust is not its clients'.
func TestTrustEndsAtProxies(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.0/8 ::1"})
	body := `{"list":["` + steps + `"]}`
	g.do(call{path: "/getOpenData?openid=" + user, body: body}).says(200, stepsData)
	for _, header := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Real-IP",
		"X-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "Fastly-Client-IP", "CDN-Loop", "Origin",
		"X-Original-Forwarded-For", "X-Envoy-External-Address", "x-arr-clientcert", "Sec-Fetch-Site", "ALI-CDN-REAL-IP", "client-ip",
		"X-Original-Host", "X-Envoy-Internal", "X-ProxyUser-IP", "Fly-Client-IP", "X-Azure-ClientIP", "X-Appengine-User-IP", "X-Amz-Cf-Id",
	} {
		g.in(t).do(call{path: "/getOpenData?openid=" + user, body: body, header: map[string]string{header: "192.0.2.7"}}).says(401, "openid= is only for callers in the trust list")
		g.in(t).do(call{path: "/getOpenData?openid=" + user, body: body, header: map[string]string{header: ""}}).says(401)
	}
	// What clients of functions send besides proves no proxy: Node.js's fetch sends this one.
	g.do(call{path: "/getOpenData?openid=" + user, body: body, header: map[string]string{"Sec-Fetch-Mode": "cors", "User-Agent": "node"}}).says(200, stepsData)
}

// A list is read to its hundredth element, wherever one is read: a megabyte of zeros costs no more memory than one that is short.
func TestLongLists(t *testing.T) {
	g := start(t, setup{})
	good := token(t, user)
	zeros := "[" + strings.Repeat("0,", 1<<19-100) + "0]"
	strs := `["x"` + strings.Repeat(`,"x"`, 1<<18-100) + `]`
	var ids []string
	for range 1 << 19 {
		ids = append(ids, "")
	}
	protobuf := svrkit("ApiGetOpenDataByCloudId", openDataReq(ids[:1<<18]...))
	for _, c := range []struct {
		it   string
		send func() reply
		says string
	}{
		{"numbers", func() reply { return g.do(call{path: "/getOpenData", token: good, body: `{"list":` + zeros + `}`}) }, "parameter.list[0] should be string instead of number"},
		{"strings", func() reply { return g.do(call{path: "/getOpenData", token: good, body: `{"list":` + strs + `}`}) }, "the list has more than 100 CloudIDs"},
		{"numbers, as for Cloud Run", func() reply {
			return g.do(call{path: "/wxa/getopendata", token: good, body: `{"cloudid_list":` + zeros + `}`})
		}, "cloudid_list[0] must be a string"},
		{"strings, as for Cloud Run", func() reply {
			return g.do(call{path: "/wxa/getopendata", token: good, body: `{"cloudid_list":` + strs + `}`})
		}, "the list has more than 100 CloudIDs"},
		{"from the SDK", func() reply { return g.sdk("ApiGetOpenDataByCloudId", protobuf, good) }, "the list has more than 100 CloudIDs"},
		{"as JSON from the SDK", func() reply { return g.sdk("cloudbase.getOpenData", openAPI("cloudid_list", strs), good) }, "the list has more than 100 CloudIDs"},
		{"arguments from the SDK", func() reply {
			return g.sdk("wxacode.get", message(2, strings.Repeat(message(1, ""), 1<<19)), good)
		}, ""},
	} {
		t.Run(c.it, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := c.send()
			runtime.ReadMemStats(&after)
			if !strings.Contains(r.body, c.says) || r.status != http.StatusOK && r.status != http.StatusBadRequest {
				t.Errorf("%d %.200s", r.status, r.body)
			}
			// Request and response are of this process too: a few copies of a body of 1 MiB.
			if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
}
