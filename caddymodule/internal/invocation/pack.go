package invocation

import (
	"encoding/binary"
	"time"
)

// Packed is a record in few bytes: of a list of calls, the place of the oldest is the next one's, and by then is in no cache of the
// processor any more. It holds all but a Capture, and refers to nothing of the call. Its zero value is empty. Its memory is used for
// one record after the other.
type Packed struct {
	bytes []byte
	end   int // where in bytes what End writes begins
}

// spare is how many bytes more than twice its own a record may take of the memory of a larger one before it.
const spare = 1 << 10

// Pack writes a record in the place of another.
func (p *Packed) Pack(r *Record) {
	b := packCall(p.bytes[:0], r)
	p.end = len(b)
	b = packEnd(b, r)
	if cap(b) > 2*len(b)+spare {
		b = append([]byte(nil), b...)
	}
	p.bytes = b
}

// End writes what became of a call that was packed when it was forwarded, and has ended now.
func (p *Packed) End(r *Record) { p.bytes = packEnd(p.bytes[:p.end], r) }

// Unpack returns the record, with one string for all its texts, and with what its outline had among its members.
func (p *Packed) Unpack() *Record {
	u := unpacker{string(p.bytes)}
	r := new(Record)
	u.call(r)
	u.end(r)
	return r
}

// Size is how many bytes it takes.
func (p *Packed) Size() int { return cap(p.bytes) }

// Clone returns a copy of a record that may be kept: it shares nothing with the call but a Capture, which never changes.
func (r *Record) Clone() *Record {
	var p Packed
	p.Pack(r)
	clone := p.Unpack()
	clone.Capture = r.Capture
	return clone
}

// The functions below write and read the same in the same order: texts behind their lengths, and small numbers in one byte.

// packCall writes what is known of a call when it is forwarded.
func packCall(b []byte, r *Record) []byte {
	b = packNumber(b, r.Seq)
	b = packNumber(b, r.Time.Unix())
	b = packNumber(b, r.Time.Nanosecond())
	b = packNumber(b, r.Caller)
	for _, text := range [...]string{r.RequestID, r.Method, r.Host, r.Path, r.Proto, r.AppID, r.ContentType, string(r.Skipped), r.Directive} {
		b = packText(b, text)
	}
	declared := r.Members[:min(len(r.Members), MaxMembers)]
	b = packNumber(b, len(declared))
	for i := range declared {
		b = packMember(b, &declared[i])
	}
	b = packText(b, r.Outline.bytes)
	b = append(b, bits(r.Explained, r.Again, r.Rejection != nil))
	if r.Rejection != nil {
		b = packNumber(b, r.Rejection.Status)
		b = packText(b, r.Rejection.Reason)
	}
	f := &r.Forwarded
	b = packNumber(b, f.OpenID)
	b = packNumber(b, f.UnionID)
	b = packNumber(b, f.Token)
	b = packNumber(b, f.ExtendedContext)
	b = packText(b, f.AppID)
	b = packText(b, f.Source)
	return packText(b, f.OpenDataInfo)
}

func (u *unpacker) call(r *Record) {
	r.Seq = uint64(u.number())
	if seconds, nanoseconds := u.number(), u.number(); seconds != (time.Time{}).Unix() {
		r.Time = time.Unix(seconds, nanoseconds)
	}
	r.Caller = CallerHash(u.number())
	for _, text := range [...]*string{&r.RequestID, &r.Method, &r.Host, &r.Path, &r.Proto, &r.AppID, &r.ContentType, (*string)(&r.Skipped), &r.Directive} {
		*text = u.text()
	}
	if n := u.number(); n > 0 {
		r.Members = make([]Member, n)
	}
	for i := range r.Members {
		u.member(&r.Members[i])
	}
	r.Members = allMembers(r.Members, u.text())
	rejected := false
	if u.bits(&r.Explained, &r.Again, &rejected); rejected {
		r.Rejection = &Rejection{int(u.number()), u.text()}
	}
	f := &r.Forwarded
	f.OpenID, f.UnionID = CallerHash(u.number()), CallerHash(u.number())
	f.Token, f.ExtendedContext = int(u.number()), int(u.number())
	f.AppID, f.Source, f.OpenDataInfo = u.text(), u.text(), u.text()
}

// packEnd writes what is known when a call has ended, or as much of it as is when it is forwarded.
func packEnd(b []byte, r *Record) []byte {
	b = append(b, bits(r.Done))
	b = packNumber(b, r.Status)
	b = packText(b, string(r.Outcome))
	b = packText(b, r.Cause)
	b = packText(b, r.Error)
	s, t := &r.Sizes, &r.Timing
	for _, n := range [...]int64{s.Received, s.Forwarded, s.Response} {
		b = packNumber(b, n)
	}
	for _, d := range [...]time.Duration{t.Before, t.Read, t.Find, t.Exchange, t.Wait, t.WeChat, t.Write, t.Function, t.Respond, t.Total} {
		b = packNumber(b, d)
	}
	return b
}

func (u *unpacker) end(r *Record) {
	u.bits(&r.Done)
	r.Status = int(u.number())
	r.Outcome, r.Cause, r.Error = Outcome(u.text()), u.text(), u.text()
	s, t := &r.Sizes, &r.Timing
	for _, n := range [...]*int64{&s.Received, &s.Forwarded, &s.Response} {
		*n = u.number()
	}
	for _, d := range [...]*time.Duration{&t.Before, &t.Read, &t.Find, &t.Exchange, &t.Wait, &t.WeChat, &t.Write, &t.Function, &t.Respond, &t.Total} {
		*d = time.Duration(u.number())
	}
}

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

func packNumber[T ~int | ~int64 | ~uint64](b []byte, n T) []byte {
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
