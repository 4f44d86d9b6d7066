package invocation

import (
	"encoding/binary"
	"time"
)

// Packed is a record in few bytes: of a list of calls, the place of the oldest is the next one's, and by then is in no cache of the
// processor any more. It holds all but a Capture, and refers to nothing of the call. Its zero value is empty. Its memory is used for
// one record after the other.
//
// Numbers have fixed places, and texts follow each other: so nearly every call takes the same way through the code, which is as cold as
// the memory.
type Packed struct {
	numbers numbers
	texts   []byte
	end     int // where in texts what End writes begins
}

// numbers are what a record has beside texts.
type numbers struct {
	seq                             uint64
	second                          int64 // of its Time
	nanosecond                      int
	caller, toldOpenID, toldUnionID CallerHash
	token, extendedContext          int
	members                         int // that are declared
	rejection, status               int // the status of a rejection, and the client's
	sizes                           Sizes
	timing                          Timing
	done, explained, again          bool
	rejected                        bool // there is a rejection
}

// spare is how many bytes more than twice its own the texts of a record may take of the memory of a larger one before it.
const spare = 1 << 10

// Pack writes a record in the place of another.
func (p *Packed) Pack(r *Record) {
	declared := r.Members[:min(len(r.Members), MaxMembers)]
	f := &r.Forwarded
	p.numbers = numbers{
		seq: r.Seq, second: r.Time.Unix(), nanosecond: r.Time.Nanosecond(), caller: r.Caller,
		toldOpenID: f.OpenID, toldUnionID: f.UnionID, token: f.Token, extendedContext: f.ExtendedContext,
		members: len(declared), status: r.Status, sizes: r.Sizes, timing: r.Timing,
		done: r.Done, explained: r.Explained, again: r.Again,
	}
	b := p.texts[:0]
	for _, text := range [...]string{
		r.RequestID, r.Method, r.Host, r.Path, r.Proto, r.AppID, r.ContentType, string(r.Skipped), r.Directive, string(r.Outcome), r.Error,
		f.AppID, f.Source, f.OpenDataInfo,
	} {
		b = packText(b, text)
	}
	if r.Rejection != nil {
		p.numbers.rejected, p.numbers.rejection = true, r.Rejection.Status
		b = packText(b, r.Rejection.Reason)
	}
	for i := range declared {
		b = packMember(b, &declared[i])
	}
	b = packText(b, r.Outline.bytes)
	p.end = len(b)
	b = append(b, r.Cause...)
	if cap(b) > 2*len(b)+spare {
		b = append([]byte(nil), b...)
	}
	p.texts = b
}

// End writes what became of a call that was packed when it was forwarded, and has ended now.
func (p *Packed) End(r *Record) {
	p.numbers.done, p.numbers.status, p.numbers.sizes, p.numbers.timing = r.Done, r.Status, r.Sizes, r.Timing
	p.texts = append(p.texts[:p.end], r.Cause...)
}

// Unpack returns the record, with one string for all its texts, and with what its outline had among its members.
func (p *Packed) Unpack() *Record {
	n, u := &p.numbers, unpacker{string(p.texts)}
	r := &Record{
		Seq: n.seq, Caller: n.caller, Status: n.status, Sizes: n.sizes, Timing: n.timing, Done: n.done, Explained: n.explained, Again: n.again,
		Forwarded: Forwarded{OpenID: n.toldOpenID, UnionID: n.toldUnionID, Token: n.token, ExtendedContext: n.extendedContext},
	}
	if n.second != (time.Time{}).Unix() {
		r.Time = time.Unix(n.second, int64(n.nanosecond))
	}
	for _, text := range [...]*string{
		&r.RequestID, &r.Method, &r.Host, &r.Path, &r.Proto, &r.AppID, &r.ContentType, (*string)(&r.Skipped), &r.Directive, (*string)(&r.Outcome), &r.Error,
		&r.Forwarded.AppID, &r.Forwarded.Source, &r.Forwarded.OpenDataInfo,
	} {
		*text = u.text()
	}
	if n.rejected {
		r.Rejection = &Rejection{n.rejection, u.text()}
	}
	if n.members > 0 {
		r.Members = make([]Member, n.members)
	}
	for i := range r.Members {
		u.member(&r.Members[i])
	}
	r.Members = allMembers(r.Members, u.text())
	r.Cause = u.unread
	return r
}

// Size is how many bytes it takes beside its own.
func (p *Packed) Size() int { return cap(p.texts) }

// Clone returns a copy of a record that may be kept: it shares nothing with the call but a Capture, which never changes.
func (r *Record) Clone() *Record {
	var p Packed
	p.Pack(r)
	clone := p.Unpack()
	clone.Capture = r.Capture
	return clone
}

// The functions below write and read the same in the same order: texts behind their lengths, and small numbers in one byte.

func packMember(b []byte, m *Member) []byte {
	b = packText(b, m.Name)
	b = append(b, byte(m.Type), byte(m.Declared), byte(m.Result), byte(m.Reason), bits(m.Cached, m.Shared))
	b = packNumber(b, m.Length)
	return packNumber(b, m.Code)
}

func (u *unpacker) member(m *Member) {
	m.Name = u.text()
	m.Type, m.Declared, m.Result, m.Reason = Type(u.byte()), Declared(u.byte()), Result(u.byte()), Reason(u.byte())
	u.bits(&m.Cached, &m.Shared)
	m.Length, m.Code = int(u.number()), int(u.number())
}

func packNumber(b []byte, n int) []byte {
	if 0 <= n && n < 1<<6 {
		return append(b, byte(n)<<1) // as AppendVarint does it
	}
	return binary.AppendVarint(b, int64(n))
}

func packText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = packNumber(b, len(text))
	return append(b, text...)
}

// bits is a byte of which each bit says whether something is so.
func bits(are ...bool) (b byte) {
	for i, is := range are {
		if is {
			b |= 1 << i
		}
	}
	return b
}

// unpacker reads what was written, from the beginning to the end.
type unpacker struct{ unread string }

func (u *unpacker) byte() byte {
	b := u.unread[0]
	u.unread = u.unread[1:]
	return b
}

func (u *unpacker) number() int64 {
	n, size := binary.Varint([]byte(u.unread[:min(len(u.unread), binary.MaxVarintLen64)]))
	u.unread = u.unread[size:]
	return n
}

func (u *unpacker) text() string {
	length := u.number()
	text := u.unread[:length]
	u.unread = u.unread[length:]
	return text
}

func (u *unpacker) bits(are ...*bool) {
	b := u.byte()
	for i, is := range are {
		*is = b>>i&1 == 1
	}
}
