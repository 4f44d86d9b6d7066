package functionapi_test

import (
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func faultOf(api string) sandbox.Fault {
	return sandbox.Fault{API: api, Kind: "errcode", Code: 45009}
}

// quoted is a JSON text as a JSON string, as gjson writes it.
func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

func item(id, response string) string {
	return `{"cloud_id":"` + id + `","json":` + quoted(response) + `}`
}

func TestWeChatShapes(t *testing.T) {
	g := start(t, setup{api: "trust 127.0.0.1"})
	g.logIn(user)
	query := "?cloudbase_access_token=" + token(t, user)
	list := func(items ...string) string {
		return `{"errcode":0,"errmsg":"ok","data_list":[` + strings.Join(items, ",") + `]}`
	}
	signed := `{"errcode":0,"errmsg":"ok","signature":"` + voiceSign + `"}`
	fail := func(errcode, errmsg string) string { return `{"errcode":` + errcode + `,"errmsg":"` + errmsg + `"}` }
	tests := []struct {
		name   string
		call   call
		status int
		body   string
	}{
		{"a caller with the call's token", call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":["` + steps + `"]}`}, 200, list(item(steps, stepsData))},
		{"a trusted caller with an openid and no token, as in Cloud Run", call{path: "/wxa/getopendata?openid=" + user, body: `{"cloudid_list":["` + steps + `"]}`}, 200, list(item(steps, stepsData))},
		{"a body that is not called JSON, as WeChat takes it", call{path: "/wxa/getopendata" + query, kind: "text/plain", body: `{"cloudid_list":["` + steps + `"]}`}, 200, list(item(steps, stepsData))},
		{
			"several ids, in order, failed ones in place",
			call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":["` + group + `","` + unknown + `","` + steps + `","` + group + `"]}`},
			200,
			list(item(group, groupData), item(unknown, unknownError), item(steps, stepsData), item(group, groupData)),
		},
		{"an access_token that the code sends is nothing to us", call{path: "/wxa/getopendata" + query + "&access_token=x", body: `{"cloudid_list":["` + steps + `"]}`}, 200, list(item(steps, stepsData))},
		{"a voice signature", call{path: "/wxa/getvoipsign" + query, body: voiceWX}, 200, signed},
		{"a voice signature for a trusted caller", call{path: "/wxa/getvoipsign?openid=" + user, body: voiceWX}, 200, signed},

		{"no ids", call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":[]}`}, 200, fail("40097", "cloudid_list must be an array with at least one CloudID")},
		{"no list", call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":"` + steps + `"}`}, 200, fail("40097", "cloudid_list must be an array with at least one CloudID")},
		{"a body that is an array", call{path: "/wxa/getopendata" + query, body: `[]`}, 200, fail("40097", "cloudid_list must be an array with at least one CloudID")},
		{"an id that is a number", call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":[5]}`}, 200, fail("40097", "cloudid_list[0] must be a string, not number")},
		{"a body that is no JSON", call{path: "/wxa/getopendata" + query, body: `{`}, 200, fail("47001", "the body cannot be read: invalid JSON at byte 1")},
		{"GET", call{path: "/wxa/getopendata" + query, method: "GET"}, 200, fail("43002", "the method must be POST")},
		{"a timestamp in milliseconds", call{path: "/wxa/getvoipsign" + query, body: `{"group_id":"g","nonce":"n","timestamp":1559129714000}`}, 200, fail("40097", "the timestamp is in milliseconds; send seconds: Math.floor(Date.now() / 1000)")},
		{"a timestamp that is a string", call{path: "/wxa/getvoipsign" + query, body: `{"group_id":"g","nonce":"n","timestamp":"1559129714"}`}, 200, fail("40097", "the timestamp must be a number of seconds")},
		{"a group id missing", call{path: "/wxa/getvoipsign" + query, body: `{"nonce":"n","timestamp":1559129714}`}, 200, fail("40097", "the group id and the nonce must be strings")},
		{"a bad token", call{path: "/wxa/getopendata?cloudbase_access_token=x", body: `{"cloudid_list":["` + steps + `"]}`}, 401, fail("40001", "the invocation token is invalid or has expired; send the one that came with this call")},
		{"an openid that contradicts the token", call{path: "/wxa/getopendata" + query + "&openid=" + other, body: `{"cloudid_list":["` + steps + `"]}`}, 403, fail("40003", "the openid named is not the one that the call is made for; leave it out")},
		{"another app's resources", call{path: "/wxa/getopendata" + query + "&from_appid=wx0", body: `{"cloudid_list":["` + steps + `"]}`}, 200, fail("40097", "the resources of another app are not served by this gateway; leave out its AppID")},
		{"a query that servers read differently", call{path: "/wxa/getopendata" + query + ";a", body: `{"cloudid_list":["` + steps + `"]}`}, 200, fail("40097", "the query cannot be read: it has a semicolon or a broken percent code")},
		{"a body over 1 MiB", call{path: "/wxa/getopendata" + query, body: strings.Repeat(" ", 1<<20+1)}, 413, fail("45002", "the body is larger than 1048576 bytes")},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { g.in(t).do(c.call).is(c.status, c.body) })
	}
}

// As with WeChat, a call that failed as a whole has an errcode: WeChat's own, or -1 where there was none.
func TestWeChatFailures(t *testing.T) {
	g := start(t, setup{account: "retries 0"})
	query := "?cloudbase_access_token=" + token(t, user)
	g.fault(faultOf("getopendata"))
	g.do(call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":["` + steps + `"]}`}).says(200, `{"errcode":45009,"errmsg":"getopendata: errcode 45009`)
	g.fault(sandbox.Fault{API: "getopendata", Kind: "garbage", Body: "x"})
	g.do(call{path: "/wxa/getopendata" + query, body: `{"cloudid_list":["` + steps + `"]}`}).says(200, `{"errcode":-1,"errmsg":"WeChat could not be reached`)
	g.fault(faultOf("getvoipsign"))
	g.do(call{path: "/wxa/getvoipsign" + query, body: voiceWX}).says(200, `{"errcode":45009,`)
}
