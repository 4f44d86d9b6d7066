package event_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

// The CloudIDs of WeChat's documentation, $1 to $3 in the tables below.
const (
	runID   = "27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"
	shareID = "39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ"
	infoID  = "46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc"
)

// plainID can be a CloudID, but does not look like one. It is $x below.
const plainID = "No_CloudID-Looks"

func expand(text string) string {
	return strings.NewReplacer("$1", runID, "$2", shareID, "$3", infoID, "$x", plainID).Replace(text)
}

// summary writes declarations as the tables do: name=ID where the client said so, name?ID for a guess, name*data,iv for
// encrypted data, name! for a value that can be no CloudID.
func summary(declared []event.Declaration) string {
	var words []string
	for _, d := range declared {
		switch {
		case d.EncryptedData != "":
			words = append(words, d.Name+"*"+d.EncryptedData+","+d.IV)
		case d.ID == "":
			words = append(words, d.Name+"!")
		case d.Kind == event.Guess:
			words = append(words, d.Name+"?"+d.ID)
		default:
			words = append(words, d.Name+"="+d.ID)
		}
	}
	return strings.Join(words, " ")
}

func TestLooksLikeCloudID(t *testing.T) {
	letters := strings.Repeat("aZ09_-", 30)
	for _, test := range []struct {
		sentence string
		text     string
		want     bool
	}{
		{"the documentation's first", runID, true},
		{"the documentation's second", shareID, true},
		{"the documentation's third", infoID, true},
		{"one digit and 40 characters are the least", "1_" + letters[:40], true},
		{"four digits and 128 characters are the most", "1234_" + letters[:128], true},
		{"39 characters are too few", "27_" + letters[:39], false},
		{"129 characters are too many", "27_" + letters[:129], false},
		{"five digits are too many", "12345_" + letters[:59], false},
		{"no digit is too few", "_" + letters[:59], false},
		{"nothing", "", false},
		{"only digits", "1234", false},
		{"digits and an underscore", "27_", false},
		{"no underscore", "27" + strings.Repeat("a", 59), false},
		{"the underscore comes straight behind the digits", "27a_" + letters[:59], false},
		{"a letter before the digits", "a27_" + letters[:59], false},
		{"the last character counts", "27_" + letters[:58] + "=", false},
		{"so does the first", "27_+" + letters[:58], false},
		{"a line end behind is a character", runID + "\n", false},
		{"letters of another script are of another alphabet", "27_" + strings.Repeat("а", 30), false},
		{"digits of another script are of another alphabet", "２７_" + letters[:59], false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			if got := event.LooksLikeCloudID(test.text); got != test.want {
				t.Errorf("LooksLikeCloudID(%q) = %v", test.text, got)
			}
		})
	}
}

// What lies next to letters and digits in ASCII is none of them.
func TestTheAlphabetOfCloudIDs(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
	for c := range 256 {
		text := "27_" + strings.Repeat("a", 50) + string([]byte{byte(c)})
		if got, want := event.LooksLikeCloudID(text), strings.IndexByte(alphabet, byte(c)) >= 0; got != want {
			t.Errorf("LooksLikeCloudID(%q) = %v", text, got)
		}
		text = string([]byte{byte(c)}) + "_" + strings.Repeat("a", 50)
		if got, want := event.LooksLikeCloudID(text), c >= '0' && c <= '9'; got != want {
			t.Errorf("LooksLikeCloudID(%q) = %v", text, got)
		}
	}
}

