package iso8583_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"encaisse/acquirer"
	"encaisse/acquirer/iso8583"
	"encaisse/base/card"
	"encaisse/base/money"
)

// desk is a connector on a wire.
type desk struct {
	*wire
	connector *iso8583.Connector
	contract  acquirer.Contract
	hand      *hand
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	key, err := card.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{wire: &wire{t: t, spec: iso8583.V1987(iso8583.BCD()), conns: make(chan *hand, 8)}, contract: testContract()}
	d.contract.Key = key
	d.contract.Affiliated[card.Amex] = "9490123456"
	d.connector = iso8583.New(iso8583.Options{
		Acquirer: testAcquirer, Link: iso8583.LinkOptions{Address: "host", Spec: d.spec, Dial: d.dial},
	})
	d.link = d.connector.Link()
	d.hand = d.signedOn()
	return d
}

// paris is the zone of the shop; its July is two hours ahead of UTC.
func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func (d *desk) seal(data card.Data) []byte {
	d.t.Helper()
	b, err := d.contract.Key.Public().Seal(data, "att_1")
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// chip is a purchase by chip with an online PIN.
func (d *desk) chip() acquirer.Authorisation {
	data := card.Data{
		PAN: "4111111111111111", Expiry: "3012", Sequence: "01", Track2: "4111111111111111D30122010000012345", PINBlock: "041274EDCBA9876F",
	}
	return acquirer.Authorisation{
		Trace: acquirer.Trace{
			Operation: "op_1", Terminal: testTerminal, Number: 42, Zone: paris(d.t), At: time.Date(2026, 7, 14, 22, 30, 5, 0, time.UTC),
		},
		Contract: d.contract, Kind: acquirer.Purchase, Amount: money.Amount{Minor: 1250, Currency: money.EUR}, About: "att_1",
		Card: card.Presented{
			Envelope: d.seal(data), Kept: d.seal(data.Kept()), Masked: "411111******1111", Scheme: card.Visa, Entry: card.Chip, Verified: card.OnlinePIN,
			EMV: unhex(d.t, "82021980 9F2608 0102030405060708"),
		},
	}
}

// next lets a call send its message, and answers it.
func next[T any](d *desk, call func() T, answer func(m *iso8583.Message) *iso8583.Message) (*iso8583.Message, T) {
	d.t.Helper()
	out := make(chan T, 1)
	go func() { out <- call() }()
	m := d.hand.read()
	d.hand.say(answer(m))
	return m, <-out
}

// says answers with a code and further fields.
func says(code string, more map[int]string) func(m *iso8583.Message) *iso8583.Message {
	return func(m *iso8583.Message) *iso8583.Message {
		out := iso8583.NewMessage(iso8583.AnswerTo(m.MTI))
		for _, n := range []int{3, 4, 7, 11, 41, 42, 49} {
			if m.Has(n) {
				out.Set(n, m.Get(n))
			}
		}
		if code != "" {
			out.Set(39, code)
		}
		for n, text := range more {
			out.Set(n, text)
		}
		return out
	}
}

func (d *desk) authorise(a acquirer.Authorisation, answer func(m *iso8583.Message) *iso8583.Message) (*iso8583.Message, acquirer.Outcome) {
	d.t.Helper()
	return next(d, func() acquirer.Outcome { return d.connector.Authorise(context.Background(), a) }, answer)
}

func inDesk(t *testing.T, run func(t *testing.T, d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		run(t, d)
		d.close(d.hand)
	})
}

