package emulator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"encaisse/base/card"
	"encaisse/base/clock"
	"encaisse/terminal"
	"encaisse/terminal/emulator"
)

// by is a hand with a card.
func by(name string) *emulator.Hand { return &emulator.Hand{Card: name} }

// TestUPM020_TheCardIsAskedForBeforeTheSuccess pays with chip and code, by hand.
func TestUPM020_TheCardIsAskedForBeforeTheSuccess(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	d := h.payment(12_50)
	h.perform(d)
	shows(t, e, emulator.ShowInsert)
	if err := e.Present("cb", emulator.Insert); err != nil {
		t.Fatal(err)
	}
	shows(t, e, emulator.ShowCode)
	for _, k := range "12x34" {
		_ = e.Press(emulator.Key(string(k)))
	}
	if s := e.Screen(); s.Amount == nil || s.Amount.Minor != 12_50 || s.Label != "CB" {
		t.Errorf("while the code is typed the screen says %+v", s)
	}
	e.Press(emulator.KeyOK)
	c := h.word(d.Attempt)
	shows(t, e, emulator.ShowRemove)
	if !c.Success || c.Amount != d.Amount || c.Transaction != "000001" || c.Approval != "123456" || c.Code != "00" {
		t.Errorf("%+v", c)
	}
	stages := h.stages(d.Attempt)
	if want := []terminal.Stage{terminal.StageWaitingCard, terminal.StageCardIn, terminal.StageAuthorising, terminal.StageRemoveCard}; !slices.Equal(stages, want) {
		t.Errorf("stages %v", stages)
	}
	h.mu.Lock()
	removal := slices.IndexFunc(h.heard, func(m terminal.Message) bool {
		return m.Progress != nil && m.Progress.Stage == terminal.StageRemoveCard
	})
	word := slices.IndexFunc(h.heard, func(m terminal.Message) bool { return m.Concluded != nil })
	h.mu.Unlock()
	if removal < 0 || removal > word {
		t.Error("the till heard of the success before the holder was asked for the card")
	}
	e.Remove()
	shows(t, e, emulator.ShowAccepted)
	t.Log("coverage: UPM-020 partial: the reader's side; what the register shows then is its own")
}

// TestSRC003_ReadingModes: five ways of reading a card; the mode is told.
func TestSRC003_ReadingModes(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	for _, c := range []struct {
		name   string
		hand   emulator.Hand
		entry  card.Entry
		cvm    card.CVM
		aid    string
		scheme card.Scheme
	}{
		{"chip and code", emulator.Hand{Card: "cb"}, card.Chip, card.OfflinePIN, "A0000000421010", card.CB},
		{"chip and code checked by the issuer", emulator.Hand{Card: "mastercard"}, card.Chip, card.OnlinePIN, "A0000000041010", card.Mastercard},
		{"chip and signature", emulator.Hand{Card: "signature"}, card.Chip, card.Signature, "A0000000041010", card.Mastercard},
		{"swipe", emulator.Hand{Card: "foreign", Gesture: emulator.Swipe}, card.Stripe, card.Signature, "", card.Visa},
		{"contactless", emulator.Hand{Card: "cb", Gesture: emulator.Tap}, card.Contactless, card.NoCVM, "A0000000421010", card.CB},
		{"wallet", emulator.Hand{Card: "wallet", Gesture: emulator.Tap}, card.Wallet, card.DeviceCVM, "A0000000421010", card.CB},
		{"the holder overrides the merchant's choice", emulator.Hand{Card: "cb", Application: card.Visa}, card.Chip, card.OfflinePIN, "A0000000031010", card.Visa},
		{"a chip that fails three times", emulator.Hand{Card: "broken"}, card.StripeFallback, card.Signature, "", card.CB},
	} {
		e.Hand(&c.hand)
		got := h.pay(20_00)
		if !got.Success || got.Card.Entry != c.entry || got.Card.Verified != c.cvm || got.Card.AID != c.aid || got.Card.Scheme != c.scheme {
			t.Errorf("%s: %+v, card %+v", c.name, got, got.Card)
		}
		if got.Signed != (c.cvm == card.Signature) {
			t.Errorf("%s: signed: %v", c.name, got.Signed)
		}
		request := h.authorisation(got.Attempt)
		if n := len(request.Card.EMV); n > 255 || (n == 0) != (c.aid == "") {
			t.Errorf("%s: %d bytes of chip data", c.name, n)
		}
		data, err := h.key.Open(request.Card.Envelope, string(got.Attempt))
		if err != nil || (data.PINBlock != "") != (c.cvm == card.OnlinePIN) || !strings.Contains(data.Track2, "D") {
			t.Errorf("%s: the sealed data: %v", c.name, err)
		}
		kept, err := h.key.Open(request.Card.Kept, string(got.Attempt))
		if err != nil || kept != data.Kept() {
			t.Errorf("%s: what may be kept: %v", c.name, err)
		}
	}
}

