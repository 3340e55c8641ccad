package nexo_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/terminal"
	"encaisse/terminal/nexo"
)

const reader = "A920-1234567890"

var (
	at      = time.Date(2026, 11, 22, 9, 30, 15, 250*int(time.Millisecond), time.UTC)
	local   = time.Date(2026, 11, 22, 10, 30, 15, 0, time.FixedZone("", 3600))
	attempt = id.New[id.Attempt](at)
	other   = id.New[id.Attempt](at)
)

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: money.EUR} }

func presented() *card.Presented {
	return &card.Presented{
		Masked: "497010******0055", Fingerprint: "5d41402abc4b2a76b9719d911017c592", PAR: "V0010013021299867412345678901",
		Scheme: card.CB, AID: "A0000000421010", Label: "CB", Entry: card.ContactlessStripe, Verified: card.DeviceCVM,
		EMV: []byte{0x95, 5, 0, 0, 0, 0, 0, 0x9F, 0x36, 2, 0, 7},
	}
}

func approved() *terminal.Conclusion {
	return &terminal.Conclusion{
		Attempt: attempt, Success: true, Amount: eur(1250), Transaction: "000042", At: local, Approval: "8A7F21", Code: "00",
		Card: presented(), Signed: true, Printed: true,
		Chip: &terminal.Chip{
			AID: "A0000000421010", Label: "CARTE BANCAIRE", TVR: "0000008000", TSI: "E800", IAD: "06010A03A0A000", ARC: "00",
			Cryptogram: "0123456789ABCDEF", CID: "40", ATC: "0007", CVM: "420300", Sequence: "00",
		},
	}
}

