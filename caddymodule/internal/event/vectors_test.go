package event_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/jsonscan"
)

// vector is one file of testdata/hostile; its README has the format.
type vector struct {
	name     string
	spec     spec
	declared []event.Declaration
	rejected string // the reason
	becomes  []byte
	body     []byte
}

func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) < 300 {
		t.Errorf("only %d vectors were found", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) { v.check(t) })
	}
}

func (v *vector) check(t *testing.T) {
	t.Helper()
	rules := v.spec.rules(t)
	body := slices.Clone(v.body)
	found, err := rules.Parse(body)
	if got := reasonOf(err); got != v.rejected {
		t.Fatalf("rejected for %q (%v), want %q", got, err, v.rejected)
	}
	if err != nil {
		return
	}
	if got := declaredAsInVectors(found.Declarations); !slices.Equal(got, v.declared) {
		t.Fatalf("declared:\n%+v\nwant:\n%+v", found.Declarations, v.declared)
	}
	out := write(found, numberedValues(len(v.declared)), v.spec.userInfo())
	if !bytes.Equal(out, v.becomes) {
		t.Errorf("becomes:\n%s\nwant:\n%s", out, v.becomes)
	}
	if !bytes.Equal(body, v.body) {
		t.Error("the caller's body was written to")
	}
}

// asInVectors is a declaration as vectors tell it: they do not tell the explicit kinds apart.
func asInVectors(d event.Declaration) event.Declaration {
	if d.Kind != event.Guess && d.EncryptedData == "" {
		d.Kind = ""
	}
	return d
}

func declaredAsInVectors(declarations []event.Declaration) (declared []event.Declaration) {
	for _, d := range declarations {
		declared = append(declared, asInVectors(d))
	}
	return declared
}

func numberedValues(n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		values[i] = fmt.Appendf(nil, `{"A":%d}`, i)
	}
	return values
}

// reasonOf names the reason of a rejection in the words of the vectors; "" for none.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	if _, syntax := errors.AsType[*jsonscan.SyntaxError](err); syntax {
		return "json"
	}
	for reason, sentinel := range map[string]error{
		"utf8": jsonscan.ErrNotUTF8, "bom": jsonscan.ErrByteOrderMark, "depth": jsonscan.ErrTooDeep, "no event": event.ErrNoEvent,
	} {
		if errors.Is(err, sentinel) {
			return reason
		}
	}
	if _, rejection := errors.AsType[*event.Rejection](err); rejection {
		for reason, words := range map[string]string{
			"duplicate": "must be sent once", "surrogate": "half a surrogate pair", "long name": "at most 256 are allowed",
			"proto": "__proto__ is not accepted", "too many": "which is how many are replaced in one call", "unlisted": "not among the fields",
			"userInfo": "userInfo is set by the gateway", "rewritten": "turn them into other members",
			"batch": "a batch of CloudEvents", "data_base64": "data_base64 is not accepted",
		} {
			if strings.Contains(err.Error(), words) {
				return reason
			}
		}
	}
	return err.Error()
}

func readVectors(tb testing.TB) (vectors []vector) {
	tb.Helper()
	files, err := filepath.Glob("testdata/hostile/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		v, err := readVector(string(text))
		if err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		v.name = strings.TrimSuffix(filepath.Base(file), ".txt")
		vectors = append(vectors, v)
	}
	return vectors
}

func readVector(text string) (v vector, err error) {
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		return v, errors.New("no empty line between head and body")
	}
	if v.body, err = unescapeBytes(strings.TrimSuffix(body, "\n")); err != nil {
		return v, err
	}
	v.spec = defaultSpec()
	verdict := false
	for _, line := range strings.Split(head, "\n")[1:] {
		keyword, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch keyword {
		case "untouched":
			v.becomes, verdict = v.body, true
		case "rejected":
			v.rejected, verdict = value, true
		case "becomes":
			verdict = true
			v.becomes, err = unescapeBytes(value)
		case "declares", "guesses", "invalid", "encrypted":
			var d event.Declaration
			d, err = readDeclaration(value)
			if keyword == "guesses" {
				d.Kind = event.Guess
			}
			if keyword == "encrypted" {
				d.Kind = event.Encrypted
				d.EncryptedData, d.IV, _ = strings.Cut(d.ID, " ")
				d.ID = ""
			}
			v.declared = append(v.declared, d)
		default:
			err = v.spec.set(keyword, value)
		}
		if err != nil {
			return v, fmt.Errorf("%s: %w", line, err)
		}
	}
	if !verdict {
		return v, errors.New("no verdict")
	}
	return v, nil
}

