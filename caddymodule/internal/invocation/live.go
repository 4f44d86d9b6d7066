package invocation

import (
	"sync"
	"unsafe"
)

// Live is the record of a call that others may look at while the call goes on. Until it is published only the call has it, and fills in
// the Record. From then on it changes by Change alone, and others look at it by Read. Whoever was shown it may keep it: nothing of it is
// in memory that is used for other calls.
type Live struct {
	mu sync.Mutex // held while the record is changed, and while it is read
	Record
}

// Change changes what a record says that was published. Of it, only Done, Status, Cause, Sizes and Timing may become others.
func (l *Live) Change(change func(*Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.Record)
}

// Read returns what the record says now, with all members. It stays as it is, and so does what it refers to.
func (l *Live) Read() *Record {
	l.mu.Lock()
	r := l.Record
	l.mu.Unlock()
	r.Members, r.Outline = r.AllMembers(), Outline{}
	return &r
}

// Size is how many bytes it takes at most, with all that it refers to. It is for the call's goroutine, as is to read the Record otherwise.
func (l *Live) Size() int {
	r := &l.Record
	size := int(unsafe.Sizeof(*l)) + usualTexts + len(r.RequestID) + len(r.Method) + len(r.Host) + len(r.Path) + len(r.Proto) + len(r.AppID) + len(r.ContentType) +
		len(r.Skipped) + len(r.Cause) + len(r.Directive) + len(r.Outcome) + len(r.Error) +
		len(r.Forwarded.AppID) + len(r.Forwarded.Source) + len(r.Forwarded.OpenDataInfo) +
		cap(r.Outline.bytes) + cap(r.Members)*int(unsafe.Sizeof(Member{}))
	for i := range r.Members {
		size += len(r.Members[i].Name)
	}
	if r.Rejection != nil {
		size += int(unsafe.Sizeof(*r.Rejection)) + len(r.Rejection.Reason)
	}
	return size
}
