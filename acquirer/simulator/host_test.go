package simulator_test

import (
	"fmt"
	"strings"
	"testing"

	"encaisse/acquirer/iso8583"
	"encaisse/acquirer/simulator"
)

// TestUPM030_SchemesOfTheContract takes Visa out of the contract and puts it back.
func TestUPM030_SchemesOfTheContract(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	if got := l.code(pay(1, "visa", 1000).Message); got != "00" {
		t.Fatalf("in the contract: %s", got)
	}
	b.must("PUT", "/contracts/"+shop, `{"schemes": {"cb": "", "mastercard": ""}}`, nil)
	answer := l.ask(pay(2, "visa", 1000).Message)
	if answer.Get(39) != "57" || answer.Get(44) != "SCHEME" {
		t.Errorf("out of it: %s %q", answer.Get(39), answer.Get(44))
	}
	// A card with two schemes goes on under the one that is left, unless its chip chose.
	both := pay(3, "cb", 1000)
	if got := l.code(both.Message); got != "00" || b.approval(both)[0].Scheme != "cb" {
		t.Errorf("co-badged: %s", got)
	}
	chose := pay(4, "cb", 1000)
	chose.Set(48, iso8583.Elements{{Type: iso8583.ElementScheme, Value: "visa"}}.String())
	if got := l.code(chose.Message); got != "57" {
		t.Errorf("co-badged, the holder chose Visa: %s", got)
	}
	b.must("PUT", "/contracts/"+shop, `{"schemes": {"cb": "", "mastercard": "", "visa": ""}}`, nil)
	if got := l.code(pay(5, "visa", 1000).Message); got != "00" {
		t.Errorf("back again: %s", got)
	}
}

// TestUPM031_Affiliation: American Express only with the number it gave the merchant.
func TestUPM031_Affiliation(t *testing.T) {
	t.Log("coverage: UPM-031 partial: Ticket Restaurant cards have no scheme here yet")
	b := open(t, simulator.Options{})
	l := b.dial()
	amex := func(trace int, affiliation string) *iso8583.Message {
		p := pay(trace, "amex", 1000)
		if affiliation != "" {
			p.Set(48, iso8583.Elements{{Type: iso8583.ElementAffiliation, Value: affiliation}}.String())
		}
		return l.ask(p.Message)
	}
	if a := amex(1, ""); a.Get(39) != "57" || a.Get(44) != "SCHEME" {
		t.Errorf("not in the contract: %s %q", a.Get(39), a.Get(44))
	}
	b.must("PUT", "/contracts/"+shop, `{"schemes": {"cb": "", "visa": "", "amex": ""}}`, nil)
	if a := amex(2, "9450001234"); a.Get(39) != "57" || a.Get(44) != "AFFILIATION" {
		t.Errorf("without a number: %s %q", a.Get(39), a.Get(44))
	}
	b.must("PUT", "/contracts/"+shop, `{"schemes": {"cb": "", "visa": "", "amex": "9450001234"}}`, nil)
	for trace, affiliation := range map[int]string{3: "", 4: "9450009999"} {
		if a := amex(trace, affiliation); a.Get(39) != "57" || a.Get(44) != "AFFILIATION" {
			t.Errorf("says %q: %s %q", affiliation, a.Get(39), a.Get(44))
		}
	}
	if a := amex(5, "9450001234"); a.Get(39) != "00" {
		t.Errorf("with its number: %s", a.Get(39))
	}
}

