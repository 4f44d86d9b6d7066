package invocation

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// fill gives each field of a record, and what it refers to, a value that no other field has. Numbers grow to more than a byte holds.
func fill(of reflect.Value, next *int) {
	*next += 7
	switch of.Kind() {
	case reflect.String:
		of.SetString(strings.Repeat("x", *next))
	case reflect.Bool:
		of.SetBool(true)
	case reflect.Int, reflect.Int64:
		of.SetInt(-int64(*next) * int64(*next))
	case reflect.Uint8:
		of.SetUint(uint64(*next % 256))
	case reflect.Uint64:
		of.SetUint(uint64(*next))
	case reflect.Pointer:
		of.Set(reflect.New(of.Type().Elem()))
		fill(of.Elem(), next)
	case reflect.Slice:
		of.Set(reflect.MakeSlice(of.Type(), 3, 3))
		for i := range 3 {
			fill(of.Index(i), next)
		}
	case reflect.Struct:
		for i := range of.NumField() {
			fill(of.Field(i), next)
		}
	default:
		panic(of.Kind())
	}
}

// filled is a record with all that a Packed holds.
func filled() *Record {
	var r Record
	next := 0
	for i := range reflect.TypeFor[Record]().NumField() {
		switch field := reflect.ValueOf(&r).Elem().Field(i); field.Type() {
		case reflect.TypeFor[time.Time]():
			field.Set(reflect.ValueOf(time.Now().Round(0)))
		case reflect.TypeFor[*Capture](), reflect.TypeFor[Outline]():
		default:
			fill(field, &next)
		}
	}
	return &r
}

func TestAPackedRecordIsTheRecord(t *testing.T) {
	extreme := Record{Seq: math.MaxUint64, Status: math.MaxInt, Sizes: Sizes{math.MinInt64, -1, math.MaxInt64}, Caller: Caller("o-1")}
	for _, r := range []*Record{{}, filled(), &extreme, {Path: "/步数", Members: []Member{{Name: "\x00\xff"}}}} {
		var p Packed
		p.Pack(r)
		if got := p.Unpack(); !reflect.DeepEqual(got, r) {
			t.Errorf("it is\n\t%+v\nwant\n\t%+v", got, r)
		}
	}
}

func TestACloneSharesNothingWithTheCall(t *testing.T) {
	r := filled()
	r.Capture = &Capture{URI: "/"}
	clone := r.Clone()
	if !reflect.DeepEqual(clone, r) || clone.Capture != r.Capture {
		t.Errorf("the clone is\n\t%+v\nof\n\t%+v", clone, r)
	}
	path := []byte("/fn")
	r = &Record{Path: unsafe.String(&path[0], len(path)), Members: []Member{{Name: "a"}}, Rejection: &Rejection{Reason: "no"}}
	clone = r.Clone()
	path[1], r.Members[0].Name, r.Rejection.Reason = 'x', "b", "yes"
	if clone.Path != "/fn" || clone.Members[0].Name != "a" || clone.Rejection.Reason != "no" {
		t.Errorf("when the call's memory is another's, the clone is %+v", clone)
	}
}

// When a call ends, what is another than when it was forwarded is what End writes, and nothing else.
func TestTheEndOfAPackedCall(t *testing.T) {
	ended := filled()
	forwarded := *ended
	forwarded.Done, forwarded.Cause, forwarded.Status = false, "", 0
	forwarded.Sizes, forwarded.Timing = Sizes{}, Timing{}
	var p Packed
	p.Pack(&forwarded)
	for range 2 {
		if p.End(ended); !reflect.DeepEqual(p.Unpack(), ended) {
			t.Errorf("it is\n\t%+v\nwant\n\t%+v", p.Unpack(), ended)
		}
	}
}

func TestAPackedRecordIsSmallAndUsesItsMemoryAgain(t *testing.T) {
	usual := &Record{
		Seq: 1e6, RequestID: strings.Repeat("r", 36), Time: time.Now(), Method: "POST", Host: "fn.example", Path: "/fn/steps", Proto: "HTTP/2.0",
		AppID: "wx3d289323f5900f8e", Caller: Caller("o-1"), ContentType: "application/json", Outcome: Untouched,
		Members: []Member{{Name: "action", Type: TypeString, Result: Kept}, {Name: "rows", Type: TypeArray, Result: Kept}},
	}
	var p Packed
	if p.Pack(usual); len(p.texts) > 160 {
		t.Errorf("it takes %d bytes", len(p.texts))
	}
	large := *usual
	large.Members = make([]Member, MaxMembers)
	for i := range large.Members {
		large.Members[i].Name = strings.Repeat("n", MaxName)
	}
	if p.Pack(&large); p.Size() < MaxMembers*MaxName || p.Size() > 2*MaxMembers*MaxName {
		t.Errorf("a large one takes %d bytes", p.Size())
	}
	if p.Pack(usual); p.Size() > 2*len(p.texts)+spare || !reflect.DeepEqual(p.Unpack().Members, usual.Members) {
		t.Errorf("after it, a small one takes %d bytes", p.Size())
	}
	if allocations := testing.AllocsPerRun(100, func() { p.Pack(usual); p.End(usual) }); allocations != 0 {
		t.Errorf("one that has room is packed with %v allocations", allocations)
	}
}

func BenchmarkPack(b *testing.B) {
	r := &Record{
		Seq: 1e6, RequestID: strings.Repeat("r", 36), Time: time.Now(), Method: "POST", Host: "fn.example", Path: "/fn/steps", Proto: "HTTP/2.0",
		AppID: "wx3d289323f5900f8e", Caller: Caller("o-1"), ContentType: "application/json", Outcome: Untouched,
		Members: []Member{{Name: "action", Type: TypeString, Result: Kept}, {Name: "rows", Type: TypeArray, Result: Kept}},
	}
	ring := make([]Packed, 200)
	i := 0
	for b.Loop() {
		ring[i%200].Pack(r)
		ring[i%200].End(r)
		i++
	}
}
