package simulator_test

import (
	"fmt"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
)

// batch is the only one of a bank.
func (b *bank) batch() simulator.Batch {
	b.t.Helper()
	all := b.Batches()
	if len(all) != 1 {
		b.t.Fatalf("%d batches", len(all))
	}
	return all[0]
}

// TestUPM079_PresentedIsNotReversedAnyMore: a sale is taken back while its batch
// is open, and no more once it was presented.
func TestUPM079_PresentedIsNotReversedAnyMore(t *testing.T) {
	t.Log("coverage: UPM-079 partial: the acquirer's half; the till's is payment's and batch's")
	b := open(t, simulator.Options{})
	l := b.dial()
	first, second := pay(1, "visa", 1000), pay(2, "visa", 2000)
	l.ask(first.Message)
	answer := l.ask(second.Message)
	if got := l.code(first.reversal(50).Message); got != "00" {
		t.Errorf("before the batch: %s", got)
	}
	if got := l.code(second.detail(7, answer).Message); got != "00" {
		t.Fatalf("line: %s", got)
	}
	if got := l.code(second.reversal(51).Message); got != "21" {
		t.Errorf("presented: %s", got)
	}
	if got := l.ask(totals(90, 7, 1, 2000, 0, 0).Message); got.Get(39) != "00" || got.Get(66) != "1" || got.MTI != "0510" {
		t.Fatalf("totals: %s", got.Get(39))
	}
	if got := l.code(second.reversal(51).repeated().Message); got != "21" {
		t.Errorf("acknowledged: %s", got)
	}
	if a := b.account("visa"); a.Used.Held != 0 || a.Balance != 10_000_000_00-2000 {
		t.Errorf("%+v", a)
	}
	if a := b.approval(second)[0]; a.State != simulator.Cleared || a.Batch != "7" || a.EndedAt == nil {
		t.Errorf("%+v", a)
	}
}

// TestUPM080_Refund: a credit pays back what was cleared.
func TestUPM080_Refund(t *testing.T) {
	t.Log("coverage: UPM-080 partial: the acquirer's half; the bound by the original is payment's")
	b := open(t, simulator.Options{})
	l := b.dial()
	sale := pay(1, "cb", 3000)
	sold := l.ask(sale.Message)
	l.ask(sale.detail(1, sold).Message)
	l.ask(totals(90, 1, 1, 3000, 0, 0).Message)
	credit := pay(2, "cb", 1200).refund()
	given := l.ask(credit.Message)
	if a := b.account("cb"); given.Get(39) != "00" || a.Used.Owed != 1200 || a.Balance != 10_000_000_00-3000 {
		t.Fatalf("%s %+v", given.Get(39), a)
	}
	back := pay(3, "cb", 500).refund()
	l.ask(back.Message)
	if got := l.code(back.reversal(60).Message); got != "00" || b.account("cb").Used.Owed != 1200 {
		t.Errorf("a credit reversed: %s %+v", got, b.account("cb").Used)
	}
	if got := l.code(credit.detail(2, given).with(3, "000000").Message); got != "12" {
		t.Errorf("a credit presented as a debit: %s", got)
	}
	if got := l.code(credit.detail(2, given).Message); got != "00" {
		t.Errorf("line: %s", got)
	}
	if got := l.code(totals(91, 2, 0, 0, 1, 1200).Message); got != "00" {
		t.Errorf("totals: %s", got)
	}
	if a := b.account("cb"); a.Used.Owed != 0 || a.Balance != 10_000_000_00-3000+1200 {
		t.Errorf("%+v", a)
	}
}

func TestLinesOfABatch(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 1000)
	answer := l.ask(p.Message)
	gone := pay(2, "visa", 500)
	goneAnswer := l.ask(gone.Message)
	l.ask(gone.reversal(50).Message)
	never := pay(3, "visa", 100)
	unnamed := p.detail(1, answer).without(48)
	request := p.detail(1, answer)
	request.MTI = "0200"
	for _, c := range []struct {
		name string
		m    payment
		code string
	}{
		{"never approved", never.detail(1, answer), "25"},
		{"reversed", gone.detail(1, goneAnswer), "12"},
		{"more than was approved", p.detail(1, answer).with(4, "000000001001"), "13"},
		{"nothing", p.detail(1, answer).with(4, "000000000000"), "13"},
		{"another approval code", p.detail(1, answer).with(38, "XXXXXX"), "12"},
		{"of no batch", unnamed, "30"},
		{"as a request", request, "30"},
		{"a line", p.detail(1, answer), "00"},
		{"again", p.detail(1, answer).repeated(), "00"},
		{"again in another message", p.detail(1, answer).with(12, "130001"), "94"}, // the same key says something else
		{"in another batch too", p.detail(2, answer).with(11, "000777"), "94"},
		{"again under a new trace number", p.detail(1, answer).with(11, "000778"), "00"},
	} {
		if got := l.code(c.m.Message); got != c.code {
			t.Errorf("%s: %s, want %s", c.name, got, c.code)
		}
	}
	if one := b.Batches()[0]; one.Debits != (simulator.Total{Count: 1, Minor: 1000}) || one.State != simulator.BatchOpen {
		t.Errorf("%+v", one)
	}
	if b.account("visa").Used.Held != 1000 || b.account("visa").Balance != 10_000_000_00 {
		t.Errorf("a line alone moves money: %+v", b.account("visa"))
	}
}

