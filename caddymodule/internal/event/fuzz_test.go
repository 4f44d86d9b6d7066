package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-cloudid/caddy-cloudid/caddymodule/internal/event"
)

// FuzzFind: any body, under rules that bits chooses.
func FuzzFind(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.spec.pointer == "" && !v.spec.text && len(v.body) < 10_000 {
			f.Add(v.body, bitsOf(v.spec))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, bits uint8) {
		s := specOfBits(bits)
		if s.cloudEvent = bits&64 != 0; s.cloudEvent {
			s.pointer = "/data"
		}
		check(t, s, body)
	})
}

// FuzzAtPointer: any body whose event is at a pointer, a string or not.
func FuzzAtPointer(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.spec.pointer != "" && len(v.body) < 10_000 {
			f.Add(v.body, v.spec.pointer, v.spec.text, bitsOf(v.spec))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, pointer string, text bool, bits uint8) {
		if _, err := event.ParsePointer(pointer); err != nil || !utf8.ValidString(pointer) {
			return
		}
		s := specOfBits(bits)
		s.pointer, s.text = pointer, text
		check(t, s, body)
	})
}

// FuzzQuoted: any text as the string that wx.cloud.callFunction sends, written with as many escapes as odd asks for.
func FuzzQuoted(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.spec.pointer == "" && !v.spec.text && len(v.body) < 10_000 {
			f.Add(string(v.body), `[]`, uint8(3), bitsOf(v.spec))
			f.Add(string(v.body), `[{"key_name":"steps","cloud_id":"`+runID+`"}]`, uint8(0), bitsOf(v.spec))
		}
	}
	f.Fuzz(func(t *testing.T, text, list string, odd, bits uint8) {
		s := specOfBits(bits)
		s.pointer, s.text = "/data", true
		check(t, s, []byte(`{"function_name":"f","data":"`+escapeText(text, odd)+`","cloudid_list":`+list+`}`))
	})
}

