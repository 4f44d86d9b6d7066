package wechat

import (
	"bytes"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Argument is one argument of an OpenAPI: a JSON text, which was checked, or a file.
type Argument struct {
	Name     string
	Value    []byte
	Filename string // of a file; "": Value is a JSON text
}

// ArgumentError says what is wrong with the arguments of a call.
type ArgumentError struct{ reason string }

func (e *ArgumentError) Error() string { return e.reason }

// Request makes the request that WeChat's server API wants of a call's arguments, without a token.
func (a OpenAPI) Request(args []Argument) (RelayRequest, error) {
	if err := a.check(args); err != nil {
		return RelayRequest{}, err
	}
	request := RelayRequest{Method: a.Method, Path: a.Path}
	switch {
	case a.Method == http.MethodGet:
		request.Query = a.query(args)
	case a.File != "":
		a.form(&request, args)
	default:
		request.ContentType = "application/json"
		request.Body = a.object(args)
	}
	return request, nil
}

func (a OpenAPI) check(args []Argument) error {
	files := 0
	for i, arg := range args {
		if slices.ContainsFunc(args[:i], func(before Argument) bool { return before.Name == arg.Name }) {
			return &ArgumentError{fmt.Sprintf("an argument of %s is given twice", a.Name)}
		}
		if arg.Filename != "" {
			files++
		}
	}
	switch {
	case files > 0 && a.File == "":
		return &ArgumentError{a.Name + " takes no file"}
	case files > 1:
		return &ArgumentError{a.Name + " takes one file"}
	}
	return nil
}

// object makes the JSON object of the arguments.
func (a OpenAPI) object(args []Argument) []byte {
	object := []byte{'{'}
	for i, arg := range args {
		if i > 0 {
			object = append(object, ',')
		}
		object = append(gjson.AppendJSONString(object, a.spelling(arg.Name)), ':')
		object = a.respell(object, arg.Value)
	}
	return append(object, '}')
}

// query makes the query of the arguments that are no files. Strings stand there as they are, all else as JSON; null is left out,
// and so is whatever could be taken for a token.
func (a OpenAPI) query(args []Argument) string {
	values := make(url.Values)
	for _, arg := range args {
		name := a.spelling(arg.Name)
		value := gjson.ParseBytes(arg.Value)
		if arg.Filename != "" || value.Type == gjson.Null || isTokenName(name) || slices.Contains(a.Fields, name) {
			continue
		}
		values.Set(name, value.String())
	}
	return values.Encode()
}

// isTokenName reports whether a query's member names a token, which nobody but the gateway adds.
func isTokenName(name string) bool {
	return strings.EqualFold(name, "access_token") || strings.EqualFold(name, "cloudbase_access_token")
}

// form makes multipart/form-data of the file, and the query of the other arguments. Without a file the body is empty: img_url
// stands for the file then.
func (a OpenAPI) form(request *RelayRequest, args []Argument) {
	request.Query = a.query(args)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, arg := range args {
		header := make(textproto.MIMEHeader)
		switch {
		case arg.Filename != "":
			header.Set("Content-Disposition", multipart.FileContentDisposition(a.File, arg.Filename))
			header.Set("Content-Type", fileType(arg.Filename))
			body.Grow(len(arg.Value) + 1<<10)
		case slices.Contains(a.Fields, arg.Name):
			header.Set("Content-Disposition", `form-data; name="`+arg.Name+`"`)
			if value := gjson.ParseBytes(arg.Value); value.Type == gjson.String {
				arg.Value = []byte(value.Str)
			}
		default:
			continue
		}
		part, _ := form.CreatePart(header) // a buffer takes everything
		_, _ = part.Write(arg.Value)
	}
	if body.Len() == 0 {
		return
	}
	_ = form.Close()
	request.ContentType = form.FormDataContentType()
	request.Body = body.Bytes()
}

// fileType tells a file's type by its name, which is all that arrives of it.
func fileType(filename string) string {
	switch extension := strings.ToLower(path.Ext(filename)); extension {
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png", ".gif", ".bmp", ".webp":
		return "image/" + extension[1:]
	case ".amr", ".mp3":
		return "audio/" + extension[1:]
	case ".mp4":
		return "video/mp4"
	default:
		if known := mime.TypeByExtension(extension); known != "" {
			return known
		}
		return "application/octet-stream"
	}
}

// spelling returns a name as WeChat writes it.
func (a OpenAPI) spelling(name string) string {
	for _, spelled := range a.Spelled {
		if name == snakeCase(spelled) {
			return spelled
		}
	}
	return name
}

// respell appends a JSON text with the names of its members as WeChat writes them, at every depth. All other bytes stay, but for
// white space between members.
func (a OpenAPI) respell(to, text []byte) []byte {
	if len(a.Spelled) == 0 {
		return append(to, text...)
	}
	value := gjson.ParseBytes(text)
	if !value.IsObject() && !value.IsArray() {
		return append(to, text...)
	}
	return a.appendRespelled(to, value)
}

func (a OpenAPI) appendRespelled(to []byte, value gjson.Result) []byte {
	open, end := byte('{'), byte('}')
	if value.IsArray() {
		open, end = '[', ']'
	}
	to = append(to, open)
	first := true
	value.ForEach(func(name, member gjson.Result) bool {
		if !first {
			to = append(to, ',')
		}
		first = false
		if open == '{' {
			if spelled := a.spelling(name.String()); spelled != name.String() {
				to = gjson.AppendJSONString(to, spelled)
			} else {
				to = append(to, name.Raw...)
			}
			to = append(to, ':')
		}
		if member.IsObject() || member.IsArray() {
			to = a.appendRespelled(to, member)
		} else {
			to = append(to, member.Raw...)
		}
		return true
	})
	return append(to, end)
}

// snakeCase writes a name as wx-server-sdk does: an underscore before each capital letter but the first character.
func snakeCase(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
