package event

import (
	"strings"

	"github.com/tidwall/gjson"
)

// The lengths in bytes of what can be a CloudID at all. Those of WeChat's documentation have 62.
const (
	minID = 16
	maxID = 256
)

// The lengths in bytes of the longest encryptedData and iv that are decrypted. A month of steps has 2 KiB, an iv 24 bytes.
const (
	maxEncryptedData = 32 << 10
	maxIV            = 64
)

// Kind is how a member declares open data.
type Kind string

// The kinds. All but a Guess are explicit: the client said what the member is.
const (
	List      Kind = "list"      // an entry of a cloudid_list
	Object    Kind = "object"    // an object with a cloudID
	Field     Kind = "field"     // a member that Rules.Fields lists
	Guess     Kind = "guess"     // a string that looks like a CloudID, though nobody said that it is one
	Encrypted Kind = "encrypted" // an object with encryptedData and iv
)

// Declaration is one member that is to be replaced.
//
// Where ID and EncryptedData are both empty, the member is an explicit declaration of nothing: a listed member of strict
// mode that holds a number, a string that can be no CloudID, encrypted data without content. That is an invalid CloudID,
// and WeChat need not be asked.
type Declaration struct {
	// The member's name, unescaped.
	Name string

	// How the member declares open data.
	Kind Kind

	// The CloudID. It has only characters that a CloudID may have, and 16 to 256 of them.
	ID string

	// The encrypted data and the initial vector that the client sent in the place of a CloudID, in base64 if the client is
	// honest. Only with Rules.EncryptedData; ID is empty then.
	EncryptedData, IV string
}

// texts are all that a declaration has of the body.
func (d *Declaration) texts() [4]*string {
	return [...]*string{&d.Name, &d.ID, &d.EncryptedData, &d.IV}
}

// LooksLikeCloudID reports whether s has the form that all CloudIDs known to the public have:
// ^[0-9]{1,4}_[A-Za-z0-9_-]{40,128}$. Access tokens and media ids have it too.
func LooksLikeCloudID(s string) bool {
	digits := 0
	for digits < len(s) && s[digits]-'0' <= 9 {
		digits++
	}
	if digits < 1 || digits > 4 || digits == len(s) || s[digits] != '_' {
		return false
	}
	rest := s[digits+1:]
	return len(rest) >= 40 && len(rest) <= 128 && inAlphabet(rest)
}

// inAlphabet reports whether s has only characters that CloudIDs have.
func inAlphabet(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetterOrDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// isAlphanumeric reports whether s has only letters and digits of ASCII.
func isAlphanumeric(s string) bool {
	for i := range len(s) {
		if !isLetterOrDigit(s[i]) {
			return false
		}
	}
	return true
}

func isLetterOrDigit(c byte) bool { return (c|0x20)-'a' <= 25 || c-'0' <= 9 }

// possibleID returns the text of a string in quotes if it can be a CloudID, else "". The result may share the memory of
// raw.
func possibleID(raw string) string {
	s := shortText(raw, maxID)
	if len(s) < minID || !inAlphabet(s) {
		return ""
	}
	return s
}

// shortText returns the text of a string in quotes if it has at most so many bytes, else "". The result may share the
// memory of raw.
func shortText(raw string, most int) string {
	if len(raw) > 6*most+2 { // each character may be written as \uXXXX
		return ""
	}
	text := raw[1 : len(raw)-1]
	if escaped(text) {
		text = unescape(raw)
	}
	if len(text) > most {
		return ""
	}
	return text
}

// listedDeclaration returns what the value of a listed member declares, in strict mode: any string, and an object as
// elsewhere. It returns false for a value that declares nothing.
func (r *Rules) listedDeclaration(value string) (d Declaration, ok bool) {
	d.Kind = Field
	switch value[0] {
	case '"':
		d.ID = possibleID(value)
		return d, d.ID != ""
	case '{':
		if declared, ok := r.declaredByObject(value); ok {
			return declared, true
		}
	}
	return d, false
}

// declaration returns what a member declares outside of strict mode, and whether it declares anything.
func (r *Rules) declaration(rawName, value string) (d Declaration, ok bool) {
	switch value[0] {
	case '"':
		if !r.Guess {
			return d, false
		}
		if first, _ := decodeChar(value[1:]); first < '0' || first > '9' {
			return d, false // the usual string, dismissed without a closer look
		}
		id := shortText(value, 4+1+128)
		if !LooksLikeCloudID(id) || idNames.find(rawName[1:len(rawName)-1]).whole {
			return d, false
		}
		return Declaration{ID: id, Kind: Guess}, true
	case '{':
		return r.declaredByObject(value)
	}
	return d, false
}

// declaredByObject returns what an object declares: the CloudID in its member cloudID, or else, with EncryptedData, its
// members encryptedData and iv. If there are several cloudID, the last one that looks like a CloudID counts, as the last
// of several encryptedData or iv does; nearly every parser takes the last. The whole object is replaced in any case.
func (r *Rules) declaredByObject(value string) (d Declaration, ok bool) {
	if !strings.Contains(value, "cloudID") && !strings.Contains(value, `\u`) &&
		(!r.EncryptedData || !strings.Contains(value, "encryptedData")) {
		return d, false // the usual object, which cannot have these members in any spelling
	}
	var id, data, iv string // the latter two as written
	gjson.Parse(value).ForEach(func(key, member gjson.Result) bool {
		switch {
		case isText(key.Raw, "cloudID"):
			if member.Type != gjson.String {
				break
			}
			if s := shortText(member.Raw, maxID); LooksLikeCloudID(s) {
				id = s
			}
		case isText(key.Raw, "encryptedData"):
			data = member.Raw
		case isText(key.Raw, "iv"):
			iv = member.Raw
		}
		return true
	})
	if id != "" {
		return Declaration{ID: id, Kind: Object}, true
	}
	if !r.EncryptedData || !strings.HasPrefix(data, `"`) || !strings.HasPrefix(iv, `"`) {
		return d, false
	}
	d.Kind = Encrypted
	data, iv = shortText(data, maxEncryptedData), shortText(iv, maxIV)
	if data != "" && iv != "" {
		d.EncryptedData, d.IV = data, iv
	}
	return d, true
}
