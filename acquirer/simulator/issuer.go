package simulator

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/base/money"
)

// question is what the host asks an issuer.
type question struct {
	number   string
	sequence string // of the card, empty without chip
	expiry   string // YYMM
	entry    string // how the card was read: the first two digits of field 22
	credit   bool
	amount   money.Amount
	pin      []byte // ISO 9564 format 0, nil when none was entered online
	chip     emv.List
}

// verdict is what the issuer answers. why is for those who look after the link.
type verdict struct {
	code   string
	why    string
	issuer emv.List // for the chip
}

// contactless entries (field 22).
const (
	entryChip              = "05"
	entryContactless       = "07"
	entryContactlessStripe = "91"
)

func (q question) contactless() bool {
	return q.entry == entryContactless || q.entry == entryContactlessStripe
}

// hasChip tells whether the chip worked on the transaction: then it must prove itself.
func (q question) hasChip() bool { return q.entry == entryChip || q.entry == entryContactless }

// onDevice tells whether a telephone verified its holder: card transaction
// qualifiers (9F6C, byte 2 bit 8) or CVM results with method 01 outside a card.
func (q question) onDevice() bool {
	if !q.contactless() {
		return false
	}
	ctq, cvm := q.chip.Get(emv.TagCTQ), q.chip.Get(emv.TagCVMResult)
	return len(ctq) == 2 && ctq[1]&0x80 != 0 || len(cvm) == 3 && cvm[0]&0x3F == 0x01 && cvm[2] == 0x02
}

// verified tells whether the holder proved to be one, by code or by device.
func (q question) verified() bool {
	if len(q.pin) > 0 || q.onDevice() {
		return true
	}
	cvm := q.chip.Get(emv.TagCVMResult)
	if len(cvm) != 3 || cvm[2] != 0x02 {
		return false
	}
	switch cvm[0] & 0x3F {
	case 0x01, 0x03, 0x04, 0x05: // by the chip
		return true
	}
	return false
}

// decide is the issuer's answer, in the order in which a bank asks: who, may he,
// is it he, is it the card, is there money. Counters of the chip and of wrong
// codes move whatever the answer is; money is reserved by the caller.
func (a *Account) decide(q question, now time.Time) verdict {
	v := verdict{code: codeApproved}
	checks := []func(question, time.Time) (code, why string){a.standing, a.genuine, a.holder, a.effort, a.funds}
	for _, check := range checks {
		if v.code, v.why = check(q, now); v.code != "" {
			break
		}
		v.code = codeApproved
	}
	if v.code == codeApproved && !q.credit {
		a.countContactless(q)
	}
	v.issuer = a.answer(q, v.code)
	return v
}

// standing asks whether the card may be used at all.
func (a *Account) standing(q question, now time.Time) (code, why string) {
	if code := stateCodes[a.State]; code != "" {
		return code, "the account is " + string(a.State)
	}
	if q.expiry == "" || q.number == a.Number && q.expiry != a.Expiry || expired(q.expiry, now) {
		return codeExpired, "expiry date"
	}
	if a.Used.PINTries >= maxPINTries && !q.credit {
		return codePINTries, "blocked by wrong codes"
	}
	return "", ""
}

// expired tells whether the last day of a month YYMM is over.
func expired(yymm string, now time.Time) bool {
	month, err := time.Parse("0601", yymm)
	return err != nil || !now.Before(month.AddDate(0, 1, 0))
}

// genuine asks whether the chip is the one the issuer made: its cryptogram
// proves the data of this transaction, and its counter grows.
func (a *Account) genuine(q question, _ time.Time) (code, why string) {
	if len(q.chip.Get(emv.TagCryptogram)) == 0 {
		if q.hasChip() && !q.credit {
			return codeSecurity, "no cryptogram from a chip"
		}
		return "", ""
	}
	atc := q.chip.Get(emv.TagATC)
	if len(atc) != 2 {
		return codeSecurity, "no counter"
	}
	if !cardKey(q.number, q.sequence).Proves(q.chip) {
		return codeSecurity, "the cryptogram does not prove the data"
	}
	if !q.credit && !bytes.Equal(q.chip.Get(emv.TagAmount), emv.BCD(digits(q.amount.Minor), 6)) {
		return codeSecurity, "the chip proved another amount"
	}
	chip := q.number[len(q.number)-4:] + "-" + q.sequence
	counter := uint16(atc[0])<<8 | uint16(atc[1])
	seen, known := a.Used.ATC[chip]
	if known && counter <= seen && !a.AnyATC {
		return codeSecurity, "the counter did not grow"
	}
	if a.Used.ATC == nil {
		a.Used.ATC = make(map[string]uint16)
	}
	a.Used.ATC[chip] = max(counter, seen)
	return "", ""
}

