package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// readUsual reads a response's head as http.ReadResponse does, in half the time, where it is what most are: HTTP/1.1, whole in the
// buffer, with a body whose Content-Length says where it ends. The body is left to be read. Of anything else it reads nothing and
// returns nil: the verdict on that is http.ReadResponse's.
func readUsual(r *bufio.Reader, req *http.Request) *http.Response {
	const version, lineStart = "HTTP/1.1 ", "HTTP/1.1 200 "
	buffered, _ := r.Peek(r.Buffered())
	end := bytes.Index(buffered, []byte("\r\n\r\n"))
	if end < len(lineStart) || req.Method == http.MethodHead || string(buffered[:len(version)]) != version ||
		bytes.Contains(buffered[:end], []byte("\nTransfer-Encoding:")) { // which is the most frequent of all that is not for it
		return nil
	}
	line, fields, _ := strings.Cut(string(buffered[:end+2]), "\r\n")
	if len(line) < len(lineStart) || line[len(lineStart)-1] != ' ' || !isText(line) {
		return nil
	}
	code, err := strconv.ParseUint(line[len(version):len(lineStart)-1], 10, 16)
	if err != nil || code < 200 || code == http.StatusNoContent || code == http.StatusNotModified {
		return nil
	}
	header, length := readUsualFields(fields)
	if length <= 0 {
		return nil
	}
	_, _ = r.Discard(end + 4)
	return &http.Response{
		Status: line[len(version):], StatusCode: int(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: length, Request: req,
	}
}

// readUsualFields reads fields, each of which ends with its line, and the length that they give a body: zero where they are not as
// usual, or where not that alone says where the body ends, and that the connection lives on.
func readUsualFields(fields string) (header http.Header, length int64) {
	n := strings.Count(fields, "\n")
	values := make([]string, n)
	header = make(http.Header, n)
	for i := range n {
		colon, end := strings.IndexByte(fields, ':'), strings.IndexByte(fields, '\n')
		if colon <= 0 || colon >= end || fields[end-1] != '\r' {
			return nil, 0
		}
		name, value := fields[:colon], fields[colon+1:end-1]
		fields = fields[end+1:]
		if !httpguts.ValidHeaderFieldName(name) || !isText(value) {
			return nil, 0
		}
		name, value = textproto.CanonicalMIMEHeaderKey(name), textproto.TrimString(value)
		switch name {
		case "Content-Length":
			parsed, err := strconv.ParseUint(value, 10, 63)
			if err != nil || parsed == 0 || length > 0 {
				return nil, 0
			}
			length = int64(parsed)
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return nil, 0
			}
		case "Transfer-Encoding", "Trailer", "Pragma":
			return nil, 0
		}
		if earlier := header[name]; earlier != nil {
			header[name] = append(earlier, value)
			continue
		}
		values[i] = value
		header[name] = values[i : i+1 : i+1]
	}
	return header, length
}

// isText reports whether a text has no control character but tabs. It looks at eight bytes at a time.
func isText(text string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(text) >= 8 {
		word := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		del := word ^ 0x7f*ones
		if (word-' '*ones)&^word&highs|(del-ones)&^del&highs != 0 && !isTextByByte(text[:8]) {
			return false
		}
		text = text[8:]
	}
	return isTextByByte(text)
}

func isTextByByte(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
