package source

import (
	"regexp"

	"github.com/tdewolff/parse/v2/js"
)

// globals are the client's own names for what wx is.
var globals = map[string]bool{"wx": true, "uni": true, "Taro": true}

// eval returns the part of the cloud that an expression is; the zero Value for everything else.
func (a *analysis) eval(expr js.IExpr) Value {
	switch e := unwrap(expr).(type) {
	case *js.Var:
		v := resolveVar(e)
		if value, known := a.vars[v]; known {
			return value
		}
		if v.Decl == js.NoDecl {
			return a.global(string(v.Data))
		}
	case *js.LiteralExpr:
		if e.TokenType == js.ThisToken {
			return Value{Root: this}
		}
	case *js.CommaExpr:
		return a.eval(e.List[len(e.List)-1])
	case *js.DotExpr:
		return a.member(e.X, string(e.Y.Data))
	case *js.IndexExpr:
		name, ok := stringOf(e.Y)
		if !ok {
			name = "?"
		}
		return a.member(e.X, name)
	case *js.CallExpr:
		if module, asked := requireOf(e); asked {
			return a.follow(ofModule(module, a.resolve))
		}
		return a.result(e)
	case *js.UnaryExpr:
		if e.Op == js.AwaitToken {
			return a.eval(e.X)
		}
	case *js.BinaryExpr:
		switch e.Op {
		case js.OrToken, js.NullishToken:
			if left := a.eval(e.X); !left.IsZero() {
				return left
			}
			return a.eval(e.Y)
		case js.AndToken:
			return a.eval(e.Y)
		}
	case *js.CondExpr:
		if first := a.eval(e.X); !first.IsZero() {
			return first
		}
		return a.eval(e.Y)
	}
	return Value{}
}

// global returns what a name stands for that nothing in the file declares.
func (a *analysis) global(name string) Value {
	switch {
	case globals[name]:
		return Value{Root: WX}
	case name == Process:
		return Value{Root: Process}
	case name == "global" || name == "globalThis":
		return Value{Root: global}
	}
	return a.known[global+"."+name]
}

func (a *analysis) member(x js.IExpr, name string) Value { return a.memberOf(a.eval(x), name) }

func (a *analysis) memberOf(value Value, name string) Value {
	value = a.follow(value).Member(name)
	if known, ok := a.known[value.path()]; ok {
		return known
	}
	if value.isHolder() {
		return Value{}
	}
	return a.follow(value)
}

// interop are the functions that compilers put around a module.
var interop = regexp.MustCompile(`(?i)^_*(import(star|default)|interopRequire\w*|interopNamespace\w*|interopDefault\w*|toESM)$`)

// calleeName is the last name of what is called.
func calleeName(expr js.IExpr) string {
	switch e := unwrap(expr).(type) {
	case *js.Var:
		return string(e.Data)
	case *js.DotExpr:
		return string(e.Y.Data)
	case *js.CommaExpr:
		return calleeName(e.List[len(e.List)-1])
	}
	return ""
}

// result is what a call returns, as far as it is followed: the database, openapi for an account, and what a compiler's function
// wraps.
func (a *analysis) result(call *js.CallExpr) Value {
	if len(call.Args.List) > 0 && interop.MatchString(calleeName(call.X)) {
		return a.eval(call.Args.List[0].Value)
	}
	value := a.eval(call.X)
	if value.Root != SDK && value.Root != WX || len(value.Members) == 0 {
		return Value{}
	}
	switch value.Members[len(value.Members)-1] {
	case "openapi":
		return value // cloud.openapi({appid}) is openapi for another account
	case "database":
		return value
	}
	return Value{}
}

// unwrap takes the parentheses away.
func unwrap(expr js.IExpr) js.IExpr {
	for {
		group, ok := expr.(*js.GroupExpr)
		if !ok {
			return expr
		}
		expr = group.X
	}
}

// stringOf returns the text of a string literal, or of a template without expressions.
func stringOf(expr js.IExpr) (string, bool) {
	switch e := unwrap(expr).(type) {
	case *js.LiteralExpr:
		if e.TokenType == js.StringToken {
			return unquote(e.Data), true
		}
	case *js.TemplateExpr:
		if e.Tag == nil && len(e.List) == 0 {
			return unquote(e.Tail), true
		}
	}
	return "", false
}

// firstBytes is a piece of an expression's text, for its line.
func (a *analysis) firstBytes(expr js.IExpr) []byte {
	switch e := expr.(type) {
	case *js.DotExpr:
		return e.Y.Data
	case *js.IndexExpr:
		if literal, ok := unwrap(e.Y).(*js.LiteralExpr); ok {
			return literal.Data
		}
		return a.firstBytes(e.X)
	case *js.CallExpr:
		return a.firstBytes(e.X)
	case *js.GroupExpr:
		return a.firstBytes(e.X)
	case *js.CommaExpr:
		return a.firstBytes(e.List[len(e.List)-1])
	case *js.CondExpr:
		return a.firstBytes(e.Cond)
	case *js.BinaryExpr:
		return a.firstBytes(e.X)
	case *js.LiteralExpr:
		return e.Data
	case *js.Var:
		return e.Data // of its first appearance, which is all that is kept
	}
	return nil
}

// lastBytes is a piece of the last member of a path.
func (a *analysis) lastBytes(expr js.IExpr) []byte {
	if dot, ok := expr.(*js.DotExpr); ok {
		return dot.Y.Data
	}
	return a.firstBytes(expr)
}