// TestMessages holds what the connector sends against a file, field by field.
func TestMessages(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		var sent []*iso8583.Message
		keep := func(m *iso8583.Message, _ any) { sent = append(sent, m) }
		ask := func(call func() any) { keep(next(d, call, says("00", map[int]string{66: "1"}))) }
		a := d.chip()
		ask(func() any { return d.connector.Authorise(context.Background(), a) })
		back := d.chip()
		back.Kind, back.Number, back.Card.EMV, back.Card.Entry, back.Card.Scheme = acquirer.Refund, 43, nil, card.Stripe, card.Amex
		ask(func() any { return d.connector.Authorise(context.Background(), back) })
		undo := acquirer.Reversal{Trace: a.Trace, Contract: d.contract, Original: a, Reason: acquirer.ReasonTimeout}
		undo.Number, undo.Operation, undo.At = 44, "op_2", a.At.Add(30*time.Second)
		ask(func() any { return d.connector.Reverse(context.Background(), undo) })
		undo.Repeat, undo.Reason, undo.Approval = true, acquirer.ReasonVoid, "123456"
		ask(func() any { return d.connector.Reverse(context.Background(), undo) })
		for _, m := range d.submitted(a) {
			keep(m, nil)
		}
		var b strings.Builder
		for _, m := range sent {
			if err := d.spec.Print(&b, m); err != nil {
				t.Fatal(err)
			}
			b.WriteString("\n")
		}
		const file = "testdata/messages.golden"
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("sent\n%s\nwant\n%s", b.String(), want)
		}
		// What the printer hides.
		for i, m := range sent[:len(sent)-1] {
			if m.Get(2) != "4111111111111111" {
				t.Errorf("message %d has another card", i)
			}
			if first := i < 2; m.Has(35) != first || m.Has(52) != first {
				t.Errorf("message %d: track 2 %v, PIN block %v: of an authorisation alone", i, m.Has(35), m.Has(52))
			}
		}
		if sent[0].Get(35) != "4111111111111111=30122010000012345" || string(sent[0].Bytes(52)) != string(unhex(t, "041274EDCBA9876F")) {
			t.Error("track 2 or PIN block is not the reader's")
		}
	})
}

// submitted is what a batch of one line sends.
func (d *desk) submitted(a acquirer.Authorisation) []*iso8583.Message {
	d.t.Helper()
	b := d.batch(a)
	out := make(chan acquirer.Receipt, 1)
	go func() { out <- d.connector.Submit(context.Background(), b) }()
	line := d.hand.read()
	d.hand.say(says("00", nil)(line))
	totals := d.hand.read()
	d.hand.say(says("00", map[int]string{66: "1"})(totals))
	if r := <-out; r.Result != acquirer.Approved {
		d.t.Errorf("%+v", r)
	}
	return []*iso8583.Message{line, totals}
}

func (d *desk) batch(a acquirer.Authorisation) acquirer.Batch {
	a.Zone = nil // as it comes back from where it was kept
	return acquirer.Batch{
		Contract: d.contract, Terminal: testTerminal, Number: 12, Zone: paris(d.t), Currency: money.EUR, Debits: acquirer.Sum{Count: 1, Minor: 1250},
		Lines: []acquirer.Line{{Authorisation: a, Approval: "123456", RRN: "000000000042"}},
		Next: func(context.Context) (acquirer.Trace, error) {
			return acquirer.Trace{Operation: "op_3", Number: 45, At: a.At.Add(time.Hour)}, nil
		},
	}
}

// TestUnusableAnswers: what cannot be used is Unknown, so that a reversal follows.
func TestUnusableAnswers(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		for name, answer := range map[string]func(*iso8583.Message) *iso8583.Message{
			"no code":              says("", nil),
			"a part":               says("10", nil),
			"a duplicate":          says("94", nil),
			"another amount":       says("00", map[int]string{4: "000000099999"}),
			"another currency":     says("00", map[int]string{49: "840"}),
			"another process":      says("00", map[int]string{3: "200000"}),
			"another acceptor":     says("00", map[int]string{42: "9999999        "}),
			"chip data is no list": says("00", map[int]string{55: "\x91\x7f"}),
		} {
			if _, out := d.authorise(d.chip(), answer); out.Result != acquirer.Unknown || out.Detail == "" || out.Issuer != nil {
				t.Errorf("%s: %+v", name, out)
			}
		}
	})
}