func TestContractIsAskedFirst(t *testing.T) {
	b := open(t, simulator.Options{Contracts: []simulator.Contract{{
		Acceptor: shop, Currency: "EUR", Schemes: simulator.DemoContract().Schemes, Terminals: []string{till},
	}}})
	l := b.dial()
	for _, c := range []struct {
		name string
		m    payment
		code string
	}{
		{"known", pay(1, "visa", 100), "00"},
		{"unknown acceptor", pay(2, "stolen", 100).with(42, fmt.Sprintf("%-15s", "1999888")), "03"},
		{"unknown terminal", pay(3, "stolen", 100).with(41, "00000013"), "58"},
		{"another currency", pay(4, "stolen", 100).with(49, "840"), "12"},
		{"no currency at all", pay(5, "stolen", 100).with(49, "000"), "12"},
		{"an amount missing", pay(6, "visa", 100).without(4), "30"},
		{"another process", pay(7, "visa", 100).with(3, "010000"), "30"},
		{"elements that are none", pay(8, "visa", 100).with(48, "XX9"), "30"},
	} {
		if got := l.code(c.m.Message); got != c.code {
			t.Errorf("%s: %s, want %s", c.name, got, c.code)
		}
	}
}

// TestSameMessageSameAnswer is the duplicate rule of terminals §5.4-7.
func TestSameMessageSameAnswer(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	first := pay(1, "visa", 1250)
	answer := l.ask(first.Message)
	for name, again := range map[string]payment{"the same": first, "a repeat": first.repeated()} {
		got := l.ask(again.Message)
		if got.Get(38) != answer.Get(38) || got.Get(37) != answer.Get(37) || got.Get(39) != "00" || got.MTI != "0110" {
			t.Errorf("%s: %s %s", name, got.Get(39), got.Get(38))
		}
	}
	if len(b.approval(first)) != 1 || b.account("visa").Used.Held != 1250 {
		t.Errorf("posted more than once: %+v", b.account("visa").Used)
	}
	other := pay(1, "visa", 9999)
	if got := l.ask(other.Message); got.Get(39) != "94" || got.Get(38) != "" {
		t.Errorf("another amount under the same key: %s", got.Get(39))
	}
	for name, p := range map[string]payment{
		"another trace number": pay(2, "visa", 100), "another time": pay(1, "visa", 100).with(7, "1122120001"),
		"another terminal": pay(1, "visa", 100).with(41, "00000013"), "another acquirer": pay(1, "visa", 100).with(32, "54321"),
	} {
		if got := l.code(p.Message); got != "00" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if b.account("visa").Used.Held != 1250+4*100 {
		t.Errorf("%+v", b.account("visa").Used)
	}
	refused := pay(9, "stolen", 100)
	l.code(refused.Message)
	b.must("PUT", "/accounts/stolen", `{"state": "active"}`, nil)
	if got := l.code(refused.repeated().Message); got != "43" {
		t.Errorf("what was refused stays refused: %s", got)
	}
}

func TestReversal(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 1250)
	answer := l.ask(p.Message)
	for _, c := range []struct {
		name string
		m    payment
		code string
	}{
		{"another amount", p.reversal(50).with(4, "000000009999"), "12"},
		{"another card", p.reversal(51).with(2, deck("cb").Number), "12"},
		{"of something else", p.reversal(52).with(90, strings.Repeat("0", 42)), "30"},
		{"without saying of what", p.reversal(53).without(90), "30"},
	} {
		if got := l.code(c.m.Message); got != c.code {
			t.Errorf("%s: %s, want %s", c.name, got, c.code)
		}
	}
	if b.account("visa").Used.Held != 1250 {
		t.Fatalf("released by a reversal that was refused")
	}
	r := p.reversal(60)
	for _, m := range []payment{r, r.repeated(), p.reversal(61)} {
		got := l.ask(m.Message)
		if got.MTI != "0430" || got.Get(39) != "00" {
			t.Errorf("%s: %s %s", m.MTI, got.MTI, got.Get(39))
		}
	}
	a := b.approval(p)
	if len(a) != 1 || a[0].State != simulator.Reversed || a[0].Reason != "4021" || b.account("visa").Used.Held != 0 {
		t.Errorf("%+v", a)
	}
	if got := l.ask(p.Message); got.Get(39) != "00" || got.Get(38) != answer.Get(38) || b.account("visa").Used.Held != 0 {
		t.Errorf("the original once more is answered, and reserves nothing: %s", got.Get(39))
	}
	request := p.reversal(62) // 0400 is the same, asked before it happened
	request.MTI = "0400"
	if got := l.ask(request.Message); got.MTI != "0410" || got.Get(39) != "00" {
		t.Errorf("%s %s", got.MTI, got.Get(39))
	}
	refused := pay(2, "stolen", 500)
	l.code(refused.Message)
	if got := l.code(refused.reversal(63).Message); got != "00" {
		t.Errorf("of what was refused: %s", got)
	}
}

