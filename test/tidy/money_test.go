package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// counting is where amounts, quantities or rates are read, computed, kept or shown.
var counting = []string{
	"base/money", "base/db", "schema",
	"merchant", "catalog", "customer", "contract",
	"sale", "checkout", "shop", "payment", "acquirer", "terminal", "batch", "ledger", "fiscal", "settlement", "receipt", "risk",
	"event", "report", "front",
}

// floating are the functions of the standard library whose result is a float.
var floating = map[string][]string{
	"strconv":  {"ParseFloat", "FormatFloat", "AppendFloat"},
	"math/big": {"Float", "NewFloat", "ParseFloat"},
}

func moneyRules() []rule {
	return []rule{{
		name:  "no floating point near money",
		why:   "0.1 + 0.2 is not 0.3: an amount is a whole number of minor units from the request to the bank",
		check: floats,
		broken: []plant{
			bad("sale/a.go", "package sale\nvar total float64 = 1\n", "float64"),
			bad("front/api/a.go", "package api\ntype t struct{ Amount float32 }\n", "float32"),
			bad("base/money/a.go", "package money\nconst rate = 5.5\n", "5.5"),
			bad("catalog/a.go", "package catalog\nimport \"strconv\"\nvar x, _ = strconv.ParseFloat(\"1\", 64)\n", "strconv.ParseFloat"),
			bad("ledger/a.go", "package ledger\nimport \"math\"\nvar x = math.Round(1)\n", "math.Round"),
		},
		fine: []plant{
			good("sale/a.go", "package sale\nimport \"math\"\nconst x = math.MaxInt64\n"),
			good("cmd/encaisse/a.go", "package main\nvar ratio float64 = 1\n"),
			good("sale/a_test.go", "package sale\nvar x = 0.5\n"),
		},
	}}
}

func floats(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if f.tooling() || !slices.ContainsFunc(counting, func(dir string) bool { return within(f.path, dir) }) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == "float64" || n.Name == "float32" {
					out = append(out, t.at(f, n, "uses %s", n.Name))
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					out = append(out, t.at(f, n, "the number %s", n.Value))
				}
			}
			return true
		})
		for pkg, names := range floating {
			uses(f, pkg, func(sel *ast.SelectorExpr) {
				if slices.Contains(names, sel.Sel.Name) {
					out = append(out, t.at(f, sel, "uses %s.%s", pkg, sel.Sel.Name))
				}
			})
		}
		uses(f, "math", func(sel *ast.SelectorExpr) {
			if !strings.HasPrefix(sel.Sel.Name, "MaxInt") && !strings.HasPrefix(sel.Sel.Name, "MinInt") && !strings.HasPrefix(sel.Sel.Name, "MaxUint") {
				out = append(out, t.at(f, sel, "uses math.%s", sel.Sel.Name))
			}
		})
	}
	return out
}
