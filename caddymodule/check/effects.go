package check

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// What handlers that only change the request do to the state of a walk.

// setVars returns the state behind the handler vars.
func (h *handler) setVars(st state) state {
	for name, raw := range h.keys {
		st = st.forgetVariable(name)
		var value string
		if json.Unmarshal(raw, &value) == nil && st.isClients(value) {
			st.fromClient = append(slices.Clip(st.fromClient), "http.vars."+name)
		} else {
			st.placeholders = append(slices.Clip(st.placeholders), "http.vars."+name)
		}
	}
	return st
}

// mapValues returns the state behind the handler map. Only an output that uses a regular expression holds what the client
// wrote: the others are the operator's, whatever the client asks for.
func (h *handler) mapValues(st state) state {
	var table struct {
		Source   string
		Mappings []struct {
			InputRegexp string `json:"input_regexp"`
			Outputs     []any
		}
		Defaults []string
	}
	all, _ := json.Marshal(h.keys)
	_ = json.Unmarshal(all, &table) // Caddy has read it already
	clients := make([]bool, len(h.Destinations))
	for i := range clients {
		clients[i] = i < len(table.Defaults) && st.isClients(table.Defaults[i])
		for _, m := range table.Mappings {
			if i >= len(m.Outputs) {
				continue
			}
			output, _ := m.Outputs[i].(string)
			clients[i] = clients[i] || st.isClients(output) || m.InputRegexp != "" && strings.Contains(output, "$") && st.isClients(table.Source)
		}
	}
	for i, name := range h.Destinations {
		name = strings.Trim(name, "{}")
		st = st.forgetVariable(name)
		if clients[i] {
			st.fromClient = append(slices.Clip(st.fromClient), name)
		} else {
			st.placeholders = append(slices.Clip(st.placeholders), name)
		}
	}
	return st
}

// isClients reports whether a text holds a placeholder for what the client writes.
func (st *state) isClients(text string) bool { return st.clientsPart(text) != "" }

// clientsPart returns the name of the first placeholder in a text that stands for what the client writes; "" if there is none.
func (st *state) clientsPart(text string) string {
	for rest := text; ; {
		_, behind, found := strings.Cut(rest, "{")
		if !found {
			return ""
		}
		name, _, _ := strings.Cut(behind, "}")
		rest = behind
		if header, ok := strings.CutPrefix(name, "http.request.header."); ok && slices.Contains(st.headers, strings.ToLower(header)) {
			continue // a handler in front set it
		}
		if slices.Contains(st.fromClient, name) || slices.ContainsFunc(clientWritten, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return name
		}
	}
}

// rewrite returns the state behind a rewrite; a path that holds a placeholder is unknown from there on.
func (h *handler) rewrite(st state) state {
	st = st.forget("", "path", "path_regexp", "query", "file", "expression")
	if h.Method != "" && !strings.Contains(h.Method, "{") {
		st.request.method = strings.ToUpper(h.Method)
	}
	if uri, _, _ := strings.Cut(h.URI, "?"); uri != "" {
		uri = strings.NewReplacer("{http.request.uri.path}", st.path, "{http.request.uri}", st.path).Replace(uri)
		if st.path = uri; strings.Contains(uri, "{") {
			st.pathKnown = false
		}
	}
	if h.StripPrefix != "" && strings.HasPrefix(st.path, h.StripPrefix) {
		st.taken = append(slices.Clip(st.taken), strings.TrimSuffix(h.StripPrefix, "/"))
		st.path = st.path[len(h.StripPrefix):]
		if !strings.HasPrefix(st.path, "/") {
			st.path = "/" + st.path
		}
	}
	st.path = strings.TrimSuffix(st.path, h.StripSuffix)
	for _, module := range []string{"uri_substring", "path_regexp"} {
		if h.keys[module] != nil {
			st.pathKnown = false
		}
	}
	return st
}

// changeHeaders notes which header fields of the request a handler sets or removes.
func (h *handler) changeHeaders(st state) state {
	var request struct {
		Add     map[string][]string        `json:"add"`
		Set     map[string][]string        `json:"set"`
		Delete  []string                   `json:"delete"`
		Replace map[string]json.RawMessage `json:"replace"`
	}
	if json.Unmarshal(h.Request, &request) != nil {
		return st
	}
	changed := slices.Concat(slices.Collect(maps.Keys(request.Add)), slices.Collect(maps.Keys(request.Set)), request.Delete, slices.Collect(maps.Keys(request.Replace)))
	for _, name := range changed {
		st = st.forgetHeader(name)
	}
	for name, values := range request.Set {
		if strings.EqualFold(name, "Authorization") {
			st.authorization = ""
		}
		if name = strings.ToLower(name); slices.ContainsFunc(values, st.isClients) {
			st.headers = slices.DeleteFunc(slices.Clone(st.headers), func(set string) bool { return set == name })
		} else {
			st.headers = append(slices.Clip(st.headers), name)
		}
	}
	for _, name := range request.Delete {
		name = strings.ToLower(name)
		st.headers = append(slices.Clip(st.headers), name) // what stands there from here on is no client's
		if pathMatches(name, "authorization") {
			st.authorization = "request_header"
		}
		for i, reserved := range []string{"x-wx-openid", "x-cloudid-keys", "x-functions-extended-context"} {
			if pathMatches(name, reserved) {
				st.removed[i] = true
			}
		}
	}
	st.stripped = st.stripped || st.removed == [3]bool{true, true, true}
	return st
}