// TestLateOriginal: it comes after its reversal, is refused, and reserves nothing.
func TestLateOriginal(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 1250)
	for _, m := range []payment{p.reversal(60), p.reversal(60).repeated(), p.reversal(61)} {
		if got := l.code(m.Message); got != "25" {
			t.Errorf("%s of what never came: %s", m.MTI, got)
		}
	}
	for _, m := range []payment{p, p.repeated()} {
		if got := l.code(m.Message); got != "68" {
			t.Errorf("%s after its reversal: %s", m.MTI, got)
		}
	}
	if len(b.Approvals()) != 0 || b.account("visa").Used.Held != 0 {
		t.Errorf("%+v", b.Approvals())
	}
	if got := l.code(pay(2, "visa", 1250).Message); got != "00" {
		t.Errorf("the next one: %s", got)
	}
}

func TestPartialReversal(t *testing.T) {
	b := open(t, simulator.Options{})
	l := b.dial()
	p := pay(1, "visa", 5000)
	answer := l.ask(p.Message)
	lower := func(trace int, remains int64) string {
		return l.code(p.reversal(trace).with(95, fmt.Sprintf("%012d%030d", remains, 0)).Message)
	}
	for i, c := range []struct {
		remains int64
		code    string
	}{{5001, "13"}, {0, "13"}, {3000, "00"}, {4000, "13"}} {
		if got := lower(50+i, c.remains); got != c.code {
			t.Errorf("%d remain: %s, want %s", c.remains, got, c.code)
		}
	}
	if b.account("visa").Used.Held != 3000 || b.approval(p)[0].Amount.Minor != 3000 || b.approval(p)[0].State != simulator.Approved {
		t.Errorf("%+v", b.approval(p))
	}
	if got := l.code(p.detail(1, answer).Message); got != "13" {
		t.Errorf("clearing what was given back: %s", got)
	}
	if got := l.code(p.reversal(60).Message); got != "00" || b.account("visa").Used.Held != 0 {
		t.Errorf("the rest: %s", got)
	}
}

func TestNetworkMessages(t *testing.T) {
	b := open(t, simulator.Options{})
	l, neighbour := b.dial(), b.dial()
	network := func(mti, code string) *iso8583.Message {
		m := iso8583.NewMessage(mti)
		m.Set(7, "1122120000")
		m.Set(11, "000001")
		if code != "" {
			m.Set(70, code)
		}
		return l.ask(m)
	}
	for code, want := range map[string]string{"001": "00", "301": "00", "161": "12", "": "12"} {
		if got := network("0800", code); got.Get(39) != want || got.MTI != "0810" || got.Get(70) != code {
			t.Errorf("%s: %s %s", code, got.MTI, got.Get(39))
		}
	}
	network("0800", "002")
	if got := l.code(pay(1, "visa", 100).Message); got != "91" {
		t.Errorf("signed off: %s", got)
	}
	if got := neighbour.code(pay(2, "visa", 100).Message); got != "00" {
		t.Errorf("on another link: %s", got)
	}
	network("0800", "001")
	if got := l.code(pay(1, "visa", 100).Message); got != "00" {
		t.Errorf("signed on again, the same message: %s", got)
	}
	if got := network("0600", ""); got.MTI != "0610" || got.Get(39) != "12" {
		t.Errorf("not in the profile: %s %s", got.MTI, got.Get(39))
	}
	advice := pay(3, "visa", 100)
	advice.MTI = "0120"
	if got := l.code(advice.Message); got != "12" {
		t.Errorf("an authorisation advice: %s", got)
	}
}