// TestSRC024_SRC025_SRC026_SRC027_SRC028_TheFindingsFollowWhatHappened holds TVR, TSI and the rest of the EMV
// section against what the terminals reference works out (SRC-024 to SRC-028).
func TestSRC024_SRC025_SRC026_SRC027_SRC028_TheFindingsFollowWhatHappened(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	for _, c := range []struct {
		hand               emulator.Hand
		tvr, tsi, cid, arc string
		cvm                string
		success            bool
	}{
		{emulator.Hand{Card: "mastercard"}, "0000048000", "F800", "40", "00", "420300", true}, // the worked value, and the issuer authenticated
		{emulator.Hand{Card: "cb"}, "0000008000", "F800", "40", "00", "440302", true},
		{emulator.Hand{Card: "signature"}, "8000008000", "7800", "40", "00", "5E0300", true},
		{emulator.Hand{Card: "cb", Gesture: emulator.Tap}, "0000008000", "0000", "80", "00", "1F0302", true},
		{emulator.Hand{Card: "expired"}, "0040048000", "E800", "00", "Z1", "420300", false},
		{emulator.Hand{Card: "cb", Codes: []string{"0000", "0000", "0000"}}, "0000A08000", "E800", "00", "Z1", "010301", false},
		{emulator.Hand{Card: "refuses"}, "0000008000", "F800", "00", "00", "440302", false},
	} {
		e.Hand(&c.hand)
		got := h.pay(20_00)
		ch := got.Chip
		if ch == nil {
			t.Fatalf("%+v: no EMV section", c.hand)
		}
		if got.Success != c.success || ch.TVR != c.tvr || ch.TSI != c.tsi || ch.CID != c.cid || ch.ARC != c.arc || ch.CVM != c.cvm {
			t.Errorf("%+v: %+v %+v", c.hand, got, ch)
		}
		if len(ch.Cryptogram) != 16 || len(ch.ATC) != 4 || !strings.HasPrefix(ch.IAD, "06011203") || len(ch.AID) < 10 || len(ch.AID) > 32 {
			t.Errorf("%+v: %+v", c.hand, ch)
		}
	}
}