// holder asks whether the code is right, where one was entered online.
func (a *Account) holder(q question, _ time.Time) (code, why string) {
	if len(q.pin) == 0 || a.PIN == "" || q.credit {
		return "", ""
	}
	if pin, ok := openPINBlock(q.pin, q.number); !ok || pin != a.PIN {
		a.Used.PINTries++
		if a.Used.PINTries >= maxPINTries {
			return codePINTries, "wrong code, the last"
		}
		return codePIN, "wrong code"
	}
	a.Used.PINTries = 0
	return "", ""
}

// effort asks for more than a wave of the card when there were many, or much.
// The answer is no refusal: the same card, inserted, may pay.
func (a *Account) effort(q question, _ time.Time) (code, why string) {
	if !q.contactless() || q.credit || q.verified() {
		return "", ""
	}
	switch {
	case q.amount.Minor > contactlessSingle:
		why = "contactless: too much at once"
	case a.Used.Contactless+1 > contactlessPayments:
		why = "contactless: too many in a row"
	case a.Used.Contacted+q.amount.Minor > contactlessTotal:
		why = "contactless: too much in a row"
	default:
		return "", ""
	}
	switch a.Schemes[0] {
	case card.CB, card.Visa:
		return codeInsertFrance, why
	}
	return codeInsert, why
}

// funds asks whether there is money.
func (a *Account) funds(q question, _ time.Time) (code, why string) {
	switch {
	case q.amount.Currency != a.Currency:
		return codeInvalid, "the account is in another currency"
	case q.credit:
		return "", ""
	case a.Limit > 0 && q.amount.Minor > a.Limit:
		return codeLimit, "over the limit of a payment"
	case q.amount.Minor > a.available():
		return codeFunds, "funds"
	}
	return "", ""
}

// countContactless counts an approved payment: one with a verified holder begins anew.
func (a *Account) countContactless(q question) {
	switch {
	case q.verified() && !q.onDevice():
		a.Used.Contactless, a.Used.Contacted = 0, 0
	case q.contactless() && !q.verified():
		a.Used.Contactless++
		a.Used.Contacted += q.amount.Minor
	}
}

// answer is what the chip is told: the code, and the cryptogram that proves that
// its issuer said so.
func (a *Account) answer(q question, code string) (list emv.List) {
	made, atc := q.chip.Get(emv.TagCryptogram), q.chip.Get(emv.TagATC)
	if len(made) != 8 || len(atc) != 2 {
		return nil
	}
	proof := cardKey(q.number, q.sequence).Answer(atc, emv.Cryptogram(made), code)
	list.Add(emv.TagARC, []byte(code))
	list.Add(emv.TagIssuerAuth, append(proof[:], code...))
	if a.PAR != "" {
		list.Add(emv.TagPAR, []byte(a.PAR))
	}
	return list
}

// openPINBlock reads the code in a block of ISO 9564-1 format 0 made with the
// twelve rightmost digits of a number, its check digit left out.
func openPINBlock(block []byte, number string) (pin string, ok bool) {
	if len(block) != 8 || len(number) < card.MinDigits {
		return "", false
	}
	digits := "0000" + ("000000000000" + number[:len(number)-1])[len(number)-1:]
	mask, err := hex.DecodeString(digits)
	if err != nil {
		return "", false
	}
	clear := make([]byte, 8)
	for i := range clear {
		clear[i] = block[i] ^ mask[i]
	}
	text := hex.EncodeToString(clear)
	length := int(clear[0])
	if length < 4 || length > 12 {
		return "", false
	}
	pin, filler := text[2:2+length], text[2+length:]
	return pin, strings.Trim(pin, "0123456789") == "" && strings.Trim(filler, "f") == ""
}
