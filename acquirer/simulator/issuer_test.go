package simulator_test

import (
	"bytes"
	"testing"
	"time"

	"encaisse/acquirer/simulator"
	"encaisse/base/card"
	"encaisse/base/emv"
)

// TestUPM025_IssuerRefuses: every reason has its code, and nothing is reserved.
func TestUPM025_IssuerRefuses(t *testing.T) {
	t.Log("coverage: UPM-025 partial: the issuer's half; what the till shows is payment's")
	b := open(t, simulator.Options{})
	l := b.dial()
	for trace, c := range []struct {
		name string
		m    payment
		code string
	}{
		{"active", pay(0, "visa", 1250), "00"},
		{"unknown number", pay(1, "visa", 1250).with(2, "4242424242424242").without(35), "14"},
		{"expired by its date", pay(2, "expired", 1250), "54"},
		{"another expiry date", pay(3, "visa", 1250).without(35).with(14, "3001"), "54"},
		{"stolen", pay(4, "stolen", 1250), "43"},
		{"lost", pay(5, "lost", 1250), "41"},
		{"no reason given", pay(6, "refused", 1250), "05"},
		{"referral", pay(7, "referral", 1250), "02"},
		{"funds", pay(8, "no-funds", 1), "51"},
		{"refund of a card without money", pay(9, "no-funds", 100).refund(), "00"},
		{"amount", pay(10, "visa", 0), "13"},
		{"no number", pay(11, "visa", 100).without(2, 35), "30"},
		{"two numbers", pay(12, "visa", 100).with(2, deck("cb").Number), "30"},
		{"two expiry dates", pay(13, "visa", 100).with(14, "3001"), "30"},
		{"a chip without a cryptogram", pay(14, "visa", 100).with(22, "051"), "63"},
	} {
		answer := l.ask(c.m.Message)
		if got := answer.Get(39); got != c.code || answer.MTI != "0110" {
			t.Errorf("%s: %s %s, want %s", c.name, answer.MTI, got, c.code)
		}
		if approvals := b.approval(c.m); (len(approvals) == 1) != (c.code == "00") || (answer.Get(38) != "") != (c.code == "00") {
			t.Errorf("%s (%d): %+v", c.name, trace, approvals)
		}
	}
	if u := b.account("visa").Used; u.Held != 1250 || b.account("no-funds").Used.Owed != 100 || b.account("stolen").Used.Held != 0 {
		t.Errorf("%+v", u)
	}
	b.must("PUT", "/accounts/visa", map[string]any{"state": "restricted", "limit_minor": 5000}, nil)
	if got := l.code(pay(20, "visa", 100).Message); got != "62" {
		t.Errorf("restricted: %s", got)
	}
	b.must("PUT", "/accounts/visa", map[string]any{"state": "active"}, nil)
	if got := l.code(pay(21, "visa", 5001).Message); got != "61" {
		t.Errorf("over the limit: %s", got)
	}
	b.clock.Set(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
	if got := l.code(pay(22, "visa", 100).Message); got != "54" {
		t.Errorf("years later: %s", got)
	}
}

// TestSRC028_ARC: the issuer's code reaches the chip, with the proof that it is the issuer's.
func TestSRC028_ARC(t *testing.T) {
	t.Log("coverage: SRC-028 partial: codes made by the issuer; offline ones are the reader's")
	b := open(t, simulator.Options{})
	l := b.dial()
	for i, c := range []struct{ card, code string }{{"cb", "00"}, {"stolen", "43"}, {"no-funds", "51"}} {
		m := pay(i, c.card, 2000).chipped(c.card, "051", 7, offlinePIN)
		answer := l.ask(m.Message)
		list, err := emv.Parse(answer.Bytes(55))
		if err != nil || answer.Get(39) != c.code {
			t.Fatalf("%s: %s %v", c.card, answer.Get(39), err)
		}
		asked, _ := emv.Parse(m.Bytes(55))
		proof := emv.TestIssuerKey().CardKey(deck(c.card).Number, "01").Answer([]byte{0, 7}, emv.Cryptogram(asked.Get(emv.TagCryptogram)), c.code)
		if string(list.Get(emv.TagARC)) != c.code || !bytes.Equal(list.Get(emv.TagIssuerAuth), append(proof[:], c.code...)) {
			t.Errorf("%s: %+v", c.card, list)
		}
		if par := string(list.Get(emv.TagPAR)); par != deck(c.card).PAR {
			t.Errorf("%s: PAR %q", c.card, par)
		}
	}
}

func TestChipMustBeTheIssuers(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	good := pay(1, "cb", 2000).chipped("cb", "051", 10, offlinePIN)
	if got := l.code(good.Message); got != "00" {
		t.Fatalf("a good chip: %s", got)
	}
	changed := func(trace int, atc uint16, change func(*emv.List)) payment {
		p := pay(trace, "cb", 2000).chipped("cb", "051", atc, offlinePIN)
		list, _ := emv.Parse(p.Bytes(55))
		change(&list)
		p.SetBytes(55, list.Bytes())
		return p
	}
	replace := func(tag emv.Tag, value []byte) func(*emv.List) {
		return func(l *emv.List) {
			for i := range *l {
				if (*l)[i].Tag == tag {
					(*l)[i].Value = value
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		m    payment
		code string
	}{
		{"the counter again", pay(2, "cb", 2000).chipped("cb", "051", 10, offlinePIN), "63"},
		{"an older counter", pay(3, "cb", 2000).chipped("cb", "051", 9, offlinePIN), "63"},
		{"another cryptogram", changed(4, 11, replace(emv.TagCryptogram, make([]byte, 8))), "63"},
		{"a short cryptogram", changed(5, 11, replace(emv.TagCryptogram, []byte{1})), "63"},
		{"another amount than the chip's", pay(6, "cb", 100).chipped("cb", "051", 11, offlinePIN).with(4, "000000000200"), "63"},
		{"no counter", changed(7, 11, replace(emv.TagATC, nil)), "63"},
		{"no data at all", pay(8, "cb", 100).chipped("cb", "051", 11, offlinePIN).with(55, "\x84\x07"), "30"},
		{"another card's sequence number", pay(9, "cb", 100).chipped("cb", "051", 11, offlinePIN).with(23, "002"), "63"},
		{"the next counter", pay(10, "cb", 2000).chipped("cb", "051", 11, offlinePIN), "00"},
		{"a leap", pay(11, "cb", 2000).chipped("cb", "051", 500, offlinePIN), "00"},
	} {
		if got := l.code(c.m.Message); got != c.code {
			t.Errorf("%s: %s, want %s", c.name, got, c.code)
		}
	}
	b.must("PUT", "/accounts/cb", map[string]any{"any_atc": true}, nil)
	if got := l.code(pay(20, "cb", 100).chipped("cb", "051", 3, offlinePIN).Message); got != "00" {
		t.Errorf("copies of a test card: %s", got)
	}
}

func TestHoldersCode(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	try := func(trace int, pin string) string {
		return l.code(pay(trace, "visa", 100).chipped("visa", "051", uint16(trace), onlinePIN).code("visa", pin).Message)
	}
	for i, c := range []struct{ pin, code string }{
		{"1234", "00"},
		{"9999", "55"},
		{"12345", "55"},
		{"1234", "00"}, // the right one: counted from the beginning again
		{"0000", "55"},
		{"0000", "55"},
		{"0000", "75"},
		{"1234", "75"},
	} {
		if got := try(i+1, c.pin); got != c.code {
			t.Errorf("try %d: %s, want %s", i, got, c.code)
		}
	}
	if got := l.code(pay(20, "visa", 100).with(52, "\x00\x01\x02\x03\x04\x05\x06\x07").Message); got != "75" {
		t.Errorf("blocked: %s", got)
	}
	b.must("PUT", "/accounts/visa", `{"used": {"pin_tries": 0}}`, nil)
	if got := try(21, "1234"); got != "00" {
		t.Errorf("unblocked: %s", got)
	}
	if got := l.code(pay(22, "visa", 100).with(52, "\x00\x01\x02\x03\x04\x05\x06\x07").Message); got != "55" {
		t.Errorf("no PIN block at all: %s", got)
	}
}

// TestContactlessAsksForTheCard: five in a row, 150 € in all, 50 € at once; then
// the same card inserted pays, and waving begins anew.
func TestContactlessAsksForTheCard(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	trace := 0
	wave := func(name string, minor int64, cvm emv.CVMResult, more ...emv.Object) string {
		trace++
		return l.code(pay(trace, name, minor).chipped(name, "071", uint16(trace), cvm, more...).Message)
	}
	insert := func(name string) string {
		trace++
		return l.code(pay(trace, name, 6000).chipped(name, "051", uint16(trace), offlinePIN).Message)
	}
	if got := wave("cb", 5001, noCVM); got != "1A" {
		t.Errorf("51 €: %s", got)
	}
	for i := range 5 {
		if got := wave("cb", 500, noCVM); got != "00" {
			t.Fatalf("wave %d: %s", i, got)
		}
	}
	if got := wave("cb", 500, noCVM); got != "1A" {
		t.Errorf("the sixth: %s", got)
	}
	if got := insert("cb"); got != "00" {
		t.Errorf("inserted: %s", got)
	}
	for i := range 3 {
		if got := wave("cb", 5000, noCVM); got != "00" {
			t.Fatalf("50 €, %d: %s", i, got)
		}
	}
	if got := wave("cb", 100, noCVM); got != "1A" {
		t.Errorf("over 150 €: %s", got)
	}
	device := emv.Object{Tag: emv.TagCTQ, Value: []byte{0, 0x80}}
	if got := wave("wallet", 30000, noCVM, device); got != "00" {
		t.Errorf("a telephone that knows its holder: %s", got)
	}
	if got := wave("cb", 100, noCVM); got != "1A" {
		t.Errorf("a telephone begins nothing anew: %s", got)
	}
	if got := wave("mastercard", 5001, noCVM); got != "65" {
		t.Errorf("Mastercard: %s", got)
	}
	if got := wave("insert", 100, noCVM); got != "1A" {
		t.Errorf("the card that always asks: %s", got)
	}
	trace++ // « sans contact plus »: the code on the reader
	if got := l.code(pay(trace, "cb", 9000).chipped("cb", "071", uint16(trace), onlinePIN).code("cb", "1234").Message); got != "00" {
		t.Errorf("contactless with the code: %s", got)
	}
	if got := wave("cb", 100, noCVM); got != "00" {
		t.Errorf("begun anew by the code: %s", got)
	}
}

// TestWalletDrawsOnTheCardsAccount: another number, the same money.
func TestWalletDrawsOnTheCardsAccount(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "wallet", 700).chipped("wallet", "071", 1, noCVM, emv.Object{Tag: emv.TagCTQ, Value: []byte{0, 0x80}})
	if got := l.code(p.Message); got != "00" {
		t.Fatal(got)
	}
	if a := b.approval(p)[0]; a.Account != "cb" || a.Scheme != card.CB || b.account("cb").Used.Held != 700 || a.Masked[:6] != "476112" {
		t.Errorf("%+v", a)
	}
}