// TestTheIssuerIsNotAuthenticatedWithoutItsProof: the worked TSI E800, and a
// proof that is somebody else's.
func TestTheIssuerIsNotAuthenticatedWithoutItsProof(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.Hand(by("visa"))
	judge := h.issuer
	for _, c := range []struct {
		name, tvr, tsi string
		success        bool
		spoil          func(terminal.Answer) []byte
	}{
		{"no proof", "0000048000", "E800", true, func(terminal.Answer) []byte { return nil }},
		{"another's proof", "0000048040", "F800", false, func(a terminal.Answer) []byte {
			a.Issuer[4] ^= 1
			return a.Issuer
		}},
		{"a script", "0000048000", "EC00", true, func(terminal.Answer) []byte { return []byte{0x72, 0x02, 0x86, 0x00} }},
		{"no list at all", "0000048000", "E800", true, func(terminal.Answer) []byte { return []byte{0x91} }},
	} {
		h.change(func() {
			h.issuer = func(r terminal.Request, d card.Data) terminal.Answer {
				a := judge(r, d)
				a.Issuer = c.spoil(a)
				return a
			}
		})
		if got := h.pay(8_00); got.Success != c.success || got.Chip.TVR != c.tvr || got.Chip.TSI != c.tsi || got.Approval == "" {
			t.Errorf("%s: %+v %+v", c.name, got, got.Chip)
		}
	}
}

func TestTheCounterMovesWithEveryPayment(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	made := map[string]bool{}
	for i := range 3 {
		c := h.pay(5_00)
		if c.Chip.ATC != []string{"0001", "0002", "0003"}[i] || made[c.Chip.Cryptogram] {
			t.Errorf("payment %d: %+v", i, c.Chip)
		}
		made[c.Chip.Cryptogram] = true
	}
}

// TestWrongCodes: once, twice and three times, where the chip judges and where
// the issuer does.
func TestWrongCodes(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	wrong := func(n int) []string { return slices.Repeat([]string{"0000"}, n) }
	for n := range 4 {
		if err := e.Play("chip_code"); err != nil { // unblocks the chip
			t.Fatal(err)
		}
		e.Next(emulator.Hand{Card: "cb", Codes: wrong(n)})
		c := h.pay(5_00)
		if c.Success != (n < 3) || n == 3 && c.Cause != terminal.CausePIN {
			t.Errorf("%d wrong codes: %+v", n, c)
		}
	}
	// The chip is blocked now: it does not even ask.
	e.Hand(by("cb"))
	if c := h.pay(5_00); c.Cause != terminal.CausePIN || c.Chip.TVR != "0000A08000" {
		t.Errorf("a blocked chip: %+v", c)
	}
	tries := 0
	h.change(func() {
		judge := h.issuer
		h.issuer = func(r terminal.Request, d card.Data) terminal.Answer {
			if tries++; tries < 3 {
				return terminal.Answer{Code: "55", Cause: terminal.CausePIN}
			}
			return judge(r, d)
		}
	})
	e.Hand(&emulator.Hand{Card: "visa", Codes: wrong(2)})
	c := h.pay(5_00)
	if !c.Success || tries != 3 {
		t.Errorf("two codes the issuer refused: %+v after %d", c, tries)
	}
	exchanges := map[string]bool{}
	h.count(func(m terminal.Message) bool {
		if m.Authorise != nil && m.Authorise.Attempt == c.Attempt {
			exchanges[m.Authorise.Exchange] = true
		}
		return false
	})
	if len(exchanges) != 3 {
		t.Errorf("each code is a request of its own: %v", exchanges)
	}
	h.refuse("75", terminal.CausePIN)
	if c := h.pay(5_00); c.Success || c.Cause != terminal.CausePIN || c.Code != "75" {
		t.Errorf("the issuer takes no more codes: %+v", c)
	}
}

// TestContactlessLimits: nothing up to the limit, the card inserted above it, a
// phone without any.
func TestContactlessLimits(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	tap := emulator.Hand{Card: "cb", Gesture: emulator.Tap}
	e.Hand(&tap)
	for minor, entry := range map[int64]card.Entry{50_00: card.Contactless, 50_01: card.Chip} {
		if c := h.pay(minor); !c.Success || c.Card.Entry != entry {
			t.Errorf("%d: %+v %+v", minor, c, c.Card)
		}
	}
	e.Hand(&emulator.Hand{Card: "wallet", Gesture: emulator.Tap})
	if c := h.pay(900_00); !c.Success || c.Card.Verified != card.DeviceCVM {
		t.Errorf("a phone: %+v", c)
	}
	// « sans contact plus »: a code for the issuer between two limits.
	h.change(func() { h.params.ContactlessMax = 200_00; h.params.Version++ })
	h.say(terminal.Message{Configure: &h.params})
	await(t, e, "the new limit", func() bool { p, _ := e.Parameters(); return p.ContactlessMax == 200_00 })
	e.Hand(&tap)
	if c := h.pay(80_00); !c.Success || c.Card.Entry != card.Contactless || c.Card.Verified != card.OnlinePIN || c.Chip.TVR != "0000008000" {
		t.Errorf("above the limit without code: %+v %+v", c, c.Card)
	}
}

