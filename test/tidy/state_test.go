package tidy

import (
	"go/ast"
	"go/token"
	"strings"
)

func stateRules() []rule {
	return []rule{
		{
			name:  "no init",
			why:   "what happens at start stands in wire.go, in order; an import has no effects",
			check: initFunctions,
			broken: []plant{
				bad("sale/a.go", "package sale\nfunc init() {}\n", "func init"),
			},
			fine: []plant{
				good("sale/a.go", "package sale\ntype t int\nfunc (t) init() {}\n"),
				good("sale/a_test.go", "package sale\nfunc init() {}\n"),
			},
		},
		{
			name:  "no package state",
			why:   "two installations live in one process (a test and its neighbour, a twin merchant); what changes belongs to a value somebody made",
			check: packageState,
			broken: []plant{
				bad("sale/a.go", "package sale\nvar count int\n", "count has no value of its own"),
				bad("sale/a.go", "package sale\nimport \"sync\"\nvar mu sync.Mutex\n", "mu has no value"),
				bad("sale/a.go", "package sale\nvar cache = map[string]int{}\n", "cache is empty"),
				bad("sale/a.go", "package sale\nvar cache = make(map[string]int)\n", "cache is empty"),
				bad("sale/a.go", "package sale\nimport \"sync\"\nvar pool = sync.Pool{New: f}\nfunc f() any { return 1 }\n", "pool holds a sync"),
				bad("sale/a.go", "package sale\nimport \"sync/atomic\"\nvar on = new(atomic.Bool)\n", "on is empty"),
				bad("sale/a.go", "package sale\nvar limit = 3\nfunc f() { limit = 4 }\n", "limit is changed"),
				bad("sale/a.go", "package sale\nvar limit = 3\nfunc f() { limit++ }\n", "limit is changed"),
				bad("sale/a.go", "package sale\nvar rates = []int{1}\nfunc f() { rates[0] = 2 }\n", "rates is changed"),
				bad("sale/a.go", "package sale\nvar rates = map[int]int{1: 1}\nfunc f() { delete(rates, 1) }\n", "rates is changed"),
				bad("sale/a.go", "package sale\nvar r = t{1}\ntype t struct{ x int }\nfunc f() { r.x = 2 }\n", "r is changed"),
				bad("sale/a.go", "package sale\nvar r = t{1}\ntype t struct{ x int }\nfunc f() *t { return &r }\n", "r is changed"),
				{
					map[string]string{"sale/a.go": "package sale\nvar limit = 3\n", "sale/b.go": "package sale\nfunc f() { limit = 4 }\n"},
					"limit is changed",
				},
			},
			fine: []plant{
				good("sale/a.go", "package sale\nimport \"errors\"\nvar errGone = errors.New(\"gone\")\n"),
				good("sale/a.go", "package sale\nvar rates = map[int]int{1: 1}\nfunc f() int { rates := map[int]int{}; rates[1] = 2; return rates[1] }\n"),
				good("sale/a.go", "package sale\nimport _ \"embed\"\n//go:embed x\nvar text string\n"),
				good("sale/a.go", "package sale\nimport _ \"embed\"\nvar (\n//go:embed x\ntext string\n)\n"),
				good("sale/a.go", "package sale\nvar _ error = t{}\ntype t struct{ error }\n"),
				good("sale/a.go", "package sale\nimport \"sync\"\nvar table = sync.OnceValue(func() int { return 1 })\n"),
				good("sale/a_test.go", "package sale\nvar count int\n"),
			},
		},
	}
}

func initFunctions(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				out = append(out, t.at(f, fn, "func init"))
			}
		}
	}
	return out
}

// packageState finds variables of a package that are there to change: declared
// without a value, empty, of package sync, or changed by a function.
func packageState(t *tree) []finding {
	var out []finding
	vars := map[string]map[string]bool{} // by folder
	for _, f := range t.code(false) {
		for _, spec := range packageVars(f) {
			for i, name := range spec.Names {
				if name.Name == "_" {
					continue
				}
				if vars[f.dir()] == nil {
					vars[f.dir()] = map[string]bool{}
				}
				vars[f.dir()][name.Name] = true
				if what := bornToChange(f, spec, i); what != "" {
					out = append(out, t.at(f, name, "%s %s", name.Name, what))
				}
			}
		}
	}
	for _, f := range t.code(false) {
		out = append(out, t.changes(f, vars[f.dir()])...)
	}
	return out
}

// packageVars are the variables declared outside functions, embedded files left out.
func packageVars(f *file) []*ast.ValueSpec {
	var out []*ast.ValueSpec
	for _, decl := range f.syntax.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			value := spec.(*ast.ValueSpec)
			if !embeds(gen.Doc) && !embeds(value.Doc) {
				out = append(out, value)
			}
		}
	}
	return out
}

func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// bornToChange says why a variable can only be there to change, or "".
func bornToChange(f *file, spec *ast.ValueSpec, i int) string {
	if len(spec.Values) == 0 {
		return "has no value of its own: it is there to be changed"
	}
	if i >= len(spec.Values) {
		return ""
	}
	switch value := spec.Values[i].(type) {
	case *ast.CompositeLit:
		_, isMap := value.Type.(*ast.MapType)
		if isMap && len(value.Elts) == 0 {
			return "is empty: it is there to be filled"
		}
		if sel, ok := value.Type.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && strings.HasPrefix(imports(f)[x.Name], "sync") {
				return "holds a " + imports(f)[x.Name] + "." + sel.Sel.Name
			}
		}
	case *ast.CallExpr:
		if fn, ok := value.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") {
			return "is empty: it is there to be filled"
		}
	}
	return ""
}

// changes finds where a function of f assigns to a variable of its package,
// to a part of one, or hands out its address.
func (t *tree) changes(f *file, vars map[string]bool) []finding {
	var out []finding
	report := func(expr ast.Expr) {
		if name := rootOf(expr); name != nil && vars[name.Name] && packageLevel(f, name) {
			out = append(out, t.at(f, expr, "%s is changed", name.Name))
		}
	}
	for _, decl := range f.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if n.Tok != token.DEFINE {
						report(left)
					}
				}
			case *ast.IncDecStmt:
				report(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					report(n.X)
				}
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (name.Name == "delete" || name.Name == "clear") {
					report(n.Args[0])
				}
			}
			return true
		})
	}
	return out
}

// rootOf is the variable that x, x.a, x[i] or *x is about.
func rootOf(expr ast.Expr) *ast.Ident {
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e
		case *ast.SelectorExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		default:
			return nil
		}
	}
}

// packageLevel tells whether a name means a declaration of the package: one in
// the scope of this file, or one the parser did not find in it.
func packageLevel(f *file, name *ast.Ident) bool {
	return name.Obj == nil || f.syntax.Scope.Lookup(name.Name) == name.Obj
}
