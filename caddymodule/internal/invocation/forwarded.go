package invocation

import (
	"encoding/json"
	"strconv"
)

// Forwarded is what the function was told of who calls, in headers. A call only takes it down; the headers are written out for
// somebody who looks. Zero values are headers that it was not sent.
type Forwarded struct {
	OpenID, UnionID CallerHash
	AppID, Source   string
	OpenDataInfo    string
	Token           int // bytes
	ExtendedContext int // bytes
}

// Header is one header that the function was sent.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"` // masked where Masked says so
	// Whether the value is somebody's: what is shown is a short hash of it, or how long it is.
	Masked bool `json:"masked,omitempty"`
}

// Headers are the headers, named as WeChat's documents write them.
func (f Forwarded) Headers() []Header {
	headers := []Header{}
	add := func(name, value string, masked bool) {
		if value != "" {
			headers = append(headers, Header{name, value, masked})
		}
	}
	add("X-WX-OPENID", f.OpenID.String(), true)
	add("X-WX-UNIONID", f.UnionID.String(), true)
	add("X-WX-APPID", f.AppID, false)
	add("X-WX-SOURCE", f.Source, false)
	add("X-WX-CLOUDBASE-ACCESS-TOKEN", inBytes(f.Token), true)
	add("X-WX-OPEN-DATA-INFO", f.OpenDataInfo, false)
	add("X-Functions-Extended-Context", inBytes(f.ExtendedContext), true)
	return headers
}

func inBytes(length int) string {
	if length == 0 {
		return ""
	}
	return strconv.Itoa(length) + " bytes"
}

// MarshalJSON writes the list of the headers.
func (f Forwarded) MarshalJSON() ([]byte, error) { return json.Marshal(f.Headers()) }
