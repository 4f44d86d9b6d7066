package invocation

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestAnOutlineAndWhatIsDeclaredAreAllMembers(t *testing.T) {
	ordinary := func(name string) func(*Outline) {
		return func(o *Outline) { o.Add(&Member{Name: name, Type: TypeNumber, Result: Kept, Reason: WrongForm}) }
	}
	list := func(o *Outline) { o.AddList(&Member{Name: "cloudid_list", Result: Kept}) }
	place := func(reason Reason) func(*Outline) {
		return func(o *Outline) { o.AddDeclared(&Member{Type: TypeObject, Length: 7, Reason: reason}) }
	}
	beside := func(o *Outline) { o.Add(&Member{Name: "beside", Result: Kept, Reason: OutsideOfIt}) }
	many := func(n int) []func(*Outline) { return slices.Repeat([]func(*Outline){ordinary("m")}, n) }
	for _, test := range []struct {
		it       string
		declared []Member
		outline  []func(*Outline)
		want     []string
	}{
		{"nothing", nil, nil, nil},
		{"declared members, where nobody asked for others", []Member{{Name: "a", Declared: Guess, Result: OpenData}}, nil, []string{"a: guess, open data"}},
		{
			"a declared member has its place, and what the client sent there",
			[]Member{{Name: "a", Declared: Field, Result: Failed, Code: 1, Reason: CannotBe}},
			[]func(*Outline){ordinary("x"), place(0), ordinary("y")},
			[]string{"x: kept, wrong_form", "a: field, error 1 for a value of type object, cannot_be_cloudid", "y: kept, wrong_form"},
		},
		{
			"encrypted data is the reason for which a listed member failed, and for no other",
			[]Member{{Name: "a", Declared: Field, Result: Failed, Code: 1, Reason: CannotBe}, {Name: "b", Declared: Object, Result: OpenData}},
			[]func(*Outline){place(EncryptOff), place(EncryptOff)},
			[]string{"a: field, error 1 for a value of type object, encrypted_data_off", "b: object, open data"},
		},
		{"a cloudid_list that declares nothing is a member", nil, []func(*Outline){list}, []string{"cloudid_list: kept"}},
		{
			"one that was read is none, and what it declares comes behind the members of the event",
			[]Member{{Name: "a", Declared: Guess, Result: OpenData}, {Name: "b", Declared: List, Result: OpenData}},
			[]func(*Outline){list, place(0), ordinary("x")},
			[]string{"a: guess, open data", "x: kept, wrong_form", "b: list, open data"},
		},
		{
			"also where it is all that declares something",
			[]Member{{Name: "b", Declared: List, Result: OpenData}},
			[]func(*Outline){ordinary("x"), list},
			[]string{"x: kept, wrong_form", "b: list, open data"},
		},
		{
			"what stands beside the event is last",
			[]Member{{Name: "b", Declared: List, Result: OpenData}},
			[]func(*Outline){ordinary("x"), beside, beside},
			[]string{"x: kept, wrong_form", "b: list, open data", "beside: kept, beside_the_event", "beside: kept, beside_the_event"},
		},
		{"no more than MaxMembers", nil, many(2 * MaxMembers), slices.Repeat([]string{"m: kept, wrong_form"}, MaxMembers)},
		{
			"what is declared among them, wherever it stands",
			[]Member{{Name: "a", Declared: Guess, Result: OpenData}, {Name: "b", Declared: List, Result: OpenData}},
			append(many(2*MaxMembers), place(0)),
			append(slices.Repeat([]string{"m: kept, wrong_form"}, MaxMembers-2), "a: guess, open data", "b: list, open data"),
		},
	} {
		r := Record{Members: test.declared}
		for _, add := range test.outline {
			add(&r.Outline)
		}
		var got []string
		for _, m := range r.AllMembers() {
			got = append(got, upToTheText(&m))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: members are\n\t%q\nwant\n\t%q", test.it, got, test.want)
		}
	}
}

// upToTheText is a member's sentence without the reason's text.
func upToTheText(m *Member) string {
	sentence := m.Sentence()
	return sentence[:len(sentence)-len(reasons[m.Reason].text)-len(": ")*min(1, int(m.Reason))]
}

func TestWhatAnOutlineHasOfAMember(t *testing.T) {
	for _, m := range []Member{
		{Name: "a", Type: TypeString, Result: Kept, Reason: WrongForm, Length: 5},
		{Name: "", Type: TypeNull, Result: Removed, Reason: GatewaySets},
		{Name: strings.Repeat("步", 80) + "\x00\xff", Type: TypeString, Result: Kept, Reason: Nested, Length: 10 << 20},
	} {
		var o Outline
		o.Add(&m)
		o.Add(&Member{Name: "next"})
		if got := (&Record{Outline: o}).AllMembers(); len(got) != 2 || got[0] != m || got[1].Name != "next" {
			t.Errorf("of %+v it has %+v", m, got)
		}
	}
}

func TestAnOutlineIsFullWithAsManyMembersAsARecordHas(t *testing.T) {
	var o Outline
	for i := range MaxMembers {
		if o.Full() {
			t.Fatalf("it is full with %d members", i)
		}
		o.Add(&Member{Name: "member" + strconv.Itoa(i)})
	}
	if !o.Full() {
		t.Error("it is never full")
	}
	size := len(o.bytes)
	if o.Add(&Member{Name: "more"}); len(o.bytes) > size {
		t.Error("it takes more than it says")
	}
}

func TestAUsualCallIsTwoAllocations(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, "/api/functions/steps", http.NoBody)
	req.Host = "functions.example.com"
	req.Header.Set("Content-Type", "application/json")
	if allocations := testing.AllocsPerRun(10, func() {
		kept = NewLive(req, "0d3b7a52-9f0e-4a6d-8a55-6f1c2b7d9e10")
		for _, name := range []string{"action", "weRunData", "rows", "page", "note"} {
			kept.Outline.Add(&Member{Name: name, Type: TypeString, Length: 1000})
		}
	}); allocations != 2 {
		t.Errorf("it takes %v", allocations)
	}
}

var kept *Live // so that it is no variable of a function
