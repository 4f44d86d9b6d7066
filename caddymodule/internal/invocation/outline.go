package invocation

import "encoding/binary"

// Outline is what is in an event, in few bytes: its members in the order of the body, noted one by one while the event is read, of which
// nearly all are ordinary and nearly none is ever looked at. Of those that declare something it has only the places and what the client
// sent there; all else of them is in Record.Members. Its zero value is empty.
type Outline struct {
	bytes   []byte
	entries int
}

// entry says what stands in an outline.
type entry byte

const (
	ordinaryEntry entry = iota
	declaredEntry       // the place of the next one of Record.Members
	listEntry           // cloudid_list, which is a member unless it was read as the list
)

// Add notes a member that declares nothing. Those beyond MaxMembers are left out.
func (o *Outline) Add(m *Member) {
	if o.entries < MaxMembers {
		o.note(ordinaryEntry, m)
	}
}

// AddList does the same for a member that is not there any more if something was declared in it.
func (o *Outline) AddList(m *Member) {
	if o.entries < MaxMembers {
		o.note(listEntry, m)
	}
}

// AddDeclared notes the place of a member that declares something. Of m, it has what the client sent there, and a Reason, which counts
// only if the member was declared as a Field.
func (o *Outline) AddDeclared(m *Member) { o.note(declaredEntry, m) }

func (o *Outline) note(what entry, m *Member) {
	noted := o.bytes // which is written once: it is a pointer, so that this takes longer than the bytes do
	noted = append(noted, byte(what), byte(m.Type), byte(m.Result), byte(m.Reason))
	noted = binary.AppendUvarint(noted, uint64(m.Length))
	noted = binary.AppendUvarint(noted, uint64(len(m.Name)))
	noted = append(noted, m.Name...)
	o.bytes = noted
	o.entries++
}

// Full reports whether there is no room for another member that declares nothing.
func (o *Outline) Full() bool { return o.entries >= MaxMembers }

// AllMembers returns the members of a record together with those of its outline, at most MaxMembers, in the order of the body. What stands
// beside the event comes last, and before that what a cloudid_list declares, which has no place in the body.
func (r *Record) AllMembers() []Member {
	declared, outline := r.Members, string(r.Outline.bytes)
	if outline == "" {
		return declared
	}
	all := make([]Member, 0, len(declared)+8)
	for outline != "" {
		var (
			what entry
			m    Member
		)
		what, m, outline = readEntry(outline)
		switch {
		case what == declaredEntry && len(declared) > 0:
			all = append(all, describedBy(declared[0], &m))
			declared = declared[1:]
			continue
		case what == listEntry && hasList(declared):
			continue
		case m.Reason == OutsideOfIt:
			all, declared = append(all, declared...), nil
		}
		if len(all)+len(declared) < MaxMembers {
			all = append(all, m)
		}
	}
	return append(all, declared...)
}

// describedBy adds to a declared member what an outline has of it.
func describedBy(m Member, noted *Member) Member {
	m.Type, m.Length = noted.Type, noted.Length
	if noted.Reason != 0 && m.Declared == Field {
		m.Reason = noted.Reason
	}
	return m
}

// hasList reports whether the last of some members, which are those of a cloudid_list if there is one, is one of these.
func hasList(declared []Member) bool {
	return len(declared) > 0 && declared[len(declared)-1].Declared == List
}

// readEntry reads the first entry of an outline, and returns what is left of it.
func readEntry(outline string) (what entry, m Member, rest string) {
	what, m.Type, m.Result, m.Reason = entry(outline[0]), Type(outline[1]), Result(outline[2]), Reason(outline[3])
	length, rest := readNumber(outline[4:])
	nameLength, rest := readNumber(rest)
	m.Length, m.Name = length, rest[:nameLength]
	return what, m, rest[nameLength:]
}

func readNumber(text string) (n int, rest string) {
	read, size := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
	return int(read), text[size:]
}