// TestIssuerData: the chip gets what is for it and nothing else.
func TestIssuerData(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		objects := string(unhex(t, "8A023030 9F24021234 910A 0102030405060708 3030 7203 9F1800"))
		_, out := d.authorise(d.chip(), says("00", map[int]string{38: "123456", 37: "000000000042", 55: objects}))
		want := "8A023030 910A 0102030405060708 3030 7203 9F1800"
		if out.Result != acquirer.Approved || string(out.Issuer) != string(unhex(t, want)) || out.Approval != "123456" || out.RRN != "000000000042" {
			t.Errorf("%+v", out)
		}
		if _, out := d.authorise(d.chip(), says("51", map[int]string{55: objects})); out.Result != acquirer.Declined || len(out.Issuer) == 0 {
			t.Errorf("a refusal is for the chip, too: %+v", out)
		}
	})
}

func TestDeclines(t *testing.T) {
	want := map[acquirer.Decline][]string{
		acquirer.DeclineIssuer: {"05", "14", "15", "17", "39", "56", "59", "62", "63", "76", "Z9"}, acquirer.DeclineReferral: {"01", "02", "60"},
		acquirer.DeclineStolen: {"04", "07", "34", "41", "43"}, acquirer.DeclineExpired: {"33", "38", "54"}, acquirer.DeclineFunds: {"51"},
		acquirer.DeclinePIN: {"55"}, acquirer.DeclinePINTries: {"75"}, acquirer.DeclineLimit: {"61"}, acquirer.DeclineScheme: {"57"},
		acquirer.DeclineInsert: {"1A", "65", "80", "81", "A0", "A1"}, acquirer.DeclineLater: {"19", "68", "90", "91", "97", "98"},
		acquirer.DeclineTechnical: {"03", "12", "13", "20", "30", "31", "40", "58", "95", "96", "99"},
	}
	inDesk(t, func(t *testing.T, d *desk) {
		for decline, codes := range want {
			for _, code := range codes {
				if _, out := d.authorise(d.chip(), says(code, nil)); out.Result != acquirer.Declined || out.Decline != decline || out.Code != code {
					t.Errorf("%s: %+v, want %s", code, out, decline)
				}
			}
		}
		for _, code := range []string{"00", "08", "11"} {
			if _, out := d.authorise(d.chip(), says(code, nil)); out.Result != acquirer.Approved {
				t.Errorf("%s: %+v", code, out)
			}
		}
		if _, out := d.authorise(d.chip(), says("57", map[int]string{44: "AFFILIATION"})); out.Decline != acquirer.DeclineAffiliation {
			t.Errorf("%+v", out)
		}
	})
}

// TestReversalCodes: done, not now, or never.
func TestReversalCodes(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		a := d.chip()
		r := acquirer.Reversal{Trace: a.Trace, Contract: d.contract, Original: a, Reason: acquirer.ReasonCancelled}
		for result, codes := range map[acquirer.Result][]string{
			acquirer.Approved: {"00", "25"}, acquirer.NotPerformed: {"68", "90", "91", "96", "98"}, acquirer.Declined: {"12", "21", "30", "94"}, acquirer.Unknown: {""},
		} {
			for _, code := range codes {
				_, out := next(d, func() acquirer.Outcome { return d.connector.Reverse(context.Background(), r) }, says(code, nil))
				if out.Result != result || out.Code != code {
					t.Errorf("%q: %+v, want %s", code, out, result)
				}
			}
		}
		_, out := next(d, func() acquirer.Outcome { return d.connector.Reverse(context.Background(), r) }, says("00", map[int]string{4: "000000099999"}))
		if out.Result != acquirer.Unknown {
			t.Errorf("another amount: %+v", out)
		}
	})
}