// words is one message of every kind, as it must come out on the other side.
func words() map[string]terminal.Message {
	base := terminal.Message{Reader: reader, Service: "0000000042"}
	with := func(change func(*terminal.Message)) terminal.Message {
		m := base
		change(&m)
		return m
	}
	dialogue := terminal.Dialogue{
		Attempt: attempt, Kind: terminal.Payment, Amount: eur(1250), Reference: "sale_1", Operator: 7, PrintSlip: true, At: at, Budget: time.Minute,
	}
	back := dialogue
	back.Kind, back.PrintSlip = terminal.Refund, false
	back.Original = &terminal.Original{Attempt: other, Transaction: "000041", At: local, Fingerprint: "aa", PAR: "PAR1", Masked: "497010******0055"}
	void := back
	void.Kind, void.Amount = terminal.Void, money.Amount{Minor: 500, Currency: money.XPF}
	failed := terminal.Conclusion{Attempt: attempt, Cause: terminal.CauseBusy, BusyWith: "41", Code: "Z3", At: local, Transaction: "000043"}
	repeated := *approved()
	repeated.Repeated = true
	return map[string]terminal.Message{
		"login":           with(func(m *terminal.Message) { m.At, m.Greet = at, &terminal.Greeting{} }),
		"payment":         with(func(m *terminal.Message) { m.Perform = &dialogue }),
		"refund":          with(func(m *terminal.Message) { m.Perform = &back }),
		"void":            with(func(m *terminal.Message) { m.Perform = &void }),
		"abort":           with(func(m *terminal.Message) { m.Abort = &terminal.Reference{Service: "41", Kind: terminal.Payment} }),
		"ask":             with(func(m *terminal.Message) { m.Ask = &terminal.Reference{Service: "41", Kind: terminal.Void} }),
		"print":           with(func(m *terminal.Message) { m.Print = &terminal.Page{Lines: []string{"Boulangerie", "", "12,50 €"}} }),
		"diagnosis":       with(func(m *terminal.Message) { m.Diagnose = &terminal.Diagnosis{} }),
		"acknowledgement": with(func(m *terminal.Message) { m.At, m.Taken = at, &terminal.Taken{Attempt: attempt} }),
		"answer": {Answered: &terminal.Answered{Attempt: attempt, Exchange: "x-1", Answer: terminal.Answer{
			Approved: true, Code: "00", Approval: "8A7F21", Issuer: []byte{0x91, 1, 2},
		}}},
		"parameters": {Configure: &terminal.Parameters{
			Version: 3, Merchant: "Boulangerie du Port", Number: 12, Currency: money.EUR, Schemes: map[card.Scheme]string{card.Amex: "9750123456"},
			PublicKey: []byte{1, 2}, BudgetSeconds: 60,
		}},
		"greeted": with(func(m *terminal.Message) {
			m.At = local
			m.Greeted = &terminal.Greeted{Model: "A920", Serial: "1234567890", Software: "1.2", Health: terminal.Health{
				Battery: 83, Charging: true, Network: "wifi", Printer: terminal.PrinterLow, Asleep: true,
			}}
		}),
		"request": {Reader: reader, Authorise: &terminal.Request{
			Attempt: attempt, Exchange: "x-1", Kind: terminal.Payment, Amount: eur(1250), At: local,
			Card: func() card.Presented { p := *presented(); p.Envelope, p.Kept = []byte{1, 9}, []byte{1, 8}; return p }(),
		}},
		"success":      with(func(m *terminal.Message) { m.Kind, m.Concluded = terminal.Payment, approved() }),
		"refunded":     with(func(m *terminal.Message) { m.Kind, m.Concluded = terminal.Refund, approved() }),
		"voided":       with(func(m *terminal.Message) { m.Kind, m.Concluded = terminal.Void, approved() }),
		"failure":      with(func(m *terminal.Message) { m.Kind, m.Concluded = terminal.Payment, &failed }),
		"void failure": with(func(m *terminal.Message) { m.Kind, m.Concluded = terminal.Void, &failed }),
		"told": with(func(m *terminal.Message) {
			m.Told = &terminal.Told{Of: terminal.Reference{Service: "41", Kind: terminal.Payment}, Status: terminal.StatusConcluded, Conclusion: &repeated}
		}),
		"told of void": with(func(m *terminal.Message) {
			m.Told = &terminal.Told{Of: terminal.Reference{Service: "41", Kind: terminal.Void}, Status: terminal.StatusConcluded, Conclusion: &repeated}
		}),
		"in progress": with(func(m *terminal.Message) {
			m.Told = &terminal.Told{Of: terminal.Reference{Service: "41", Kind: terminal.Payment}, Status: terminal.StatusInProgress}
		}),
		"not found": with(func(m *terminal.Message) {
			m.Told = &terminal.Told{Of: terminal.Reference{Service: "41", Kind: terminal.Payment}, Status: terminal.StatusNotFound}
		}),
		"printed":     with(func(m *terminal.Message) { m.Printed = &terminal.Printed{Done: true} }),
		"not printed": with(func(m *terminal.Message) { m.Printed = &terminal.Printed{Printer: terminal.PrinterEmpty} }),
		"health":      with(func(m *terminal.Message) { m.Health = &terminal.Health{Battery: -1, Faulty: true} }),
		"sleep": {Reader: reader, Serial: "9", At: local, Notice: &terminal.Notice{
			News: terminal.NewsSleep, Health: &terminal.Health{Battery: 4, Network: "cellular"},
		}},
		"wake":  {Reader: reader, Serial: "9", At: local, Notice: &terminal.Notice{News: terminal.NewsWake}},
		"leave": {Reader: reader, Serial: "9", At: local, Notice: &terminal.Notice{News: terminal.NewsLeave}},
		"battery": {Reader: reader, Serial: "9", At: local, Notice: &terminal.Notice{
			News: terminal.NewsHealth, Health: &terminal.Health{Battery: 12, Printer: terminal.PrinterFault},
		}},
		"refusal": with(func(m *terminal.Message) {
			m.At, m.Refused = at, &terminal.Refusal{Condition: terminal.ConditionFormat, Code: "nexo.member", Field: "PaymentResponse.SaleData"}
		}),
		"stage": {Reader: reader, Serial: "10", At: local, Progress: &terminal.Progress{Attempt: attempt, Stage: terminal.StageRemoveCard}},
	}
}

