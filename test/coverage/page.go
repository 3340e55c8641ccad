package main

import (
	"fmt"
	"strings"
)

const intro = `# What is proved

Made by ` + "`make coverage`" + ` from a run of all tests; not to be edited by hand.

Encaisse promises %d rows, each something that an outsider can check. A row is **proved** when a test that carries its
id ran, passed, skipped nothing, and went through HTTP, the command line, a socket or a browser. **In part** means that
such a test says itself what it does not show. **At unit level** means that only tests inside a package show it.

`

// page renders the whole document. The same tests give the same bytes.
func page(rows []Row, proof Proof) string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, len(rows))
	summary(&b, rows, proof)
	section(&b, "Proved", proof.of(rows, Proved), proof, []string{"tests"})
	section(&b, "In part", proof.of(rows, Partial), proof, []string{"what is missing", "tests"})
	section(&b, "At unit level", proof.of(rows, Unit), proof, []string{"tests"})
	section(&b, "Failing or skipped", proof.of(rows, Failing), proof, []string{"tests"})
	section(&b, "Open", proof.of(rows, Open), proof, nil)
	return b.String()
}

func summary(b *strings.Builder, rows []Row, proof Proof) {
	b.WriteString("| part | | rows | proved | in part | at unit level | open |\n|---|---|--:|--:|--:|--:|--:|\n")
	var all [Proved + 1]int
	for _, p := range parts {
		var n [Proved + 1]int
		for _, row := range rows {
			if row.Prefix() == p.prefix {
				n[proof[row.ID].State]++
				all[proof[row.ID].State]++
			}
		}
		fmt.Fprintf(b, "| %s | %s | %d | %s |\n", p.prefix, p.name, p.rows, tally(n))
	}
	fmt.Fprintf(b, "| | **all** | **%d** | %s |\n", len(rows), tally(all))
}

// tally prints the four last columns; what fails is open.
func tally(n [Proved + 1]int) string {
	return fmt.Sprintf("%d | %d | %d | %d", n[Proved], n[Partial], n[Unit], n[Open]+n[Failing])
}

func section(b *strings.Builder, title string, rows []Row, proof Proof, columns []string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| row | what |%s\n|---|---|%s\n", title,
		cells(columns), strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		values := make([]string, len(columns))
		for i, column := range columns {
			values[i] = cellOf(column, proof[row.ID])
		}
		fmt.Fprintf(b, "| %s | %s |%s\n", row.ID, escape(row.Title), cells(values))
	}
}

func cellOf(column string, e Evidence) string {
	if column == "tests" {
		return "`" + strings.Join(e.Tests, "`, `") + "`"
	}
	return escape(strings.Join(e.Reasons, "; "))
}

func cells(values []string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(" " + v + " |")
	}
	return b.String()
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
