package invocation

import (
	"slices"
	"strconv"
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
		clone := r.Clone()
		if len(clone.Outline.bytes) > 0 {
			t.Errorf("%s: a copy that is kept has an outline", test.it)
		}
		for what, members := range map[string][]Member{"while it runs": r.AllMembers(), "in a copy": clone.Members} {
			var got []string
			for _, m := range members {
				got = append(got, upToTheText(&m))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, %s: members are\n\t%q\nwant\n\t%q", test.it, what, got, test.want)
			}
		}
	}
}

// upToTheText is a member's sentence without the reason's text.
func upToTheText(m *Member) string {
	sentence := m.Sentence()
	return sentence[:len(sentence)-len(reasons[m.Reason].text)-len(": ")*min(1, int(m.Reason))]
}

func TestAnOutlineIsUsedAgain(t *testing.T) {
	var o Outline
	fill := func() {
		for i := range MaxMembers {
			if o.Full() {
				t.Fatalf("it is full with %d members", i)
			}
			o.Add(&Member{Name: "member" + strconv.Itoa(i%10), Type: TypeString, Length: i})
		}
		if !o.Full() {
			t.Error("it is never full")
		}
	}
	fill()
	o.Reset()
	if got := (&Record{Outline: o}).AllMembers(); len(got) != 0 {
		t.Errorf("an empty one has %+v", got)
	}
	if allocations := testing.AllocsPerRun(10, func() { fill(); o.Reset() }); allocations != 0 {
		t.Errorf("one that has room is filled with %v allocations", allocations)
	}
}
