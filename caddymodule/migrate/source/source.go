// Package source reads one file of JavaScript or TypeScript and tells what it uses of the cloud's SDK and of wx.cloud: by its
// syntax, through variables, aliases and destructuring, never by a search for words. It reads no other file and runs
// nothing.
package source

import (
	"path"
	"slices"
	"strings"
)

// File is what one file says.
type File struct {
	// What is used of the cloud, in the order of the file.
	Uses []Use

	// The modules that it asks for, as it writes them.
	Requires []Require

	// What it exports, by name: parts of the SDK that other files get from it. "" is the whole of module.exports.
	Exports map[string]Value

	// All names that it exports. Where Opaque is set there may be more, which only running the code would tell.
	Names  map[string]bool
	Opaque bool

	// Whether it has import or export, as an ES module has.
	IsModule bool

	// The first of the names require, exports and module that it takes from Node.js, as a CommonJS module does, and its line; "" if it
	// takes none. One that it asks typeof of does not count: it does without.
	CommonJS     string
	CommonJSLine int

	// The line on which it imports members of the SDK by name; 0 if it does not. The SDK is CommonJS, of which an ES module finds what it
	// exports as a whole, by default.
	ImportsOfSDK int

	// The files that it reads by a path that is not absolute, so from the working directory on.
	Relative []Relative

	// The lines on which it passes the SDK to code that is not followed: as an argument, in an object or as a result.
	Escapes []int
}

// Known are the members that files which belong together give to the SDK, to `this` and to the global object, by path, such as
// "this.cloud".
type Known map[string]Value

// Use is one use of a part of the cloud, or of the environment.
type Use struct {
	// The root and the members on the way, such as [sdk database] or [wx cloud callFunction]. A member that only running the
	// code would tell is "?".
	Path []string

	// Whether it is called there.
	Called bool

	// The name that the call gives: of a function for callFunction. "" where that is no literal.
	Name string

	Line int
}

// Is reports whether the use is of a path that begins with these members.
func (u Use) Is(members ...string) bool {
	return len(u.Path) >= len(members) && slices.Equal(u.Path[:len(members)], members)
}

// Require is a module that a file asks for.
type Require struct {
	Name string // "?" where only running the code would tell
	Line int

	// Whether it is asked for in a try that catches: the file loads without it.
	Tried bool
}

// Relative is a file that is read by its path from the working directory on.
type Relative struct {
	Path string
	Line int
}

// The roots of paths.
const (
	SDK = "sdk" // wx-server-sdk
	WX  = "wx"  // wx, Taro or uni
	Own = "own" // a file of the project, see Value.Module

	Process = "process" // of Node.js, whose env has the environment variables

	this   = "this"   // whatever object that is: its members are known by name
	global = "global" // the global object
)

// Value is a part of the cloud, or of a module, that a variable holds.
type Value struct {
	Root    string
	Module  string // of Own: the module as it was asked for
	Members []string
}

// whole reports whether a value is all of the SDK, or its openapi: what is done with one says not yet what is used.
func (v Value) whole() bool {
	return v.Root == SDK && (len(v.Members) == 0 || v.Members[0] == "openapi")
}

// isHolder reports whether a value only holds others.
func (v Value) isHolder() bool { return v.Root == this || v.Root == global }

func (v Value) path() string { return strings.Join(append([]string{v.Root}, v.Members...), ".") }

// IsZero reports whether a value is nothing that is followed.
func (v Value) IsZero() bool { return v.Root == "" }

// Member returns a member of a value.
func (v Value) Member(name string) Value {
	if v.IsZero() {
		return v
	}
	if name == "default" && len(v.Members) == 0 {
		return v // how a CommonJS module looks to an ES module
	}
	v.Members = append(slices.Clip(v.Members), name)
	return v
}

// Resolver tells what another file of the project exports; nil for one that is not there, or is being read, and for a package that
// is no folder of the project.
type Resolver func(module string) map[string]Value

// SDKModule is the SDK whose calls the gateway serves.
const SDKModule = "wx-server-sdk"

// clientModules are those whose value is like wx.
var clientModules = []string{"@tarojs/taro"}

// ofModule is the value of a module.
func ofModule(name string, resolve Resolver) Value {
	switch {
	case name == SDKModule:
		return Value{Root: SDK}
	case slices.Contains(clientModules, name):
		return Value{Root: WX}
	case resolve != nil && (isLocal(name) || resolve(name) != nil):
		return Value{Root: Own, Module: name}
	}
	return Value{}
}

func isLocal(name string) bool {
	return name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || strings.HasPrefix(name, "/")
}

// follow replaces a value of another file by what that exports.
func follow(v Value, resolve Resolver) Value {
	for range 10 { // files may export what they import
		if v.Root != Own {
			return v
		}
		exports := resolve(v.Module)
		if len(v.Members) == 0 {
			whole, ok := exports[""]
			if !ok {
				return v // an object with members, which are asked for one by one
			}
			v = whole
			continue
		}
		base, ok := exports[v.Members[0]]
		rest := v.Members[1:]
		if !ok {
			if base, ok = exports[""]; !ok {
				return Value{}
			}
			rest = v.Members
		}
		for _, member := range rest {
			base = base.Member(member)
		}
		v = base
	}
	return Value{}
}

// CompiledName is the name of the JavaScript that a file of TypeScript is compiled to.
func CompiledName(name string) string {
	switch ext := path.Ext(name); ext {
	case ".mts", ".cts":
		return strings.TrimSuffix(name, ext) + "." + ext[1:2] + "js"
	default:
		return strings.TrimSuffix(name, ext) + ".js"
	}
}

// IsTypeScript reports whether a file has types.
func IsTypeScript(name string) bool {
	switch path.Ext(name) {
	case ".ts", ".tsx", ".mts", ".cts":
		return !strings.HasSuffix(name, ".d.ts")
	}
	return false
}
