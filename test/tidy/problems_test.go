package tidy

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	problemPackage = modulePath + "/base/problem"
	localeFolder   = "base/i18n/locales"
)

// spoken are the languages that every problem has a sentence in.
var spoken = []string{"fr", "en"}

func problemRules() []rule {
	locales := func(sentence string) map[string]string {
		return map[string]string{localeFolder + "/fr.json": sentence, localeFolder + "/en.json": sentence}
	}
	with := func(files map[string]string, code string) map[string]string {
		files["sale/a.go"] = "package sale\nimport \"encaisse/base/problem\"\n" + code
		return files
	}
	const flat = `{"problem.sale.closed": "Closed."}`
	return []rule{{
		name:  "every problem has its sentence",
		why:   "a till shows the sentence, not the code; a code without one is a blank screen in front of a customer",
		check: unspokenProblems,
		broken: []plant{
			{with(locales(flat), "var e = problem.New(problem.Invalid, \"sale.closed\")\nvar f = problem.New(problem.Invalid, \"sale.lost\")\n"), "problem.sale.lost has no sentence in fr"},
			{with(locales(flat), "const c = \"sale.lost\"\nvar e = problem.New(problem.Invalid, c)\nvar f = \"sale.closed\"\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), "var e = &problem.Error{Code: \"sale.lost\"}\nvar f = \"sale.closed\"\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), "func bad(code string) error { return problem.New(problem.Invalid, code) }\nvar e, f = bad(\"sale.lost\"), bad(\"sale.closed\")\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), "type t int\nfunc (t) bad(code string) error { return problem.New(problem.Invalid, code) }\nfunc f(x t) { x.bad(\"sale.lost\") }\nvar f2 = \"sale.closed\"\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), "func f() { bad := func(code string) error { return problem.New(problem.Invalid, code) }; bad(\"sale.lost\"); bad(\"sale.closed\") }\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), "var m = map[int]string{1: \"sale.closed\"}\nfunc f() error { return problem.New(problem.Invalid, m[1]) }\n"), "is not written out"},
			{with(locales(flat), "func f(x bool) error { code := \"sale.closed\"; if x { code = \"sale.lost\" }; return problem.New(problem.Invalid, code) }\n"), "problem.sale.lost has no sentence"},
			{with(locales(flat), ""), "problem.sale.closed is used by nobody"},
			{with(map[string]string{localeFolder + "/fr.json": flat}, "var e = problem.New(problem.Invalid, \"sale.closed\")\n"), "no sentence in en"},
			{with(map[string]string{}, "var e = problem.New(problem.Invalid, \"sale.closed\")\n"), "no sentence in fr"},
		},
		fine: []plant{
			{files: with(locales(`{}`), "var e = problem.New(problem.Internal, \"sale.broken\")\nfunc misuse(code string) error { return problem.New(problem.Internal, code) }\n")},
			{files: with(locales(flat), "func f() error { for _, c := range []string{\"sale.closed\"} { return problem.New(problem.Invalid, c) }; return nil }\n")},
			{files: with(locales(flat), "func f(e *problem.Error) error { _ = \"sale.closed\"; return problem.New(problem.Invalid, e.Code) }\n")},
			{files: with(locales(flat), "var e = problem.New(problem.Invalid, \"sale.closed\")\n")},
			{files: with(locales(`{"problem.sale.closed": {"one": "Closed.", "other": "Closed."}}`), "var e = problem.New(problem.Invalid, \"sale.\"+\"closed\")\n")},
			{files: with(locales(`{"problem": {"sale": {"closed": "Closed."}}}`), "func bad(code string) error { return problem.New(problem.Invalid, code) }\nvar e = bad(\"sale.closed\")\n")},
		},
	}}
}

func unspokenProblems(t *tree) []finding {
	codes := problemCodes{tree: t, takers: map[taker]int{}}
	codes.collect()
	out := codes.unclear
	for _, language := range spoken {
		name := localeFolder + "/" + language + ".json"
		sentences, err := readLocale(t.named(name))
		if err != nil {
			out = append(out, finding{name, 0, err.Error()})
		}
		for _, used := range codes.used {
			if !sentences["problem."+used.what] {
				out = append(out, finding{used.path, used.line, "problem." + used.what + " has no sentence in " + language})
			}
		}
		for key := range sentences {
			if code, ok := strings.CutPrefix(key, "problem."); ok && !t.saysAnywhere(code) {
				out = append(out, finding{name, 0, key + " is used by nobody"})
			}
		}
	}
	return out
}

// saysAnywhere tells whether a string literal of the product is exactly text.
func (t *tree) saysAnywhere(text string) bool {
	for _, f := range t.code(false) {
		if strings.Contains(f.text, strconv.Quote(text)) {
			return true
		}
	}
	return slices.ContainsFunc(t.code(false), func(f *file) bool {
		found := false
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if e, ok := n.(*ast.BinaryExpr); ok && !found {
				value, ok := constant(e, nil)
				found = ok && value == text
			}
			return !found
		})
		return found
	})
}

// readLocale flattens a catalogue of messages into its keys: "a.b": "text",
// {"a": {"b": "text"}} and {"a.b": {"other": "text"}} are the same.
func readLocale(f *file) (map[string]bool, error) {
	keys := map[string]bool{}
	if f == nil {
		return keys, nil
	}
	var root map[string]any
	if err := json.Unmarshal([]byte(f.text), &root); err != nil {
		return keys, err
	}
	flatten(keys, "", root)
	return keys, nil
}

func flatten(keys map[string]bool, prefix string, node map[string]any) {
	for name, value := range node {
		switch value := value.(type) {
		case string:
			keys[prefix+name] = true
		case map[string]any:
			if _, plural := value["other"].(string); plural {
				keys[prefix+name] = true
			} else {
				flatten(keys, prefix+name+".", value)
			}
		}
	}
}

// taker is a function or method that hands one of its arguments on as a problem's code.
type taker struct {
	dir, name string
	method    bool
}

type problemCodes struct {
	tree    *tree
	takers  map[taker]int // which argument is the code
	used    []finding     // what is the code
	unclear []finding     // codes that no rule can read
}

// collect finds every code. Functions that take a code are found on the way;
// their callers are read in the next round, until there are no new ones.
func (c *problemCodes) collect() {
	for known := -1; known != len(c.takers); {
		known = len(c.takers)
		c.used, c.unclear = nil, nil
		for _, f := range c.tree.code(false) {
			if f.dir() != "base/problem" && !f.tooling() {
				c.file(f)
			}
		}
	}
}

func (c *problemCodes) file(f *file) {
	for _, decl := range f.syntax.Decls {
		r := declReader{c, f, imports(f), constants(c.tree, f.dir()), parameters(decl), decl}
		ast.Inspect(decl, func(n ast.Node) bool {
			var code ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				if i := r.codeArgument(n); i >= 0 && i < len(n.Args) {
					code = n.Args[i]
				}
			case *ast.CompositeLit:
				if r.isProblem(n.Type, "Error") && !r.isProblem(fieldOf(n, "Kind"), "Internal") {
					code = fieldOf(n, "Code")
				}
			}
			if code != nil {
				r.read(code)
			}
			return true
		})
	}
}

// declReader reads one declaration of a file.
type declReader struct {
	*problemCodes
	file   *file
	names  map[string]string // imports
	consts map[string]string
	params map[any]param
	decl   ast.Decl
}

// codeArgument is the place of the code among the arguments of a call, or -1.
// An internal problem has no sentence of its own: its details are for the log.
func (r declReader) codeArgument(call *ast.CallExpr) int {
	if r.isProblem(call.Fun, "New") {
		if len(call.Args) > 0 && r.isProblem(call.Args[0], "Internal") {
			return -1
		}
		return 1
	}
	key := taker{dir: r.file.dir()}
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		key.name = fn.Name
	case *ast.SelectorExpr:
		key.name, key.method = fn.Sel.Name, true
		if x, ok := fn.X.(*ast.Ident); ok && x.Obj == nil && r.names[x.Name] != "" {
			key.dir, key.method = strings.TrimPrefix(r.names[x.Name], modulePath+"/"), false
		}
	}
	if i, ok := r.takers[key]; ok {
		return i
	}
	return -1
}

func (r declReader) isProblem(expr ast.Expr, name string) bool {
	sel, ok := expr.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && r.names[x.Name] == problemPackage
}

func fieldOf(lit *ast.CompositeLit, name string) ast.Expr {
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
				return pair.Value
			}
		}
	}
	return nil
}

