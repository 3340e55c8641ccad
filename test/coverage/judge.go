package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"encaisse/test/stream"
)

// doors are the packages whose tests go through HTTP, the command line, a
// socket or a browser; "/" at the end takes in what is below.
var doors = []string{
	"encaisse/test/script",
	"encaisse/test/browser",
	"encaisse/test/sim",
	"encaisse/front/",
	"encaisse/cmd/",
}

func throughDoor(pkg string) bool {
	return slices.ContainsFunc(doors, func(door string) bool {
		if strings.HasSuffix(door, "/") {
			return strings.HasPrefix(pkg, door)
		}
		return pkg == door || strings.HasPrefix(pkg, door+"/")
	})
}

// State is how far a row is shown.
type State int

// From nothing to everything.
const (
	Open    State = iota // no test carries its id
	Failing              // one does and did not pass, or skipped something
	Unit                 // shown, but not from outside
	Partial              // shown from outside, in part
	Proved
)

// Evidence is what the tests say about one row.
type Evidence struct {
	State   State
	Tests   []string // package and name, sorted
	Reasons []string // why only in part, sorted
}

// Proof is the evidence by row id.
type Proof map[string]Evidence

// of lists the rows in a state, in their own order.
func (p Proof) of(rows []Row, state State) []Row {
	var found []Row
	for _, row := range rows {
		if p[row.ID].State == state {
			found = append(found, row)
		}
	}
	return found
}

// claim is one test that carries a row's id.
type claim struct {
	test    *stream.Test
	good    bool // it and all below it passed, nothing skipped
	reasons []string
}

// judge weighs what every test says. It fails on a name or a log line that
// speaks of a row that does not exist.
func judge(rows []Row, result *stream.Run) (Proof, error) {
	known := map[string]bool{}
	for _, row := range rows {
		known[row.ID] = true
	}
	claims := map[string][]claim{}
	for _, p := range result.Packages {
		for _, t := range p.Tests {
			ids, reasons, err := claimed(t, known)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", t.Package, t.Name, err)
			}
			for _, id := range ids {
				claims[id] = append(claims[id], claim{t, clean(p, t), reasons[id]})
			}
		}
	}
	proof := Proof{}
	for id, list := range claims {
		proof[id] = weigh(list)
	}
	return proof, nil
}

// clean tells whether t passed and nothing below it failed or skipped.
func clean(p *stream.Package, t *stream.Test) bool {
	return !slices.ContainsFunc(p.Tests, func(other *stream.Test) bool {
		below := other == t || strings.HasPrefix(other.Name, t.Name+"/")
		return below && other.Outcome != stream.Passed
	})
}

func weigh(list []claim) Evidence {
	var e Evidence
	door := slices.ContainsFunc(list, func(c claim) bool { return throughDoor(c.test.Package) })
	for _, c := range list {
		if !c.good {
			e.State = Failing
		}
		if door && !throughDoor(c.test.Package) {
			continue // the stronger tests speak for the row
		}
		e.Tests = append(e.Tests, strings.TrimPrefix(c.test.Package, "encaisse/")+" "+c.test.Name)
		e.Reasons = append(e.Reasons, c.reasons...)
	}
	slices.Sort(e.Tests)
	slices.Sort(e.Reasons)
	e.Reasons = slices.Compact(e.Reasons)
	switch {
	case e.State == Failing:
	case !door:
		e.State = Unit
	case len(e.Reasons) > 0:
		e.State = Partial
	default:
		e.State = Proved
	}
	return e
}

var (
	dashed = regexp.MustCompile(`([A-Z]{3})-([0-9])`)
	words  = regexp.MustCompile(`[A-Za-z0-9]+`)
	rowID  = regexp.MustCompile(`^(?:Test|Fuzz)?([A-Z]{3})([0-9]{1,4})$`)
)

// claimed finds the rows that t speaks for: those in its own name, a subtest's
// last part, since its parents speak for themselves; and those of its parents
// that it says to show only in part.
func claimed(t *stream.Test, known map[string]bool) (ids []string, reasons map[string][]string, err error) {
	all, err := idsIn(t.Name, known)
	if err != nil {
		return nil, nil, err
	}
	if reasons, err = partials(t, all); err != nil {
		return nil, nil, err
	}
	ids, err = idsIn(t.Name[strings.LastIndexByte(t.Name, '/')+1:], known)
	for _, id := range all {
		if len(reasons[id]) > 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, reasons, err
}

// idsIn finds the row ids in a test's name.
func idsIn(name string, known map[string]bool) ([]string, error) {
	var ids []string
	for _, word := range words.FindAllString(dashed.ReplaceAllString(name, "$1$2"), -1) {
		found := rowID.FindStringSubmatch(word)
		if found == nil || !slices.ContainsFunc(parts, func(p part) bool { return p.prefix == found[1] }) {
			continue
		}
		id := found[1] + "-" + found[2]
		if !known[id] {
			return nil, fmt.Errorf("there is no row %s", id)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

var partialLine = regexp.MustCompile(`^coverage: ([A-Z]{3}-[0-9]+) partial: (.+)$`)

// partials reads what t logged about rows it shows only in part; carried are those it may speak of.
func partials(t *stream.Test, carried []string) (map[string][]string, error) {
	reasons := map[string][]string{}
	for _, line := range t.Output {
		found := partialLine.FindStringSubmatch(stream.Text(line))
		if found == nil {
			continue
		}
		if !slices.Contains(carried, found[1]) {
			return nil, fmt.Errorf("it speaks of %s, which its name does not carry", found[1])
		}
		reasons[found[1]] = append(reasons[found[1]], found[2])
	}
	return reasons, nil
}