func TestEveryWordComesOutAsItWentIn(t *testing.T) {
	p := nexo.New("1")
	used := map[string]bool{}
	for name, m := range words() {
		b, err := p.Encode(m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := p.Decode(b)
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, b)
			continue
		}
		if diff := cmp.Diff(m, got, cmp.Comparer(func(a, b time.Time) bool { return a.Format(time.RFC3339Nano) == b.Format(time.RFC3339Nano) })); diff != "" {
			t.Errorf("%s: %s\n%s", name, diff, b)
		}
		v := reflect.ValueOf(m)
		for i := range v.NumField() {
			if v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
				used[v.Type().Field(i).Name] = true
			}
		}
	}
	of := reflect.TypeFor[terminal.Message]()
	for i := range of.NumField() {
		if f := of.Field(i); f.Type.Kind() == reflect.Pointer && !used[f.Name] {
			t.Errorf("no message says %s", f.Name)
		}
	}
}

func TestEveryStageAndCauseHasItsWord(t *testing.T) {
	p := nexo.New("1")
	for _, stage := range []terminal.Stage{
		"", terminal.StageWaitingCard, terminal.StageCardIn, terminal.StageAuthorising, terminal.StageRemoveCard, terminal.StageSignature,
	} {
		b, err := p.Encode(terminal.Message{Reader: reader, Serial: "1", At: at, Progress: &terminal.Progress{Attempt: attempt, Stage: stage}})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := p.Decode(b); err != nil || m.Progress.Stage != stage {
			t.Errorf("%q: %v, %v", stage, m.Progress, err)
		}
	}
	for _, cause := range []terminal.Cause{
		terminal.CauseRefused, terminal.CauseInsert, terminal.CauseScheme, terminal.CauseAffiliation, terminal.CauseCardInvalid, terminal.CausePIN,
		terminal.CauseCancelled, terminal.CauseAborted, terminal.CauseExpired, terminal.CauseCardRemoved, terminal.CauseOtherCard, terminal.CauseHost,
		terminal.CauseLink, terminal.CauseBusy, terminal.CauseOffline, terminal.CauseAsleep, terminal.CauseDevice, "a_new_one",
	} {
		r := nexo.Failure(cause, nil)
		pairs, err := nexo.ParseAdditional(r.AdditionalResponse)
		if err != nil || r.ErrorCondition == "" || nexo.CauseOf(r, pairs) != cause {
			t.Errorf("%s became %+v, %v", cause, r, err)
		}
	}
}

// TestCausesOfOtherReaders: one that says no cause=… is understood by its
// ErrorCondition, and a condition nobody knows is taken.
func TestCausesOfOtherReaders(t *testing.T) {
	for condition, want := range map[string]terminal.Cause{
		nexo.Refusal: terminal.CauseRefused, nexo.Cancel: terminal.CauseCancelled, nexo.Aborted: terminal.CauseAborted, nexo.WrongPIN: terminal.CausePIN,
		nexo.UnreachableHost: terminal.CauseHost, "Communication timeout": terminal.CauseHost, nexo.Busy: terminal.CauseBusy, "Something new": terminal.CauseDevice,
	} {
		if got := nexo.CauseOf(nexo.Response{Result: "Failure", ErrorCondition: condition}, nexo.Additional{"refusalReason": "x"}); got != want {
			t.Errorf("%s: %s, want %s", condition, got, want)
		}
	}
	odd := nexo.Additional{"cause": "Not A Word; DROP"}
	if got := nexo.CauseOf(nexo.Response{ErrorCondition: nexo.Busy}, odd); got != terminal.CauseBusy {
		t.Error(got)
	}
}