// readDeclaration reads a name, as a JSON string, and an ID.
func readDeclaration(text string) (d event.Declaration, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&d.Name); err != nil {
		return d, err
	}
	name, err := unescapeBytes(d.Name)
	if err != nil {
		return d, err
	}
	id, err := unescapeBytes(strings.TrimPrefix(text[decoder.InputOffset():], " "))
	d.Name, d.ID = string(name), string(id)
	return d, err
}

// unescapeBytes replaces hexadecimal digits between backticks by the bytes they stand for.
func unescapeBytes(text string) (out []byte, err error) {
	for i, part := range strings.Split(text, "`") {
		if i%2 == 0 {
			out = append(out, part...)
			continue
		}
		for _, item := range strings.Fields(part) {
			digits, times, repeated := strings.Cut(item, "*")
			count := 1
			if repeated {
				if count, err = strconv.Atoi(times); err != nil {
					return nil, err
				}
			}
			run, err := hex.DecodeString(digits)
			if err != nil {
				return nil, err
			}
			out = append(out, bytes.Repeat(run, count)...)
		}
	}
	return out, nil
}

// spec is rules in the test's own terms, which the oracle reads as well.
type spec struct {
	pointer     string
	text        bool
	fields      []string
	guess       bool
	max         int
	ownUserInfo bool
	encrypted   bool
	cloudEvent  bool
}

func defaultSpec() spec { return spec{guess: true, max: 5} }

// set reads one rule, as a line of a vector's head has it.
func (s *spec) set(keyword, value string) (err error) {
	switch keyword {
	case "event":
		if s.cloudEvent = value == "cloudevents"; s.cloudEvent {
			s.pointer = "/data"
			return nil
		}
		s.pointer, s.text = strings.CutSuffix(value, " string")
		if s.pointer == `""` {
			s.pointer = ""
		}
	case "fields":
		s.fields = strings.Fields(value)
	case "guess", "openid":
		if value != "off" && value != "none" {
			return fmt.Errorf("unknown value %q", value)
		}
		s.guess = false
	case "max_ids":
		s.max, err = strconv.Atoi(value)
	case "user_info":
		s.ownUserInfo = true
	case "encrypted_data":
		s.encrypted = true
	default:
		return fmt.Errorf("unknown rule %q", keyword)
	}
	return err
}

// specOf reads rules that are separated by semicolons.
func specOf(tb testing.TB, rules string) spec {
	tb.Helper()
	s := defaultSpec()
	if rules == "" {
		return s
	}
	for rule := range strings.SplitSeq(rules, "; ") {
		keyword, value, _ := strings.Cut(rule, ": ")
		if err := s.set(keyword, value); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func (s spec) rules(tb testing.TB) *event.Rules {
	tb.Helper()
	at, err := event.ParsePointer(s.pointer)
	if err != nil {
		tb.Fatal(err)
	}
	rules := &event.Rules{
		Pointer: at, IsString: s.text, CloudEvent: s.cloudEvent,
		Fields: s.fields, Guess: s.guess, EncryptedData: s.encrypted, MaxDeclarations: s.max, ReplaceUserInfo: s.ownUserInfo,
	}
	if err := rules.Compile(); err != nil {
		tb.Fatal(err)
	}
	return rules
}

func (s spec) userInfo() []byte {
	if s.ownUserInfo {
		return []byte(`{"U":1}`)
	}
	return nil
}
