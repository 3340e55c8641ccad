package tidy

import (
	"slices"
	"strings"
)

// module is a third-party module and the packages that may import it, in the
// way tiers are written. tests opens it to every test as well.
type module struct {
	path  string
	in    []string
	tests bool
	why   string
}

// modules is the whole list: what is not here is not used. A part of a module
// stands before the module.
var modules = []module{
	{"github.com/alecthomas/kong", []string{"cmd/*"}, false, "the command line as one struct"},
	{"github.com/alexedwards/argon2id", []string{"access"}, false, "hashes of codes"},
	{"github.com/coder/websocket", []string{"terminal", "terminal/emulator"}, true, "the link between a reader and the hub"},
	{"github.com/danielgtaylor/huma/v2", []string{"front/api", "base/web"}, false, "validation and OpenAPI from one struct"},
	{"github.com/jackc/pgx/v5", []string{"base/db", "base/db/*", "cmd/encaisse"}, false, "PostgreSQL, several statements in a round trip; the bare engine of bench"},
	{"github.com/nicksnyder/go-i18n/v2", []string{"base/i18n"}, false, "messages and plural rules"},
	{"github.com/pressly/goose/v3", []string{"base/db", "base/db/*", "schema"}, false, "migrations"},
	{"github.com/tink-crypto/tink-go/v2", []string{"base/secret"}, false, "envelopes with key rotation"},
	{"golang.org/x/mod", []string{"fiscal"}, false, "Merkle log and signed checkpoints"},
	{"golang.org/x/text/unicode/norm", []string{"merchant", "access", "catalog"}, false, "a name is the same however its accents were typed"},
	{"golang.org/x/text", []string{"base/i18n"}, false, "numbers as each language writes them"},
	{"golang.org/x/time", []string{"base/web", "access"}, false, "rate limits"},
	{"modernc.org/sqlite", []string{"base/db", "base/db/*"}, false, "SQLite without cgo, for migrations"},
	{"zombiezen.com/go/sqlite", []string{"base/db", "base/db/*", "cmd/encaisse"}, false, "SQLite, native interface; the bare engine of bench"},

	{"github.com/anishathalye/porcupine", nil, true, "linearizability, judged over what clients saw"},
	{"github.com/chromedp/chromedp", nil, true, "pages in a real browser"},
	{"github.com/google/go-cmp", nil, true, "differences in tests"},
	{"github.com/rogpeppe/go-internal", nil, true, "testscript: whole days in a shop"},
	{"pgregory.net/rapid", nil, true, "laws, held against random values"},
}

func moduleRules() []rule {
	return []rule{{
		name:  "no module without use",
		why:   "a permission nobody needs is an open door",
		check: unusedModules,
		broken: []plant{
			{map[string]string{"go.mod": "module encaisse\n", "sale/a.go": "package sale\n"}, "nobody imports pgregory.net/rapid"},
		},
		fine: []plant{good("sale/a.go", "package sale\n")},
	}, {
		name:  "third-party modules",
		why:   "each module is a promise to follow it; it enters through one package, which can be rewritten when it goes",
		check: thirdParty,
		broken: []plant{
			bad("sale/a.go", "package sale\nimport _ \"github.com/jackc/pgx/v5\"\n", "sale may not import github.com/jackc/pgx/v5"),
			bad("sale/a.go", "package sale\nimport _ \"example.org/new\"\n", "is not in the list"),
			bad("sale/a.go", "package sale\nimport _ \"pgregory.net/rapid\"\n", "sale may not import pgregory.net/rapid"),
			bad("sale/a_test.go", "package sale\nimport _ \"example.org/new\"\n", "is not in the list"),
			bad("sale/a.go", "package sale\nimport _ \"golang.org/x/modern\"\n", "is not in the list"),
		},
		fine: []plant{
			good("base/db/a.go", "package db\nimport _ \"github.com/jackc/pgx/v5/pgxpool\"\n"),
			good("base/db/a_test.go", "package db\nimport _ \"github.com/jackc/pgx/v5\"\n"),
			good("sale/a_test.go", "package sale\nimport _ \"pgregory.net/rapid\"\n"),
			good("sale/a.go", "package sale\nimport (\n_ \"encaisse/base/db\"\n_ \"fmt\"\n)\n"),
			good("tools/bundle/a.go", "package main\nimport _ \"example.org/bundler\"\n"),
		},
	}}
}

// listed is the place in the list of the module that a package belongs to, or -1.
func listed(pkg string) int {
	return slices.IndexFunc(modules, func(m module) bool { return within(pkg, m.path) })
}

// unusedModules reads the whole project only, not a planted part of one.
func unusedModules(t *tree) []finding {
	if t.named("go.mod") == nil {
		return nil
	}
	used := map[int]bool{}
	for _, f := range t.code(true) {
		for _, spec := range f.syntax.Imports {
			used[listed(importPath(spec))] = true
		}
	}
	var out []finding
	for i, m := range modules {
		if !used[i] {
			out = append(out, finding{"test/tidy/modules_test.go", 0, "nobody imports " + m.path})
		}
	}
	return out
}

func thirdParty(t *tree) []finding {
	var out []finding
	for _, f := range t.code(true) {
		if within(f.path, "tools") {
			continue // a module of its own
		}
		for _, spec := range f.syntax.Imports {
			p := importPath(spec)
			if !strings.Contains(strings.Split(p, "/")[0], ".") {
				continue
			}
			i := listed(p)
			switch {
			case i < 0:
				out = append(out, t.at(f, spec, "%s is not in the list of modules", p))
			case modules[i].tests && f.tooling():
			case !slices.ContainsFunc(modules[i].in, func(pattern string) bool { return covers(pattern, f.dir()) }):
				out = append(out, t.at(f, spec, "%s may not import %s", f.dir(), p))
			}
		}
	}
	return out
}