// TestNothingToSend: what cannot be said is not performed, and says which field.
func TestNothingToSend(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		for name, change := range map[string]func(*acquirer.Authorisation){
			"currency": func(a *acquirer.Authorisation) { a.Amount.Currency = "ZZZ" },
			"kind":     func(a *acquirer.Authorisation) { a.Kind = "gift" },
			"entry":    func(a *acquirer.Authorisation) { a.Card.Entry = "guessed" },
			"amount":   func(a *acquirer.Authorisation) { a.Amount.Minor = -1 },
			"too much": func(a *acquirer.Authorisation) { a.Amount.Minor = 1e12 },
			"number":   func(a *acquirer.Authorisation) { a.Number = 1_000_000 },
			"terminal": func(a *acquirer.Authorisation) { a.Terminal = "TOO LONG 1" },
			"PIN block": func(a *acquirer.Authorisation) {
				a.Card.Envelope = d.seal(card.Data{PAN: "4111111111111111", Expiry: "3012", PINBlock: "zz"})
			},
			"track 2": func(a *acquirer.Authorisation) {
				a.Card.Envelope = d.seal(card.Data{PAN: "4111111111111111", Expiry: "3012", Track2: "4111 1111"})
			},
			"envelope": func(a *acquirer.Authorisation) { a.Card.Envelope = []byte("none") },
		} {
			a := d.chip()
			change(&a)
			out := d.connector.Authorise(t.Context(), a)
			if out.Result != acquirer.NotPerformed || out.Detail == "" || strings.Contains(out.Detail, "4111") {
				t.Errorf("%s: %+v", name, out)
			}
		}
		r := acquirer.Reversal{Trace: d.chip().Trace, Contract: d.contract, Original: d.chip(), Reason: "because"}
		if out := d.connector.Reverse(t.Context(), r); out.Result != acquirer.NotPerformed {
			t.Errorf("%+v", out)
		}
		b := d.batch(d.chip())
		b.Lines[0].Card.Kept = nil
		if out := d.connector.Submit(t.Context(), b); out.Result != acquirer.NotPerformed || !strings.Contains(out.Detail, "line 1 of 1") {
			t.Errorf("%+v", out)
		}
	})
}

// TestBatchFaults: what a host answers that is neither yes nor a clean no.
func TestBatchFaults(t *testing.T) {
	inDesk(t, func(t *testing.T, d *desk) {
		submit := func(b acquirer.Batch, line, totals func(m *iso8583.Message) *iso8583.Message) acquirer.Receipt {
			out := make(chan acquirer.Receipt, 1)
			go func() { out <- d.connector.Submit(context.Background(), b) }()
			d.hand.say(line(d.hand.read()))
			if totals != nil {
				d.hand.say(totals(d.hand.read()))
			}
			return <-out
		}
		b := d.batch(d.chip())
		if r := submit(b, says("12", nil), nil); r.Result != acquirer.Declined || r.Code != "12" || !strings.Contains(r.Detail, "line 1 of 1") {
			t.Errorf("a line refused: %+v", r)
		}
		if r := submit(b, says("00", map[int]string{4: "000000099999"}), nil); r.Result != acquirer.Unknown {
			t.Errorf("a line of another amount: %+v", r)
		}
		if r := submit(b, says("00", nil), says("00", nil)); r.Result != acquirer.Unknown {
			t.Errorf("totals without a settlement code: %+v", r)
		}
		if r := submit(b, says("00", nil), says("12", map[int]string{66: "3"})); r.Result != acquirer.Declined || r.Code != "12" {
			t.Errorf("totals refused: %+v", r)
		}
		b.Next = func(context.Context) (acquirer.Trace, error) { return acquirer.Trace{}, errors.New("no number left") }
		if r := submit(b, says("00", nil), nil); r.Result != acquirer.Unknown || !strings.Contains(r.Detail, "no number left") {
			t.Errorf("no trace: %+v", r)
		}
	})
}