func TestAmountsAreDecimalText(t *testing.T) {
	for text, want := range map[string]int64{"10.99": 1099, "10.9": 1090, "10": 1000, "0.01": 1, "92233720368547758.07": 1<<63 - 1} {
		if a, err := nexo.ParseAmount(json.Number(text), "EUR"); err != nil || a.Minor != want {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
	for text, code := range map[string]string{
		"10.999": "money.fraction", "10.000": "money.fraction", "1e2": "money.malformed", "-1": "nexo.amount", "": "money.malformed",
		"92233720368547758.08": "money.overflow", "NaN": "money.malformed",
	} {
		if _, err := nexo.ParseAmount(json.Number(text), "EUR"); !problem.Is(err, code) {
			t.Errorf("%q: %v, want %s", text, err, code)
		}
	}
	if _, err := nexo.ParseAmount("1", "ZZZ"); !problem.Is(err, "money.unknown_currency") {
		t.Error(err)
	}
	if n := nexo.Number(money.Amount{Minor: 5, Currency: "TND"}); n != "0.005" {
		t.Error(n)
	}
}

func TestAdditionalResponseInBothForms(t *testing.T) {
	a, err := nexo.ParseAdditional("message=Uncompleted%20transaction&tid=7&tid=8&empty=")
	if err != nil || a["message"] != "Uncompleted transaction" || a["tid"] != "7" {
		t.Error(a, err)
	}
	// {"additionalData":{"tid":"7"},"message":"x","n":12.50,"yes":true}
	a, err = nexo.ParseAdditional("eyJhZGRpdGlvbmFsRGF0YSI6eyJ0aWQiOiI3In0sIm1lc3NhZ2UiOiJ4IiwibiI6MTIuNTAsInllcyI6dHJ1ZX0=")
	if err != nil || !reflect.DeepEqual(a, nexo.Additional{"additionalData.tid": "7", "message": "x", "n": "12.50", "yes": "true"}) {
		t.Error(a, err)
	}
	if s := (nexo.Additional{"b": "1 2&=é", "a": "", "c": "+"}).String(); s != "b=1%202%26%3D%C3%A9&c=%2B" {
		t.Error(s)
	}
	for _, bad := range []string{"a=%zz", "a=" + strings.Repeat("x", 3000), "a=%00", strings.Repeat("a&", 10) + "b=%ff", many(200)} {
		if _, err := nexo.ParseAdditional(bad); !problem.Is(err, "nexo.additional") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func many(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString("&k" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + strings.Repeat("y", i/50) + "=1")
	}
	return out.String()
}

// TestNothingShowsACard: numbers, tracks and names in clear are refused
// wherever a reader may put them, and the refusal does not repeat them.
func TestNothingShowsACard(t *testing.T) {
	const pan = "4970100000000055"
	p := nexo.New("1")
	for name, spoil := range map[string]func(*card.Presented){
		"masked":          func(c *card.Presented) { c.Masked = pan },
		"masked, spaced":  func(c *card.Presented) { c.Masked = "4970 1000 0000 0055" },
		"label":           func(c *card.Presented) { c.Label = "CB " + pan },
		"PAR":             func(c *card.Presented) { c.PAR = pan },
		"PAN object":      func(c *card.Presented) { c.EMV = []byte{0x5A, 8, 0x49, 0x70, 0x10, 0, 0, 0, 0, 0x55} },
		"track 2":         func(c *card.Presented) { c.EMV = []byte{0x57, 2, 0x49, 0x70} },
		"name":            func(c *card.Presented) { c.EMV = []byte{0x5F, 0x20, 1, 'A'} },
		"inside template": func(c *card.Presented) { c.EMV = []byte{0x70, 4, 0x57, 2, 0x49, 0x70} },
	} {
		c := presented()
		spoil(c)
		request := terminal.Message{Reader: reader, Authorise: &terminal.Request{
			Attempt: attempt, Exchange: "1", Kind: terminal.Payment, Amount: eur(1), At: local, Card: *c,
		}}
		final := approved()
		final.Card = c
		for _, m := range []terminal.Message{request, {Reader: reader, Service: "1", Concluded: final}, {Reader: reader, Service: "1", Kind: terminal.Void, Concluded: final}} {
			b, err := p.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Decode(b)
			if !problem.Is(err, "nexo.clear_card") || strings.Contains(err.Error(), "0055") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := p.Decode(mustEncode(t, terminal.Message{Reader: reader, Service: "1", Concluded: approved()})); err != nil {
		t.Error("and a masked one is not:", err)
	}
}

func mustEncode(t testing.TB, m terminal.Message) []byte {
	t.Helper()
	b, err := nexo.New("1").Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
