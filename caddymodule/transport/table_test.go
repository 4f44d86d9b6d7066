package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestRequestsAndResponses(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		t.Run(method, func(t *testing.T) {
			bothTransports(t, setup{}, echo, func(s *side) {
				c := s.dial()
				for _, body := range []string{"", "x", strings.Repeat("body ", 1000), strings.Repeat("large ", 100_000)} {
					c.say(fmt.Sprintf("%s /p?q=%%20 HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body))
					c.wantResponse(http.StatusOK, method+" /p?q=%20 "+body)
				}
				if n := s.upstream.accepted.Load(); n != 1 {
					t.Errorf("%d connections were opened", n)
				}
			})
		})
	}
}