// TestDRV13_BatchIsAnsweredAlike: totals and lines must agree; a batch that does
// not is sent again under its number, and one that did is acknowledged once.
func TestDRV13_BatchIsAnsweredAlike(t *testing.T) {
	t.Log("coverage: DRV-13 partial: the acquirer's half; the hour is batch's")
	b := open(t, simulator.Options{})
	l := b.dial()
	a, c := pay(1, "visa", 1000), pay(2, "mastercard", 250)
	answered := l.ask(a.Message)
	l.ask(a.detail(5, answered).Message)
	answer := l.ask(totals(90, 5, 2, 1250, 0, 0).Message)
	if answer.Get(39) != "95" || answer.Get(66) != "2" || b.batch().State != simulator.BatchOff {
		t.Fatalf("a line is missing: %s %+v", answer.Get(39), b.batch())
	}
	if b.account("visa").Balance != 10_000_000_00 {
		t.Error("cleared out of balance")
	}
	other := l.ask(c.Message)
	l.ask(c.detail(5, other).Message)
	for name, m := range map[string]payment{
		"counts":          totals(91, 5, 3, 1250, 0, 0),
		"sums":            totals(92, 5, 2, 1251, 0, 0),
		"credits":         totals(93, 5, 2, 1250, 1, 1),
		"net":             totals(94, 5, 2, 1250, 0, 0).with(97, "C0000000000001250"),
		"reversed debits": totals(95, 5, 2, 1250, 0, 0).with(77, "0000000001"),
		"reversed sum":    totals(96, 5, 2, 1250, 0, 0).with(87, "0000000000000001"),
	} {
		if got := l.code(m.Message); got != "95" {
			t.Errorf("%s do not agree: %s", name, got)
		}
	}
	good := totals(97, 5, 2, 1250, 0, 0)
	advice := totals(98, 5, 2, 1250, 0, 0)
	advice.MTI = "0520"
	for name, m := range map[string]payment{"in balance": good, "a repeat": good.repeated(), "once more": totals(99, 5, 2, 1250, 0, 0), "as an advice": advice} {
		if got := l.ask(m.Message); got.Get(39) != "00" || got.Get(66) != "1" || got.MTI != iso8583.AnswerTo(m.MTI) {
			t.Errorf("%s: %s %s", name, got.MTI, got.Get(39))
		}
	}
	if v, m := b.account("visa"), b.account("mastercard"); v.Balance != 10_000_000_00-1000 || m.Balance != 10_000_000_00-250 || v.Used.Held+m.Used.Held != 0 {
		t.Errorf("cleared once: %+v %+v", v, m)
	}
	if got := l.ask(totals(100, 5, 3, 1300, 0, 0).Message); got.Get(39) != "94" || got.Get(66) != "3" {
		t.Errorf("other totals under the number: %s", got.Get(39))
	}
	late := pay(3, "visa", 50)
	lateAnswer := l.ask(late.Message)
	if got := l.code(late.detail(5, lateAnswer).Message); got != "94" {
		t.Errorf("one more line: %s", got)
	}
	if got := l.code(a.detail(5, answered).with(11, "000800").Message); got != "00" {
		t.Errorf("a line it has: %s", got)
	}
}

// TestDRV13_BatchRefused: by the scenario; the same batch passes when it is sent again.
func TestDRV13_BatchRefused(t *testing.T) {
	t.Log("coverage: DRV-13 partial: failure and its retry, as the acquirer sees them")
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 1000)
	answer := l.ask(p.Message)
	l.ask(p.detail(3, answer).Message)
	b.play(simulator.Step{Do: simulator.DoRefuseBatch, Code: "96"}, simulator.Step{Do: simulator.DoOffBalance})
	sent := totals(90, 3, 1, 1000, 0, 0)
	for _, want := range []struct {
		code, settlement string
		state            simulator.BatchState
	}{{"96", "3", simulator.BatchRefused}, {"95", "2", simulator.BatchOff}, {"00", "1", simulator.BatchInBalance}} {
		got := l.ask(sent.Message)
		if got.Get(39) != want.code || got.Get(66) != want.settlement || b.batch().State != want.state {
			t.Errorf("%s %s %s, want %+v", got.Get(39), got.Get(66), b.batch().State, want)
		}
	}
	if b.batch().Totals != 3 || b.account("visa").Balance != 10_000_000_00-1000 {
		t.Errorf("%+v", b.batch())
	}
	if got := l.code(totals(91, 4, 0, 0, 0, 0).Message); got != "00" {
		t.Errorf("a batch of nothing: %s", got)
	}
	if got := l.ask(totals(92, 4, 0, 0, 0, 0).with(50, "840").Message); got.Get(39) != "12" {
		t.Errorf("another currency: %s", got.Get(39))
	}
	for _, number := range []string{"", "0", "x", fmt.Sprintf("%010d", 1)} {
		m := totals(93, 4, 0, 0, 0, 0).with(48, iso8583.Elements{{Type: iso8583.ElementBatch, Value: number}}.String())
		if got := l.code(m.Message); got != "30" && number != "0000000001" {
			t.Errorf("batch %q: %s", number, got)
		}
	}
}
