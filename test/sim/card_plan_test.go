package sim_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/terminal/emulator"
)

// act is what happens to a house at a step.
type act string

// Acts. Those of the till come from a cashier who did not wait.
const (
	actKill     act = "kill"       // the process dies; another one takes over
	actCut      act = "cut links"  // of all readers of the house
	actHostCut  act = "cut host"   // the connection to the host
	actStall    act = "stall"      // the process stands still for longer than any lease
	actBatch    act = "batch ends" // the reader's open batch is closed
	actResolve  act = "resolver"   // looks for what is due at this very moment
	actRegister act = "till ends"  // a Z; the next session opens later
	actCancel   act = "cancel"
	actAbandon  act = "abandon"
	actEnquire  act = "enquire"
	actRepeat   act = "repeat" // the same request for the same tender once more
	actRival    act = "rival"  // another tender for the same due
	actManual   act = "manual" // a status said by hand
)

func processActs() []act { return []act{actKill, actCut, actHostCut, actStall, actBatch, actResolve} }

func tillActs() []act {
	return []act{actRegister, actCancel, actAbandon, actEnquire, actRepeat, actRival, actManual}
}

// cell is a cell of the table: a fault, and where it strikes.
type cell struct{ group, fault, place string }

// Groups of the table.
const (
	groupReader = "reader"   // action × point of the emulated reader
	groupHouse  = "house"    // act × step
	groupHost   = "host"     // behaviour × type of message
	groupHand   = "customer" // what a person does
	groupDevice = "device"   // what is wrong with the reader
)

// The types of message a host is asked, and how they begin.
var hostMessages = [...]struct{ name, mti string }{
	{"authorisation", "01"}, {"reversal", "04"}, {"line", "02"}, {"totals", "05"}, {"sign-on", "08"},
}

// hostDelay is what a host's answer is late by: more than the connector waits.
const hostDelay = 40 * time.Second

// behaviours are what a host does to a message, those of totals beside.
func behaviours(message string) []simulator.Behaviour {
	all := []simulator.Behaviour{
		simulator.DoAnswer, simulator.DoLost, simulator.DoSilent, simulator.DoTwice, simulator.DoCloseBefore, simulator.DoCloseAfter,
		simulator.DoGarbage, simulator.DoTruncated, simulator.DoCut, simulator.DoOversized, simulator.DoSlow,
	}
	if message == "totals" {
		all = append(all, simulator.DoRefuseBatch, simulator.DoOffBalance)
	}
	return all
}

// customer is a hand with a name.
type customer struct {
	name string
	hand emulator.Hand
	high bool // wants an amount above the contactless limit
}

// wrongPIN is no card's code.
const wrongPIN = "0000"

func customers() []customer {
	cb := emulator.Hand{Card: "cb"}
	after := func(pull emulator.Point) emulator.Hand { return emulator.Hand{Card: "cb", Pull: pull} }
	slow := func(at time.Duration, overrun bool) emulator.Hand {
		return emulator.Hand{Card: "cb", AnswerAt: at, Overrun: overrun}
	}
	return []customer{
		{"pays", cb, false},
		{"taps", emulator.Hand{Card: "cb", Gesture: emulator.Tap}, false},
		{"taps above the limit", emulator.Hand{Card: "visa", Gesture: emulator.Tap}, true},
		{"phone", emulator.Hand{Card: "wallet", Gesture: emulator.Tap}, false},
		{"stripe", emulator.Hand{Card: "foreign", Gesture: emulator.Swipe}, false},
		{"signs", emulator.Hand{Card: "signature"}, false},
		{"signature refused", emulator.Hand{Card: "signature", Unsigned: true}, false},
		{"chooses", emulator.Hand{Card: "cb", Application: card.Visa}, false},
		{"broken chip", emulator.Hand{Card: "broken"}, false},
		{"refused", emulator.Hand{Card: "refused"}, false},
		{"no funds", emulator.Hand{Card: "no-funds"}, false},
		{"stolen", emulator.Hand{Card: "stolen"}, false},
		{"expired", emulator.Hand{Card: "expired"}, false},
		{"referral", emulator.Hand{Card: "referral"}, false},
		{"scheme not taken", emulator.Hand{Card: "amex"}, false},
		{"told to insert", emulator.Hand{Card: "insert", Gesture: emulator.Tap}, false},
		{"chip says no", emulator.Hand{Card: "refuses"}, false},
		{"wrong code", emulator.Hand{Card: "mastercard", Codes: []string{wrongPIN}}, false},
		{"wrong codes", emulator.Hand{Card: "maestro", Codes: []string{wrongPIN, wrongPIN, wrongPIN}}, false},
		{"pulls before", after(emulator.PointCode), false},
		{"pulls while asked", after(emulator.PointSent), false},
		{"pulls after", after(emulator.PointAnswered), false},
		{"nobody", emulator.Hand{}, false},
		{"red key", emulator.Hand{Card: "cb", Cancel: true}, false},
		{"answer at 59 s", slow(59*time.Second, false), false},
		{"answer at 61 s", slow(61*time.Second, false), false},
		{"answer at 65 s", slow(65*time.Second, true), false},
	}
}

