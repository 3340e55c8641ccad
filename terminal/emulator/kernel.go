package emulator

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/base/money"
	"encaisse/terminal"
)

// What the terminal is (EMV Book 4 annex A).
var (
	terminalCapabilities = []byte{0xE0, 0xF8, 0xC8} // all ways of reading; offline and online code, signature, none; DDA and CDA
	terminalQualifiers   = []byte{0x36, 0x00, 0x40, 0x00}
	deviceQualifiers     = []byte{0x00, 0x80} // CTQ: the holder was verified on the device
	formFactor           = []byte{0x20, 0x70, 0x00, 0x00}
)

const (
	terminalType       = 0x22 // attended, offline with online capability, of a merchant
	applicationVersion = 0x0096

	typePurchase = 0x00 // tag 9C
	typeVoid     = 0x02
	typeRefund   = 0x20

	arcOfflineDeclined = "Z1" // tag 8A where the terminal makes it
	arcUnableOnline    = "Z3"

	countryFrance = "250"
)

// Action codes: which findings end in a refusal, and which ask to go online. An
// expired card and a holder who was not verified are refused on the spot.
func denial() (codes emv.TVR) {
	for _, b := range []emv.Bit{emv.Expired, emv.NotYetEffective, emv.ServiceNotAllowed, emv.CVMFailed, emv.PINTriesExceeded} {
		codes.Set(b)
	}
	return codes
}

// transaction is one pass of the kernel over one card: what EMV Books 3 and 4
// have a terminal do, in their order. What a person must do in between stands in
// pay.go.
type transaction struct {
	with    terminal.Parameters
	plastic *plastic
	entry   card.Entry
	app     application
	kind    terminal.Kind
	amount  money.Amount
	at      time.Time // in the terminal's zone
	number  int64     // of the transaction on this reader
	serial  string
	chance  [4]byte

	chip     *chip // nil for a stripe
	tvr      emv.TVR
	tsi      emv.TSI
	result   emv.CVMResult
	verified card.CVM
	code     string // entered for the issuer
	asked    bool   // authorisation was asked

	arc  string
	cid  byte
	made emv.Cryptogram
	iad  []byte
}

// begin starts the chip and authenticates it offline.
func (t *transaction) begin(r *Rack) {
	t.result, t.verified = emv.NoCVMResult(), card.NoCVM
	if t.entry != card.Chip && t.entry != card.Contactless && t.entry != card.Wallet {
		return
	}
	t.chip = start(t.plastic, r)
	if t.entry != card.Chip {
		return // contactless kernels leave their TVR and TSI at zero
	}
	if t.plastic.authentic && t.kind == terminal.Payment {
		t.tsi.Set(emv.ODAPerformed)
	} else {
		t.tvr.Set(emv.ODANotPerformed)
	}
}

// restrict compares dates (EMV Book 3 §10.4).
func (t *transaction) restrict() {
	if t.expired() {
		t.tvr.Set(emv.Expired)
	}
}

// expired tells whether the last day of the card's month is over.
func (t *transaction) expired() bool {
	month, err := time.ParseInLocation("0601", t.plastic.Expiry, t.at.Location())
	return err != nil || !t.at.Before(month.AddDate(0, 1, 0))
}

// risk is terminal risk management (EMV Book 3 §10.6).
func (t *transaction) risk() {
	if t.amount.Minor >= t.with.FloorLimit {
		t.tvr.Set(emv.FloorLimitExceeded)
	}
	if t.entry == card.Chip {
		t.tsi.Set(emv.TerminalRiskPerformed)
	}
}

// generate is terminal action analysis and the first GENERATE AC. It tells
// whether there is something to ask the issuer; otherwise the card is refused.
func (t *transaction) generate() (online bool) {
	asked := emv.ARQC
	if t.tvr.Matches(denial()) || t.kind != terminal.Payment {
		asked = emv.AAC // of a refund or a void the card is only read
	}
	t.cid, t.made, t.iad = t.chip.generate(asked, t.data())
	if t.entry == card.Chip {
		t.tsi.Set(emv.CardRiskPerformed)
	}
	if t.kind == terminal.Payment && t.cid != emv.ARQC {
		t.arc = arcOfflineDeclined
		return false
	}
	return true
}

