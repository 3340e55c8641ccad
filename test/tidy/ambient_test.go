package tidy

import (
	"go/ast"
	"slices"
)

// environment is what reads or changes what the process was started with.
var environment = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv", "Args"}

// timely is what reads the machine's clock or waits for it.
var timely = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep", "Local"}

func ambientRules() []rule {
	return []rule{
		{
			name:  "only cmd reads environment and flags",
			why:   "what a package needs stands in its constructor; a setting read below cmd cannot be seen, tested or given twice",
			check: environmentRead,
			broken: []plant{
				bad("sale/a.go", "package sale\nimport \"os\"\nvar x = os.Getenv(\"X\")\n", "os.Getenv"),
				bad("sale/a.go", "package sale\nimport system \"os\"\nvar x = system.Args\n", "os.Args"),
				bad("sale/a.go", "package sale\nimport \"syscall\"\nfunc f() { syscall.Getenv(\"X\") }\n", "syscall.Getenv"),
				bad("sale/a.go", "package sale\nimport _ \"flag\"\n", "flag"),
			},
			fine: []plant{
				good("cmd/encaisse/a.go", "package main\nimport \"os\"\nvar x = os.Getenv(\"X\")\n"),
				good("sale/a_test.go", "package sale\nimport \"os\"\nvar x = os.Getenv(\"X\")\n"),
				good("base/db/dbtest/a.go", "package dbtest\nimport \"os\"\nvar x = os.Getenv(\"X\")\n"),
				good("sale/a.go", "package sale\nimport \"os\"\nvar x, _ = os.Open(\"X\")\n"),
			},
		},
		{
			name:  "time comes from base/clock",
			why:   "tests, the emulators and replay drive the clock; one call to the machine's and a day cannot be lived in a second",
			check: timeRead,
			broken: []plant{
				bad("sale/a.go", "package sale\nimport \"time\"\nvar x = time.Now()\n", "time.Now"),
				bad("sale/a.go", "package sale\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep"),
				bad("sale/a.go", "package sale\nimport \"time\"\nvar now = time.Now\n", "time.Now"),
				bad("cmd/encaisse/a.go", "package main\nimport \"time\"\nvar x = time.Now()\n", "time.Now"),
				bad("sale/a.go", "package sale\nimport \"time\"\nvar x = time.Date(1, 1, 1, 1, 1, 1, 1, time.Local)\n", "time.Local"),
				bad("sale/a.go", "package sale\nimport \"time\"\nfunc f(t time.Time) { t.Local() }\n", "the machine's zone"),
			},
			fine: []plant{
				good("base/clock/a.go", "package clock\nimport \"time\"\nvar x = time.Now()\n"),
				good("sale/a.go", "package sale\nimport \"time\"\nconst x = time.Second\nfunc f(time struct{ Now int }) int { return time.Now }\n"),
				good("sale/a_test.go", "package sale\nimport \"time\"\nvar x = time.Now()\n"),
			},
		},
		{
			name:  "tests do not sleep",
			why:   "a test that waits for a time is slow when it is right and wrong when the machine is busy: wait for what happens",
			check: sleepingTests,
			broken: []plant{
				bad("sale/a_test.go", "package sale\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep"),
				bad("base/db/dbtest/a.go", "package dbtest\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep"),
			},
			fine: []plant{
				good("sale/a_test.go", "package sale\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { synctest.Wait(); time.Sleep(1) }\n"),
			},
		},
	}
}

func environmentRead(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if f.tooling() || within(f.path, "cmd") {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if importPath(spec) == "flag" {
				out = append(out, t.at(f, spec, "imports flag"))
			}
		}
		for _, pkg := range []string{"os", "syscall"} {
			uses(f, pkg, func(sel *ast.SelectorExpr) {
				if slices.Contains(environment, sel.Sel.Name) {
					out = append(out, t.at(f, sel, "uses %s.%s", pkg, sel.Sel.Name))
				}
			})
		}
	}
	return out
}

func timeRead(t *tree) []finding {
	var out []finding
	for _, f := range t.code(false) {
		if f.tooling() || within(f.path, "base/clock") {
			continue
		}
		uses(f, "time", func(sel *ast.SelectorExpr) {
			if slices.Contains(timely, sel.Sel.Name) {
				out = append(out, t.at(f, sel, "uses time.%s", sel.Sel.Name))
			}
		})
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 0 {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Local" {
					out = append(out, t.at(f, sel, "calls Local(): the machine's zone is nobody's business date"))
				}
			}
			return true
		})
	}
	return out
}

func sleepingTests(t *tree) []finding {
	var out []finding
	for _, f := range t.code(true) {
		if !f.tooling() || within(f.path, "tools") || imports(f)["synctest"] != "" {
			continue
		}
		uses(f, "time", func(sel *ast.SelectorExpr) {
			if sel.Sel.Name == "Sleep" {
				out = append(out, t.at(f, sel, "uses time.Sleep"))
			}
		})
	}
	return out
}