// escapeText writes text as the inside of a JSON string. Characters whose number is a multiple of odd become \uXXXX.
func escapeText(text string, odd uint8) string {
	var out strings.Builder
	n := 0
	for _, r := range text {
		switch n++; {
		case r < ' ' || r == '"' || r == '\\' || odd > 0 && n%int(odd) == 0 && r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		case odd > 0 && n%int(odd) == 0:
			fmt.Fprintf(&out, `\u%04X\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// specOfBits makes rules of a fuzzer's number, bitsOf the number that is nearest to rules.
func specOfBits(bits uint8) spec {
	s := spec{max: 5, guess: bits&1 == 0, ownUserInfo: bits&2 != 0, encrypted: bits&32 != 0}
	if bits&4 != 0 {
		s.fields = []string{"a", "weRunData", "steps"}
	}
	if bits&8 != 0 {
		s.max = 1
	}
	if bits&20 == 20 {
		s.fields = append(s.fields, "cloudid_list", "")
	}
	return s
}

func bitsOf(s spec) (bits uint8) {
	for bit, set := range map[uint8]bool{1: !s.guess, 2: s.ownUserInfo, 4: s.fields != nil, 8: s.max == 1, 32: s.encrypted, 16: slices.Contains(s.fields, "cloudid_list")} {
		if set {
			bits |= bit
		}
	}
	return bits
}

// check holds what the package does against the oracle, and against itself.
func check(t *testing.T, s spec, body []byte) {
	t.Helper()
	sent := slices.Clone(body)
	rules := s.rules(t)
	found, err := rules.Parse(body)
	want := s.judge(body)
	if (err != nil) != want.rejected {
		t.Fatalf("Find: %v; rejected by the oracle: %v", err, want.rejected)
	}
	if err != nil {
		return
	}
	if (found.Object() != nil) != want.event {
		t.Fatalf("the event is %q", found.Object())
	}
	if len(found.Declarations) != len(want.declared) {
		t.Fatalf("declared:\n%+v\nwant:\n%+v", found.Declarations, want.declared)
	}
	for i, d := range found.Declarations {
		if d != want.declared[i].Declaration {
			t.Fatalf("declared:\n%+v\nwant:\n%+v", found.Declarations, want.declared)
		}
	}

	out := write(found, numberedValues(len(found.Declarations)), s.userInfo())
	checkOutput(t, s, want, body, out)
	checkAgain(t, s, rules, found)
	if !bytes.Equal(body, sent) {
		t.Fatal("the caller's body was written to")
	}
}

// checkOutput: what is replaced, added and taken out, and nothing else.
func checkOutput(t *testing.T, s spec, want verdict, body, out []byte) {
	t.Helper()
	if len(body) > 0 && !json.Valid(out) {
		t.Fatalf("no valid JSON: %s", out)
	}
	if !want.event || len(want.declared) == 0 && !s.ownUserInfo {
		if !bytes.Equal(out, body) {
			t.Fatalf("nothing was to be changed: %s", out)
		}
		return
	}
	text := expectedText(t, s, want)
	inString := want.start > 0 && s.text
	if !inString {
		checkAround(t, s, want, body, out, string(text))
		return
	}
	// The string's own spelling stays too, which is compared unit by unit.
	raw := string(body[want.start:want.end])
	starts := unitStarts(t, raw)
	var expected strings.Builder
	from := 0
	for _, change := range changesOf(s, want) {
		expected.WriteString(raw[starts[from]:starts[change.start]])
		inside, err := json.Marshal(change.text)
		if err != nil {
			t.Fatal(err)
		}
		expected.Write(inside[1 : len(inside)-1])
		from = change.end
	}
	expected.WriteString(raw[starts[from]:])
	checkAround(t, s, want, body, out, expected.String())
}

// checkAround: the event's place holds text, and what stands around it is as it was, without the list.
func checkAround(t *testing.T, s spec, want verdict, body, out []byte, text string) {
	t.Helper()
	before, behind := string(body[:want.start]), string(body[want.end:])
	if want.list != nil && s.pointer != "" {
		cut := cutMember(body, want.list.nameStart)
		if cut.start < want.start {
			before = before[:cut.start] + before[cut.end:]
		} else {
			behind = behind[:cut.start-want.end] + behind[cut.end-want.end:]
		}
	}
	if expected := before + text + behind; string(out) != expected {
		t.Fatalf("got\n%s\nwant\n%s", out, expected)
	}
}

// change is a range of the event's text and what stands there afterwards.
type change struct {
	start, end int
	text       string
}

func expectedText(t *testing.T, s spec, want verdict) []byte {
	t.Helper()
	var out []byte
	from := 0
	for _, c := range changesOf(s, want) {
		out = append(append(out, want.text[from:c.start]...), c.text...)
		from = c.end
	}
	return append(out, want.text[from:]...)
}

// changesOf lists the changes to the event's text, in order: a member goes with the comma before it, or, where none before it
// stays, with what comes up to the next; what is added stands behind the last member.
func changesOf(s spec, want verdict) (changes []change) {
	gone := want.removed
	if want.list != nil && s.pointer == "" {
		gone = append(gone, *want.list)
	}
	isGone := func(m member) bool {
		return slices.ContainsFunc(gone, func(g member) bool { return g.nameStart == m.nameStart })
	}
	last := bytes.IndexByte(want.text, '{') + 1
	stays := false
	for i, m := range want.members {
		previous := last
		last = m.end
		switch {
		case !isGone(m):
			stays = true
		case stays:
			changes = append(changes, change{start: previous, end: m.end})
		case i+1 < len(want.members):
			changes = append(changes, change{start: m.nameStart, end: want.members[i+1].nameStart})
		default:
			changes = append(changes, change{start: m.nameStart, end: m.end})
		}
	}
	added := ""
	add := func(name, value string) {
		if stays {
			added += ","
		}
		stays = true
		quoted, _ := json.Marshal(name)
		added += string(quoted) + ":" + value
	}
	for i, d := range want.declared {
		response := fmt.Sprintf(`{"A":%d}`, i)
		if d.listed {
			add(d.Name, response)
		} else {
			changes = append(changes, change{d.member.start, d.member.end, response})
		}
	}
	if s.ownUserInfo {
		add("userInfo", `{"U":1}`)
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.start - b.start })
	if added != "" {
		changes = append(changes, change{last, last, added})
	}
	return changes
}

// cutMember is what goes with a member of the body's own object.
func cutMember(body []byte, nameStart int) change {
	members, _, _ := membersOf(body)
	v := verdict{text: body, members: members, list: &member{nameStart: nameStart}}
	return changesOf(spec{}, v)[0]
}

var unit = regexp.MustCompile(`\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\.|(?s:.)`)

// unitStarts returns, for each byte of the text that a string holds, where its writing begins in the string; -1 within a
// decodeChar. The last is the string's length.
func unitStarts(t *testing.T, raw string) (starts []int) {
	t.Helper()
	at := 0
	for _, u := range unit.FindAllString(raw, -1) {
		var meant string
		if err := json.Unmarshal([]byte(`"`+u+`"`), &meant); err != nil {
			t.Fatal(err)
		}
		starts = append(starts, at)
		for range len(meant) - 1 {
			starts = append(starts, -1)
		}
		at += len(u)
	}
	return append(starts, at)
}

// checkAgain: what went through once, with open data as WeChat gives it, declares the same again and is not changed by the
// same open data.
func checkAgain(t *testing.T, s spec, rules *event.Rules, found event.Event) {
	t.Helper()
	var openData [][]byte
	for _, d := range found.Declarations {
		if !event.LooksLikeCloudID(d.ID) {
			return // no CloudID that WeChat would answer
		}
		openData = append(openData, fmt.Appendf(nil, `{"cloudID":%q,"data":{"nickName":"\"é\u00e9}]","n":[1.10,{}]}}`, d.ID))
	}
	once := write(found, openData, s.userInfo())
	again, err := rules.Parse(once)
	if err != nil {
		t.Fatalf("rejected the second time: %v\n%s", err, once)
	}
	if len(again.Declarations) != len(found.Declarations) {
		t.Fatalf("declared the second time:\n%+v\nthe first time:\n%+v", again.Declarations, found.Declarations)
	}
	for i, d := range again.Declarations {
		if first := found.Declarations[i]; d.Name != first.Name || d.ID != first.ID || d.Kind == event.Guess {
			t.Fatalf("declared the second time:\n%+v\nthe first time:\n%+v", again.Declarations, found.Declarations)
		}
	}
	if twice := write(again, openData, s.userInfo()); !bytes.Equal(twice, once) {
		t.Fatalf("the second time:\n%s\nthe first time:\n%s", twice, once)
	}
}
