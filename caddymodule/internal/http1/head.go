package http1

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// defaultUserAgent is net/http's, for a request that has no User-Agent field, not even an empty one.
const defaultUserAgent = "Go-http-client/1.1"

// checkRequest returns an error for a request that net/http's Transport rejects, too. Its header is checked by checkedFields.
func checkRequest(req *http.Request) error {
	if req.Method != "" && !httpguts.ValidHeaderFieldName(req.Method) { // both are tokens
		return fmt.Errorf("invalid method %q", req.Method)
	}
	if req.Host == "" && req.URL.Host == "" {
		return errors.New("the request has no host")
	}
	if req.ContentLength > 0 && req.Body == nil {
		return fmt.Errorf("the request has no body, but is said to have one of %d bytes", req.ContentLength)
	}
	return nil
}

// field is a header field and its values, each of which has a line.
type field struct {
	name   string
	values []string
}

// checkedFields appends the fields of a header, sorted by name, that are not written by other means. Like net/http's Transport
// it returns an error for a header that would break out of its lines; and, different from it, for one that holds a field
// that frames messages under a name that net/http does not recognise as such.
func checkedFields(fields []field, header http.Header) ([]field, error) {
	for name, values := range header {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, fmt.Errorf("invalid header field name %q", name)
		}
		if disguised(name) {
			return nil, fmt.Errorf("the header field %q must be written in its canonical form", name)
		}
		for _, value := range values {
			if !isText(value) {
				return nil, fmt.Errorf("invalid value of the header field %q", name) // the value may be a secret
			}
		}
		switch name {
		case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer":
		default:
			fields = append(fields, field{name, values})
		}
	}
	sortFields(fields)
	return fields, nil
}

// fewFields is how many fields are sorted by insertion, which takes half the time for the fifteen or so of most requests, and is
// slow for as many as a hostile client can send.
const fewFields = 32

func sortFields(fields []field) {
	if len(fields) > fewFields {
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
		return
	}
	for i, next := range fields {
		for ; i > 0 && next.name < fields[i-1].name; i-- {
			fields[i] = fields[i-1]
		}
		fields[i] = next
	}
}

// disguised reports whether a name frames messages, but is not in the form under which it is left out of the header.
func disguised(name string) bool {
	switch len(name) {
	case len("Host"):
		return name != "Host" && strings.EqualFold(name, "Host")
	case len("Content-Length"):
		return name != "Content-Length" && strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return name != "Transfer-Encoding" && strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// appendHead appends a request's head as net/http's Transport writes it. Lines in extra go last.
func appendHead(b []byte, req *http.Request, extra ...string) ([]byte, error) {
	host, err := wireHost(req)
	if err != nil {
		return b, err
	}
	uri := req.URL.RequestURI()
	if strings.ContainsFunc(uri, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return b, errors.New("the request's URL holds a control character")
	}
	var few [fewFields]field // on the stack
	fields, err := checkedFields(few[:0], req.Header)
	if err != nil {
		return b, err
	}
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", host)
	if agent := userAgent(req.Header); agent != "" {
		b = appendField(b, "User-Agent", agent)
	}
	if length := outgoingLength(req); length > 0 || slices.Contains([]string{"POST", "PUT", "PATCH"}, method) {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	}
	for _, field := range fields {
		for _, value := range field.values {
			b = appendField(b, field.name, value)
		}
	}
	for _, line := range extra {
		b = append(append(b, line...), "\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// appendField appends a line of a field that checkedFields has seen.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, textproto.TrimString(value)...)
	return append(b, "\r\n"...)
}

// wireHost returns what the Host field holds: ASCII, without the zone of an IPv6 address, and nothing where the host is none,
// such as the path of a Unix socket.
func wireHost(req *http.Request) (string, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	host, err := httpguts.PunycodeHostPort(host)
	if err != nil {
		return "", err
	}
	if !httpguts.ValidHostHeader(host) {
		return "", nil
	}
	end := strings.LastIndexByte(host, ']')
	if end < 0 || host[0] != '[' {
		return host, nil
	}
	if zone := strings.LastIndexByte(host[:end], '%'); zone >= 0 {
		return host[:zone] + host[end:], nil
	}
	return host, nil
}

func userAgent(header http.Header) string {
	values, given := header["User-Agent"]
	switch {
	case !given:
		return defaultUserAgent
	case len(values) == 0:
		return ""
	default:
		return values[0]
	}
}

// outgoingLength returns the length of a request's body. It is known: Carries sees to that.
func outgoingLength(req *http.Request) int64 {
	if req.Body == nil || req.Body == http.NoBody {
		return 0
	}
	return req.ContentLength
}