// read takes one code: written out, handed on by a function that takes it, or
// chosen among those that stand in the same function.
func (r declReader) read(code ast.Expr) {
	if value, ok := constant(code, r.consts); ok {
		r.used = append(r.used, r.tree.at(r.file, code, "%s", value))
		return
	}
	if name, ok := code.(*ast.Ident); ok && name.Obj != nil {
		if p, ok := r.params[name.Obj]; ok {
			r.takers[taker{r.file.dir(), p.function, p.method}] = p.index
			return
		}
	}
	if sel, ok := code.(*ast.SelectorExpr); ok && sel.Sel.Name == "Code" {
		return // another problem's, which was read where it was made
	}
	found := false
	ast.Inspect(r.decl, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		if value, ok := constant(lit, nil); ok && looksLikeCode(r.file, value) {
			found = true
			r.used = append(r.used, r.tree.at(r.file, lit, "%s", value))
		}
		return true
	})
	if !found {
		r.unclear = append(r.unclear, r.tree.at(r.file, code, "the code of this problem is not written out: no rule can read it"))
	}
}

var codeShape = regexp.MustCompile(`^([a-z]+)(\.[a-z_]+)+$`)

// looksLikeCode: the codes of a package begin with its name.
func looksLikeCode(f *file, text string) bool {
	found := codeShape.FindStringSubmatch(text)
	return found != nil && found[1] == f.syntax.Name.Name
}

