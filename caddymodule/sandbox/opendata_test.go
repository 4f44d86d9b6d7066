package sandbox_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/sandbox"
)

func TestDocumentedCloudIDsAreValidForEverybody(t *testing.T) {
	g := newRig(t)
	mark := `"watermark":{"appid":"` + appid + `","timestamp":1574338655}`
	for _, openid := range []string{"o1", "o2"} {
		items := g.ask(openid, steps, group, phone).items()
		if len(items) != 3 || items[0].CloudID != steps || items[1].CloudID != group || items[2].CloudID != phone {
			t.Fatalf("items do not answer the list one by one: %v", items)
		}
		wantText(t, "WeRun data", items[0].Text,
			`{"cloudID":"`+steps+`","data":{"stepInfoList":[{"timestamp":1571673600,"step":9103}],`+mark+`}}`)
		wantText(t, "the phone number", items[2].Text,
			`{"cloudID":"`+phone+`","data":{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86",`+mark+`}}`)
		if !regexp.MustCompile(`^{"cloudID":"` + group + `","data":{"openGId":"tG[A-Za-z0-9_-]{26}"}}$`).MatchString(items[1].Text) {
			t.Errorf("share info is %s", items[1].Text)
		}
	}
}

func TestMintedCloudID(t *testing.T) {
	g := newRig(t)
	id := g.mint(sandbox.OpenData{OpenID: "o1", Kind: "share", Data: []byte(`{"a":1}`)})
	if !regexp.MustCompile(`^[0-9]{1,4}_[A-Za-z0-9_-]{59}$`).MatchString(id) {
		t.Errorf("%q has not the form of a CloudID", id)
	}
	good := `{"cloudID":"` + id + `","data":{"a":1}}`
	wantText(t, "its response to its user", g.ask("o1", id).one(), good)
	wantText(t, "its second response", g.ask("o1", id).one(), good)
	wantText(t, "its response to another", g.ask("o2", id).one(),
		`{"cloudID":"`+id+`","errCode":-601007,"errMsg":"cloudID and calling user does not match"}`)
	wantText(t, "the response to an unknown one", g.ask("o1", "99_unknown").one(),
		`{"cloudID":"99_unknown","errCode":-601005,"errMsg":"invalid cloudID"}`)

	g.pass(5*time.Minute - time.Second)
	wantText(t, "its response in its last second", g.ask("o1", id).one(), good)
	g.pass(time.Second)
	wantText(t, "its response after five minutes", g.ask("o1", id).one(),
		`{"cloudID":"`+id+`","errCode":-601006,"errMsg":"cloudID expired."}`)
}

func TestOneBadIDDoesNotHarmTheOthers(t *testing.T) {
	g := newRig(t)
	items := g.ask("o1", "bad", steps, "bad").items()
	if len(items) != 3 || items[0].Text != items[2].Text || !strings.Contains(items[1].Text, `"step":9103`) {
		t.Errorf("items are %v", items)
	}
}

func TestGivenDataIsCarriedByteForByte(t *testing.T) {
	g := newRig(t)
	for _, data := range []string{
		`{ "n" : 1.10, "n" : 1e400 }`,
		`"<a href=\"x\">&amp;\u2028\ud800\/</a>"`,
		`null`,
		`[0.0, "微信"]`,
	} {
		id := g.mint(sandbox.OpenData{OpenID: "o1", Data: []byte(data)})
		wantText(t, "the response", g.ask("o1", id).one(), `{"cloudID":"`+id+`","data":`+data+`}`)
		g.fault(sandbox.Fault{API: "getopendata", Kind: "object"})
		wantText(t, "the response as an object", string(g.ask("o1", id).items()[0].JSON), `{"cloudID":"`+id+`","data":`+data+`}`)
	}
}

