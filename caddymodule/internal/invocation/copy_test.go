package invocation

import (
	"bytes"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// borrowed is a record whose texts, and those of its members, are all in one buffer, as texts of a request are.
func borrowed(members int) (r *Record, buffer []byte) {
	buffer = bytes.Repeat([]byte("x"), 1<<10)
	text := unsafe.String(unsafe.SliceData(buffer), len(buffer))
	r = &Record{
		Seq: 7, RequestID: text[:36], Time: time.Now(), Method: text[:4], Host: text[:20], Path: text[:100], Proto: text[:8], AppID: "wx0",
		Caller: Caller("o-1"), ContentType: text[:16], Explained: true, Skipped: NoEvent, Rejection: &Rejection{400, "no"}, Cause: "a cause",
		Directive: "wechat_login", Outcome: Resolved, Error: "an error", Status: 200, Sizes: Sizes{1, 2, 3}, Timing: Timing{Total: 4},
		Forwarded: Forwarded{OpenID: Caller("o-1"), AppID: text[:3], Source: text[:9], OpenDataInfo: text[:30], Token: 5},
		Capture:   &Capture{URI: "/"}, Again: true,
	}
	for i := range members {
		r.Members = append(r.Members, Member{Name: text[i : i+10], Type: TypeString, Length: i, Declared: Guess, Result: Failed, Code: -601006, Reason: CannotBe})
	}
	return r, buffer
}

// What the gateway itself says is never changed, and is not copied.
var ownTexts = []string{"AppID", "Skipped", "Cause", "Directive", "Outcome", "Error"}

func TestACloneSharesNothingWithTheCall(t *testing.T) {
	r, buffer := borrowed(5)
	want, _ := borrowed(5)
	want.Time = r.Time
	clone := r.Clone()
	if !reflect.DeepEqual(clone, want) {
		t.Errorf("the clone is\n\t%+v\nof\n\t%+v", clone, want)
	}
	copy(buffer, bytes.Repeat([]byte("y"), len(buffer)))
	clear(r.Members)
	*r = Record{}
	if !reflect.DeepEqual(clone, want) {
		t.Errorf("when the call's memory is another's, the clone is\n\t%+v\nof\n\t%+v", clone, want)
	}

	texts := clone.requestTexts()
	var fields func(of reflect.Value)
	fields = func(of reflect.Value) {
		for i := range of.NumField() {
			field, name := of.Field(i), of.Type().Field(i).Name
			switch {
			case field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[time.Time]():
				fields(field)
			case field.Kind() == reflect.String && !slices.Contains(ownTexts, name) && !slices.Contains(texts[:], field.Addr().Interface().(*string)):
				t.Errorf("%s is not copied", name)
			}
		}
	}
	fields(reflect.ValueOf(clone).Elem())
}

func TestACloneOfARecordWithoutMembersHasNone(t *testing.T) {
	if clone := new(Record).Clone(); !reflect.DeepEqual(clone, new(Record)) {
		t.Errorf("%+v", clone)
	}
}

func TestMemoryIsUsedAgainAndDoesNotStayLarge(t *testing.T) {
	var (
		kept   Record
		memory Memory
	)
	large, _ := borrowed(MaxMembers)
	large.Path = strings.Repeat("p", MaxPath)
	small, _ := borrowed(2)
	if large.CopyTo(&kept, &memory); !reflect.DeepEqual(&kept, large) {
		t.Error("a large record is another when it was copied")
	}
	if size, least := memory.Size(), MaxMembers*40+MaxPath; size < least || size > 2*least {
		t.Errorf("a large record takes %d bytes", size)
	}
	if small.CopyTo(&kept, &memory); !reflect.DeepEqual(&kept, small) || memory.Size() > 1<<10 {
		t.Errorf("after it, a small one takes %d bytes", memory.Size())
	}
	if allocations := testing.AllocsPerRun(100, func() { small.CopyTo(&kept, &memory) }); allocations != 0 {
		t.Errorf("one that has room is copied with %v allocations", allocations)
	}
}

// The end of a call is another record than its beginning by what End enters, and by nothing else.
func TestTheEndOfACall(t *testing.T) {
	ended, _ := borrowed(3)
	ended.Done = true
	kept := ended.Clone()
	kept.Done, kept.Outcome, kept.Status, kept.Cause, kept.Error, kept.Sizes, kept.Timing = false, "", 0, "", "", Sizes{}, Timing{}
	kept.Capture = &Capture{Again: func(http.ResponseWriter, *http.Request) error { return nil }}
	if kept.End(ended); !reflect.DeepEqual(kept, ended) {
		t.Errorf("it is\n\t%+v\nwant\n\t%+v", kept, ended)
	}
}
