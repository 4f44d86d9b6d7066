package source

import (
	"github.com/tdewolff/parse/v2/js"
)

// exportName recognizes exports.x, module.exports.x and module.exports.
func exportName(target js.IExpr) (name string, ok bool) {
	dot, isDot := target.(*js.DotExpr)
	if !isDot {
		return "", false
	}
	member := string(dot.Y.Data)
	switch x := dot.X.(type) {
	case *js.Var:
		if resolveVar(x).Decl != js.NoDecl {
			return "", false
		}
		switch string(x.Data) {
		case "exports":
			return member, true
		case "module":
			return "", member == "exports"
		}
	case *js.DotExpr:
		if root, isVar := x.X.(*js.Var); isVar && string(root.Data) == "module" && string(x.Y.Data) == "exports" {
			return member, true
		}
	}
	return "", false
}

// export notes what a name of this file is. An object is noted member by member.
func (a *analysis) export(name string, expr js.IExpr, value Value) {
	if name == "" && isFunction(expr) {
		a.file.Names[""] = true // and nothing else, unless it is given members by name
		return
	}
	object, ok := unwrap(expr).(*js.ObjectExpr)
	if !ok || name != "" {
		a.exportValue(name, value)
		return
	}
	for _, property := range object.List {
		if property.Name != nil && property.Name.Computed == nil {
			a.exportValue(literal(property.Name.Literal), a.eval(property.Value))
		} else if method, isMethod := property.Value.(*js.MethodDecl); isMethod && method.Name.Computed == nil {
			a.exportValue(literal(method.Name.Literal), Value{})
		} else {
			a.file.Opaque = true
		}
	}
}

// isFunction reports whether an expression is a function or a class that is written there.
func isFunction(expr js.IExpr) bool {
	switch unwrap(expr).(type) {
	case *js.ArrowFunc, *js.FuncDecl, *js.ClassDecl:
		return true
	}
	return false
}

func (a *analysis) exportValue(name string, value Value) {
	a.file.Names[name] = true
	if name == "" || name == "*" {
		a.file.Opaque = true
	}
	if value = a.follow(value); value.IsZero() || value.isHolder() {
		return
	}
	if _, known := a.file.Exports[name]; !known {
		a.file.Exports[name] = value
		a.changed = true
	}
}

func (a *analysis) exportStmt(n *js.ExportStmt) {
	if n.Module != nil {
		module := unquote(n.Module)
		a.require(Require{Name: module}, n.Module)
		value := ofModule(module, a.resolve)
		for _, alias := range n.List {
			a.exportValue(string(alias.Binding), a.follow(value).Member(nameInModule(alias)))
		}
		return
	}
	if n.Default && n.Decl != nil {
		a.exportValue("default", a.eval(n.Decl))
		return
	}
	switch decl := n.Decl.(type) {
	case *js.VarDecl:
		for _, item := range decl.List {
			if v, isVar := item.Binding.(*js.Var); isVar && item.Default != nil {
				a.exportValue(string(v.Data), a.eval(item.Default))
			}
		}
	case *js.FuncDecl:
		a.exportValue(string(decl.Name.Data), Value{})
	case *js.ClassDecl:
		a.exportValue(string(decl.Name.Data), Value{})
	}
	for _, alias := range n.List {
		a.file.Names[string(alias.Binding)] = true
		for _, v := range a.named(nameInModule(alias)) {
			a.exportValue(string(alias.Binding), a.vars[resolveVar(v)])
		}
	}
}

// exportsTo notes that the exports go where they are not followed, such as Object.assign(exports, …).
func (a *analysis) exportsTo(expr js.IExpr) {
	switch e := unwrap(expr).(type) {
	case *js.Var:
		name := string(e.Data)
		if resolveVar(e).Decl == js.NoDecl && (name == "exports" || name == "module") {
			a.file.Opaque = true
		}
	case *js.DotExpr:
		if string(e.Y.Data) == "exports" {
			a.exportsTo(e.X)
		}
	}
}
