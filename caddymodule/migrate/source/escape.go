package source

import (
	"slices"

	"github.com/tdewolff/parse/v2/js"
)

// function remembers a function that a variable holds, so that calls of it give its parameters their values.
func (a *analysis) function(binding js.IBinding, value js.IExpr) {
	v, ok := binding.(*js.Var)
	if !ok {
		return
	}
	switch f := unwrap(value).(type) {
	case *js.ArrowFunc:
		a.functions[resolveVar(v)] = &f.Params
	case *js.FuncDecl:
		a.functions[resolveVar(v)] = &f.Params
	}
}

// parameters returns those of a function of this file that is called; nil for others.
func (a *analysis) parameters(callee js.IExpr) *js.Params {
	switch f := unwrap(callee).(type) {
	case *js.Var:
		return a.functions[resolveVar(f)]
	case *js.ArrowFunc:
		return &f.Params
	case *js.FuncDecl:
		return &f.Params
	}
	return nil
}

// arguments follows what a call gives to the function.
func (a *analysis) arguments(call *js.CallExpr) {
	for _, arg := range call.Args.List {
		a.exportsTo(arg.Value)
	}
	if params := a.parameters(call.X); params != nil {
		for i, arg := range call.Args.List[:min(len(call.Args.List), len(params.List))] {
			if params.List[i].Binding != nil {
				a.bind(params.List[i].Binding, a.eval(arg.Value))
			}
		}
		return
	}
	if dot, ok := call.X.(*js.DotExpr); ok {
		if v, isVar := dot.X.(*js.Var); isVar && string(v.Data) == "console" {
			return // which only prints it
		}
	}
	if interop.MatchString(calleeName(call.X)) {
		return
	}
	a.argumentsEscape(call.Args.List, a.lastBytes(call.X))
}

// argumentsEscape notes that arguments are the SDK, and so reach code that is not followed.
func (a *analysis) argumentsEscape(args []js.Arg, at []byte) {
	for _, arg := range args {
		a.escapes(arg.Value, at)
	}
}

// escapes notes that an expression is the SDK, or an object with the SDK in it, and reaches code that is not followed.
func (a *analysis) escapes(expr js.IExpr, at []byte) {
	if !a.final {
		return
	}
	switch e := unwrap(expr).(type) {
	case *js.ObjectExpr:
		for _, property := range e.List {
			a.escapes(property.Value, at)
		}
		return
	case *js.ArrayExpr:
		for _, element := range e.List {
			a.escapes(element.Value, at)
		}
		return
	}
	if !a.eval(expr).whole() {
		return
	}
	line := a.line(at)
	if line == 0 {
		line = a.line(a.firstBytes(expr))
	}
	if !slices.Contains(a.file.Escapes, line) {
		a.file.Escapes = append(a.file.Escapes, line)
	}
}

// putInto notes that a variable is an object or an array which holds the SDK: its members are not followed.
func (a *analysis) putInto(binding js.IBinding, expr js.IExpr) {
	switch unwrap(expr).(type) {
	case *js.ObjectExpr, *js.ArrayExpr:
		a.escapes(expr, a.bindingBytes(binding))
	}
}

// assignMember follows `cloud.db = value`, `this.cloud = value` and `global.cloud = value`. Other objects are not followed.
func (a *analysis) assignMember(target *js.DotExpr, expr js.IExpr, value Value) {
	base := a.eval(target.X)
	switch {
	case base.Root == Process: // process.env.X = value is no reading of it
		a.inner[target] = true
		a.markInner(target)
	case base.isHolder() && value.IsZero(), base.Root == WX, base.Root == Own:
		return
	case base.isHolder() || base.Root == SDK && len(base.Members) == 0:
		a.learn(base.Member(string(target.Y.Data)), value)
	default:
		a.escapes(expr, target.Y.Data)
	}
}

func (a *analysis) learn(path, value Value) {
	if _, ok := a.known[path.path()]; !ok {
		a.known[path.path()] = a.follow(value)
		a.changed = true
	}
}

// fields follows the fields of a class, which are members of this.
func (a *analysis) fields(class *js.ClassDecl) {
	for _, element := range class.List {
		if element.Init == nil || element.Name.Computed != nil {
			continue
		}
		if value := a.eval(element.Init); !value.IsZero() {
			a.learn(Value{Root: this}.Member(literal(element.Name.Literal)), value)
		}
	}
}
