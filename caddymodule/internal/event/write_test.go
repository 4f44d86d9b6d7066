package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unsafe"
)

func TestWhatHappensToTheBody(t *testing.T) {
	const list = `"cloudid_list":[{"key_name":"l","cloud_id":"$3"}]`
	for _, test := range []struct {
		sentence string
		rules    string
		body     string
		want     string
	}{
		// Every byte outside a replaced value stays as it was.
		{"order, space, numbers, escapes", "", "\t{ \"\\u0062\" : 1.10 ,\n\"k\":\"$1\" , \"n\":[-0, 1E+2,\"\\/\\u00e9\"]}\r\n", "\t{ \"\\u0062\" : 1.10 ,\n\"k\":{\"A\":0} , \"n\":[-0, 1E+2,\"\\/\\u00e9\"]}\r\n"},
		{"duplicates elsewhere", "", `{"a":1,"k":"$1","a":2}`, `{"a":1,"k":{"A":0},"a":2}`},
		{"the name of what is replaced", "", `{"\u006b":"$1"}`, `{"\u006b":{"A":0}}`},
		{"objects as well", "", `{"k":{ "cloudID":"$1" },"l":2}`, `{"k":{"A":0},"l":2}`},
		{"several", "", `{"a":"$1","b":1,"c":"$2"}`, `{"a":{"A":0},"b":1,"c":{"A":1}}`},
		{"what stands around an event at a pointer", "event: /a/1", `{"k":"$1","a":[ {}, {"k":"$2"} ],"z":1.0}`, `{"k":"$1","a":[ {}, {"k":{"A":0}} ],"z":1.0}`},

		// The list is taken out and its members are set, last.
		{"a list behind others", "", `{"a":1,` + list + `}`, `{"a":1,"l":{"A":0}}`},
		{"a list before others", "", `{` + list + `,"a":1}`, `{"a":1,"l":{"A":0}}`},
		{"a list between others", "", `{"a":1, ` + list + ` ,"b":2}`, `{"a":1 ,"b":2,"l":{"A":0}}`},
		{"a list alone", "", `{` + list + `}`, `{"l":{"A":0}}`},
		{"an ordinary cloudid_list stays where userInfo is removed", "user_info", `{"userInfo":1,"cloudid_list":["x"],"a":2}`, `{"cloudid_list":["x"],"a":2,"userInfo":{"U":1}}`},
		{"an ordinary cloudid_list stays where userInfo is removed beside it", "event: /data; user_info", `{"cloudid_list":["x"],"data":{"userInfo":1}}`, `{"cloudid_list":["x"],"data":{"userInfo":{"U":1}}}`},
		{"a list beside an event", "event: /data", `{"data":{"a":1},` + list + `}`, `{"data":{"a":1,"l":{"A":0}}}`},
		{"a list beside an event with another at the same place", "event: /data", `{` + list + `,"data":{` + list + `}}`, `{"data":{` + list + `,"l":{"A":0}}}`},
		{"a list beside an empty event", "event: /data", `{` + list + `,"data":{ }}`, `{"data":{"l":{"A":0} }}`},
		{"a list beside an event that is a string", "event: /data string", `{"n":1,` + list + `,"data":"{\"a\":\"$1\"}"}`, `{"n":1,"data":"{\"a\":{\"A\":0},\"l\":{\"A\":1}}"}`},

		// Within a quoted event the string's own escapes stay as well.
		{"escapes of the string", "event: /data string", `{"data":"\u007B\"\u0061\":\"\ud83d\uDE00\/\",\"k\":\u0022$1\u0022\u007D"}`, `{"data":"\u007B\"\u0061\":\"\ud83d\uDE00\/\",\"k\":{\"A\":0}\u007D"}`},
		{"escapes of the text within", "event: /data string", `{"data":"{\"x\":\"\\\"\\u00e9\\\\\",\"k\":\"$1\"}"}`, `{"data":"{\"x\":\"\\\"\\u00e9\\\\\",\"k\":{\"A\":0}}"}`},
		{"characters of one to four bytes", "event: /data string", `{"data":"{\"aé步😀\":\"aé步😀\u00e9\u6b65\ud83d\ude00\",\"k\":\"$1\",\"é\":\"步\"}"}`, `{"data":"{\"aé步😀\":\"aé步😀\u00e9\u6b65\ud83d\ude00\",\"k\":{\"A\":0},\"é\":\"步\"}"}`},
		{"space around the text", "event: /data string", `{ "data" : "\n {\"k\":\"$1\"}\t" }`, `{ "data" : "\n {\"k\":{\"A\":0}}\t" }`},

		// user_info: every member that folds to userInfo goes, ours comes last.
		{"userInfo is added", "user_info", `{"a":1}`, `{"a":1,"userInfo":{"U":1}}`},
		{"userInfo is added to an empty event", "user_info", `{}`, `{"userInfo":{"U":1}}`},
		{"userInfo in the middle", "user_info", `{"a":1 , "userInfo":{"openId":"x"} , "b":2}`, `{"a":1 , "b":2,"userInfo":{"U":1}}`},
		{"userInfo first", "user_info", `{ "userInfo":1 , "b":2 }`, `{ "b":2,"userInfo":{"U":1} }`},
		{"userInfo last", "user_info", `{"a":1,"userInfo":2}`, `{"a":1,"userInfo":{"U":1}}`},
		{"userInfo alone", "user_info", `{ "userInfo" : 1 }`, `{ "userInfo":{"U":1} }`},
		{"userInfo in every spelling", "user_info", `{"USERINFO":1,"u\u017ferInfo":2,"a":1,"userinf\u006f\u0000x":3}`, `{"a":1,"userInfo":{"U":1}}`},
		{"userInfo and a declaration", "user_info", `{"userInfo":"$1","k":"$2"}`, `{"k":{"A":0},"userInfo":{"U":1}}`},
		{"userInfo and a list", "user_info", `{"userInfo":1,` + list + `}`, `{"l":{"A":0},"userInfo":{"U":1}}`},
		{"userInfo in a string", "event: /data string; user_info", `{"data":"{\"userInfo\":1,\"k\":\"$1\"}"}`, `{"data":"{\"k\":{\"A\":0},\"userInfo\":{\"U\":1}}"}`},
		{"userInfo beside the event is another's", "event: /data; user_info", `{"userInfo":1,"data":{}}`, `{"userInfo":1,"data":{"userInfo":{"U":1}}}`},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			s := specOf(t, test.rules)
			found, err := s.rules(t).Parse([]byte(expand(test.body)))
			if err != nil {
				t.Fatal(err)
			}
			openData := numberedValues(len(found.Declarations))
			got, changed := found.Write(openData, s.userInfo(), fresh)
			if !changed {
				t.Error("it says that nothing changed")
			}
			if want := expand(test.want); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if again := write(found, openData, s.userInfo()); !bytes.Equal(again, got) {
				t.Errorf("written again it is %s", again)
			}
		})
	}
}

