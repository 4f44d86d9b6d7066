package inspector

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

// serveText responds with the calls as a terminal shows them, the latest last: what the page has, for somebody who is on a server
// without a browser.
func (h *Handler) serveText(w http.ResponseWriter, _ *http.Request) error {
	var text strings.Builder
	for _, call := range h.store.snapshot().Calls {
		writeCall(&text, call.Record)
	}
	if text.Len() == 0 {
		text.WriteString("No call yet: each request through cloudid, and each that wechat_session or wechat_login rejects, is listed here.\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text.String())) // a client that went away cannot be told
	return nil
}

func writeCall(text *strings.Builder, r *invocation.Record) {
	outcome := string(r.Outcome)
	if !r.Done {
		outcome += " (running)"
	}
	fmt.Fprintf(text, "%s  %s %s  %d %s  %s  account %s  caller %s  request %s\n", r.Time.Format(time.DateTime), printable(r.Method), printable(r.Path),
		r.Status, outcome, r.Timing.Total.Round(10*time.Microsecond), orNone(r.AppID), orNone(r.Caller.String()), r.RequestID)
	line := func(label, what string) {
		if what != "" {
			fmt.Fprintf(text, "    %s%s\n", label, printable(what))
		}
	}
	if r.Rejection != nil {
		line("the client was told: ", r.Rejection.Reason)
		line("rejected by: ", r.Directive)
	}
	line("cause: ", r.Cause)
	if r.Rejection == nil || r.Error != r.Rejection.Reason {
		line("the exchange with WeChat failed: ", r.Error)
	}
	if r.Skipped != "" {
		line("the body was not read: ", r.Skipped.Text()+" ("+orNone(r.ContentType)+")")
	}
	for i := range r.Members {
		line("", wechat.ExplainMember(r.Members[i].Sentence(), r.Members[i].Code))
	}
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// printable writes control characters of a client's text as escapes: a terminal would obey them.
func printable(text string) string {
	quoted := fmt.Sprintf("%+q", text)
	if plain := quoted[1 : len(quoted)-1]; plain != text {
		return strings.ReplaceAll(plain, `\"`, `"`)
	}
	return text
}
