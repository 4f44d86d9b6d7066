package source

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// analysis follows the values of one file.
type analysis struct {
	*parsed
	resolve Resolver
	vars    map[*js.Var]Value
	changed bool
	file    *File
	inner   map[js.INode]bool // parts of a longer path that was noted as a whole
	final   bool              // the variables are known: uses are noted now

	known     Known
	functions map[*js.Var]*js.Params
	tried     triedCalls      // calls in a try that catches
	guarded   map[string]bool // names that the file asks typeof of
}

// Analyze reads one file. Known is what the files that belong to it have told so far; it is added to. The error is one of
// syntax, in words.
func Analyze(name string, text []byte, resolve Resolver, known Known) (*File, error) {
	p, err := parseFile(name, text)
	if err != nil {
		return nil, err
	}
	a := &analysis{
		parsed: p, resolve: resolve, known: known,
		vars: map[*js.Var]Value{}, inner: map[js.INode]bool{}, functions: map[*js.Var]*js.Params{}, tried: triedCalls{}, guarded: map[string]bool{},
		file: &File{Exports: map[string]Value{}, Names: map[string]bool{}},
	}
	for range 8 { // a variable may be used above the place where it gets its value
		a.changed = false
		js.Walk(a, p.AST)
		if !a.changed {
			break
		}
	}
	a.final = true
	js.Walk(a, p.AST)
	return a.file, nil
}

// Enter implements js.IVisitor.
func (a *analysis) Enter(n js.INode) js.IVisitor {
	switch n := n.(type) {
	case *js.VarDecl:
		for _, item := range n.List {
			if item.Default != nil {
				a.function(item.Binding, item.Default)
				a.exportsTo(item.Default)
				a.putInto(item.Binding, item.Default)
			}
		}
	case *js.BindingElement: // of a declaration, or a parameter with what it is by default
		if n.Default != nil {
			a.bind(n.Binding, a.eval(n.Default))
		}
	case *js.FuncDecl:
		if n.Name != nil {
			a.functions[resolveVar(n.Name)] = &n.Params
		}
	case *js.ClassDecl:
		a.fields(n)
	case *js.TryStmt:
		if n.Catch != nil {
			js.Walk(a.tried, n.Body)
		}
	case *js.Var:
		a.commonJS(n)
	case *js.UnaryExpr:
		if name, ok := n.X.(*js.Var); ok && n.Op == js.TypeofToken {
			a.guarded[string(name.Data)] = true
		}
	case *js.NewExpr:
		if n.Args != nil {
			a.argumentsEscape(n.Args.List, a.firstBytes(n.X))
		}
	case *js.ReturnStmt:
		if n.Value != nil {
			a.escapes(n.Value, a.firstBytes(n.Value))
		}
	case *js.BinaryExpr:
		a.assign(n)
	case *js.ImportStmt:
		a.file.IsModule = true
		a.importStmt(n)
	case *js.ExportStmt:
		a.file.IsModule = true
		a.exportStmt(n)
	case *js.CallExpr:
		a.call(n)
	case *js.DotExpr:
		a.note(n, n.X, a.eval(n), n.Y.Data)
	case *js.IndexExpr:
		a.note(n, n.X, a.eval(n), a.firstBytes(n))
	}
	return a
}

// Exit implements js.IVisitor.
func (a *analysis) Exit(js.INode) {}

// isNamed reports whether an import is of more than a module's default, or of all of it and then of a member other than that.
func (a *analysis) isNamed(alias js.Alias) bool {
	name := nameInModule(alias)
	if name == "*" {
		return !bytes.Contains(a.text, append(slices.Clip(alias.Binding), ".default"...))
	}
	return name != "default"
}

// nameInModule returns what an import or an export is called in the module that has it: x of `x as y`.
func nameInModule(alias js.Alias) string {
	if alias.Name != nil {
		return string(alias.Name)
	}
	return string(alias.Binding)
}

// commonJS notes a name that only CommonJS modules have.
func (a *analysis) commonJS(v *js.Var) {
	name := string(v.Data)
	if !a.final || a.file.CommonJS != "" || a.guarded[name] || resolveVar(v).Decl != js.NoDecl {
		return
	}
	if name == "require" || name == "exports" || name == "module" {
		a.file.CommonJS, a.file.CommonJSLine = name, a.line(v.Data)
	}
}

