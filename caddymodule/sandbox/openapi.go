package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// openAPIs are the APIs that functions call as cloud.openapi, by path. Where several names have one path, it is the first.
var openAPIs = func() map[string]wechat.OpenAPI {
	byPath := make(map[string]wechat.OpenAPI)
	for _, api := range wechat.OpenAPIs() {
		if _, known := byPath[api.Path]; !known && apis[api.Path].name == "" {
			byPath[api.Path] = api
		}
	}
	return byPath
}()

// canonicalName returns the name by which calls are counted and faults kept; "" for an API that is not played.
func canonicalName(name string) string {
	for _, known := range apiNames {
		if name == known {
			return name
		}
	}
	api, err := wechat.FindOpenAPI(name)
	if err != nil {
		return ""
	}
	return openAPIs[api.Path].Name
}

// reply is the response to a call that no fault replaced.
type reply struct {
	contentType string
	body        []byte
}

func failedReply(errcode int) reply { return reply{contentTypeJSON, fail(errcode)} }

// playOpenAPI responds to a call of one of the APIs of cloud.openapi: with its errors for a token, a verb or arguments that are wrong, else
// with something plausible. It sends nothing to anybody.
func (s *Server) playOpenAPI(api wechat.OpenAPI, r *http.Request, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	appid, errcode := s.tokenApp(r.URL.Query().Get("access_token"))
	switch {
	case errcode != 0:
		return failedReply(errcode)
	case r.Method != api.Method && api.Method == http.MethodGet:
		return failedReply(errRequireGET)
	case r.Method != api.Method:
		return failedReply(errRequirePOST)
	case api.File != "":
		return s.playUpload(api, r, body)
	case api.Method == http.MethodPost && !json.Valid(body):
		return failedReply(errDataFormat)
	case api.Method == http.MethodPost && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return failedReply(errInvalidArgs)
	}
	switch api.Response {
	case wechat.PictureResponse:
		return reply{"image/png", picture(api.Path + r.URL.RawQuery + string(body))}
	case wechat.MediaResponse:
		return s.playDownload(r.URL.Query(), body)
	}
	if bytes.Contains(body, []byte(riskyText)) {
		if risky, ok := riskyExamples[api.Name]; ok {
			return reply{contentTypeJSON, s.example(risky, appid)}
		}
	}
	return reply{contentTypeJSON, s.example(openAPIExamples[api.Name], appid)}
}

// example makes a response of the members of an example.
func (s *Server) example(members, appid string) []byte {
	if members != "" {
		members = "," + members
	}
	now, _ := json.Marshal(s.Now().Unix())
	tomorrow, _ := json.Marshal(s.Now().Add(24 * time.Hour).Unix())
	members = strings.NewReplacer(`"$APPID"`, string(mustJSON(appid)), `"$NOW"`, string(now), `"$TOMORROW"`, string(tomorrow), "$RANDOM", randomString(16)).Replace(members)
	return []byte(`{"errcode":0,"errmsg":"ok"` + members + `}`)
}

// maxFiles is how many uploaded files are kept, to be downloaded again.
const maxFiles = 16

// file is an upload.
type file struct {
	mediaID     string
	contentType string
	content     []byte
}

// playUpload takes a file, which a picture's address in the query may stand for.
func (s *Server) playUpload(api wechat.OpenAPI, r *http.Request, body []byte) reply {
	uploaded, ok := readFile(r.Header.Get("Content-Type"), body, api.File)
	if !ok && r.URL.Query().Get("img_url") == "" {
		return failedReply(errMediaMissing)
	}
	if openAPIExamples[api.Name] != "" || !ok {
		return reply{contentTypeJSON, s.example(openAPIExamples[api.Name], "")}
	}
	uploaded.mediaID = randomString(64)
	s.files = append(s.files, uploaded)
	if len(s.files) > maxFiles {
		s.files = s.files[1:]
	}
	kind := r.URL.Query().Get("type")
	if kind == "" {
		kind = "image"
	}
	return reply{contentTypeJSON, mustJSON(struct {
		Type      string `json:"type"`
		MediaID   string `json:"media_id"`
		CreatedAt int64  `json:"created_at"`
		URL       string `json:"url"`
	}{kind, uploaded.mediaID, s.Now().Unix(), "http://mmbiz.qpic.cn/mmbiz_png/sandbox/0"})}
}

// playDownload responds with a file that was uploaded.
func (s *Server) playDownload(query url.Values, body []byte) reply {
	id := query.Get("media_id")
	if id == "" {
		_ = members(body, map[string]any{"media_id": &id}) // officialAccount.material.get has it in its body
	}
	if id == "" {
		return failedReply(errMediaIDMissing)
	}
	for _, f := range s.files {
		if f.mediaID == id {
			return reply{f.contentType, f.content}
		}
	}
	return failedReply(errInvalidMediaID)
}

// readFile finds the file in a form.
func readFile(contentType string, body []byte, field string) (file, bool) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return file{}, false
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err != nil {
			return file{}, false
		}
		if part.FormName() != field || part.FileName() == "" {
			continue
		}
		content, err := io.ReadAll(part)
		return file{contentType: part.Header.Get("Content-Type"), content: content}, err == nil && len(content) > 0
	}
}

// picture makes a PNG that looks like a code, another one for another seed. It encodes nothing.
func picture(seed string) []byte {
	const modules, scale = 25, 8
	bits := sha256.Sum256([]byte(seed))
	code := image.NewPaletted(image.Rect(0, 0, modules*scale, modules*scale), color.Palette{color.White, color.Black})
	for y := range modules * scale {
		for x := range modules * scale {
			i := (y/scale)*modules + x/scale
			if bits[i/8%len(bits)]>>(i%8)&1 == 1 {
				code.SetColorIndex(x, y, 1)
			}
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, code) // into memory, of a size that PNG has
	return b.Bytes()
}