// constant is the value of a string literal, a constant of the package, or a sum of those.
func constant(expr ast.Expr, consts map[string]string) (string, bool) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		value, err := strconv.Unquote(e.Value)
		return value, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		value, ok := consts[e.Name]
		return value, ok
	case *ast.BinaryExpr:
		left, ok := constant(e.X, consts)
		right, also := constant(e.Y, consts)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}

// constants are the string constants of a package.
func constants(t *tree, dir string) map[string]string {
	out := map[string]string{}
	for _, f := range t.code(false) {
		if f.dir() != dir {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				return true
			}
			for _, spec := range decl.Specs {
				value := spec.(*ast.ValueSpec)
				for i, name := range value.Names {
					if i < len(value.Values) {
						if text, ok := constant(value.Values[i], nil); ok {
							out[name.Name] = text
						}
					}
				}
			}
			return true
		})
	}
	return out
}

// param is the function a parameter belongs to, and its place there.
type param struct {
	function string
	method   bool
	index    int
}

// parameters maps the object of every parameter of a declaration, and of the function
// literals in it that have a name, to its place.
func parameters(decl ast.Decl) map[any]param {
	out := map[any]param{}
	enter := func(name string, method bool, fn *ast.FuncType) {
		i := 0
		for _, field := range fn.Params.List {
			for _, p := range field.Names {
				if p.Obj != nil {
					out[p.Obj] = param{name, method, i}
				}
				i++
			}
		}
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			enter(n.Name.Name, n.Recv != nil, n.Type)
		case *ast.AssignStmt:
			for i, right := range n.Rhs {
				lit, ok := right.(*ast.FuncLit)
				if name, named := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident); ok && named {
					enter(name.Name, false, lit.Type)
				}
			}
		}
		return true
	})
	return out
}