// complete takes the answer: issuer authentication, scripts, second GENERATE AC
// (EMV Book 3 §10.9 to §10.11). It tells whether the card agrees.
func (t *transaction) complete(a terminal.Answer) (agreed bool) {
	t.arc = a.Code
	if t.chip == nil || t.entry != card.Chip || t.kind != terminal.Payment {
		return a.Approved // a card that was waved has gone; a refund ended with the first cryptogram
	}
	issuer, err := emv.Parse(a.Issuer)
	if proof := issuer.Get(emv.TagIssuerAuth); err == nil && len(proof) > 0 {
		t.tsi.Set(emv.IssuerAuthPerformed)
		if !t.chip.authenticate(proof, a.Code) {
			t.tvr.Set(emv.IssuerAuthFailed)
		}
	}
	if hasTag(issuer, emv.TagScript1) || hasTag(issuer, emv.TagScript2) {
		t.tsi.Set(emv.ScriptsProcessed)
	}
	asked := emv.AAC
	if a.Approved {
		asked = emv.TC
	}
	t.cid, t.made, t.iad = t.chip.conclude(asked, t.data())
	return t.cid == emv.TC
}

// unable ends a transaction whose issuer could not be asked: refused, Z3.
func (t *transaction) unable() {
	t.complete(terminal.Answer{Code: arcUnableOnline})
}

func hasTag(l emv.List, tag emv.Tag) bool {
	for _, o := range l {
		if o.Tag == tag {
			return true
		}
	}
	return false
}

// data is what the terminal gives the chip for a cryptogram (the CDOL).
func (t *transaction) data() (list emv.List) {
	list.Add(emv.TagAmount, emv.BCD(strconv.FormatInt(t.amount.Minor, 10), 6))
	list.Add(emv.TagAmountOther, make([]byte, 6))
	list.Add(emv.TagTerminalCountry, emv.BCD(countryFrance, 2))
	list.Add(emv.TagTVR, t.tvr[:])
	list.Add(emv.TagCurrency, emv.BCD(numericCurrency(t.amount.Currency), 2))
	list.Add(emv.TagDate, emv.BCD(t.at.Format("060102"), 3))
	list.Add(emv.TagType, []byte{t.typeCode()})
	list.Add(emv.TagUnpredictable, t.chance[:])
	return list
}

func (t *transaction) typeCode() byte {
	switch t.kind {
	case terminal.Refund:
		return typeRefund
	case terminal.Void:
		return typeVoid
	}
	return typePurchase
}

// issuerData are the objects for the issuer (ISO 8583 field 55; terminals.md §6.2).
func (t *transaction) issuerData() []byte {
	if t.chip == nil {
		return nil
	}
	list := t.data()
	list.Add(emv.TagAIP, t.chip.aip())
	list.Add(emv.TagDFName, unhex(t.app.AID))
	list.Add(emv.TagTerminalAID, unhex(t.app.AID))
	list.Add(emv.TagSequence, emv.BCD(t.plastic.Sequence, 1))
	list.Add(emv.TagVersion, binary.BigEndian.AppendUint16(nil, applicationVersion))
	list.Add(emv.TagIAD, t.iad)
	list.Add(emv.TagSerial, []byte(padded(t.serial, 8)))
	list.Add(emv.TagCryptogram, t.made[:])
	list.Add(emv.TagCID, []byte{t.cid})
	list.Add(emv.TagCapabilities, terminalCapabilities)
	list.Add(emv.TagCVMResult, t.result[:])
	list.Add(emv.TagTerminalType, []byte{terminalType})
	list.Add(emv.TagATC, t.chip.counter())
	list.Add(emv.TagCounter, emv.BCD(strconv.FormatInt(t.number, 10), 4))
	list.Add(emv.TagTime, emv.BCD(t.at.Format("150405"), 3))
	if t.entry != card.Chip {
		list.Add(emv.TagTTQ, terminalQualifiers)
	}
	if t.entry == card.Wallet {
		list.Add(emv.TagCTQ, deviceQualifiers)
		list.Add(emv.TagFormFactor, formFactor)
	}
	return list.Bytes()
}

// section is the EMV part of the slip (SRC-023 to SRC-028), nil without chip.
func (t *transaction) section() *terminal.Chip {
	if t.chip == nil || t.iad == nil {
		return nil
	}
	return &terminal.Chip{
		AID: t.app.AID, Label: t.app.Label, TVR: t.tvr.String(), TSI: t.tsi.String(), IAD: hexUpper(t.iad), ARC: t.arc,
		Cryptogram: hexUpper(t.made[:]), CID: fmt.Sprintf("%02X", t.cid), ATC: hexUpper(t.chip.counter()), CVM: t.result.String(),
		Sequence: t.plastic.Sequence,
	}
}

// numericCurrency is the ISO 4217 number of a currency a French reader may work in.
func numericCurrency(c money.Currency) string {
	switch c {
	case money.XPF:
		return "953"
	case "CHF":
		return "756"
	case "GBP":
		return "826"
	case "USD":
		return "840"
	}
	return "978"
}

func hexUpper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// padded is the last n characters, filled with zeros at the left.
func padded(s string, n int) string {
	s = strings.Repeat("0", n) + s
	return s[len(s)-n:]
}
