package emulator

import (
	"slices"
	"time"

	"encaisse/terminal"
)

const (
	maxSlips      = 50  // that the roll remembers
	maxPageLines  = 500 // of one page
	paperFull     = 600 // lines on a new roll
	paperLow      = 60  // from which on it is low
	narrowColumns = 24
	wideColumns   = 32
)

// roll is the printer and the drawer beneath it (T07). Its owner locks.
type roll struct {
	columns   int // 24 or 32
	paper     int // lines that are left
	coverOpen bool
	drawer    bool // open
	slips     []Slip
	kept      []kept // what could not be printed, for a duplicate
}

// kept is a page that waits for paper.
type kept struct{ lines []string }

// Slip is one page that came out.
type Slip struct {
	At    time.Time `json:"at"`
	Lines []string  `json:"lines"`
}

func newRoll() roll { return roll{columns: narrowColumns, paper: paperFull} }

func (r *roll) state() terminal.Printer {
	switch {
	case r.coverOpen:
		return terminal.PrinterFault
	case r.paper <= 0:
		return terminal.PrinterEmpty
	case r.paper <= paperLow:
		return terminal.PrinterLow
	}
	return terminal.PrinterOK
}

// ready tells whether a page would come out.
func (r *roll) ready() bool { return !r.coverOpen && r.paper > 0 }

// out prints a page whole, or not at all.
func (r *roll) out(lines []string, now time.Time) bool {
	if !r.ready() {
		return false
	}
	lines = lines[:min(len(lines), maxPageLines)]
	r.paper = max(0, r.paper-len(lines))
	r.slips = append(r.slips, Slip{At: now, Lines: slices.Clone(lines)})
	if len(r.slips) > maxSlips {
		r.slips = slices.Delete(r.slips, 0, len(r.slips)-maxSlips)
	}
	return true
}

// print puts text of the hub or of a till on the roll.
func (e *Emulator) print(lines []string) terminal.Printed {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.notify()
	var folded []string
	for _, l := range lines {
		folded = append(folded, fold(l, e.roll.columns)...)
	}
	if e.roll.out(folded, e.clock.Now()) {
		return terminal.Printed{Done: true, Printer: e.roll.state()}
	}
	return terminal.Printed{Printer: e.roll.state()}
}

// Slips are the last pages that came out, oldest first.
func (e *Emulator) Slips() []Slip {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.roll.slips)
}

// SetPaper loads or takes away paper, opens or closes the cover.
func (e *Emulator) SetPaper(loaded, coverOpen bool) {
	e.mu.Lock()
	before := e.roll.state()
	switch {
	case !loaded:
		e.roll.paper = 0
	case e.roll.paper <= paperLow:
		e.roll.paper = paperFull
	}
	e.roll.coverOpen = coverOpen
	after := e.roll.state()
	e.notify()
	e.mu.Unlock()
	if before != after {
		e.tellNews(terminal.NewsHealth)
	}
}

// SetColumns chooses the width of the paper: 24 or 32 characters.
func (e *Emulator) SetColumns(wide bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roll.columns = narrowColumns
	if wide {
		e.roll.columns = wideColumns
	}
	e.notify()
}

// SetDrawer opens or shuts the drawer.
func (e *Emulator) SetDrawer(open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roll.drawer = open
	e.notify()
}

// Duplicate prints the last slip again, marked as a duplicate; one that found no
// paper comes out now for the first time. It tells whether there was one and it
// came out.
func (e *Emulator) Duplicate() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.notify()
	if len(e.roll.kept) > 0 {
		if !e.roll.out(e.roll.kept[0].lines, e.clock.Now()) {
			return false
		}
		e.roll.kept = e.roll.kept[1:]
		return true
	}
	if len(e.lastSlip) == 0 {
		return false
	}
	w := e.roll.columns
	return e.roll.out(append([]string{centre("DUPLICATA", w)}, e.lastSlip...), e.clock.Now())
}

// canSign tells whether a slip to be signed would come out.
func (d *dialogue) canSign() bool {
	d.reader.mu.Lock()
	defer d.reader.mu.Unlock()
	return d.reader.roll.ready()
}

// signatureSlip is the merchant's copy, to be signed.
func (d *dialogue) signatureSlip() {
	c := d.conclusion(nil)
	e := d.reader
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roll.out(slip{with: d.with, kind: d.task.Kind, c: c, columns: e.roll.columns, merchant: true, sign: true, asked: true}.lines(), e.clock.Now())
	e.notify()
}

// printSlips prints the customer's copy where it was asked for. Paper that is
// out loses nothing: the slip waits for it. It tells whether the slip came out.
func (e *Emulator) printSlips(d *dialogue, c *terminal.Conclusion) bool {
	if c.Card == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := slip{with: d.with, kind: d.task.Kind, c: *c, columns: e.roll.columns, asked: d.exchanges > 0}.lines()
	e.lastSlip = lines
	if !d.task.PrintSlip {
		return false
	}
	defer e.notify()
	if e.roll.out(lines, e.clock.Now()) {
		return true
	}
	e.roll.kept = append(e.roll.kept, kept{lines: lines})
	if len(e.roll.kept) > maxSlips {
		e.roll.kept = e.roll.kept[1:]
	}
	return false
}