func TestWhatIsADeclaration(t *testing.T) {
	const list = `"cloudid_list":[{"key_name":"k","cloud_id":"$1"}]`
	for _, test := range []struct {
		sentence string
		rules    string
		body     string
		want     string
	}{
		// Explicit: an entry of a cloudid_list.
		{"an entry of a cloudid_list in the body's own object", "", `{` + list + `}`, "k=$1"},
		{"the list may stand anywhere", "", `{"a":1,` + list + `,"b":2}`, "k=$1"},
		{"beside an event at a pointer", "event: /data", `{"data":{},` + list + `}`, "k=$1"},
		{"beside an event that is a string", "event: /data string", `{` + list + `,"data":"{}"}`, "k=$1"},
		{"what it declares comes behind what the event declares", "", `{` + list + `,"a":"$2"}`, "a?$2 k=$1"},
		{"several entries", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$1"},{"cloud_id":"$2","key_name":"l"}]}`, "k=$1 l=$2"},
		{"an entry is explicit: any string is meant as a CloudID", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$x"}]}`, "k=$x"},
		{"a string with other characters is none", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$x="}]}`, "k!"},
		{"a string that is too short for one is none", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"` + plainID[1:] + `"}]}`, "k!"},
		{"a string that is too long for one is none", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"` + strings.Repeat("x", 257) + `"}]}`, "k!"},
		{"it needs no guesses", "guess: off", `{` + list + `}`, "k=$1"},
		{"names and IDs are unescaped", "", `{"cloudid\u005flist":[{"\u006bey_name":"\ud83d\ude00","cloud_id":"\u004eo\u005fCloudID\u002dLooks"}]}`, "😀=$x"},

		// Explicit: an object with cloudID.
		{"an object with cloudID", "", `{"k":{"cloudID":"$1"}}`, "k=$1"},
		{"whatever else it holds", "", `{"k":{"data":{"x":[1,{"cloudID":"$2"}]},"cloudID":"$1","errCode":1}}`, "k=$1"},
		{"it needs no guesses", "guess: off", `{"k":{"cloudID":"$1"}}`, "k=$1"},
		{"its name is unescaped", "", `{"k":{"cloud\u0049D":"$1"}}`, "k=$1"},
		{"space may stand in it", "", "{\"k\":\n{ \"cloudID\" :\t\"$1\" }}", "k=$1"},
		{"at a pointer", "event: /data", `{"data":{"k":{"cloudID":"$1"}}}`, "k=$1"},
		{"in an event that is a string", "event: /data string", `{"data":"{\"k\":{\"cloudID\":\"$1\"}}"}`, "k=$1"},

		// Explicit: strict mode.
		{"strict mode: any string value of a listed member", "fields: k l", `{"k":"$x","l":"$1"}`, "k=$x l=$1"},
		{"strict mode: an object with cloudID", "fields: k", `{"k":{"cloudID":"$1","data":{}}}`, "k=$1"},
		{"strict mode: an entry for a listed member", "fields: k", `{` + list + `}`, "k=$1"},
		{"strict mode: only the listed members", "fields: k", `{"a":"$1","b":{"cloudID":"$2"},"k":"$x"}`, "k=$x"},
		{"strict mode: a listed member may be missing", "fields: k l", `{"l":"$x"}`, "l=$x"},
		{"strict mode: a number becomes an error", "fields: k", `{"k":1}`, "k!"},
		{"strict mode: null becomes an error", "fields: k", `{"k":null}`, "k!"},
		{"strict mode: an array becomes an error", "fields: k", `{"k":["$1"]}`, "k!"},
		{"strict mode: an object without cloudID becomes an error", "fields: k", `{"k":{"data":{"openId":"x"}}}`, "k!"},
		{"strict mode: an object whose cloudID is none becomes an error", "fields: k", `{"k":{"cloudID":"x"}}`, "k!"},
		{"strict mode: a string that can be no CloudID becomes an error", "fields: k", `{"k":"<script>alert(1)</script>"}`, "k!"},
		{"strict mode: the empty string becomes an error", "fields: k", `{"k":""}`, "k!"},
		{"strict mode: in an event that is a string", "event: /data string; fields: k", `{"data":"{\"k\":\"$x\"}"}`, "k=$x"},

		// Explicit: encrypted data.
		{"encrypted data", "encrypted_data", `{"k":{"encryptedData":"e==","iv":"i==","errMsg":"ok"}}`, "k*e==,i=="},
		{"encrypted data of a listed member", "encrypted_data; fields: k", `{"k":{"encryptedData":"e","iv":"i"},"l":{"encryptedData":"e","iv":"i"}}`, "k*e,i"},
		{"a cloudID beside encrypted data goes first", "encrypted_data", `{"k":{"cloudID":"$1","encryptedData":"e","iv":"i"}}`, "k=$1"},
		{"encrypted data without content becomes an error", "encrypted_data", `{"k":{"encryptedData":"","iv":"i"}}`, "k!"},
		{"encrypted data in an event that is a string", "encrypted_data; event: /data string", `{"data":"{\"k\":{\"encryptedData\":\"e\",\"iv\":\"i\"}}"}`, "k*e,i"},

		// A guess.
		{"a string that looks like a CloudID", "", `{"k":"$1"}`, "k?$1"},
		{"in whatever spelling", "", `{"k":"\u0032` + runID[1:] + `"}`, "k?$1"},
		{"of whatever name", "", `{"":"$1","a.b":"$2","\"":"$3"}`, `?$1 a.b?$2 "?$3`},
		{"at a pointer", "event: /data", `{"data":{"k":"$1"}}`, "k?$1"},
		{"in an event that is a string", "event: /data string", `{"data":"{\"k\":\"$1\"}"}`, "k?$1"},
		{"explicit ones beside it stay explicit", "", `{"a":"$1","b":{"cloudID":"$2"},"c":"$3"}`, "a?$1 b=$2 c?$3"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			found, err := specOf(t, test.rules).rules(t).Parse([]byte(expand(test.body)))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := summary(found.Declarations), expand(test.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if found.Object() == nil {
				t.Error("there is an event")
			}
		})
	}
}