// No declaration: not even a copy is made.
func TestUntouchedIsTheBodyItself(t *testing.T) {
	for _, body := range []string{``, `{}`, `[1]`, `"x"`, ` null `, `{"a":1,"a":2,"userInfo":3}`, `{"cloudid_list":[]}`, `{"cloudid_list":1,"cloudid_list":{}}`} {
		sent := []byte(body)
		found, err := specOf(t, "").rules(t).Parse(sent)
		if err != nil {
			t.Fatal(err)
		}
		got, changed := found.Write(nil, nil, fresh)
		if changed || len(got) != len(sent) || unsafe.SliceData(got) != unsafe.SliceData(sent) {
			t.Errorf("%s: %s is a copy", body, got)
		}
	}
}

func TestToNoEventNoUserInfoIsAdded(t *testing.T) {
	for _, body := range []string{``, `[1]`, `27`, `null`} {
		found, err := specOf(t, "user_info").rules(t).Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := write(found, nil, []byte(`{"U":1}`)); string(got) != body {
			t.Errorf("%s became %s", body, got)
		}
	}
}

// Where the gateway knows no openid there is nothing to add, and what was forged is gone all the same.
func TestUserInfoIsTakenOutWithoutAnother(t *testing.T) {
	for body, want := range map[string]string{
		`{"userInfo":1}`:                    `{}`,
		`{"a":1,"userInfo":1}`:              `{"a":1}`,
		`{"userInfo":1,"a":1,"USERINFO":2}`: `{"a":1}`,
		`{"a":1}`:                           `{"a":1}`,
	} {
		found, err := specOf(t, "user_info").rules(t).Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := write(found, nil, nil); string(got) != want {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
}

// A guess that WeChat calls invalid stays the string that it was; what stands around it is no different for it.
func TestNoOpenDataLeavesTheValue(t *testing.T) {
	body := expand(`{"a": "$1" ,"b":"\u0033` + shareID[1:] + `", "c":"$3"}`)
	found, err := specOf(t, "user_info").rules(t).Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(write(found, [][]byte{nil, nil, nil}, nil)); got != body {
		t.Errorf("got  %s\nwant %s", got, body)
	}
	want := strings.Replace(body, `"`+infoID+`"`, `1`, 1)
	if got := string(write(found, [][]byte{nil, nil, []byte("1")}, nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Answers are carried byte for byte; in a quoted event they are escaped, and read back as they were.
func TestResponsesAreCarriedByteForByte(t *testing.T) {
	response := []byte("{ \"cloudID\":\"x\",\n\"data\":{\"nickName\":\"\\\"\\u00e9\\\\é步😀<&>\u2028\\/\x7f\",\"n\":1.10,\"big\":12345678901234567890}}")
	found, err := specOf(t, "").rules(t).Parse([]byte(expand(`{"k":"$1"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(write(found, [][]byte{response}, nil)), `{"k":`+string(response)+`}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	for _, body := range []string{`{"data":"{\"k\":\"$1\"}"}`, `{"data":"{}","cloudid_list":[{"key_name":"k","cloud_id":"$1"}]}`} {
		found, err = specOf(t, "event: /data string").rules(t).Parse([]byte(expand(body)))
		if err != nil {
			t.Fatal(err)
		}
		var outer struct {
			Data string `json:"data"`
		}
		if err := json.Unmarshal(write(found, [][]byte{response}, nil), &outer); err != nil {
			t.Fatal(err)
		}
		if want := `{"k":` + string(response) + `}`; outer.Data != want {
			t.Errorf("got  %s\nwant %s", outer.Data, want)
		}
	}
}

// A list's name comes from the client: whatever it is, it is one name and nothing more.
func TestNamesOfAListAreEscaped(t *testing.T) {
	for _, name := range []string{`"`, `\`, "\n\x01\x7f", `</script>`, "步😀", "\u2028", `":1,"x`, `\u0061`, "1:", "a.b", "@this", "*", "", "\x00"} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, rules := range []string{"", "event: /data", "event: /data string"} {
			data := map[string]string{"": `0`, "event: /data": `{}`, "event: /data string": `"{}"`}[rules]
			body := `{"data":` + data + `,"cloudid_list":[{"key_name":` + string(quoted) + `,"cloud_id":"x"}]}`
			found, err := specOf(t, rules).rules(t).Parse([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			out := write(found, [][]byte{[]byte("1")}, nil)
			strict := specOf(t, rules)
			strict.fields = []string{name}
			again, err := strict.rules(t).Parse(out)
			if err != nil {
				t.Fatalf("%q: %v in %s", name, err, out)
			}
			if got := summary(again.Declarations); got != name+"!" {
				t.Errorf("%q: %s holds %s", name, out, got)
			}
		}
	}
}
