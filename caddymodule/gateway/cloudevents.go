package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A CloudEvent comes in one of two modes: structured, where the body is an envelope with the event in its member data, and
// binary, where ce-* headers are the envelope and the whole body is the event. SDKs choose by what a client sends. So the
// gateway reads CloudEvents only where it was told to, and rejects whatever could be both.

const cloudEventsType = "application/cloudevents"

func notCloudEvent() error {
	return caddyhttp.Error(http.StatusUnsupportedMediaType,
		errors.New("this gateway expects CloudEvents: send application/cloudevents+json, or JSON with ce-* headers"))
}

// checkCloudEvent reports whether a request is a CloudEvent in structured mode. An error says that it is none that can be
// read in one way only, or that none is expected.
func (h *Handler) checkCloudEvent(r *http.Request, mediaType string) (structured bool, err error) {
	named, binary := strings.HasPrefix(mediaType, cloudEventsType), hasCloudEventHeaders(r.Header)
	switch {
	case !named && !binary:
		return false, nil
	case !h.Event.CloudEvents:
		if !h.guarded {
			return false, nil
		}
		return false, caddyhttp.Error(http.StatusUnsupportedMediaType,
			errors.New("CloudEvents are not read here; send a plain JSON event (the gateway's operator can allow them with the option event cloudevents)"))
	case strings.HasPrefix(mediaType, cloudEventsType+"-batch"):
		return false, badCloudEvent("batches of CloudEvents are not read; send one event in each request")
	case named && binary:
		return false, badCloudEvent("the request is a CloudEvent in structured and in binary mode at once; send it without ce-* headers")
	case named && mediaType != cloudEventsType+"+json":
		return false, badCloudEvent("a CloudEvent in structured mode must be application/cloudevents+json")
	}
	return named, nil
}

func badCloudEvent(message string) error {
	return caddyhttp.Error(http.StatusBadRequest, errors.New(message))
}

// hasCloudEventHeaders reports whether a request has headers that make it a CloudEvent in binary mode.
func hasCloudEventHeaders(header http.Header) bool {
	for name := range header {
		// CGI and what follows it read every separator as a dash.
		if len(name) >= 3 && strings.EqualFold(name[:2], "ce") && !isAlphanumeric(name[2]) {
			return true
		}
	}
	return false
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}
