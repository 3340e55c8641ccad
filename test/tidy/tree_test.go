package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// modulePath is the name of the module, and the beginning of every import of ours.
const modulePath = "encaisse"

// textMax leaves bigger files unread: they are data.
const textMax = 1 << 20

// skipped folders hold nothing that was written by hand here.
var skipped = []string{".git", "bin", "data", "node_modules", "vendor", "dist"}

// file is one text file of the project.
type file struct {
	path      string // from the root, with slashes
	text      string
	syntax    *ast.File // nil unless it is Go code of the project
	test      bool      // _test.go
	generated bool
}

func (f *file) dir() string { return path.Dir(f.path) }

// tooling tells code that is no part of the product: tests, their helpers, tools.
func (f *file) tooling() bool {
	return f.test || within(f.path, "test") || within(f.path, "tools") || testKit(f.dir())
}

// testKit tells a package that exists for tests: dbtest, acquirertest, terminaltest.
func testKit(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// within tells whether p is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// tree is the project, or a planted case.
type tree struct {
	fset  *token.FileSet
	files []*file
	paths map[string]bool // every file and folder
}

// load reads a project; it fails on Go code that does not parse.
func load(root fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), paths: map[string]bool{}}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t.paths[p] = true
		if d.IsDir() {
			if slices.Contains(skipped, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		return t.add(root, p, d)
	})
	return t, err
}

func (t *tree) add(root fs.FS, p string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil || info.Size() > textMax || !info.Mode().IsRegular() {
		return err
	}
	data, err := fs.ReadFile(root, p)
	if err != nil || !utf8.Valid(data) {
		return err
	}
	f := &file{path: p, text: string(data), test: strings.HasSuffix(p, "_test.go")}
	if strings.HasSuffix(p, ".go") && !strings.Contains(p, "testdata/") {
		// Object resolution is what tells a package's variable from a local of the same name.
		f.syntax, err = parser.ParseFile(t.fset, p, data, parser.ParseComments)
		if err != nil {
			return err
		}
		f.generated = ast.IsGenerated(f.syntax)
	}
	t.files = append(t.files, f)
	return nil
}

// code lists the Go files written by hand; tests only if asked for.
func (t *tree) code(tests bool) []*file {
	var out []*file
	for _, f := range t.files {
		if f.syntax != nil && !f.generated && (tests || !f.test) {
			out = append(out, f)
		}
	}
	return out
}

// named finds a file by its path, or nil.
func (t *tree) named(p string) *file {
	for _, f := range t.files {
		if f.path == p {
			return f
		}
	}
	return nil
}

// finding is one place where a rule is broken.
type finding struct {
	path string
	line int
	what string
}

func (f finding) String() string {
	if f.line == 0 {
		return f.path + ": " + f.what
	}
	return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.what)
}

// at makes a finding about a node of f.
func (t *tree) at(f *file, node ast.Node, format string, args ...any) finding {
	return finding{f.path, t.fset.Position(node.Pos()).Line, fmt.Sprintf(format, args...)}
}

// imports maps the name a file uses to the path it imports.
func imports(f *file) map[string]string {
	names := map[string]string{}
	for _, spec := range f.syntax.Imports {
		p := importPath(spec)
		name := path.Base(p)
		if major.MatchString(name) {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

var major = regexp.MustCompile(`^v[0-9]+$`)

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// uses calls found for every pkg.Name of the given import in f.
func uses(f *file, pkg string, found func(sel *ast.SelectorExpr)) {
	names := imports(f)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && names[x.Name] == pkg {
			found(sel)
		}
		return true
	})
}

// literals calls found for every string literal of f but its import paths.
func literals(f *file, found func(lit *ast.BasicLit, value string)) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if _, ok := n.(*ast.ImportSpec); ok {
			return false
		}
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if value, err := strconv.Unquote(lit.Value); err == nil {
				found(lit, value)
			}
		}
		return true
	})
}
