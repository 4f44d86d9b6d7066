package functionapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
)

// maxPart is the size in bytes of the longest value that is taken from a form, other than requestData.
const maxPart = 8 << 10

// sdkCall is what wx-server-sdk posts to /admin. It sends more, which is for Tencent's cloud alone.
type sdkCall struct {
	action      string // which part of the cloud is meant: wx.openApi is WeChat's API
	apiName     string
	requestData []byte // a commAPIData
	token       string // the invocation token
}

// readCall reads the form that a call is sent as.
func readCall(contentType string, body []byte) (sdkCall, error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return sdkCall{}, unsupportedMediaType("the body must be multipart/form-data, as wx-server-sdk sends it")
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	seen := make(map[string]bool)
	var call sdkCall
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return call, nil
		}
		if err != nil {
			return sdkCall{}, badRequest("the multipart body cannot be read")
		}
		name := part.FormName()
		switch name {
		case "action", "apiName", "requestData", "wxCloudApiToken":
		default:
			continue
		}
		if seen[name] {
			return sdkCall{}, badRequest("the form has the part %s twice", name)
		}
		seen[name] = true
		if err := call.set(name, part); err != nil {
			return sdkCall{}, err
		}
	}
}

func (c *sdkCall) set(name string, part io.Reader) error {
	value, err := io.ReadAll(part) // of a body that is bounded
	if err != nil {
		return badRequest("the multipart body cannot be read")
	}
	if name == "requestData" {
		c.requestData = value
		return nil
	}
	if len(value) > maxPart {
		return badRequest("the form's part %s is longer than %d bytes", name, maxPart)
	}
	switch name {
	case "action":
		c.action = string(value)
	case "apiName":
		c.apiName = string(value)
	case "wxCloudApiToken":
		c.token = string(value)
	}
	return nil
}
