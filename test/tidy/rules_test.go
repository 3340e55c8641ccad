package tidy

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// rule is one rule of the house.
type rule struct {
	name   string
	why    string
	check  func(*tree) []finding
	broken []plant // each must be found
	fine   []plant // none may be found
}

// plant is a small project. want is part of what the rule says about it.
type plant struct {
	files map[string]string
	want  string
}

// bad and good plant one file.
func bad(path, text, want string) plant { return plant{map[string]string{path: text}, want} }
func good(path, text string) plant      { return plant{files: map[string]string{path: text}} }

func rules() []rule {
	var all []rule
	all = append(all, tierRules()...)
	all = append(all, moduleRules()...)
	all = append(all, tableRules()...)
	all = append(all, ambientRules()...)
	all = append(all, stateRules()...)
	all = append(all, moneyRules()...)
	all = append(all, codeRules()...)
	all = append(all, nameRules()...)
	all = append(all, textRules()...)
	all = append(all, problemRules()...)
	return append(all, linkRules()...)
}

// TestHouse holds the project against every rule.
func TestHouse(t *testing.T) {
	project, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if project.named("go.mod") == nil || len(project.code(false)) == 0 {
		t.Fatal("this is not the project")
	}
	needed := map[int]bool{}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			broken := 0
			for _, f := range r.check(project) {
				if i := excepted(r.name, f); i >= 0 {
					needed[i] = true
					continue
				}
				broken++
				t.Error(f)
			}
			if broken > 0 {
				t.Log("why:", r.why)
			}
		})
	}
	for i, e := range exceptions {
		if !needed[i] {
			t.Errorf("the exception for %s (%q, rule %q) is not needed any more", e.path, e.what, e.rule)
		}
	}
}

// TestRulesCanFail plants what each rule is against, and what it must leave alone.
func TestRulesCanFail(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.name] || r.why == "" || len(r.broken) == 0 {
			t.Errorf("rule %q: two of the name, no reason, or nothing that breaks it", r.name)
		}
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			for _, p := range r.broken {
				found := r.check(planted(t, p))
				if !mentions(found, p.want) {
					t.Errorf("planted %v: want %q, found %v", p.files, p.want, found)
				}
			}
			for _, p := range r.fine {
				if found := r.check(planted(t, p)); len(found) > 0 {
					t.Errorf("planted %v: nothing is wrong with it, found %v", p.files, found)
				}
			}
		})
	}
	for _, e := range exceptions {
		if !seen[e.rule] || e.why == "" {
			t.Errorf("the exception for %s names no rule or no reason", e.path)
		}
	}
}

func planted(t *testing.T, p plant) *tree {
	t.Helper()
	root := fstest.MapFS{}
	for name, text := range p.files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	project, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func mentions(found []finding, want string) bool {
	for _, f := range found {
		if strings.Contains(f.what, want) {
			return true
		}
	}
	return false
}