func TestMadeUpDataIsPlausible(t *testing.T) {
	g := newRig(t)
	code, err := g.wechat.MintCode(sandbox.Login{OpenID: "o1", UnionID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	g.login(code).wantErrcode(0)
	var got struct {
		Data struct {
			StepInfoList []struct {
				Timestamp int64
				Step      int
			}
			PhoneNumber, PurePhoneNumber, CountryCode string
			OpenID, UnionID, NickName                 string
			OpenGID                                   string
			Watermark                                 struct {
				AppID     string
				Timestamp int64
			}
		}
	}
	ask := func(t *testing.T, kind string) {
		g := g.in(t)
		id := g.mint(sandbox.OpenData{OpenID: "o1", Kind: kind})
		g.pass(time.Minute) // the watermark bears the time of asking, not that of minting
		if err := json.Unmarshal([]byte(g.ask("o1", id).one()), &got); err != nil {
			t.Fatal(err)
		}
		if m := got.Data.Watermark; m.AppID != appid || m.Timestamp != g.wechat.Now().Unix() {
			t.Errorf("the watermark is %v", m)
		}
	}
	t.Run("werun has 31 midnights in China, the last one today's", func(t *testing.T) {
		ask(t, "werun")
		list := got.Data.StepInfoList
		if len(list) != 31 {
			t.Fatalf("%d days, want 31", len(list))
		}
		last := time.Unix(list[30].Timestamp, 0).In(time.FixedZone("China", 8*60*60))
		if age := g.wechat.Now().Sub(last); last.Format("15:04:05") != "00:00:00" || age < 0 || age >= 24*time.Hour {
			t.Errorf("the last day is stamped %v", last)
		}
		if list[30].Timestamp-list[0].Timestamp != 30*24*60*60 || list[0].Step < 1000 {
			t.Errorf("the days are %v", list)
		}
	})
	t.Run("phone has the same Chinese number twice", func(t *testing.T) {
		ask(t, "phone")
		d := got.Data
		if !regexp.MustCompile(`^1358\d{7}$`).MatchString(d.PhoneNumber) || d.PurePhoneNumber != d.PhoneNumber || d.CountryCode != "86" {
			t.Errorf("the number is %v", d)
		}
	})
	t.Run("userinfo names the user as the login did", func(t *testing.T) {
		ask(t, "userinfo")
		if d := got.Data; d.OpenID != "o1" || d.UnionID != "u1" || d.NickName == "" {
			t.Errorf("the user is %v", d)
		}
	})
	t.Run("share has a group id", func(t *testing.T) {
		ask(t, "share")
		if !strings.HasPrefix(got.Data.OpenGID, "tG") {
			t.Errorf("the group is %q", got.Data.OpenGID)
		}
	})
}

func TestGetOpenDataRejects(t *testing.T) {
	g := newRig(t)
	token := g.token()
	const list = `{"cloudid_list":["x"]}`
	for _, c := range []struct {
		it, query, body string
		errcode         int
	}{
		{"no token", "?openid=o1", list, 41001},
		{"an unknown token", query("88_x", "o1"), list, 40001},
		{"no openid", "?access_token=" + token, list, 40003},
		{"an empty openid", query(token, ""), list, 40003},
		{"an openid of 65 characters", query(token, strings.Repeat("o", 65)), list, 40003},
		{"an openid with a space", query(token, "o 1"), list, 40003},
		{"an openid with a line end", query(token, "o1\n"), list, 40003},
		{"a body that is no JSON", query(token, "o1"), `cloudid_list=x`, 47001},
		{"an empty body", query(token, "o1"), ``, 47001},
		{"a body that is no object", query(token, "o1"), `["x"]`, 40097},
		{"no list", query(token, "o1"), `{}`, 40097},
		{"a list of another name", query(token, "o1"), `{"cloudId_List":["x"]}`, 40097},
		{"an empty list", query(token, "o1"), `{"cloudid_list":[]}`, 40097},
		{"a list that is none", query(token, "o1"), `{"cloudid_list":"x"}`, 40097},
		{"a list of numbers", query(token, "o1"), `{"cloudid_list":["x",1]}`, 40097},
		{"a list with a null", query(token, "o1"), `{"cloudid_list":["x",null]}`, 40097},
	} {
		t.Run(c.it, func(t *testing.T) {
			g := g.in(t)
			g.post("/wxa/getopendata"+c.query, c.body).wantErrcode(c.errcode)
		})
	}
	g.ask(strings.Repeat("o", 64), "x").wantErrcode(0)
}

func TestWatermarkOfAnOddAppIDIsStillJSON(t *testing.T) {
	g := newRig(t)
	token := g.post("/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wx\"","secret":"s"}`).text("access_token")
	text := g.post("/wxa/getopendata"+query(token, "o1"), `{"cloudid_list":["`+steps+`"]}`).one()
	if !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}
}

func TestMintCloudIDRejects(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		it string
		d  sandbox.OpenData
	}{
		{"no openid", sandbox.OpenData{Kind: "werun"}},
		{"an unusable openid", sandbox.OpenData{OpenID: "o 1", Kind: "werun"}},
		{"no kind", sandbox.OpenData{OpenID: "o1"}},
		{"an unknown kind", sandbox.OpenData{OpenID: "o1", Kind: "steps"}},
		{"an unknown kind, with data", sandbox.OpenData{OpenID: "o1", Kind: "steps", Data: []byte(`{}`)}},
		{"data that is no JSON", sandbox.OpenData{OpenID: "o1", Kind: "werun", Data: []byte(`{`)}},
		{"data that is empty", sandbox.OpenData{OpenID: "o1", Kind: "werun", Data: []byte(``)}},
		{"data that is no UTF-8", sandbox.OpenData{OpenID: "o1", Kind: "werun", Data: []byte("\"\xff\"")}},
	} {
		t.Run(c.it, func(t *testing.T) {
			if id, err := g.wechat.MintCloudID(c.d); err == nil {
				t.Errorf("minted %s", id)
			}
		})
	}
}

func TestOthersCannotChangeMintedDataAfterwards(t *testing.T) {
	g := newRig(t)
	data := []byte(`1`)
	id := g.mint(sandbox.OpenData{OpenID: "o1", Data: data})
	data[0] = '2'
	wantText(t, "the response", g.ask("o1", id).one(), fmt.Sprintf(`{"cloudID":%q,"data":1}`, id))
}
