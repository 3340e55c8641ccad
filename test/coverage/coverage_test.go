package main

import (
	"strings"
	"testing"

	"encaisse/test/stream"
)

const script, unit = "encaisse/test/script", "encaisse/sale"

// ended is a test with its outcome and what it logged.
func ended(pkg, name, outcome string, logged ...string) *stream.Test {
	return &stream.Test{Package: pkg, Name: name, Outcome: outcome, Output: logged}
}

func runOf(tests ...*stream.Test) *stream.Run {
	r := stream.NewRun()
	byName := map[string]*stream.Package{}
	for _, t := range tests {
		p := byName[t.Package]
		if p == nil {
			p = &stream.Package{Name: t.Package, Outcome: stream.Passed}
			byName[t.Package] = p
			r.Packages = append(r.Packages, p)
		}
		p.Tests = append(p.Tests, t)
	}
	return r
}

func rowsHere(t *testing.T) []Row {
	t.Helper()
	rows, err := parseRows(rowsText)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestRowsAreTheWholePromise(t *testing.T) {
	rows := rowsHere(t)
	if len(rows) != 337 {
		t.Errorf("%d rows, want 337", len(rows))
	}
	for _, row := range rows {
		if n := len([]rune(row.Title)); n > 60 {
			t.Errorf("%s: title of %d characters", row.ID, n)
		}
	}
}

func TestRowsRefuseWhatIsWrong(t *testing.T) {
	for name, text := range map[string]string{
		"a row twice":    rowsText + "UPM-001\tagain\n",
		"a row missing":  strings.TrimPrefix(rowsText, strings.SplitAfter(rowsText, "\n")[0]),
		"no title":       rowsText + "UPM-101\n",
		"a part unknown": rowsText + "ZZZ-001\tnothing\n",
	} {
		if _, err := parseRows(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestJudge(t *testing.T) {
	const partial = "    refund_test.go:12: coverage: UPM-080 partial: no mail yet\n"
	cases := []struct {
		name  string
		tests []*stream.Test
		want  State
	}{
		{"no test", []*stream.Test{ended(script, "TestOther", stream.Passed)}, Open},
		{"from outside", []*stream.Test{ended(script, "TestUPM080_refund", stream.Passed)}, Proved},
		{"a subtest", []*stream.Test{ended(script, "TestDay/upm-080_UPM-080", stream.Passed)}, Proved},
		{"two rows in a name", []*stream.Test{ended(script, "TestUPM079_UPM080_undo", stream.Passed)}, Proved},
		{"a front", []*stream.Test{ended("encaisse/front/api", "TestUPM080", stream.Passed)}, Proved},
		{"inside a package", []*stream.Test{ended(unit, "TestUPM080", stream.Passed)}, Unit},
		{"both", []*stream.Test{ended(unit, "TestUPM080", stream.Passed), ended(script, "TestUPM080", stream.Passed)}, Proved},
		{"failed", []*stream.Test{ended(script, "TestUPM080", stream.Failed)}, Failing},
		{"skipped", []*stream.Test{ended(script, "TestUPM080", stream.Skipped)}, Failing},
		{"skipped below", []*stream.Test{ended(script, "TestUPM080/postgres", stream.Skipped), ended(script, "TestUPM080", stream.Passed)}, Failing},
		{"failed inside", []*stream.Test{ended(unit, "TestUPM080", stream.Failed), ended(script, "TestUPM080", stream.Passed)}, Failing},
		{"in part", []*stream.Test{ended(script, "TestUPM080", stream.Passed, partial)}, Partial},
		{"in part, said below", []*stream.Test{ended(script, "TestUPM080/sqlite", stream.Passed, partial), ended(script, "TestUPM080", stream.Passed)}, Partial},
		{"a name like another's", []*stream.Test{ended(script, "TestUPM080x", stream.Passed)}, Open},
		{"a door's neighbour", []*stream.Test{ended("encaisse/test/scripted", "TestUPM080", stream.Passed)}, Unit},
	}
	for _, c := range cases {
		proof, err := judge(rowsHere(t), runOf(c.tests...))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := proof["UPM-080"].State; got != c.want {
			t.Errorf("%s: state %d, want %d", c.name, got, c.want)
		}
	}
}

func TestJudgeRefusesRowsThatDoNotExist(t *testing.T) {
	for name, test := range map[string]*stream.Test{
		"in a name":           ended(script, "TestUPM999", stream.Passed),
		"written short":       ended(script, "TestDRV4", stream.Passed),
		"logged by a passer":  ended(script, "TestUPM079", stream.Passed, "coverage: UPM-080 partial: no mail yet"),
		"logged by a no-name": ended(script, "TestDay", stream.Passed, "coverage: UPM-080 partial: no mail yet"),
	} {
		if _, err := judge(rowsHere(t), runOf(test)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPage(t *testing.T) {
	result := runOf(
		ended(script, "TestUPM080_refund", stream.Passed, "coverage: UPM-080 partial: no mail | yet"),
		ended(script, "TestDRV04_vat", stream.Passed),
		ended(unit, "TestFIS008_signature", stream.Passed),
	)
	rows := rowsHere(t)
	proof, err := judge(rows, result)
	if err != nil {
		t.Fatal(err)
	}
	got := page(rows, proof)
	for _, want := range []string{
		"| DRV | Derived rules | 13 | 1 | 0 | 0 | 12 |\n",
		"| | **all** | **337** | 1 | 1 | 1 | 334 |\n",
		"| DRV-04 | VAT rounded once per rate, discount spread | `test/script TestDRV04_vat` |\n",
		"| UPM-080 | Refund after the card batch has closed | no mail \\| yet | `test/script TestUPM080_refund` |\n",
		"| FIS-008 | Electronic signature of what is recorded | `sale TestFIS008_signature` |\n",
		"| UPM-001 | Card payments on a phone or tablet with a reader |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, "## Failing") {
		t.Error("a section without rows is printed")
	}
	if again := page(rows, proof); again != got {
		t.Error("the same tests give another page")
	}
}