// triedCalls collects the calls in a statement.
type triedCalls map[*js.CallExpr]bool

// Enter implements js.IVisitor.
func (t triedCalls) Enter(n js.INode) js.IVisitor {
	if call, ok := n.(*js.CallExpr); ok {
		t[call] = true
	}
	return t
}

// Exit implements js.IVisitor.
func (triedCalls) Exit(js.INode) {}

// resolveVar returns the variable that a name stands for.
func resolveVar(v *js.Var) *js.Var {
	for v.Link != nil {
		v = v.Link
	}
	return v
}

func (a *analysis) set(v *js.Var, value Value) {
	if value = a.follow(value); value.IsZero() {
		return
	}
	v = resolveVar(v)
	if _, known := a.vars[v]; !known {
		a.vars[v] = value
		a.changed = true
	}
}

func (a *analysis) follow(v Value) Value {
	if v.Root != Own {
		return v
	}
	return follow(v, a.resolve)
}

// bind gives the variables of a binding their parts of a value.
func (a *analysis) bind(binding js.IBinding, value Value) {
	if value.IsZero() {
		return
	}
	switch b := binding.(type) {
	case *js.Var:
		a.set(b, value)
	case *js.BindingObject:
		for _, item := range b.List {
			key := ""
			if item.Key != nil && item.Key.Computed == nil {
				key = literal(item.Key.Literal)
			} else if v, ok := item.Value.Binding.(*js.Var); ok && item.Key == nil {
				key = string(v.Data)
			}
			if key == "" {
				continue
			}
			part := a.memberOf(value, key)
			a.bind(item.Value.Binding, part)
			if v, ok := item.Value.Binding.(*js.Var); ok { // the parts of others note themselves
				a.noteValue(part, v.Data)
			}
		}
	}
}

// bindingBytes is a piece of the text of a binding, for its line.
func (a *analysis) bindingBytes(binding js.IBinding) []byte {
	if v, ok := binding.(*js.Var); ok {
		return v.Data
	}
	return nil
}

// assign follows `x = value`, `exports.x = value` and `module.exports = value`.
func (a *analysis) assign(n *js.BinaryExpr) {
	if n.Op != js.EqToken {
		return
	}
	value := a.eval(n.Y)
	if v, ok := n.X.(*js.Var); ok {
		a.set(v, value)
		return
	}
	if name, ok := exportName(n.X); ok {
		a.export(name, n.Y, value)
		return
	}
	switch target := n.X.(type) {
	case *js.DotExpr:
		a.assignMember(target, n.Y, value)
	case *js.IndexExpr:
		a.exportsTo(target.X)
		a.escapes(n.Y, a.firstBytes(target.X))
	}
}

func (a *analysis) importStmt(n *js.ImportStmt) {
	module := unquote(n.Module)
	a.require(Require{Name: module}, n.Module)
	value := ofModule(module, a.resolve)
	if n.Default != nil {
		a.setByName(n.Default, value.Member("default"))
	}
	if module == SDKModule && a.file.ImportsOfSDK == 0 && slices.ContainsFunc(n.List, a.isNamed) {
		a.file.ImportsOfSDK = a.line(n.Module)
	}
	for _, alias := range n.List {
		if name := nameInModule(alias); name == "*" {
			a.setByName(alias.Binding, value)
		} else {
			a.setByName(alias.Binding, a.follow(value).Member(name))
		}
	}
}

// setByName gives the module's own variable of a name its value: an import statement has names only.
func (a *analysis) setByName(name []byte, value Value) {
	for _, v := range a.named(string(name)) {
		a.set(v, value)
	}
	a.noteValue(a.follow(value), name)
}

// named returns the variables of a name in the file's own scope. Those that an import statement declares count as
// undeclared there.
func (a *analysis) named(name string) []*js.Var {
	var found []*js.Var
	for _, v := range slices.Concat(a.Declared, a.Undeclared) {
		if string(v.Data) == name {
			found = append(found, v)
		}
	}
	return found
}

