package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// Row is one thing that Encaisse promises and an outsider can check.
type Row struct {
	ID    string // UPM-080
	Title string
}

// Prefix is the part the row belongs to.
func (r Row) Prefix() string { return r.ID[:3] }

//go:embed rows.txt
var rowsText string

// part is a prefix, its name and how many rows it has.
type part struct {
	prefix string
	name   string
	rows   int
}

// parts is the list that rows.txt is held against.
var parts = []part{
	{"UPM", "Mobile acceptance: payments, slips, people, refunds", 100},
	{"STM", "Mobile terminal", 6},
	{"MAG", "Shop register", 20},
	{"FIS", "Fiscal law", 14},
	{"ETX", "Payment gateway", 39},
	{"PLB", "Bank wallet", 7},
	{"PEC", "Online shop", 15},
	{"SRC", "Integrated terminal", 44},
	{"CCV", "Terminals and their portal", 27},
	{"CTP", "Acquirer session", 5},
	{"CSH", "Shop payment methods", 1},
	{"PPG", "Turnkey payment page", 7},
	{"SPP", "Modular payment page", 3},
	{"IZE", "Shop sites", 2},
	{"VAD", "Card typed by the merchant", 2},
	{"JPL", "Payment links", 4},
	{"CEC", "Advisor console", 18},
	{"SUP", "Support calendars", 10},
	{"DRV", "Derived rules", 13},
}

var rowLine = regexp.MustCompile(`^([A-Z]{3}-[0-9]{2,3})\t(\S.*)$`)

// parseRows reads one row a line, id, tab, title, and holds the list against parts.
func parseRows(text string) ([]Row, error) {
	var rows []Row
	seen, counts := map[string]bool{}, map[string]int{}
	for line := range strings.Lines(text) {
		found := rowLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if found == nil {
			return nil, fmt.Errorf("rows.txt: not a row: %q", line)
		}
		row := Row{found[1], found[2]}
		if seen[row.ID] {
			return nil, fmt.Errorf("rows.txt: %s stands twice", row.ID)
		}
		seen[row.ID] = true
		counts[row.Prefix()]++
		rows = append(rows, row)
	}
	for _, p := range parts {
		if counts[p.prefix] != p.rows {
			return nil, fmt.Errorf("rows.txt: %d rows of %s, want %d", counts[p.prefix], p.prefix, p.rows)
		}
		delete(counts, p.prefix)
	}
	for prefix := range counts {
		return nil, fmt.Errorf("rows.txt: unknown part %s", prefix)
	}
	return rows, nil
}
