package invocation

import (
	"slices"
	"strconv"
)

// Member is one member of the event, or a string somewhere in it. A call has many of them, so they are small: what can only be one
// of a few words is a number, whose zero value is none of them, and which is the word in JSON.
type Member struct {
	// The member's name, unescaped; for a nested one the path to it, as in obj.shareInfo or list[0].
	Name string `json:"name"`

	// What the client sent there. Only where the record is Explained.
	Type Type `json:"type,omitempty"`

	// How it declares a CloudID; 0 for a member that declares none.
	Declared Declared `json:"declared,omitempty"`

	// What became of it.
	Result Result `json:"result"`

	// Why it was kept as it was, of a Kept one, or removed, or why it failed without WeChat having been asked.
	Reason Reason `json:"reason,omitempty"`

	// Whether the result came from the cache, and whether it came from a call to WeChat that another invocation had started.
	Cached bool `json:"cached,omitempty"`
	Shared bool `json:"shared,omitempty"`

	// How many bytes a string has that the client sent there. Only where the record is Explained.
	Length int `json:"length,omitempty"`

	// The errCode that stands in its place, of a Failed one.
	Code int `json:"code,omitempty"`
}

// Type is the type of a JSON value.
type Type uint8

// The types.
const (
	TypeString Type = iota + 1
	TypeNumber
	TypeObject
	TypeArray
	TypeBoolean
	TypeNull
)

var typeNames = [...]string{
	TypeString:  "string",
	TypeNumber:  "number",
	TypeObject:  "object",
	TypeArray:   "array",
	TypeBoolean: "boolean",
	TypeNull:    "null",
}

func (t Type) String() string { return typeNames[t] }

// MarshalText implements encoding.TextMarshaler.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Declared is how a member declares a CloudID.
type Declared uint8

// The ways to declare one.
const (
	List      Declared = iota + 1 // an entry of cloudid_list
	Object                        // an object with a cloudID
	Field                         // a member that `fields` lists
	Guess                         // a string that looks like a CloudID
	Encrypted                     // an object with encryptedData and iv
)

var declaredNames = [...]string{
	List:      "list",
	Object:    "object",
	Field:     "field",
	Guess:     "guess",
	Encrypted: "encrypted",
}

// DeclaredAs returns the way to declare one that has this name; 0 if none has it.
func DeclaredAs(name string) Declared { return Declared(max(0, slices.Index(declaredNames[:], name))) }

func (d Declared) String() string { return declaredNames[d] }

// MarshalText implements encoding.TextMarshaler.
func (d Declared) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Result is what became of a member.
type Result uint8

// The results.
const (
	OpenData Result = iota + 1 // replaced by open data
	Failed                     // replaced by an error object
	Kept                       // left as the client sent it
	Removed                    // taken out of the event
	Rejected                   // the request was rejected because of it, or before WeChat was asked
)

var resultNames = [...]string{
	OpenData: "open_data",
	Failed:   "failed",
	Kept:     "kept",
	Removed:  "removed",
	Rejected: "rejected",
}

func (r Result) String() string { return resultNames[r] }

// MarshalText implements encoding.TextMarshaler.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Sentence says what became of the member and why, for a log.
func (m *Member) Sentence() string {
	text := m.Name + ": "
	if m.Declared != 0 {
		text += m.Declared.String() + ", "
	}
	switch m.Result {
	case OpenData:
		text += "open data"
	case Failed:
		text += "error " + strconv.Itoa(m.Code)
		if m.Reason != 0 && m.Type != 0 {
			text += " for a value of type " + m.Type.String()
		}
	case Kept:
		text += "kept"
	case Removed:
		text += "removed"
	case Rejected:
		text += "rejected"
	}
	switch {
	case m.Cached:
		text += ", from the cache"
	case m.Shared:
		text += ", shared with another call"
	}
	if m.Reason != 0 {
		text += ", " + m.Reason.String() + ": " + m.Reason.Text()
	}
	return text
}