func TestWhatIsNone(t *testing.T) {
	for _, test := range []struct {
		sentence string
		rules    string
		body     string
		event    bool
	}{
		{"nested objects are never searched", "", `{"o":{"k":"$1","l":{"cloudID":"$2"}}}`, true},
		{"arrays are never searched", "", `{"o":["$1",{"cloudID":"$2"}]}`, true},
		{"guess off: a string is a string", "guess: off", `{"k":"$1"}`, true},
		{"without an openid a string is a string", "openid: none", `{"k":"$1"}`, true},
		{"a string with one character too few", "", `{"k":"27_` + strings.Repeat("a", 39) + `"}`, true},
		{"a string with one character too many", "", `{"k":"27_` + strings.Repeat("a", 129) + `"}`, true},
		{"a string with five digits", "", `{"k":"12345_` + strings.Repeat("a", 59) + `"}`, true},
		{"a string of another alphabet", "", `{"k":"27_` + strings.Repeat("+/", 30) + `"}`, true},
		{"a string under a name that says that it is an id", "", `{"cloudID":"$1","cloud_id":"$2","CLOUD-ID":"$3"}`, true},
		{"encrypted data without the option", "", `{"k":{"encryptedData":"e","iv":"i"}}`, true},
		{"encrypted data without an iv", "encrypted_data", `{"k":{"encryptedData":"e"}}`, true},
		{"a number, null, true", "", `{"a":27,"b":null,"c":true}`, true},
		{"an object whose cloudID does not look like one", "", `{"k":{"cloudID":"x","data":{}}}`, true},
		{"an object whose cloudID is spelled otherwise", "", `{"k":{"cloudId":"$1","CloudID":"$2"}}`, true},
		{"an object whose cloudID is no string", "", `{"k":{"cloudID":["$1"]}}`, true},
		{"an empty list", "", `{"cloudid_list":[]}`, true},
		{"a list with anything else in it", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$1"},"$2"]}`, true},
		{"a list whose entry holds more", "", `{"cloudid_list":[{"key_name":"k","cloud_id":"$1","n":1}]}`, true},
		{"a list whose entry holds less", "", `{"cloudid_list":[{"key_name":"k"}]}`, true},
		{"a list whose entry holds no strings", "", `{"cloudid_list":[{"key_name":1,"cloud_id":"$1"}]}`, true},
		{"a list whose entry names its member twice", "", `{"cloudid_list":[{"key_name":"k","key_name":"l","cloud_id":"$1"}]}`, true},
		{"a list under another name", "", `{"cloudIdList":[{"key_name":"k","cloud_id":"$1"}]}`, true},
		{"a list that stands in an event at a pointer", "event: /data", `{"data":{"cloudid_list":[{"key_name":"k","cloud_id":"$1"}]}}`, true},
		{"strict mode: what is not listed", "fields: k", `{"a":"$1","b":{"cloudID":"$2"}}`, true},
		{"beside an event at a pointer", "event: /data", `{"k":"$1","l":{"cloudID":"$2"},"data":{}}`, true},
		{"user_info: what a client sends as userInfo", "user_info", `{"userInfo":"$1","USERINFO":{"cloudID":"$2"}}`, true},

		{"user_info: an empty body", "user_info; event: /data", ``, false},
		{"user_info: a root that is an array", "user_info", ` ["$1",{"userInfo":1}]`, false},
		{"user_info: a root that is a number", "user_info", `1`, false},
		{"an empty body", "", ``, false},
		{"a root that is an array", "", `["$1",{"k":"$2"}]`, false},
		{"a root that is a string", "", `"$1"`, false},
		{"a root that is a number", "", `27`, false},
		{"a root that is null", "", `null`, false},
		{"a place that is not there", "event: /data", `{"k":"$1"}`, false},
		{"a place that holds no object", "event: /data", `{"data":["$1"],"cloudid_list":[{"key_name":"k","cloud_id":"$1"}]}`, false},
		{"a place that holds no string where one is expected", "event: /data string", `{"data":{"k":"$1"}}`, false},
		{"a string that holds no object", "event: /data string", `{"data":"[\"$1\"]"}`, false},
		{"an empty string", "event: /data string", `{"data":""}`, false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			found, err := specOf(t, test.rules).rules(t).Parse([]byte(expand(test.body)))
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Declarations) != 0 {
				t.Errorf("declared: %s", summary(found.Declarations))
			}
			if (found.Object() != nil) != test.event {
				t.Errorf("the event is %q", found.Object())
			}
		})
	}
}

