package sandbox

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// section is a part of the page.
type section struct {
	ID, Title, Text string
	Entries         []entry
}

// entry is one thing that the sandbox does, with a command to paste.
type entry struct {
	Name    string
	Also    []string // other names for it
	Path    string
	Command string
}

// servePage lists all that the sandbox does.
func servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", contentTypeHTML)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	_ = page.Execute(w, struct{ Sections []section }{sections(scheme + r.Host)})
}

// pageAppID is that of WeChat's documentation. Any that begins with wx will do.
const pageAppID = "wx3d289323f5900f8e"

func sections(url string) []section {
	post := func(path, body string) string { return fmt.Sprintf("curl '%s%s' -d '%s'", url, path, body) }
	return []section{
		{"first", "First", "The access token that calls take, and a picture to upload.", []entry{
			{"an access token", nil, "POST /cgi-bin/stable_token", "TOKEN=$(" + strings.Replace(post("/cgi-bin/stable_token",
				`{"grant_type":"client_credential","appid":"`+pageAppID+`","secret":"any"}`), "curl ", "curl -s ", 1) + ` | sed 's/.*"access_token":"\([^"]*\)".*/\1/')`},
			{"a picture", nil, "POST /wxa/getwxacode", fmt.Sprintf(`curl -o picture.png "%s/wxa/getwxacode?access_token=$TOKEN" -d '{"path":"pages/index/index"}'`, url)},
		}},
		{"control", "What only the sandbox has", "It mints what a client would get from WeChat, and makes calls fail.", []entry{
			{"a CloudID", nil, "POST /sandbox/cloudid", post("/sandbox/cloudid", `{"openid":"user-of-the-sandbox","kind":"werun"}`)},
			{"a CloudID with data of your own, for a minute", nil, "POST /sandbox/cloudid", post("/sandbox/cloudid", `{"openid":"user-of-the-sandbox","data":{"stepInfoList":[]},"ttl":60}`)},
			{"a fresh CloudID like another", nil, "POST /sandbox/cloudid", post("/sandbox/cloudid", `{"like":"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"}`)},
			{"a login code", nil, "POST /sandbox/code", "CODE=$(" + strings.Replace(post("/sandbox/code", `{"openid":"user-of-the-sandbox"}`), "curl ", "curl -s ", 1) + ` | sed 's/.*"code":"\([^"]*\)".*/\1/')`},
			{"a login with it", nil, "GET /sns/jscode2session", fmt.Sprintf(`curl "%s/sns/jscode2session?appid=%s&secret=any&js_code=$CODE&grant_type=authorization_code"`, url, pageAppID)},
			{"encryptedData and iv, of a user who has logged in", nil, "POST /sandbox/encrypted", post("/sandbox/encrypted", `{"openid":"user-of-the-sandbox","kind":"phone"}`)},
			{"the next call of an API fails with an errcode", nil, "POST /sandbox/fault", post("/sandbox/fault", `{"api":"getopendata","errcode":45009}`)},
			{"the next two calls are slow", nil, "POST /sandbox/fault", post("/sandbox/fault", `{"api":"subscribeMessage.send","latency":"1s","times":2}`)},
			{"the next call is answered with an HTTP status, with garbage, not at all", nil, "POST /sandbox/fault", post("/sandbox/fault", `{"api":"getvoipsign","status":502}`) + "\n" +
				post("/sandbox/fault", `{"api":"getvoipsign","garbage":true}`) + "\n" + post("/sandbox/fault", `{"api":"getvoipsign","drop":true}`)},
			{"the counts of calls", nil, "GET /sandbox/calls", fmt.Sprintf("curl '%s/sandbox/calls'", url)},
			{"the access token expires in ten minutes; without ends_in, now", nil, "POST /sandbox/token", post("/sandbox/token", `{"appid":"`+pageAppID+`","ends_in":600}`)},
			{"everything is forgotten but tokens", nil, "POST /sandbox/reset", post("/sandbox/reset", `{}`)},
		}},
		{"opendata", "What the gateway calls", "A CloudID that WeChat's documentation prints is always good.", []entry{
			{"getopendata", []string{"cloudbase.getOpenData"}, "POST /wxa/getopendata", fmt.Sprintf(`curl "%s/wxa/getopendata?openid=user-of-the-sandbox&access_token=$TOKEN" -d '{"cloudid_list":["27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g"]}'`, url)},
			{"getvoipsign", []string{"cloudbase.getVoIPSign"}, "POST /wxa/getvoipsign", fmt.Sprintf(`curl "%s/wxa/getvoipsign?openid=user-of-the-sandbox&access_token=$TOKEN" -d '{"group_id":"g","nonce":"n","timestamp":1559129714}'`, url)},
			{"token", nil, "GET /cgi-bin/token", fmt.Sprintf(`curl '%s/cgi-bin/token?grant_type=client_credential&appid=%s&secret=any'`, url, pageAppID)},
		}},
		{"openapi", "What functions call as cloud.openapi", "All take an access token, none sends anything to anybody. Each name is one that /sandbox/fault knows.", openAPIEntries(url)},
	}
}

// openAPIEntries lists the APIs of cloud.openapi, those that share a path together.
func openAPIEntries(url string) []entry {
	var entries []entry
	at := make(map[string]int)
	for _, api := range wechat.OpenAPIs() {
		if openAPIs[api.Path].Name == "" {
			continue // listed above
		}
		if i, listed := at[api.Path]; listed {
			entries[i].Also = append(entries[i].Also, api.Name)
			continue
		}
		at[api.Path] = len(entries)
		entries = append(entries, entry{Name: api.Name, Path: api.Method + " " + api.Path, Command: openAPICommand(url, api)})
	}
	return entries
}

func openAPICommand(url string, api wechat.OpenAPI) string {
	target := fmt.Sprintf(`"%s%s?access_token=$TOKEN"`, url, api.Path)
	switch {
	case api.File != "":
		return fmt.Sprintf("curl %s -F %s=@picture.png", target, api.File)
	case api.Response == wechat.MediaResponse:
		// What was uploaded last can be downloaded.
		uploaded := fmt.Sprintf(`MEDIA=$(curl -s "%s/cgi-bin/media/upload?access_token=$TOKEN&type=image" -F media=@picture.png | sed 's/.*"media_id":"\([^"]*\)".*/\1/')`, url)
		if api.Method == http.MethodGet {
			return uploaded + "\ncurl -o media.png " + strings.TrimSuffix(target, `"`) + `&media_id=$MEDIA"`
		}
		return uploaded + "\ncurl -o media.png " + target + ` -d "{\"media_id\":\"$MEDIA\"}"`
	case api.Response == wechat.PictureResponse && api.Method == http.MethodGet:
		return "curl -o picture.png " + target
	case api.Response == wechat.PictureResponse:
		return "curl -o picture.png " + target + " -d '{}'"
	case api.Method == http.MethodGet:
		return "curl " + target
	default:
		return "curl " + target + " -d '{}'"
	}
}
