package emulator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"encaisse/base/clock"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
)

// TestSRC043_SleepIsNotLoss: a reader that sleeps says so before it leaves, one
// that loses its network does not; with the setting off it stays (SRC-044).
func TestSRC043_SleepIsNotLoss(t *testing.T) {
	c := clock.NewManual(morning())
	h := newHub(t, c)
	e := h.reader(emulator.Options{SleepAfter: 5 * time.Minute})
	news := func(n terminal.News) func(terminal.Message) bool {
		return func(m terminal.Message) bool { return m.Notice != nil && m.Notice.News == n }
	}
	c.Advance(5 * time.Minute)
	if m := h.until("the word about sleep", news(terminal.NewsSleep)); m.Notice.Health == nil || !m.Notice.Health.Asleep {
		t.Errorf("%+v", m.Notice)
	}
	await(t, e, "it to leave", func() bool { return !e.Connected() })
	shows(t, e, emulator.ShowAsleep)
	e.Press("5")
	await(t, e, "a key to wake it", e.Connected)
	shows(t, e, emulator.ShowReady)

	e.SetOptimised(false)
	e.Sleep()
	await(t, e, "sleep", func() bool { return e.State().Device.Asleep })
	d := h.payment(5_00) // wakes it on its link
	h.perform(d)
	shows(t, e, emulator.ShowInsert)
	e.Press(emulator.KeyCancel)
	h.word(d.Attempt)

	before := h.count(news(terminal.NewsSleep))
	e.SetNetwork(emulator.NetworkNone)
	await(t, e, "the loss of the link", func() bool { return !e.Connected() })
	shows(t, e, emulator.ShowAbandoned)
	c.Advance(5 * time.Second)
	shows(t, e, emulator.ShowOffline)
	if h.count(news(terminal.NewsSleep)) != before || h.count(news(terminal.NewsLeave)) != 0 {
		t.Error("it said goodbye to a network it had lost")
	}
	e.SetNetwork(emulator.NetworkCellular)
	await(t, e, "the link", e.Connected)
	t.Log("coverage: SRC-043 partial: the reader's side; the register tells the two apart")
}

// TestUPM013_Battery: a low battery is told, a flat one switches the reader off
// without a word, and a payment it was at is ended when it comes back.
func TestUPM013_Battery(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	if err := e.SetBattery(5, false); err != nil {
		t.Fatal(err)
	}
	m := h.until("its battery", func(m terminal.Message) bool {
		return m.Notice != nil && m.Notice.Health != nil && m.Notice.Health.Battery == 5
	})
	if m.Notice.News != terminal.NewsHealth {
		t.Errorf("%+v", m.Notice)
	}
	d := h.begin(e, 5_00, emulator.ShowInsert)
	said := h.count(func(m terminal.Message) bool { return true })
	if err := e.SetBattery(0, false); err != nil {
		t.Fatal(err)
	}
	shows(t, e, emulator.ShowOff)
	await(t, e, "silence", func() bool { return !e.Connected() })
	if n := h.count(func(m terminal.Message) bool { return true }); n != said {
		t.Errorf("a flat battery said %d messages", n-said)
	}
	e.SetBattery(30, true)
	if w := h.word(d.Attempt); w.Success || w.Cause != terminal.CauseDevice {
		t.Errorf("%+v", w)
	}
	for _, percent := range []int64{-1, 101} {
		if e.SetBattery(percent, false) == nil {
			t.Errorf("a battery of %d %%", percent)
		}
	}
	t.Log("coverage: UPM-013 partial: the warning of the register is the register's")
}

func TestBusyWithItsMenu(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.SetMenu(true)
	shows(t, e, emulator.ShowBusy)
	if w := h.pay(5_00); w.Cause != terminal.CauseBusy {
		t.Errorf("%+v", w)
	}
	e.Press(emulator.KeyCancel)
	e.Hand(by("cb"))
	if w := h.pay(5_00); !w.Success {
		t.Errorf("%+v", w)
	}
}

