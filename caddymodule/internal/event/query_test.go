package event_test

import (
	"strings"
	"testing"
	"time"
)

func TestQueries(t *testing.T) {
	const promised = "fields: weRunData we_chat a.b; user_info"
	for _, test := range []struct {
		sentence string
		rules    string
		query    string
		accepted bool
	}{
		{"no query", promised, "", true},
		{"other parameters", promised, "a=1&b[weRunData]=2&c.userInfo=3&d=weRunData", true},
		{"names that only begin so", promised, "weRunDataX=1&userInfos=2&xuserInfo=3", true},
		{"an application's own user_info", promised, "user_info=1", true},
		{"separators alone", promised, "&&;&=&=x", true},
		{"nothing is promised", "", "weRunData=1&userInfo=2", true},
		{"nothing is promised of what is at a pointer", "event: /data", "data=1", true},

		{"a listed name", promised, "weRunData=1", false},
		{"a listed name without a value", promised, "weRunData", false},
		{"a listed name behind others", promised, "a=1&b=2&weRunData=1", false},
		{"a listed name behind a semicolon", promised, "a=1;weRunData=1", false},
		{"a listed name behind nothing", promised, "&weRunData=1", false},
		{"the beginning before a bracket", promised, "weRunData[data]=1", false},
		{"the beginning before a point", promised, "weRunData.data=1", false},
		{"a bracket that is encoded", promised, "weRunData%5bdata%5D=1", false},
		{"letters that are encoded", promised, "%77e%52unData=1", false},
		{"letters that are encoded with the last of the digits", promised, "user%49nf%6F=1", false},
		{"a last letter that is encoded", promised, "weRunDat%61", false},
		{"letters that are encoded as CGI.pm reads them", promised, "%u0077eRunData=1", false},
		{"an encoding that is none", promised, "we%RunData=1", false},
		{"other letter case", promised, "WERUNDATA=1", false},
		{"what folds to it", promised, "user%C4%B0nfo=1", false},
		{"what PHP turns into an underscore: a point", promised, "we.chat=1", false},
		{"what PHP turns into an underscore: a space", promised, "we+chat=1", false},
		{"what PHP turns into an underscore: an open bracket", promised, "we[chat=1", false},
		{"space before, which PHP drops", promised, "%20weRunData=1", false},
		{"a NUL, which ends a name in C", promised, "weRunData%00x=1", false},
		{"brackets before, which Rack drops", promised, "[weRunData][x]=1", false},
		{"a bracket behind, which Rack reads as the name's end", promised, "weRunData]x=1", false},
		{"a second question mark, which some drop", promised, "?weRunData=1", false},
		{"a listed name with a point", promised, "a.b=1", false},
		{"userInfo", promised, "userInfo=1", false},
		{"userInfo's members", promised, "userInfo[openId]=1", false},
		{"userInfo where only fields are promised", "fields: a", "userInfo.openId=1", false},
		{"userInfo where only it is promised", "user_info", "a=1&userInfo=1", false},
		{"what holds the event", "event: /data; user_info", "data[userInfo]=1", false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			err := specOf(t, test.rules).rules(t).CheckQuery(test.query)
			if (err == nil) != test.accepted {
				t.Errorf("CheckQuery(%q) = %v", test.query, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\"\\<>&") {
				t.Errorf("%q cannot stand in JSON and HTML", err)
			}
		})
	}
}

// A query costs time in proportion to its length, whatever it holds.
func TestLongQueries(t *testing.T) {
	rules := specOf(t, manyFields+"; user_info").rules(t)
	for _, part := range []string{"&", "&f", "&f%", "&.[].", "f", "%", "%66", "&f.", "[", "."} {
		begin := time.Now()
		_ = rules.CheckQuery(strings.Repeat(part, 1<<20/len(part)))
		if took := time.Since(begin); took > 5*time.Second { // it takes some ten milliseconds
			t.Errorf("%q again and again: %s", part, took)
		}
	}
}
