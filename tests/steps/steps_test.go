package steps_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
	"github.com/caddy-cloudid/caddy-cloudid/tests/probe"
)

// way is one in which steps do not arrive. Each place that can say why has words of it; "" for a place that cannot.
type way struct {
	complaint string // what somebody says who does not know why

	account, login, functions, errors string // other lines of the Caddyfile than the usual ones

	before  func(*rig)        // what happened first
	event   func(*rig) string // what the app sends; default: fresh steps of Alice's phone
	header  map[string]string // and beside it
	nobody  bool              // without a session token
	expects int               // the status; default: 200

	response, inspector, log, check string
}

func TestWaysInWhichStepsDoNotArrive(t *testing.T) {
	for _, w := range ways {
		t.Run(w.complaint, func(t *testing.T) {
			r := start(t, w)
			if w.before != nil {
				w.before(r)
			}
			header := map[string]string{}
			if token := r.logIn(alice); token != "" && !w.nobody {
				header["Authorization"] = "Bearer " + token
			}
			for name, value := range w.header {
				header[name] = value
			}
			event := `{"weRunData":"` + r.cloudID(alice, time.Minute) + `"}`
			if w.event != nil {
				event = w.event(r)
			}
			status, response := r.post("/fn/steps", event, header)
			if want := max(w.expects, 200); status != want || strings.Contains(response, "stepInfoList") {
				t.Errorf("%d %s; want %d, and no steps", status, response, want)
			}
			says := func(place, text, words string) {
				t.Helper()
				if !strings.Contains(text, words) {
					t.Errorf("%s does not say %q:\n%s", place, words, text)
				}
			}
			says("the response", response, w.response)
			says("the inspector", r.calls(), w.inspector)
			if w.log != "" {
				probe.Eventually(t, "the log says "+w.log, func() bool { return strings.Contains(r.log.Text(t), w.log) })
			}
			found := r.findings()
			says("the check", found, w.check)
			if w.check == "" && found != "" {
				t.Errorf("the check blames what is right: %s", found)
			}
		})
	}
}

func body(text string) func(*rig) string { return func(*rig) string { return text } }

func functions(lines string) string {
	return "handle /fn/* {\nwechat_session {\naccount " + appid + "\n}\ncloudid {\naccount " + appid + "\n" + lines + "\n}\nreverse_proxy $FUNCTION\n}"
}