// TestSRC011_ThePrintCheckbox: ticked, the slip comes out; unticked, nothing
// does; without paper the payment is none the worse, and its slip waits.
func TestSRC011_ThePrintCheckbox(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	print := func(slip bool) terminal.Conclusion {
		d := h.payment(5_00)
		d.PrintSlip = slip
		h.perform(d)
		return h.word(d.Attempt)
	}
	if c := print(false); c.Printed || len(e.Slips()) != 0 {
		t.Errorf("unticked: %+v", c)
	}
	if c := print(true); !c.Printed || len(e.Slips()) != 1 {
		t.Errorf("ticked: %+v", c)
	}
	if !e.Duplicate() || !strings.Contains(e.Slips()[1].Lines[0], "DUPLICATA") {
		t.Errorf("a duplicate says so: %q", e.Slips()[1].Lines[:2])
	}
	e.SetPaper(true, true)
	if c := print(true); !c.Success || c.Printed || len(e.Slips()) != 2 || e.Duplicate() {
		t.Errorf("the cover open: %+v", c)
	}
	h.until("news of the printer", func(m terminal.Message) bool {
		return m.Notice != nil && m.Notice.Health != nil && m.Notice.Health.Printer == terminal.PrinterFault
	})
	e.SetPaper(true, false)
	if !e.Duplicate() || strings.Contains(e.Slips()[2].Lines[0], "DUPLICATA") {
		t.Error("the slip that waited comes out for the first time")
	}
	h.say(terminal.Message{Service: "P1", Print: &terminal.Page{Lines: []string{"Bonjour", strings.Repeat("long ", 20)}}})
	if m := h.until("printed", func(m terminal.Message) bool { return m.Printed != nil }); !m.Printed.Done || m.Service != "P1" {
		t.Errorf("%+v", m)
	}
	for _, l := range e.Slips()[3].Lines {
		if utf8.RuneCountInString(l) > 24 {
			t.Errorf("%q is wider than the paper", l)
		}
	}
	e.SetPaper(false, false)
	h.say(terminal.Message{Service: "P2", Print: &terminal.Page{Lines: []string{"Bonjour"}}})
	if m := h.until("not printed", func(m terminal.Message) bool { return m.Printed != nil && m.Service == "P2" }); m.Printed.Done || m.Printed.Printer != terminal.PrinterEmpty {
		t.Errorf("%+v", m.Printed)
	}
	h.say(terminal.Message{Service: "D1", Diagnose: &terminal.Diagnosis{}})
	if m := h.until("its health", func(m terminal.Message) bool { return m.Health != nil }); m.Health.Printer != terminal.PrinterEmpty || m.Health.Network != "wifi" || m.Health.Battery != 87 {
		t.Errorf("%+v", m.Health)
	}
	t.Log("coverage: SRC-011 partial: the reader's side; the checkbox is the register's")
}

// TestDRV02_TheSlip reads every line of a slip, at both widths.
func TestDRV02_TheSlip(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	for _, wide := range []bool{false, true} {
		e.SetColumns(wide)
		d := h.payment(1234_50)
		d.PrintSlip = true
		h.perform(d)
		c := h.word(d.Attempt)
		slips := e.Slips()
		lines := slips[len(slips)-1].Lines
		text := strings.Join(lines, "\n")
		for _, want := range []string{
			"CARTE BANCAIRE", "CONTACT", "A0000000421010", "LE 22/11/26 A 10:30:00", "LE FOURNIL DES HALLES", "SIRET 73282932000074",
			"1234567", "00000001", "************0055", "001 " + c.Transaction + " 07 C @", "123456", "1234,50 EUR", "DEBIT", "CODE VERIFIE",
			c.Chip.TVR, c.Chip.TSI, c.Chip.IAD, c.Chip.Cryptogram, "ARC", "TICKET CLIENT", "A CONSERVER",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not on the slip:\n%s", want, text)
			}
		}
		if strings.Contains(text, "497010") || strings.Contains(text, "3512") {
			t.Errorf("the customer's copy shows too much:\n%s", text)
		}
		most := map[bool]int{false: 24, true: 32}[wide]
		if i := slices.IndexFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > most }); i >= 0 {
			t.Errorf("%q is wider than %d", lines[i], most)
		}
	}
	for hand, want := range map[*emulator.Hand]string{
		{Card: "foreign", Gesture: emulator.Swipe}: "S @", {Card: "cb", Gesture: emulator.Tap}: "SANS CONTACT", by("expired"): "ABANDON DEBIT",
	} {
		e.Hand(hand)
		d := h.payment(5_00)
		d.PrintSlip = true
		h.perform(d)
		h.word(d.Attempt)
		slips := e.Slips()
		if text := fmt.Sprint(slips[len(slips)-1].Lines); !strings.Contains(text, want) {
			t.Errorf("%q is not on %s", want, text)
		}
	}
}

// TestGesturesThatCannotBe are refused one by one.
func TestGesturesThatCannotBe(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	for what, err := range map[string]error{
		"a card nobody has":    e.Present("gold", emulator.Insert),
		"thrown":               e.Present("cb", "throw"),
		"a phone in the slot":  e.Present("wallet", emulator.Insert),
		"a key nobody has":     e.Press("#"),
		"a network of pigeons": e.SetNetwork("pigeons"),
		"a scenario":           e.Play("meteorite"),
	} {
		if err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if err := e.Present("cb", emulator.Insert); err != nil {
		t.Fatal(err)
	}
	if e.Present("visa", emulator.Insert) == nil || e.Present("visa", emulator.Swipe) == nil {
		t.Error("two cards at once")
	}
	d := h.payment(5_00) // the card was there before the amount
	h.perform(d)
	shows(t, e, emulator.ShowCode)
	e.Remove()
	if w := h.word(d.Attempt); w.Cause != terminal.CauseCardRemoved {
		t.Errorf("%+v", w)
	}
}
