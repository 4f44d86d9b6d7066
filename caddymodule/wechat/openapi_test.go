package wechat

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// row is a line of testdata/openapi.tsv: what WeChat's documents say of one name, as far as it could be established.
type row struct{ name, verb, path, arguments, response, status string }

func readTable(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile("testdata/openapi.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, "\t")
		rows = append(rows, row{columns[0], columns[1], columns[2], columns[3], columns[4], columns[6]})
	}
	return rows[1:] // the first line names the columns
}

// The table in the code says of every name what the collected documents say.
func TestTheTableIsThatOfTheDocuments(t *testing.T) {
	rows := readTable(t)
	if len(rows) != 345 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		api, err := FindOpenAPI(row.name)
		switch {
		case strings.HasPrefix(row.status, "retired"):
			if err == nil || !strings.Contains(err.Error(), "has retired "+row.name+"; use subscribeMessage.send") {
				t.Errorf("%s is retired: %v", row.name, err)
			}
			continue
		case strings.HasPrefix(row.status, "documented WITHOUT cloud call"):
			if err == nil || !strings.Contains(err.Error(), "does not let functions call "+row.name) {
				t.Errorf("%s cannot be called: %v", row.name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if api.Method != row.verb || api.Path != row.path || string(api.Response) != row.response {
			t.Errorf("%s is %s %s with %s, want %s %s with %s", row.name, api.Method, api.Path, api.Response, row.verb, row.path, row.response)
		}
		checkArguments(t, api, row.arguments)
		official := strings.HasPrefix(row.status, "listed (for openapi({appid")
		if official != slices.ContainsFunc(officialAccountAPIs, func(a OpenAPI) bool { return a.Name == row.name }) {
			t.Errorf("%s: of official accounts is %t", row.name, official)
		}
	}
	if n := len(OpenAPIs()) + len(retiredAPIs) + len(uncallableAPIs); n != len(rows) {
		t.Errorf("%d names in the code, %d in the documents", n, len(rows))
	}
}

// checkArguments compares where arguments go, in the words of the documents: json, query[: names], multipart: file <field>; query: …,
// and behind a semicolon the names that are not in snake_case.
func checkArguments(t *testing.T, api OpenAPI, documented string) {
	t.Helper()
	where, spelled, _ := strings.Cut(documented, " ; wire names not snake_case: ")
	if got := strings.Join(api.Spelled, ","); got != spelled {
		t.Errorf("%s spells %s, want %s", api.Name, got, spelled)
	}
	kind := "json"
	switch {
	case api.File != "":
		kind = "multipart: file " + api.File
	case api.Method == http.MethodGet:
		kind = "query"
	}
	if where != kind && !strings.HasPrefix(where, kind+";") && !strings.HasPrefix(where, kind+":") && !strings.HasPrefix(where, kind+" (") {
		t.Errorf("%s takes %s, want %s", api.Name, kind, where)
	}
	if formFields := strings.Contains(where, "as a form field"); formFields != (len(api.Fields) > 0) {
		t.Errorf("%s: fields of the form are %q, want %s", api.Name, api.Fields, where)
	}
}

// Names that WeChat has changed go to one path.
func TestRenamedAPIs(t *testing.T) {
	for older, newer := range map[string]string{
		"customerServiceMessage.uploadTempMedia":      "officialAccount.media.upload",
		"customerServiceMessage.getTempMedia":         "officialAccount.media.get",
		"subscribeMessage.addTemplate":                "officialAccount.newtmpl.addTemplate",
		"subscribeMessage.deleteTemplate":             "officialAccount.newtmpl.delTemplate",
		"subscribeMessage.getCategory":                "officialAccount.newtmpl.getCategory",
		"subscribeMessage.getPubTemplateTitleList":    "officialAccount.newtmpl.getPubTemplateTitles",
		"subscribeMessage.getPubTemplateKeyWordsById": "officialAccount.newtmpl.getPubTemplateKeywords",
		"subscribeMessage.getTemplateList":            "officialAccount.newtmpl.getTemplate",
		"ocr.vehicleLicense":                          "ocr.drivingLicense",
	} {
		a, errA := FindOpenAPI(older)
		b, errB := FindOpenAPI(newer)
		b.Name = a.Name
		if errA != nil || errB != nil || a.Path != b.Path || a.Method != b.Method || a.File != b.File || !slices.Equal(a.Spelled, b.Spelled) {
			t.Errorf("%s is %+v, %s is %+v", older, a, newer, b)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for name, want := range map[string]string{
		"wxacode.getUnlimitd":               "did you mean wxacode.getUnlimited?",
		"wxacode.GET":                       "did you mean wxacode.get",
		"subscribemessagesend":              "did you mean subscribeMessage.send",
		"wxa.getUnlimited":                  "did you mean wxacode.getUnlimited",
		"":                                  "there is no cloud.openapi. in this gateway's table",
		"a\n\"<b>":                          "there is no cloud.openapi.ab in this gateway's table",
		strings.Repeat("wxacode.get", 1000): "in this gateway's table",
	} {
		_, err := FindOpenAPI(name)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.40q: %v", name, err)
		}
	}
	if _, err := FindOpenAPI("zzzzzzzzzzzz"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("like nothing: %v", err)
	}
}

// What functions send, in both spellings, and what WeChat is asked.
func TestRequests(t *testing.T) {
	text := func(name, value string) Argument { return Argument{Name: name, Value: []byte(value)} }
	file := func(name, filename, value string) Argument { return Argument{name, []byte(value), filename} }
	for _, c := range []struct {
		it, name string
		args     []Argument
		want     string // the request line, Content-Type and body, CR LF as |
	}{
		{"a JSON body, its values as they were written", "wxacode.get", []Argument{text("path", `"a\/é"`), text("width", "1.10"), text("line_color", `{ "r":1 }`)}, `POST /wxa/getwxacode application/json {"path":"a\/é","width":1.10,"line_color":{ "r":1 }}`},
		{"no arguments", "wxacode.get", nil, `POST /wxa/getwxacode application/json {}`},
		{"a name that needs escaping", "wxacode.get", []Argument{text("a\"\n", `1`)}, `POST /wxa/getwxacode application/json {"a\"\n":1}`},
		{"a query", "officialAccount.newtmpl.getPubTemplateTitles", []Argument{text("ids", `"2,616"`), text("start", "0"), text("limit", "30"), text("x", "null"), text("y", "true")}, `GET /wxaapi/newtmpl/getpubtemplatetitles?ids=2%2C616&limit=30&start=0&y=true  `},
		{"a query with an object", "liveBroadcast.getSharedCode", []Argument{text("room_id", "7"), text("params", `{"a": "&b"}`)}, `GET /wxaapi/broadcast/room/getsharedcode?params=%7B%22a%22%3A+%22%26b%22%7D&roomId=7  `},
		{"a query that names a token", "operation.getFeedback", []Argument{text("access_token", `"mine"`), text("Cloudbase_Access_Token", `"mine"`), text("page", "1")}, `GET /wxaapi/feedback/list?page=1  `},
		{"fields as the SDK writes them", "subscribeMessage.addTemplate", []Argument{text("tid", `"401"`), text("kid_list", "[1,2]"), text("scene_desc", `"x"`)}, `POST /wxaapi/newtmpl/addtemplate application/json {"tid":"401","kidList":[1,2],"sceneDesc":"x"}`},
		{"fields as WeChat writes them", "subscribeMessage.addTemplate", []Argument{text("tid", `"401"`), text("kidList", "[1,2]"), text("sceneDesc", `"x"`)}, `POST /wxaapi/newtmpl/addtemplate application/json {"tid":"401","kidList":[1,2],"sceneDesc":"x"}`},
		{"fields within fields", "liveBroadcast.goodsAdd", []Argument{text("goods_info", `{"cover_img_url":"u","list":[ {"price_type":1,"\u0070rice_type":2}, [ ] ],"other_name":{"cover_img_url" : null}}`)}, `POST /wxaapi/broadcast/goods/add application/json {"goodsInfo":{"coverImgUrl":"u","list":[{"priceType":1,"priceType":2},[]],"other_name":{"coverImgUrl":null}}}`},
		{"what is not respelled stays as it was written", "liveBroadcast.goodsAdd", []Argument{text("x", `{"\u0061\/":1,"ab":2}`)}, `POST /wxaapi/broadcast/goods/add application/json {"x":{"\u0061\/":1,"ab":2}}`},
		{"a value that looks like a name", "liveBroadcast.goodsAdd", []Argument{text("url", `"goods_info"`)}, `POST /wxaapi/broadcast/goods/add application/json {"url":"goods_info"}`},
		{"fields that begin with a capital", "cloudbase.describeExtensionUploadInfo", []Argument{text("extension_files", `[{"file_name":"a","file_type":"b"}]`)}, `POST /tcb/describeextensionuploadinfo application/json {"ExtensionFiles":[{"FileName":"a","FileType":"b"}]}`},
		{"a picture", "security.imgSecCheck", []Argument{file("media", "media.png", "\x89PNG")}, "POST /wxa/img_sec_check multipart/form-data --B|Content-Disposition: form-data; name=\"media\"; filename=\"media.png\"|Content-Type: image/png||\x89PNG|--B--|"},
		{"a picture under another name", "ocr.idcard", []Argument{file("image", "IMG.JPEG", "x"), text("type", `"photo"`)}, "POST /cv/ocr/idcard?type=photo multipart/form-data --B|Content-Disposition: form-data; name=\"img\"; filename=\"IMG.JPEG\"|Content-Type: image/jpeg||x|--B--|"},
		{"a file's name with quotes and lines", "ocr.idcard", []Argument{file("img", "a\"\r\nb", "x")}, "POST /cv/ocr/idcard multipart/form-data --B|Content-Disposition: form-data; name=\"img\"; filename=\"a\\\"%0D%0Ab\"|Content-Type: application/octet-stream||x|--B--|"},
		{"a picture's address in its place", "ocr.printedText", []Argument{text("img_url", `"https://x/?a=b&c"`)}, "POST /cv/ocr/comm?img_url=https%3A%2F%2Fx%2F%3Fa%3Db%26c  "},
		{"a video with a description", "officialAccount.material.addMaterial", []Argument{text("type", `"video"`), file("media", "a.mp4", "x"), text("description", `"{\"title\":\"t\"}"`)}, "POST /cgi-bin/material/add_material?type=video multipart/form-data --B|Content-Disposition: form-data; name=\"media\"; filename=\"a.mp4\"|Content-Type: video/mp4||x|--B|Content-Disposition: form-data; name=\"description\"||{\"title\":\"t\"}|--B--|"},
	} {
		api, err := FindOpenAPI(c.name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := api.Request(c.args)
		if err != nil {
			t.Errorf("%s: %v", c.it, err)
			continue
		}
		contentType, boundary, _ := strings.Cut(got.ContentType, "; boundary=")
		line := got.Method + " " + got.Path
		if got.Query != "" {
			line += "?" + got.Query
		}
		body := string(got.Body)
		if boundary != "" {
			body = strings.ReplaceAll(strings.ReplaceAll(body, boundary, "B"), "\r\n", "|")
		}
		if text := line + " " + contentType + " " + body; text != c.want {
			t.Errorf("%s:\n\t%q\nwant\n\t%q", c.it, text, c.want)
		}
	}
	for _, c := range []struct {
		it, name string
		args     []Argument
		want     string
	}{
		{"a file for what takes none", "wxacode.get", []Argument{file("x", "x.png", "x")}, "wxacode.get takes no file"},
		{"a file for a GET", "operation.getFeedback", []Argument{file("x", "x.png", "x")}, "operation.getFeedback takes no file"},
		{"two files", "ocr.idcard", []Argument{file("img", "x.png", "x"), file("media", "x.png", "x")}, "ocr.idcard takes one file"},
		{"an argument twice", "wxacode.get", []Argument{text("path", `1`), text("path", `2`)}, "an argument of wxacode.get is given twice"},
	} {
		api, _ := FindOpenAPI(c.name)
		if _, err := api.Request(c.args); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.it, err, c.want)
		}
	}
}

// As wx-server-sdk writes them.
func TestNamesInSnakeCase(t *testing.T) {
	for name, want := range map[string]string{"": "", "tid": "tid", "kidList": "kid_list", "FileName": "file_name", "aB": "a_b", "AZ": "a_z", "a@[Z": "a@[_z", "aé": "aé"} {
		if got := snakeCase(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestTypesOfFiles(t *testing.T) {
	for name, want := range map[string]string{
		"a.jpg": "image/jpeg", "a.JPEG": "image/jpeg", "a.png": "image/png", "a.gif": "image/gif", "a.bmp": "image/bmp", "a.webp": "image/webp",
		"a.amr": "audio/amr", "a.mp3": "audio/mp3", "a.mp4": "video/mp4", "a.pdf": "application/pdf",
		"a.of-no-known-type": "application/octet-stream", "png": "application/octet-stream", "": "application/octet-stream",
	} {
		if got := fileType(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestPrintableNames(t *testing.T) {
	var ascii []byte
	for c := range byte(128) {
		ascii = append(ascii, c)
	}
	if got := PrintableName(string(ascii[:100])) + PrintableName(string(ascii[100:])); got != "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz" {
		t.Errorf("of ASCII is left %q", got)
	}
	if got := PrintableName("é\xff" + strings.Repeat("x", 200)); got != strings.Repeat("x", 97) {
		t.Errorf("of a long name is left %q", got)
	}
}