// call notes a call of a part of the cloud, and modules that are asked for.
func (a *analysis) call(n *js.CallExpr) {
	if module, asked := requireOf(n); asked {
		a.require(Require{Name: module, Tried: a.tried[n]}, a.firstBytes(n.Args.List[0].Value))
		return
	}
	a.arguments(n)
	a.relative(n)
	value := a.eval(n.X)
	if value.IsZero() {
		return
	}
	a.markInner(n.X)
	if !a.inner[n] {
		a.inner[n.X] = true
		a.add(value, a.lastBytes(n.X), n)
	}
}

// relative notes a file that is read by its path from the working directory on.
func (a *analysis) relative(n *js.CallExpr) {
	if !a.final || len(n.Args.List) == 0 || !slices.Contains(readers, calleeName(n.X)) {
		return
	}
	if name, ok := stringOf(n.Args.List[0].Value); ok && !strings.HasPrefix(name, "/") {
		a.file.Relative = append(a.file.Relative, Relative{name, a.line(a.lastBytes(n.X))})
	}
}

// readers are the functions of Node.js's fs that read a file.
var readers = []string{"readFile", "readFileSync", "createReadStream", "readdir", "readdirSync"}

// requireOf recognizes require(x) and import(x).
func requireOf(n *js.CallExpr) (module string, asked bool) {
	switch x := n.X.(type) {
	case *js.Var:
		asked = string(x.Data) == "require" && resolveVar(x).Decl == js.NoDecl
	case *js.LiteralExpr:
		asked = string(x.Data) == "import"
	}
	if !asked || len(n.Args.List) == 0 {
		return "", false
	}
	if text, ok := stringOf(n.Args.List[0].Value); ok {
		return text, true
	}
	return "?", true
}

func (a *analysis) require(required Require, at []byte) {
	if a.final {
		required.Line = a.line(at)
		a.file.Requires = append(a.file.Requires, required)
	}
}

// note notes the use of a path, once for the whole of it: x is the expression in front of the last member.
func (a *analysis) note(n js.INode, x js.IExpr, value Value, at []byte) {
	a.markInner(x)
	if !a.inner[n] {
		a.add(value, at, nil)
	}
}

func (a *analysis) markInner(x js.IExpr) {
	for x != nil {
		switch inner := x.(type) {
		case *js.DotExpr:
			a.inner[inner] = true
			x = inner.X
		case *js.IndexExpr:
			a.inner[inner] = true
			x = inner.X
		case *js.GroupExpr:
			x = inner.X
		case *js.CommaExpr:
			x = inner.List[len(inner.List)-1]
		default:
			return
		}
	}
}

// noteValue notes a part of the cloud that a variable is given by name.
func (a *analysis) noteValue(value Value, at []byte) { a.add(value, at, nil) }

// add adds a use, once the variables are known. call is nil where the value is not called.
func (a *analysis) add(value Value, at []byte, call *js.CallExpr) {
	if !a.final || value.IsZero() || value.Root == Own || value.isHolder() || len(value.Members) == 0 {
		return
	}
	use := Use{Path: append([]string{value.Root}, value.Members...), Called: call != nil, Line: a.line(at)}
	if call != nil {
		use.Name = nameArgument(call)
	}
	a.file.Uses = append(a.file.Uses, use)
}

// nameArgument returns the literal that a call's first argument has as its member `name`.
func nameArgument(call *js.CallExpr) string {
	if len(call.Args.List) == 0 {
		return ""
	}
	object, ok := unwrap(call.Args.List[0].Value).(*js.ObjectExpr)
	if !ok {
		return ""
	}
	for _, property := range object.List {
		if property.Name != nil && property.Name.Computed == nil && literal(property.Name.Literal) == "name" {
			text, _ := stringOf(property.Value)
			return text
		}
	}
	return ""
}

// literal returns a property's name as a string.
func literal(l js.LiteralExpr) string {
	if l.TokenType == js.StringToken {
		return unquote(l.Data)
	}
	return string(l.Data)
}

func unquote(quoted []byte) string { return strings.Trim(string(quoted), "'\"`") }
