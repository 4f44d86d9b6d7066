package event

import (
	"fmt"
	"strings"
)

// Validate returns an error, in words for a configuration, for rules that no event could keep.
func (r *Rules) Validate() error {
	if r.Fields != nil && len(r.Fields) == 0 {
		return fmt.Errorf("fields: no member is named; name at least one, or leave fields out")
	}
	for i, field := range r.Fields {
		switch {
		case len(field) > MaxName:
			return fmt.Errorf("fields: a name is longer than %d bytes", MaxName)
		case field == protoName:
			return fmt.Errorf("fields: an event with a member %s is always refused", protoName)
		case r.ReplaceUserInfo && strings.EqualFold(field, userInfoName):
			return fmt.Errorf("fields: %s is set by user_info; leave one of them out", field)
		}
		for _, other := range r.Fields[:i] {
			if sameFolded(field, other) {
				return fmt.Errorf("fields: %s and %s are the same name to some parsers; name one", other, field)
			}
		}
	}
	return nil
}
