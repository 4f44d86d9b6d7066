package event

import (
	"errors"
	"fmt"
	"strings"
)

// Compile prepares the rules for use. It returns an error, in words for a configuration, for rules that no event could
// keep.
func (r *Rules) Compile() error {
	if r.CloudEvent {
		r.Pointer, r.IsString = cloudEventData, false
	}
	if r.Fields != nil {
		fields, err := r.compileFields()
		if err != nil {
			return fmt.Errorf("fields: %w", err)
		}
		r.fields = fields
	}
	r.queryNames = r.compileQuery()
	return nil
}

func (r *Rules) compileFields() (*nameSet, error) {
	if len(r.Fields) == 0 {
		return nil, errors.New("no member is named; name at least one, or leave fields out")
	}
	set := eventNames.empty(len(r.Fields))
	for i, field := range r.Fields {
		if err := r.checkField(i); err != nil {
			return nil, err
		}
		if other := set.add(field); other != noName {
			return nil, fmt.Errorf("%s and %s are the same name to some parsers; name one", r.written(other), r.written(i))
		}
	}
	for i, field := range r.Fields {
		if found := set.find(escapeName(field)); found.index != i {
			return nil, fmt.Errorf("some readers take %s for a part of %s; leave one of them out", r.written(i), r.written(found.index))
		}
	}
	return set, nil
}

func (r *Rules) checkField(i int) error {
	switch field := r.Fields[i]; {
	case len(field) > maxName:
		return fmt.Errorf("%s is longer than %d bytes", r.written(i), maxName)
	case field == protoName, isRewritten(`"` + escapeName(field) + `"`):
		return fmt.Errorf("an event with a member %s is always rejected", r.written(i))
	case r.ReplaceUserInfo && userInfoNames.find(escapeName(field)).index != noName:
		return fmt.Errorf("%s is set by user_info; leave one of them out", r.written(i))
	}
	return nil
}

// written is what errors call a field.
func (r *Rules) written(i int) string {
	name := r.Fields[i]
	if r.Written != nil {
		name = r.Written[i]
	}
	if len(name) > maxName {
		return strings.ToValidUTF8(name[:60], "") + "…"
	}
	return name
}

// escapeName writes a name as the inside of a JSON string, as far as a nameSet looks at it.
func escapeName(name string) string { return strings.ReplaceAll(name, `\`, `\\`) }

// promises reports whether the rules promise something about every request: what a listed member holds, or who calls.
func (r *Rules) promises() bool { return r.Fields != nil || r.ReplaceUserInfo }
