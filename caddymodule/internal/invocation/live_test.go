package invocation

import (
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// Who looks at a call while it goes on sees what it was before a change, or after it.
func TestALiveRecordIsReadWhileItChanges(t *testing.T) {
	var l Live
	l.Members = []Member{{Name: "a", Declared: Guess, Result: OpenData}}
	l.Outline.Add(&Member{Name: "first"})
	l.Outline.AddDeclared(&Member{Type: TypeString, Length: 50})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 1000 {
			l.Change(func(r *Record) { r.Status, r.Timing.Total = i, time.Duration(i) })
		}
	})
	before := l.Read()
	status := before.Status
	for range 1000 {
		if r := l.Read(); r.Timing.Total != time.Duration(r.Status) {
			t.Fatalf("it is half changed: %d, %d", r.Status, r.Timing.Total)
		}
	}
	wg.Wait()
	if l.Read().Status != 999 || before.Status != status {
		t.Errorf("it is %d now, and what was read when it was %d is %d", l.Read().Status, status, before.Status)
	}
	want := []Member{{Name: "first"}, {Name: "a", Declared: Guess, Result: OpenData, Type: TypeString, Length: 50}}
	if !reflect.DeepEqual(before.Members, want) || len(before.Outline.bytes) != 0 {
		t.Errorf("what was read has the members %+v, and the outline %+v", before.Members, before.Outline)
	}
}

// Go's collector takes several times as long for objects that are larger.
func TestALiveRecordIsNoLargerThanTheCollectorLikes(t *testing.T) {
	if size := unsafe.Sizeof(Live{}); size > 512 {
		t.Errorf("it has %d bytes", size)
	}
}

// What a client or a function can make long counts, wherever in a record it is.
func TestTheSizeOfALiveRecordIsThatOfAllItsTexts(t *testing.T) {
	l := Live{Record: Record{Rejection: new(Rejection), Members: make([]Member, 2)}}
	empty := l.Size()
	if least := usualTexts + int(unsafe.Sizeof(l)+unsafe.Sizeof(Rejection{})+2*unsafe.Sizeof(Member{})); empty != least {
		t.Errorf("one without texts has %d bytes, want %d", empty, least)
	}
	texts := 0
	eachText(reflect.ValueOf(&l.Record).Elem(), func(text reflect.Value) {
		texts++
		text.SetString(strings.Repeat("x", 1000))
	})
	if got := l.Size() - empty; got != texts*1000 || texts < 15 {
		t.Errorf("%d texts of 1000 bytes have %d", texts, got)
	}
	if rejected := int(unsafe.Sizeof(Rejection{})) + 2*int(unsafe.Sizeof(Member{})); new(Live).Size() != empty-rejected {
		t.Errorf("one that was forwarded has %d bytes, want %d", new(Live).Size(), empty-rejected)
	}
	without := l.Size()
	l.Outline.Add(&Member{Name: strings.Repeat("x", 1000)})
	if l.Size() < without+1000 {
		t.Error("the outline does not count")
	}
}

// eachText shows the texts of a record, but for those of a Capture, which is not kept with it.
func eachText(of reflect.Value, visit func(reflect.Value)) {
	switch of.Kind() {
	case reflect.String:
		visit(of)
	case reflect.Pointer:
		if !of.IsNil() {
			eachText(of.Elem(), visit)
		}
	case reflect.Slice:
		for i := range of.Len() {
			eachText(of.Index(i), visit)
		}
	case reflect.Struct:
		for i := range of.NumField() {
			if of.Type().Field(i).IsExported() && of.Type() != reflect.TypeFor[time.Time]() {
				eachText(of.Field(i), visit)
			}
		}
	}
}