var ways = []way{
	{
		complaint: "they arrive right after the app was opened, and later they do not",
		event:     func(r *rig) string { return `{"weRunData":"` + r.cloudID(alice, -1) + `"}` },
		response:  `"errCode":-601006`, inspector: "error -601006; cloudID expired, the developer of the mini program: CloudIDs live for five minutes", log: "weRunData: field, error -601006; cloudID expired",
	},
	{
		complaint: "mine arrive, my son's do not",
		event:     func(r *rig) string { return `{"weRunData":"` + r.cloudID(bob, time.Minute) + `"}` },
		response:  `"errCode":-601007`, inspector: "nobody can redeem another user's", log: "error -601007",
	},
	{
		complaint: "in our second mini program nobody can log in",
		before:    func(r *rig) { r.post("/login", `{"code":"of another mini program"}`, nil) },
		nobody:    true,
		expects:   401,
		inspector: "errcode 40029 (login code invalid)", log: "if all fail, the codes are of another mini program than this account",
	},
	{
		complaint: "since yesterday nobody sees any: the secret was reset",
		before:    func(r *rig) { r.wechat.SetSecret(appid, "another") },
		expects:   401,
		response:  "not authenticated", inspector: "cause: jscode2session: errcode 40125", log: `"advice":"correct the AppID or the secret of this account`,
	},
	{
		complaint: "since we moved to another server",
		before:    func(r *rig) { r.fault(sandbox.Fault{API: "stable_token", Kind: "errcode", Code: 40164}) },
		response:  `"errCode":-601001`, inspector: "errcode 40164 (IP address not on the whitelist)", log: "put the IP address 203.0.113.7 on the IP whitelist",
	},
	{
		complaint: "everybody's are gone, at once and quickly",
		before: func(r *rig) {
			r.fault(sandbox.Fault{API: "getopendata", Kind: "status", Code: 502})
			for range 4 {
				for _, user := range []string{alice, bob} {
					r.post("/fn/steps", `{"weRunData":"`+r.cloudID(user, time.Minute)+`"}`, map[string]string{"Authorization": "Bearer " + r.logIn(user)})
				}
			}
		},
		response: `"errCode":-601001`, inspector: "not asked: WeChat is left alone for", log: "breaker opened: too many calls to WeChat failed in a row",
	},
	{
		complaint: "in the evening they stop, and the next morning they are back",
		before:    func(r *rig) { r.fault(sandbox.Fault{API: "getopendata", Kind: "errcode", Code: 45009}) },
		response:  `"errCode":-601001`, inspector: "errcode 45009 (daily quota used up)", log: "midnight, Beijing time",
	},
	{
		complaint: "the page hangs, and then shows nothing",
		account:   "timeout 200ms",
		before: func(r *rig) {
			r.fault(sandbox.Fault{API: "getopendata", Kind: "latency", Latency: 5 * time.Second})
		},
		response: `"errCode":-601008`, inspector: "no response in time", log: "raise the account's `timeout`",
	},
	{
		complaint: "in the function they are a string, one level down",
		event:     func(r *rig) string { return `{"user":{"weRunData":"` + r.cloudID(alice, time.Minute) + `"}}` },
		inspector: "user.weRunData: kept, nested", log: "user.weRunData: kept, nested: it looks like a CloudID, but only direct members of the event are looked at: send it at the top level",
	},
	{
		complaint: "a demo phone sends a number of its own",
		event:     body(`{"weRunData":9103}`),
		response:  `"errCode":-601005`, inspector: "weRunData: field, error -601005 for a value of type number, cannot_be_cloudid", log: "so WeChat was not asked",
	},
	{
		complaint: "they are a string on my test device, which calls them otherwise",
		event:     func(r *rig) string { return `{"runData":"` + r.cloudID(alice, time.Minute) + `"}` },
		inspector: "runData: kept, not_listed", log: "`fields` does not list this member",
	},
	{
		complaint: "they are a string on my test device, which sends another type",
		functions: functions("guess off"),
		header:    map[string]string{"Content-Type": "text/plain"},
		inspector: "the body was not read: the Content-Type is not JSON: the client must send application/json (text/plain)", log: `"skipped":"other_type"`,
	},
	{
		complaint: "a form, where an event should be",
		event:     body("weRunData=1"),
		header:    map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		expects:   415,
		response:  "this gateway forwards JSON events only", inspector: "the client was told: this gateway forwards JSON events only", log: `"status":415`,
	},
	{
		complaint: "the new version of the app gets an error: it compresses",
		header:    map[string]string{"Content-Encoding": "br"},
		expects:   415,
		response:  "the Content-Encoding of a JSON event must be gzip or none", inspector: "the Content-Encoding of a JSON event must be gzip or none", log: `"status":415`,
	},
	{
		complaint: "another charset",
		header:    map[string]string{"Content-Type": "application/json; charset=gbk"},
		expects:   415,
		response:  "utf-8", inspector: "utf-8", log: `"status":415`,
	},
	{
		complaint: "my colleague's file works, mine does not, and there are no words: a byte order mark",
		errors:    "handle_errors 5xx {\nrespond busy\n}",
		event:     func(r *rig) string { return "\ufeff" + `{"weRunData":"` + r.cloudID(alice, time.Minute) + `"}` },
		expects:   400,
		inspector: "byte order mark", log: "byte order mark",
	},
	{
		complaint: "login works, and every call is 401: the accounts differ",
		functions: strings.Replace(usualFunctions, "account "+appid, "account "+other, 1),
		expects:   401,
		response:  "not authenticated", inspector: "the token was issued for another account: wechat_login and wechat_session must name the same", log: `"reason":"account"`, check: "every call is rejected with 401",
	},
	{
		complaint: "every call is 401: the token is not sent",
		nobody:    true,
		expects:   401,
		response:  "not authenticated", inspector: "no session token was sent", log: `"reason":"missing"`,
	},
	{
		complaint: "every call is 401: what is sent is no session token",
		header:    map[string]string{"Authorization": "Bearer the-code-of-wx.login"},
		expects:   401,
		response:  "not authenticated", inspector: "what was sent is no session token: send the member `token`", log: `"reason":"malformed"`,
	},
	{
		complaint: "nothing says anything: handle_path took the path away that the matcher asks for",
		functions: strings.NewReplacer("handle /fn", "handle_path /fn", "cloudid {", "cloudid /fn/* {").Replace(usualFunctions),
		inspector: "No call yet", check: "handle_path (or uri strip_prefix) has taken away by then",
	},
	{
		complaint: "nothing says anything: cloudid stands behind the proxy",
		functions: "route /fn/* {\nwechat_session {\naccount " + appid + "\n}\nreverse_proxy $FUNCTION\ncloudid {\naccount " + appid + "\nfields weRunData\n}\n}",
		inspector: "No call yet", check: "a handler in front of it, such as the proxy, has responded by then",
	},
	{
		complaint: "a page with six CloudIDs fails",
		functions: functions("fields a b c d e f"),
		event: func(r *rig) string {
			id := r.cloudID(alice, time.Minute)
			return `{"a":"` + strings.Join([]string{id, `","b":"`, `","c":"`, `","d":"`, `","e":"`, `","f":"`, `"}`}, id)[len(id):]
		},
		expects:  400,
		response: "more than 5 CloudIDs", inspector: "more than 5 CloudIDs", log: "more than 5 CloudIDs",
	},
	{
		complaint: "since the app remembers the last number, every call fails",
		event:     func(r *rig) string { return `{"weRunData":"` + r.cloudID(alice, time.Minute) + `","we_run_data":8121}` },
		expects:   400,
		response:  "'we_run_data' is the same name to some readers", inspector: "'we_run_data' is the same name", log: "'we_run_data' is the same name",
	},
	{
		complaint: "on the PC every call is 401",
		login:     "wechat_login /login {\naccount " + appid + "\n}",
		event:     func(r *rig) string { return `{"weRunData":` + r.encrypted(alice, 0) + `}` },
		expects:   401,
		response:  "the operator must add session_key to wechat_login", inspector: "no_session_key: the session holds no session_key", log: "no_session_key", check: "session-key: ",
	},
	{
		complaint: "on the PC they are an object, and an error",
		functions: functions("fields weRunData"),
		event:     func(r *rig) string { return `{"weRunData":` + r.encrypted(alice, 0) + `}` },
		response:  `"errCode":-601005`, inspector: "encrypted_data_off", log: "which is read only with `encrypted_data` in cloudid",
	},
	{
		complaint: "on the PC they arrive at first, and after lunch they do not",
		event:     func(r *rig) string { return `{"weRunData":` + r.encrypted(alice, time.Hour) + `}` },
		response:  `"errCode":-601006`, inspector: "weRunData: encrypted, error -601006; cloudID expired, the developer of the mini program: CloudIDs live for five minutes, and so does encryptedData", log: "error -601006",
	},
	{
		complaint: "the dashboard shows an error after a while",
		account:   "limit 2",
		before: func(r *rig) {
			token := "Bearer " + r.logIn(alice)
			for range 2 {
				r.post("/fn/steps", `{"weRunData":"`+r.cloudID(alice, time.Minute)+`"}`, map[string]string{"Authorization": token})
			}
		},
		expects:  429,
		response: "as the account's limit allows: 2 in 1m0s", inspector: "as the account's limit allows", log: `"status":429`,
	},
	{
		complaint: "502: the function does not run",
		functions: strings.Replace(usualFunctions, "$FUNCTION", "127.0.0.1:1", 1),
		expects:   502,
		inspector: "cause: the function cannot be reached: dial tcp 127.0.0.1:1", log: `"cause":"the function cannot be reached`,
	},
	{
		complaint: "the event is not where the gateway looks",
		functions: functions("guess off\nevent /data"),
		event:     func(r *rig) string { return `{"weRunData":"` + r.cloudID(alice, time.Minute) + `","data":{}}` },
		inspector: "weRunData: kept, beside_the_event", log: "stands beside the event that the option `event` names",
	},
	{
		complaint: "a member that is called cloudID stays a string",
		functions: functions(""),
		event:     func(r *rig) string { return `{"cloudID":"` + r.cloudID(alice, time.Minute) + `"}` },
		inspector: "cloudID: kept, named_as_id", log: "the function wants the id itself", check: "guesses: ",
	},
	{
		complaint: "guess off, and a client that sends strings",
		functions: functions("guess off"),
		inspector: "weRunData: kept, guess_off", log: "send it with cloudid_list or as an object with cloudID",
	},
}
