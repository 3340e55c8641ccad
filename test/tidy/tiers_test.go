package tidy

import (
	"path"
	"slices"
	"strings"
)

// tiers is the order of the house, highest first: a package imports only what
// stands below it in this list. "x/*" is every package below x; those do not
// import each other. A package without an entry belongs to the nearest entry
// above its folder, with which it is one family.
var tiers = []string{
	"test/*",
	"test/stream",
	"cmd/*",

	// The doors.
	"front/*",
	"front/ui",

	// The business.
	"report",
	"shop", "support",
	"settlement",
	"sale", "checkout",
	"payment",
	"acquirer/simulator", "terminal/emulator", // the other end of the protocols below: each speaks its own
	"acquirer/*", "terminal/*",
	"batch", "ledger", "fiscal", "receipt", "acquirer", "terminal", "threeds", "risk", "event",
	"customer", "contract", "catalog",
	"access", "merchant",

	// The tools.
	"base/job", "base/web", "base/mail", "base/print",
	"base/db", "base/secret", "base/i18n", "schema",
	"base/card", "base/emv",
	"base/clock", "base/money", "base/id", "base/problem",
}

// plugged packages are named only where the program is put together.
var plugged = []string{"acquirer/*", "terminal/*"}

// closed lists imports that the order would allow and the design does not.
var closed = []struct{ from, to, why string }{
	{"front/*", "base/db", "a door decodes, makes one call and encodes; it opens no transaction"},
}

// covers tells whether a pattern of the list stands for a package.
func covers(pattern, pkg string) bool {
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		return pkg != parent && within(pkg, parent)
	}
	return pkg == pattern
}

// rank is the place of pkg in the list and the pattern that put it there; -1: nowhere.
func rank(pkg string) (int, string) {
	if i := slices.Index(tiers, pkg); i >= 0 {
		return i, pkg
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		for _, pattern := range []string{dir + "/*", dir} {
			if i := slices.Index(tiers, pattern); i >= 0 {
				return i, pattern
			}
		}
	}
	return -1, ""
}

func tierRules() []rule {
	return []rule{
		{
			name:  "import tiers",
			why:   "a noun can be read, tested and changed without what stands above it; cycles of meaning begin as one import",
			check: importTiers,
			broken: []plant{
				bad("sale/a.go", "package sale\nimport _ \"encaisse/front/api\"\n", "sale may not import front/api"),
				bad("base/money/a.go", "package money\nimport _ \"encaisse/sale\"\n", "base/money may not import sale"),
				bad("ledger/a.go", "package ledger\nimport _ \"encaisse/batch\"\n", "ledger may not import batch"),
				bad("front/api/a.go", "package api\nimport _ \"encaisse/front/hooks\"\n", "front/api may not import front/hooks"),
				bad("gadget/a.go", "package gadget\n", "has no place in the tiers"),
				bad("sale/a.go", "package sale\nimport _ \"encaisse/gadget\"\n", "has no place in the tiers"),
				bad("front/api/a.go", "package api\nimport _ \"encaisse/base/db\"\n", "opens no transaction"),
			},
			fine: []plant{
				good("cmd/encaisse/a.go", "package main\nimport (\n_ \"encaisse/front/api\"\n_ \"encaisse/sale\"\n_ \"encaisse/base/db\"\n)\n"),
				good("sale/a.go", "package sale\nimport (\n_ \"encaisse/checkout\"\n_ \"encaisse/fiscal\"\n_ \"encaisse/base/id\"\n)\n"),
				good("base/db/a.go", "package db\nimport _ \"encaisse/base/db/lite\"\n"),
				good("front/api/a.go", "package api\nimport _ \"encaisse/front/ui\"\n"),
				good("base/money/a_test.go", "package money\nimport _ \"encaisse/sale\"\n"),
			},
		},
		{
			name:  "connectors are named by cmd",
			why:   "wiring is one visible page: a noun that names a provider or a protocol can never be used with another",
			check: pluggedByCmd,
			broken: []plant{
				bad("front/api/a.go", "package api\nimport _ \"encaisse/acquirer/iso8583\"\n", "only cmd names acquirer/iso8583"),
				bad("payment/a.go", "package payment\nimport _ \"encaisse/terminal/nexo\"\n", "only cmd names terminal/nexo"),
			},
			fine: []plant{
				good("cmd/encaisse/a.go", "package main\nimport _ \"encaisse/acquirer/iso8583\"\n"),
				good("payment/a.go", "package payment\nimport _ \"encaisse/acquirer\"\n"),
				good("payment/a_test.go", "package payment\nimport _ \"encaisse/acquirer/simulator\"\n"),
			},
		},
		{
			name:  "test kits stay in tests",
			why:   "what starts clusters and plants faults has no business in the program",
			check: kitsInTests,
			broken: []plant{
				bad("sale/a.go", "package sale\nimport _ \"encaisse/base/db/dbtest\"\n", "is for tests"),
				bad("cmd/encaisse/a.go", "package main\nimport _ \"encaisse/acquirer/acquirertest\"\n", "is for tests"),
				bad("sale/a.go", "package sale\nimport _ \"testing\"\n", "is for tests"),
			},
			fine: []plant{
				good("sale/a_test.go", "package sale\nimport _ \"encaisse/base/db/dbtest\"\n"),
				good("test/runner/a.go", "package main\nimport _ \"encaisse/base/db/dbtest\"\n"),
				good("base/db/dbtest/a.go", "package dbtest\nimport _ \"testing\"\n"),
			},
		},
	}
}

// ours calls found for every import of a package of this module from code of the product.
func ours(t *tree, found func(f *file, from, to string, place finding)) {
	for _, f := range t.code(false) {
		for _, spec := range f.syntax.Imports {
			if to, ok := strings.CutPrefix(importPath(spec), modulePath+"/"); ok {
				found(f, f.dir(), to, t.at(f, spec, ""))
			}
		}
	}
}

func importTiers(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if i, _ := rank(f.dir()); i < 0 && !within(f.path, "tools") {
			out = append(out, t.at(f, f.syntax, "package %s has no place in the tiers", f.dir()))
		}
	}
	ours(t, func(_ *file, from, to string, place finding) {
		high, family := rank(from)
		low, other := rank(to)
		switch {
		case high < 0:
			return // said above
		case low < 0:
			place.what = "package " + to + " has no place in the tiers"
		case low < high, low == high && (family != other || strings.HasSuffix(family, "/*")):
			place.what = from + " may not import " + to + ", which does not stand below it"
		default:
			if place.what = closedBy(from, to); place.what == "" {
				return
			}
		}
		out = append(out, place)
	})
	return out
}

func closedBy(from, to string) string {
	for _, c := range closed {
		if covers(c.from, from) && within(to, c.to) {
			return from + " may not import " + to + ": " + c.why
		}
	}
	return ""
}

func pluggedByCmd(t *tree) []finding {
	var out []finding
	ours(t, func(f *file, from, to string, place finding) {
		for _, pattern := range plugged {
			if covers(pattern, to) && !testKit(to) && !f.tooling() && !within(from, "cmd") && !covers(pattern, from) {
				place.what = "only cmd names " + to
				out = append(out, place)
			}
		}
	})
	return out
}

func kitsInTests(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if f.tooling() {
			continue
		}
		for _, spec := range f.syntax.Imports {
			p := importPath(spec)
			if p == "testing" || strings.HasPrefix(p, "testing/") || within(p, modulePath) && testKit(p) {
				out = append(out, t.at(f, spec, "%s is for tests", p))
			}
		}
	}
	return out
}
