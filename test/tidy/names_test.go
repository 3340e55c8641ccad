package tidy

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// emptyFolders say how code is layered, not what it is about.
var emptyFolders = []string{
	"util", "utils", "common", "shared", "misc", "helpers", "lib", "pkg",
	"internal", "service", "services", "repository", "repositories", "controller", "controllers",
	"dto", "entity", "entities", "model", "models", "usecase", "usecases", "handler", "handlers",
}

// emptySuffixes add nothing to the noun before them. In a function's name a
// manager or a service may be what it is about: a person's role, an article's nature.
var (
	emptyInTypes     = []string{"Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Service", "Dto", "DTO"}
	emptyInFunctions = []string{"Helper", "Util", "Utils", "Impl", "Dto", "DTO"}
	emptyFile        = regexp.MustCompile(`^(.*_)?(utils?|helpers?|common|misc|impl|dto)(_test)?\.go$`)
)

func nameRules() []rule {
	return []rule{
		{
			name:  "folders are nouns of the business",
			why:   "a visitor reads the tree; a folder called after a layer says nothing a merchant would say",
			check: folderNames,
			broken: []plant{
				bad("sale/internal/a.go", "package internal\n", "internal"),
				bad("utils/a.go", "package utils\n", "utils"),
			},
			fine: []plant{good("sale/a.go", "package sale\n")},
		},
		{
			name:  "names say what a thing is",
			why:   "Manager, Helper, Service fit everything and so tell nothing",
			check: emptyNames,
			broken: []plant{
				bad("sale/a.go", "package sale\ntype TicketManager struct{}\n", "TicketManager"),
				bad("sale/a.go", "package sale\ntype storeImpl struct{}\n", "storeImpl"),
				bad("sale/a.go", "package sale\nfunc roundHelper() {}\n", "roundHelper"),
				bad("sale/ticket_utils.go", "package sale\n", "ticket_utils.go"),
			},
			fine: []plant{
				good("access/a.go", "package access\nconst RoleManager = 1\nfunc requireManager() {}\n"),
				good("catalog/a.go", "package catalog\nconst Service = \"service\"\n"),
			},
		},
	}
}

func folderNames(t *tree) []finding {
	var out []finding
	seen := map[string]bool{}
	for _, f := range t.files {
		for dir := f.dir(); dir != "."; dir = path.Dir(dir) {
			if !seen[dir] && slices.Contains(emptyFolders, path.Base(dir)) && !strings.Contains(dir, "testdata") {
				out = append(out, finding{dir, 0, "a folder is not called " + path.Base(dir)})
			}
			seen[dir] = true
		}
	}
	return out
}

func emptyNames(t *tree) []finding {
	var out []finding
	check := func(f *file, name *ast.Ident, suffixes []string) {
		named := name.Name == "Helper" // the method of testing.TB
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name.Name, s) }) && !named {
			out = append(out, t.at(f, name, "%s: the last word tells nothing", name.Name))
		}
	}
	for _, f := range t.code(true) {
		if emptyFile.MatchString(path.Base(f.path)) {
			out = append(out, finding{f.path, 0, path.Base(f.path) + ": a file is called after its verb or its idea"})
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				check(f, n.Name, emptyInTypes)
			case *ast.FuncDecl:
				check(f, n.Name, emptyInFunctions)
			}
			return true
		})
	}
	return out
}
