package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/wechat"
)

func TestEveryCodeIsExplained(t *testing.T) {
	hasChinese := func(text string) bool {
		return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	codes := wechat.Codes()
	for i, code := range codes {
		for language, text := range map[string]wechat.Text{"English": code.English, "Chinese": code.Chinese} {
			if text.Meaning == "" || text.Advice == "" || strings.ContainsAny(text.Meaning+text.Advice, "|<>\n\"") ||
				hasChinese(text.Meaning+text.Advice) != (language == "Chinese") {
				t.Errorf("%d, %s: %q, %q", code.Number, language, text.Meaning, text.Advice)
			}
		}
		if known, ok := wechat.Explain(code.Number); !ok || known != code {
			t.Errorf("%d is not explained as it is listed", code.Number)
		}
		if i > 0 && (codes[i-1].Number < 0 && code.Number >= 0 || (codes[i-1].Number >= 0) == (code.Number >= 0) && abs(codes[i-1].Number) >= abs(code.Number)) {
			t.Errorf("%d stands behind %d", code.Number, codes[i-1].Number)
		}
	}
	if codes[0].Number != 0 || codes[len(codes)-1].Number != -604104 {
		t.Errorf("the list is from %d to %d", codes[0].Number, codes[len(codes)-1].Number)
	}
	for party := wechat.PartyNobody; party <= wechat.PartyFunction; party++ {
		if party.String() == "" || !hasChinese(party.Chinese()) {
			t.Errorf("party %d: %q %q", int(party), party, party.Chinese())
		}
	}
}

func abs(n int) int { return max(n, -n) }

// What can be met of WeChat, of the cloud and of this gateway is in the table.
func TestWhatCanBeMetIsInTheTable(t *testing.T) {
	list := []int{
		0, -1, 40001, 40003, 40013, 40014, 40029, 40097, 40125, 40163, 40164, 40226, 40243, 41001, 41002, 41004, 42001, 43101, 44002, 45009, 45011,
		45080, 47001, 48001, 61010, 85088, 87014, -604001, -604100, -604101, -604102, -604103, -604104, -501000, -501001, -504002,
		40007, 40009, 40037, 40066, 41005, 41008, 41030, 43001, 43002, 45002, 45029, 47003, 48004, 50002,
		-401002, -401003, -501002, -501003, -501004, -501005, -501007, -501018, -501019, -504001, -504003,
	}
	for code := wechat.CodeNoPhoneOfMember; code <= wechat.CodeSystemError; code++ {
		list = append(list, code)
	}
	for _, number := range list {
		code, known := wechat.Explain(number)
		if !known || code.Number != number {
			t.Errorf("%d is not known", number)
		}
		if message := wechat.OpenDataMessage(number); message != "" && code.English.Meaning != message {
			t.Errorf("%d: %q, as functions know it, is called %q", number, message, code.English.Meaning)
		}
	}
}

func TestAnUnknownCodeSaysSoAndWhereToLook(t *testing.T) {
	for _, number := range []int{7, 31415926, -601010} {
		code, known := wechat.Explain(number)
		if known || code.Number != number {
			t.Errorf("%d: known %t, %+v", number, known, code)
		}
		for _, text := range []wechat.Text{code.English, code.Chinese} {
			if text.Meaning == "" || !strings.Contains(text.Advice, wechat.CodesPage) || !strings.Contains(text.Advice, "rid") {
				t.Errorf("%d: %q, %q", number, text.Meaning, text.Advice)
			}
		}
	}
	err := &wechat.Error{API: "getopendata", Code: 31415926}
	if !strings.Contains(err.Error(), "unknown to this gateway") || !strings.Contains(wechat.Advice(err), wechat.CodesPage) {
		t.Errorf("%v: %s", err, wechat.Advice(err))
	}
}

func TestTheAdviceForASecretThatIsWrong(t *testing.T) {
	advice := func(api string, code int) string { return wechat.Advice(&wechat.Error{API: api, Code: code}) }
	for _, api := range []string{wechat.APIStableToken, wechat.APIJSCode2Session} {
		if got := advice(api, 40001); !strings.Contains(got, "secret") {
			t.Errorf("40001 of %s, which takes no token, is not about one: %q", api, got)
		}
	}
	if got := advice(wechat.APIGetOpenData, 40001); !strings.Contains(got, "token") {
		t.Errorf("40001 of getopendata is about the token: %q", got)
	}
	if frozen, wrong := advice(wechat.APIStableToken, 40243), advice(wechat.APIStableToken, 40125); frozen == wrong || !strings.Contains(frozen, "unfreeze") {
		t.Errorf("a frozen secret is right: %q", frozen)
	}
}

// Whether a failure says something of everybody's calls: only then may a breaker open for it (DESIGN.md, section 4).
func TestWhatConcernsEverybody(t *testing.T) {
	t.Parallel()
	everybody := []error{
		&wechat.NetworkError{}, &wechat.NetworkError{Timeout: true}, &wechat.ResponseError{}, context.DeadlineExceeded, errors.New("no token"),
		fmt.Errorf("outer: %w", &wechat.Error{Code: 45009}), &wechat.Error{API: wechat.APIGetOpenData, Code: 45011},
	}
	for _, code := range []int{-1, 40001, 40013, 40014, 40125, 40164, 40243, 41001, 41002, 41004, 42001, 45009, 48001, 48004, 50002, 85088} {
		everybody = append(everybody, &wechat.Error{Code: code})
	}
	for _, err := range everybody {
		if !wechat.ConcernsEverybody(err) {
			t.Errorf("%v does", err)
		}
	}
	itself := []error{context.Canceled, fmt.Errorf("outer: %w", context.Canceled), &wechat.Error{API: wechat.APIJSCode2Session, Code: 45011}}
	for _, code := range []int{0, 1, 40003, 40007, 40009, 40029, 40037, 40066, 40097, 40163, 40226, 41005, 41008, 41030, 43001, 43002, 43101, 44002, 45002, 45029, 45080, 47001, 47003, 61010, 87014, 31415926} {
		itself = append(itself, &wechat.Error{Code: code})
	}
	for code := wechat.CodeNoPhoneOfMember; code <= wechat.CodeSystemError; code++ {
		itself = append(itself, &wechat.Error{Code: code})
	}
	for _, err := range itself {
		if wechat.ConcernsEverybody(err) {
			t.Errorf("%v is about its own call", err)
		}
	}
}