// TestInsertTheSameCard: the issuer refuses the wave, the same payment goes on
// with the card inserted and another request.
func TestInsertTheSameCard(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	h.change(func() {
		judge := h.issuer
		h.issuer = func(r terminal.Request, d card.Data) terminal.Answer {
			if r.Card.Entry == card.Contactless {
				return terminal.Answer{Code: "1A", Cause: terminal.CauseInsert}
			}
			return judge(r, d)
		}
	})
	e.Hand(&emulator.Hand{Card: "cb", Gesture: emulator.Tap})
	c := h.pay(20_00)
	if !c.Success || c.Card.Entry != card.Chip {
		t.Fatalf("%+v", c)
	}
	if n := h.count(func(m terminal.Message) bool { return m.Authorise != nil }); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestAStripeIsNoWayRoundAChip: a chip card swiped is to be inserted.
func TestAStripeIsNoWayRoundAChip(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	d := h.payment(9_00)
	h.perform(d)
	shows(t, e, emulator.ShowInsert)
	e.Present("visa", emulator.Swipe)
	e.Present("broken", emulator.Insert)
	shows(t, e, emulator.ShowUnreadable)
	e.Remove()
	e.Present("broken", emulator.Swipe) // once is not enough
	e.Present("broken", emulator.Insert)
	e.Remove()
	e.Present("broken", emulator.Insert)
	shows(t, e, emulator.ShowSwipe)
	if n := h.count(func(m terminal.Message) bool { return m.Authorise != nil }); n != 0 {
		t.Fatal("a stripe was taken")
	}
	e.Remove()
	e.Present("broken", emulator.Swipe)
	shows(t, e, emulator.ShowSign)
	e.Press(emulator.KeyOK)
	if c := h.word(d.Attempt); !c.Success || c.Card.Entry != card.StripeFallback {
		t.Errorf("%+v", c)
	}
}

// TestUPM083_TheSameCardMustBeShown: a refund to the card that paid, to its
// wallet, and to another.
func TestUPM083_TheSameCardMustBeShown(t *testing.T) {
	c := clock.NewManual(morning())
	h := newHub(t, c)
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	paid := h.pay(30_00)
	back := func(kind terminal.Kind, hand *emulator.Hand) terminal.Conclusion {
		d := h.payment(10_00)
		d.Kind = kind
		d.Original = &terminal.Original{
			Attempt: paid.Attempt, Transaction: paid.Transaction, At: paid.At, Fingerprint: paid.Card.Fingerprint, PAR: paid.Card.PAR, Masked: paid.Card.Masked,
		}
		e.Hand(hand)
		h.perform(d)
		return h.word(d.Attempt)
	}
	if c := back(terminal.Refund, by("cb")); !c.Success || h.authorisation(c.Attempt).Kind != terminal.Refund || h.authorisation(c.Attempt).Card.Verified != card.NoCVM {
		t.Errorf("the same card: %+v", c)
	}
	shows(t, e, emulator.ShowRefunded)
	if c := back(terminal.Void, &emulator.Hand{Card: "wallet", Gesture: emulator.Tap}); !c.Success || c.Card.Fingerprint == paid.Card.Fingerprint {
		t.Errorf("its wallet, known by its PAR: %+v", c)
	}
	shows(t, e, emulator.ShowVoided)
	if c := back(terminal.Refund, by("mastercard")); c.Success || c.Cause != terminal.CauseOtherCard || h.count(func(m terminal.Message) bool { return m.Authorise != nil && m.Authorise.Attempt == c.Attempt }) != 0 {
		t.Errorf("another card: %+v", c)
	}
	shows(t, e, emulator.ShowOtherCard)
	e.Hand(nil)
	d := h.payment(10_00)
	d.Kind, d.Original = terminal.Refund, &terminal.Original{Attempt: paid.Attempt, Transaction: paid.Transaction, At: paid.At, Fingerprint: paid.Card.Fingerprint}
	h.perform(d)
	shows(t, e, emulator.ShowInsert)
	c.Advance(time.Minute)
	if w := h.word(d.Attempt); w.Cause != terminal.CauseExpired {
		t.Errorf("no card: %+v", w)
	}
}

// TestDRV09_TheTokenIsMadeByTheReader: the same card has another fingerprint at
// another merchant, and a wallet another than its card.
func TestDRV09_TheTokenIsMadeByTheReader(t *testing.T) {
	tokens := map[string]bool{}
	for _, key := range []string{"one merchant", "another merchant"} {
		h := newHub(t, clock.NewManual(morning()))
		h.params.FingerprintKey = []byte(key)
		e := h.reader(emulator.Options{})
		for _, hand := range []*emulator.Hand{by("cb"), by("cb"), {Card: "wallet", Gesture: emulator.Tap}} {
			e.Hand(hand)
			tokens[h.pay(5_00).Card.Fingerprint] = true
		}
	}
	if len(tokens) != 4 {
		t.Errorf("%d tokens of two cards at two merchants", len(tokens))
	}
	t.Log("coverage: DRV-09 partial: the renewed card and its merge are the directory's")
}

// TestTheContractChoosesTheApplication: a contract without CB pays as Visa, one
// with neither lets the hub say why it refuses.
func TestTheContractChoosesTheApplication(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	delete(h.params.Schemes, card.CB)
	e := h.reader(emulator.Options{})
	e.Hand(by("cb"))
	if c := h.pay(5_00); !c.Success || c.Card.Scheme != card.Visa {
		t.Errorf("%+v", c.Card)
	}
	delete(h.params.Schemes, card.Visa)
	h.say(terminal.Message{Configure: &h.params})
	await(t, e, "the new contract", func() bool { p, _ := e.Parameters(); return len(p.Schemes) == 3 })
	h.refuse("57", terminal.CauseScheme)
	if c := h.pay(5_00); c.Cause != terminal.CauseScheme {
		t.Errorf("%+v", c)
	}
	shows(t, e, emulator.ShowNotAccepted)
}

func TestASignatureNeedsPaper(t *testing.T) {
	h := newHub(t, clock.NewManual(morning()))
	e := h.reader(emulator.Options{})
	e.SetPaper(false, false)
	e.Hand(&emulator.Hand{Card: "foreign", Gesture: emulator.Swipe})
	if c := h.pay(5_00); c.Success || c.Cause != terminal.CauseDevice {
		t.Errorf("a stripe: %+v", c)
	}
	e.Hand(by("signature")) // its list goes on to no verification
	if c := h.pay(5_00); !c.Success || c.Card.Verified != card.NoCVM || c.Chip.CVM != "1F0302" {
		t.Errorf("a chip: %+v %+v", c, c.Chip)
	}
	e.SetPaper(true, false)
	e.Hand(&emulator.Hand{Card: "signature", Unsigned: true})
	if c := h.pay(5_00); c.Success || c.Cause != terminal.CauseCancelled || c.Approval == "" || c.Signed {
		t.Errorf("refused by the merchant: %+v", c)
	}
}

func morning() time.Time { return time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC) }
