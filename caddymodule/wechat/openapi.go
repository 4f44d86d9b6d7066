package wechat

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// OpenAPI is an API that functions call as cloud.openapi.<name>, and how WeChat's server API wants it.
type OpenAPI struct {
	// The name behind cloud.openapi, such as wxacode.get.
	Name string

	// The request line. The arguments of a GET are its query; those of a POST are a JSON object, unless it has a File.
	Method string
	Path   string

	// The field of a form that takes a file; "": there is none. The other arguments are the query then, which is where WeChat
	// looks for type and img_url, but for Fields, which are fields of the form.
	File   string
	Fields []string

	// Arguments, and members within them, whose names WeChat does not write in snake_case, as WeChat writes them. wx-server-sdk
	// makes snake_case of them all the same, unless the function sets convertCase: false.
	Spelled []string

	// What comes back.
	Response ResponseKind
}

// ResponseKind is what comes back from an API that succeeds. Failures are JSON always.
type ResponseKind string

// The kinds of responses.
const (
	JSONResponse    ResponseKind = "json"
	PictureResponse ResponseKind = "picture" // the bytes of a picture
	MediaResponse   ResponseKind = "media"   // the bytes of a file, or JSON
)

func get(name, path string) OpenAPI {
	return OpenAPI{Name: name, Method: http.MethodGet, Path: path, Response: JSONResponse}
}

func post(name, path string) OpenAPI {
	return OpenAPI{Name: name, Method: http.MethodPost, Path: path, Response: JSONResponse}
}

func upload(name, path, field string) OpenAPI {
	return OpenAPI{Name: name, Method: http.MethodPost, Path: path, File: field, Response: JSONResponse}
}

func (a OpenAPI) picture() OpenAPI {
	a.Response = PictureResponse
	return a
}

func (a OpenAPI) media() OpenAPI {
	a.Response = MediaResponse
	return a
}

func (a OpenAPI) spelled(names ...string) OpenAPI {
	a.Spelled = names
	return a
}

func (a OpenAPI) formFields(names ...string) OpenAPI {
	a.Fields = names
	return a
}

// openAPIs has all that can be called, by name.
var openAPIs = func() map[string]OpenAPI {
	byName := make(map[string]OpenAPI, len(miniProgramAPIs)+len(officialAccountAPIs))
	for _, api := range slices.Concat(miniProgramAPIs, officialAccountAPIs) {
		byName[api.Name] = api
	}
	return byName
}()

// OpenAPIs returns all APIs that can be called, those of mini programs first, then those of official accounts.
func OpenAPIs() []OpenAPI { return slices.Concat(miniProgramAPIs, officialAccountAPIs) }

// FindOpenAPI returns the API of a name. The error says why there is none, and what to do.
func FindOpenAPI(name string) (OpenAPI, error) {
	if api, ok := openAPIs[name]; ok {
		return api, nil
	}
	if successor, ok := retiredAPIs[name]; ok {
		return OpenAPI{}, fmt.Errorf("WeChat has retired %s; use %s", name, successor)
	}
	if slices.Contains(uncallableAPIs, name) {
		return OpenAPI{}, fmt.Errorf("WeChat does not let functions call %s as cloud.openapi; its document says how a server calls it", name)
	}
	return OpenAPI{}, &UnknownOpenAPIError{Name: name, Near: nearNames(name)}
}

// UnknownOpenAPIError says that the table has no such name.
type UnknownOpenAPIError struct {
	Name string
	Near []string // names that are much like it, the nearest first
}

func (e *UnknownOpenAPIError) Error() string {
	return fmt.Sprintf("there is no cloud.openapi.%s in this gateway's table", PrintableName(e.Name)) + e.Hint()
}

// Hint asks, behind what is wrong, whether another name was meant; it is "" where none is much like it.
func (e *UnknownOpenAPIError) Hint() string {
	if len(e.Near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(e.Near, " or ") + "?"
}

// PrintableName leaves of a name what the name of an API may hold, and at most 100 bytes, since a name that is none may be any text.
func PrintableName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			return c
		}
		return -1
	}, name[:min(100, len(name))])
}

// nearNames returns up to three names that a few changed characters make of name, or that have the same last word.
func nearNames(name string) []string {
	const longest = 100 // of what is compared
	if len(name) > longest {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var candidates []candidate
	lower := strings.ToLower(name)
	for _, api := range OpenAPIs() {
		distance := editDistance(lower, strings.ToLower(api.Name))
		if lastWord(lower) == lastWord(strings.ToLower(api.Name)) {
			distance = min(distance, 2) // the family is wrong
		}
		if distance <= max(2, len(name)/5) {
			candidates = append(candidates, candidate{api.Name, distance})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range candidates[:min(3, len(candidates))] {
		names = append(names, c.name)
	}
	return names
}

func lastWord(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// editDistance counts the bytes to insert, delete or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