// troubles are what may be wrong with a reader, and how it is put right.
var troubles = [...]struct {
	name        string
	begin, mend func(e *emulator.Emulator)
}{
	{"menu", func(e *emulator.Emulator) { e.SetMenu(true) }, func(e *emulator.Emulator) { e.SetMenu(false) }},
	{"asleep", (*emulator.Emulator).Sleep, (*emulator.Emulator).Wake},
	{"flat", func(e *emulator.Emulator) { _ = e.SetBattery(0, false) }, func(e *emulator.Emulator) { _ = e.SetBattery(100, true) }},
	{"no paper", func(e *emulator.Emulator) { e.SetPaper(false, false) }, func(e *emulator.Emulator) { e.SetPaper(true, false) }},
	{"no network", func(e *emulator.Emulator) { _ = e.SetNetwork(emulator.NetworkNone) }, func(e *emulator.Emulator) { _ = e.SetNetwork(emulator.NetworkWiFi) }},
}

// visitCells are the faults that may meet a customer's visit, batchCells those
// that may meet a batch. Both in an order that has nothing to do with anything.
var visitCells, batchCells = sync.OnceValue(func() []cell {
	var all []cell
	for _, p := range emulator.Points() {
		for _, a := range emulator.Actions() {
			all = append(all, cell{groupReader, string(a), string(p)})
		}
	}
	for _, s := range steps() {
		if s == beforeBatch || s == afterBatch {
			continue
		}
		for _, a := range slices.Concat(processActs(), tillActs()) {
			all = append(all, cell{groupHouse, string(a), string(s)})
		}
	}
	for _, m := range []string{"authorisation", "reversal", "sign-on"} {
		for _, b := range behaviours(m) {
			all = append(all, cell{groupHost, string(b), m})
		}
	}
	for _, c := range customers() {
		all = append(all, cell{groupHand, c.name, "payment"}, cell{groupHand, c.name, "reversal"})
	}
	for _, t := range troubles {
		all = append(all, cell{groupDevice, t.name, "payment"}, cell{groupDevice, t.name, "reversal"})
	}
	shuffleCells(all)
	return all
}), sync.OnceValue(func() []cell {
	var all []cell
	for _, s := range []step{beforeBatch, afterBatch} {
		for _, a := range processActs() {
			all = append(all, cell{groupHouse, string(a), string(s)})
		}
	}
	for _, m := range []string{"line", "totals"} {
		for _, b := range behaviours(m) {
			all = append(all, cell{groupHost, string(b), m})
		}
	}
	shuffleCells(all)
	return all
})

func shuffleCells(all []cell) {
	random := rand.New(rand.NewPCG(7, 11))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

// table counts how often each fault hit each place.
type table struct {
	mu   sync.Mutex
	hits map[cell]int
}

func newTable() *table { return &table{hits: make(map[cell]int)} }

func (t *table) hit(c cell, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hits[c] += n
}

func (t *table) merge(other *table) {
	for c, n := range other.hits {
		t.hit(c, n)
	}
}

// missed are the cells that nothing hit.
func (t *table) missed() (none []cell) {
	for _, c := range slices.Concat(visitCells(), batchCells()) {
		if t.hits[c] == 0 {
			none = append(none, c)
		}
	}
	return none
}

// String is the table, a block a group: faults down, places across.
func (t *table) String() string {
	var out strings.Builder
	for _, group := range []string{groupReader, groupHouse, groupHost, groupHand, groupDevice} {
		var faults, places []string
		places = append(places, placesOf(group)...)
		for _, c := range slices.Concat(visitCells(), batchCells()) {
			if c.group == group && !slices.Contains(faults, c.fault) {
				faults = append(faults, c.fault)
			}
		}
		slices.Sort(faults)
		fmt.Fprintf(&out, "\n%-21s", group)
		for _, p := range places {
			fmt.Fprintf(&out, " %*s", max(len(p), 6), p)
		}
		out.WriteByte('\n')
		for _, f := range faults {
			fmt.Fprintf(&out, "%-21s", f)
			for _, p := range places {
				c := cell{group, f, p}
				text := "·" // nothing that could be
				if n := t.hits[c]; n > 0 || slices.Contains(visitCells(), c) || slices.Contains(batchCells(), c) {
					text = fmt.Sprint(n)
				}
				fmt.Fprintf(&out, " %*s", max(len(p), 6), text)
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func placesOf(group string) (places []string) {
	switch group {
	case groupReader:
		for _, p := range emulator.Points() {
			places = append(places, string(p))
		}
	case groupHouse:
		for _, s := range steps() {
			places = append(places, string(s))
		}
	case groupHost:
		for _, m := range hostMessages {
			places = append(places, m.name)
		}
	default:
		places = []string{"payment", "reversal"}
	}
	return places
}
