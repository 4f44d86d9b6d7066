package invocation

import (
	"slices"
	"unsafe"
)

// Memory is what a record's members and texts are copied into, for one record after the other. Its zero value is empty.
type Memory struct {
	members []Member
	texts   []byte
}

// Clone returns a copy of a record that may be kept: it shares nothing with the call, nor with a Memory, but what never changes: a
// Capture, and texts of the gateway itself.
func (r *Record) Clone() *Record {
	clone := new(Record)
	r.CopyTo(clone, new(Memory))
	return clone
}

// CopyTo copies a record as Clone does, with its members and texts in m. What was in m is overwritten: no record that was copied into
// it before may be read any more.
func (r *Record) CopyTo(to *Record, m *Memory) {
	*to = *r
	texts := to.requestTexts()
	length := 0
	for _, text := range texts {
		length += len(*text)
	}
	for i := range r.Members {
		length += len(r.Members[i].Name)
	}
	m.makeRoom(len(r.Members), length)
	for _, text := range texts {
		*text = m.copy(*text)
	}
	m.members = append(m.members, r.Members...)
	for i := range m.members {
		m.members[i].Name = m.copy(m.members[i].Name)
	}
	if to.Members != nil {
		to.Members = m.members
	}
}

// requestTexts are the texts of a record that may be parts of the request's own: a path would keep a query in memory, whatever its
// length.
func (r *Record) requestTexts() [9]*string {
	return [...]*string{
		&r.RequestID, &r.Method, &r.Host, &r.Path, &r.Proto, &r.ContentType,
		&r.Forwarded.AppID, &r.Forwarded.Source, &r.Forwarded.OpenDataInfo,
	}
}

// makeRoom empties the memory, and sees to it that there is room for so many members and bytes of text. Memory that is much larger,
// since a record before was, is given up.
func (m *Memory) makeRoom(members, texts int) {
	const few, short = 32, 1 << 10
	if cap(m.members) > 2*members+few {
		m.members = nil
	}
	if cap(m.texts) > 2*texts+short {
		m.texts = nil
	}
	m.members = slices.Grow(m.members[:0], members)
	m.texts = slices.Grow(m.texts[:0], texts)
}

// copy copies a text for which there is room.
func (m *Memory) copy(text string) string {
	start := len(m.texts)
	m.texts = append(m.texts, text...)
	return unsafe.String(unsafe.SliceData(m.texts[start:]), len(text))
}

// Size is how many bytes the memory takes.
func (m *Memory) Size() int { return cap(m.members)*int(unsafe.Sizeof(Member{})) + cap(m.texts) }

// End enters what became of a call into a copy of the record that was shown when it was forwarded.
func (r *Record) End(ended *Record) {
	r.Done, r.Outcome, r.Status = ended.Done, ended.Outcome, ended.Status
	r.Cause, r.Error = ended.Cause, ended.Error
	r.Sizes, r.Timing = ended.Sizes, ended.Timing
	r.Capture = ended.Capture
}
