package command

import (
	"errors"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/invocation"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/opendata"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat/apicall"
)

// failures are the words that stand where an errcode would, in log lines and metrics.
var failures = []struct {
	err     error // whose label and advice are meant
	meaning string
}{
	{&wechat.NetworkError{Timeout: true}, "WeChat did not respond within the account's timeout"},
	{&wechat.NetworkError{}, "WeChat could not be reached"},
	{&wechat.ResponseError{}, "the response is not one of WeChat's API: another status than 200, or no JSON of the right shape"},
	{&apicall.QueueError{}, "the account's max_calls were in flight, and no turn came in time"},
	{&opendata.LimitError{}, "one user had as many CloudIDs exchanged as the account's limit allows"},
}

// errNoWord is for what is neither an error code nor a word of a log.
var errNoWord = errors.New("no such word")

// explainWord says what a word of a log line, a metric or the inspector means: a reason for what became of a member, why a body was
// not read, or what failed without an errcode.
func explainWord(word string) (text string, err error) {
	for _, reason := range invocation.Reasons() {
		if reason.String() == word {
			return reason.Text(), nil
		}
	}
	for _, skipped := range invocation.AllSkipped() {
		if string(skipped) == word {
			return "the body was not read as an event: " + skipped.Text(), nil
		}
	}
	for _, f := range failures {
		if wechat.MetricLabel(f.err) == word {
			return f.meaning + "\n  what to do: " + wechat.Advice(f.err), nil
		}
	}
	return "", errNoWord
}