// The declarations go into a cache and into a request to WeChat, which outlive the body.
func TestDeclarationsOutliveTheBody(t *testing.T) {
	for _, rules := range []string{"encrypted_data; max_ids: 9", "encrypted_data; max_ids: 9; fields: k l m e c d"} {
		body := []byte(expand(`{"k":"$1","l":{"cloudID":"$2"},"e":"\u0034` + infoID[1:] + `","c":{"encryptedData":"data","iv":"vector"},` +
			`"d":{"encryptedData":"\u0064ata","iv":"\u0076ector"},"cloudid_list":[{"key_name":"m","cloud_id":"$3"}]}`))
		found, err := specOf(t, rules).rules(t).Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		before := strings.Clone(summary(found.Declarations))
		for i := range body {
			body[i] = 'x'
		}
		if after := summary(found.Declarations); after != before {
			t.Errorf("rules %q: was %s\nis  %s", rules, before, after)
		}
	}
}

// One Rules serves all requests at once.
func TestRulesAreShared(t *testing.T) {
	rules := specOf(t, "event: /data string; fields: k l; user_info").rules(t)
	body := []byte(expand(`{"data":"{\"k\":\"$1\",\"userInfo\":1}","cloudid_list":[{"key_name":"l","cloud_id":"$2"}]}`))
	want := `{"data":"{\"k\":{\"A\":0},\"l\":{\"A\":1},\"userInfo\":{\"U\":1}}"}`
	var requests sync.WaitGroup
	for range 8 {
		requests.Go(func() {
			for range 100 {
				found, err := rules.Parse(body)
				if err != nil {
					t.Error(err)
					return
				}
				if got := string(write(found, numberedValues(2), []byte(`{"U":1}`))); got != want {
					t.Errorf("got %s", got)
				}
			}
		})
	}
	requests.Wait()
}

// write returns the body with these values in it.
func write(e event.Event, values [][]byte, userInfo []byte) []byte {
	out, _ := e.Write(values, userInfo, fresh)
	return out
}

// fresh is memory that nobody used before.
func fresh(size int) []byte { return make([]byte, 0, size) }
