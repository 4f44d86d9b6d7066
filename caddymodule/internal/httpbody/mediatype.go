package httpbody

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// JSONTypes says which media types a handler reads as JSON.
type JSONTypes struct {
	// Those that are named, such as application/json, in lower case.
	Names []string

	// Whether every type that ends in +json is one, except for those whose bodies are frames around JSON (gRPC, Connect).
	Suffix bool
}

// AnyJSON is application/json, text/json and whatever ends in +json.
var AnyJSON = JSONTypes{Names: []string{"application/json", "text/json"}, Suffix: true}

// framed are types that end in +json whose bodies are no JSON text, but a sequence of length-prefixed messages.
var framed = []string{"application/grpc+json", "application/grpc-web+json", "application/grpc-web-text+json", "application/connect+json"}

// JSON is application/json alone.
var JSON = JSONTypes{Names: []string{"application/json"}}

// MediaType is the Content-Type of a request.
type MediaType struct {
	// In lower case and without parameters; "" where there is none, or where it cannot be read.
	Name string

	// Whether there is a Content-Type at all. An empty field is none.
	Given bool

	// Whether the type is one of those that count as JSON.
	JSON bool
}

// ContentType reads the Content-Type of a request. It returns an error with status 400 for more than one field, and with 415 for
// a charset of JSON other than utf-8 and for what cannot be read as a media type though some framework may take it for JSON.
func (t JSONTypes) ContentType(header http.Header) (MediaType, error) {
	fields := header["Content-Type"]
	if len(fields) > 1 {
		return MediaType{}, caddyhttp.Error(http.StatusBadRequest, errors.New("the request has more than one Content-Type; send one"))
	}
	if len(fields) == 0 || strings.TrimSpace(fields[0]) == "" {
		return MediaType{}, nil
	}
	if fields[0] == "application/json" {
		return MediaType{Name: fields[0], Given: true, JSON: true}, nil // the usual one, without a closer look
	}
	name, params, err := mime.ParseMediaType(fields[0])
	if err != nil {
		if strings.Contains(strings.ToLower(fields[0]), "json") {
			return MediaType{}, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the Content-Type cannot be read; send application/json"))
		}
		return MediaType{Given: true}, nil
	}
	if !t.Match(name) {
		return MediaType{Name: name, Given: true}, nil
	}
	if charset, given := params["charset"]; given && !isUTF8(charset) {
		return MediaType{}, caddyhttp.Error(http.StatusUnsupportedMediaType, errors.New("the charset of JSON must be utf-8"))
	}
	return MediaType{Name: name, Given: true, JSON: true}, nil
}

// Match reports whether a media type, in lower case and without parameters, counts as JSON.
func (t JSONTypes) Match(name string) bool {
	return slices.Contains(t.Names, name) || t.Suffix && strings.HasSuffix(name, "+json") && !slices.Contains(framed, name)
}

// isUTF8 reports whether a charset is UTF-8, by its name or by the alias that browsers and Python know.
func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// Coding is the Content-Encoding of a request: one or more codings in lower case with commas between them, or "" where there is
// none. identity is none.
func Coding(header http.Header) string {
	var codings []string
	for coding := range strings.SplitSeq(strings.Join(header["Content-Encoding"], ","), ",") {
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" && coding != "identity" {
			codings = append(codings, coding)
		}
	}
	return strings.Join(codings, ",")
}
