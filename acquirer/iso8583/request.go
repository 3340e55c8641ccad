package iso8583

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"encaisse/acquirer"
	"encaisse/base/card"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Processing codes (DE3).
const (
	processPurchase = "000000"
	processRefund   = "200000"
)

// processes are the kinds of authorisation.
var processes = map[acquirer.Kind]string{acquirer.Purchase: processPurchase, acquirer.Refund: processRefund}

// entries are the ways to read a card (DE22): two digits, then 1: the terminal
// can take a code.
var entries = map[card.Entry]string{
	card.Keyed: "011", card.Chip: "051", card.Contactless: "071", card.Wallet: "071",
	card.StripeFallback: "801", card.Stripe: "901", card.ContactlessStripe: "911",
}

// normalConditions is DE25: the holder and the card are here.
const normalConditions = "00"

// reasons are why a reversal is sent, as DE25 of ISO 8583:1993 writes them: the
// field of 1987 has no room for it.
var reasons = map[acquirer.Reason]string{
	acquirer.ReasonTimeout: "4021", acquirer.ReasonCancelled: "4000", acquirer.ReasonInvalid: "4020",
	acquirer.ReasonVoid: "4000", acquirer.ReasonUnmatched: "4351",
}

// currencies are the currencies a contract may be in (ISO 4217 numeric codes).
var currencies = map[money.Currency]string{
	money.EUR: "978", money.XPF: "953", "CHF": "756", "GBP": "826", "USD": "840", "JPY": "392", "TND": "788", "MAD": "504", "XOF": "952",
}

// currencyNumber is a currency as a message writes it.
func currencyNumber(field int, c money.Currency) (string, error) {
	if number, known := currencies[c]; known {
		return number, nil
	}
	return "", unpackable(field, "no number for the currency")
}

// opening is what every message of a terminal has: who, when, under which number.
func (c *Connector) opening(mti string, t acquirer.Trace, contract acquirer.Contract) *Message {
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := t.At.In(zone)
	m := NewMessage(mti)
	m.Set(7, t.At.UTC().Format(transmission))
	m.Set(11, fmt.Sprintf("%06d", t.Number))
	m.Set(12, local.Format("150405"))
	m.Set(13, local.Format("0102"))
	if c.acquirer != "" {
		m.Set(32, c.acquirer)
	}
	m.Set(41, fmt.Sprintf("%-8s", t.Terminal))
	m.Set(42, fmt.Sprintf("%-15s", contract.Acceptor))
	return m
}

// authorisation is 0100.
func (c *Connector) authorisation(a acquirer.Authorisation) (*Message, error) {
	data, err := a.Contract.Key.Open(a.Card.Envelope, a.About)
	if err != nil {
		return nil, err
	}
	m := c.opening("0100", a.Trace, a.Contract)
	if err := describe(m, a, data); err != nil {
		return nil, err
	}
	if data.Track2 != "" {
		m.Set(track2Field, strings.Replace(data.Track2, "D", string(rune(separator)), 1))
	}
	if data.PINBlock != "" {
		block, err := hex.DecodeString(data.PINBlock)
		if err != nil {
			return nil, unpackable(52, "not hex") // err would show some of it
		}
		m.SetBytes(52, block)
	}
	m.Set(43, where(a.Contract))
	m.Set(elementField, elements(a).String())
	return m, nil
}

// describe says what is paid with which card.
func describe(m *Message, a acquirer.Authorisation, data card.Data) error {
	process, known := processes[a.Kind]
	if !known {
		return unpackable(3, "unknown kind")
	}
	entry, known := entries[a.Card.Entry]
	if !known {
		return unpackable(22, "unknown entry")
	}
	currency, err := currencyNumber(49, a.Amount.Currency)
	if err != nil {
		return err
	}
	m.Set(panField, data.PAN)
	m.Set(3, process)
	m.Set(4, fmt.Sprintf("%012d", a.Amount.Minor))
	m.Set(14, data.Expiry)
	if a.Contract.MCC != "" {
		m.Set(18, a.Contract.MCC)
	}
	if a.Contract.Country != "" {
		m.Set(19, a.Contract.Country)
	}
	m.Set(22, entry)
	if data.Sequence != "" {
		m.Set(23, "0"+data.Sequence)
	}
	m.Set(25, normalConditions)
	m.Set(49, currency)
	if len(a.Card.EMV) > 0 {
		m.SetBytes(chipField, a.Card.EMV)
	}
	return nil
}

// elements is what the standard has no field for.
func elements(a acquirer.Authorisation) Elements {
	var all Elements
	if a.Card.Scheme != "" {
		all = append(all, Element{ElementScheme, string(a.Card.Scheme)})
	}
	if number := a.Contract.Affiliated[a.Card.Scheme]; number != "" {
		all = append(all, Element{ElementAffiliation, number})
	}
	return append(all, operation(a.Trace)...)
}

// operation names what the caller calls a message.
func operation(t acquirer.Trace) Elements {
	if t.Operation == "" {
		return nil
	}
	return Elements{{ElementOperation, string(t.Operation)}}
}

// reversal is 0420, or 0421 when it was sent before.
func (c *Connector) reversal(r acquirer.Reversal) (*Message, error) {
	a := r.Original
	a.Contract = r.Contract
	data, err := a.Contract.Key.Open(a.Card.Kept, a.About)
	if err != nil {
		return nil, err
	}
	reason, known := reasons[r.Reason]
	if !known {
		return nil, unpackable(elementField, "unknown reason")
	}
	mti := "0420"
	if r.Repeat {
		mti = Repeat(mti)
	}
	m := c.opening(mti, r.Trace, r.Contract)
	if err := describe(m, a, data); err != nil {
		return nil, err
	}
	m.Remove(chipField) // of the authorisation: a host that never had it learns nothing from it
	if r.Approval != "" {
		m.Set(38, r.Approval)
	}
	m.Set(elementField, append(Elements{{ElementReason, reason}}, operation(r.Trace)...).String())
	m.Set(90, c.original(a.Trace))
	return m, nil
}

// original names the authorisation that a message is about (DE90).
func (c *Connector) original(t acquirer.Trace) string {
	bank := c.acquirer
	return fmt.Sprintf("0100%06d%s%s%s%011d", t.Number, t.At.UTC().Format(transmission), strings.Repeat("0", max(0, 11-len(bank))), bank, 0)
}

// clearing is 0220, or 0221 when it was sent before: one line of a batch.
func (c *Connector) clearing(b acquirer.Batch, place int, repeat bool) (*Message, error) {
	line := b.Lines[place]
	data, err := b.Contract.Key.Open(line.Card.Kept, line.About)
	if err != nil {
		return nil, err
	}
	mti := "0220"
	if repeat {
		mti = Repeat(mti)
	}
	line.Contract, line.Zone = b.Contract, b.Zone
	m := c.opening(mti, line.Trace, b.Contract)
	if err := describe(m, line.Authorisation, data); err != nil {
		return nil, err
	}
	if line.RRN != "" {
		m.Set(37, line.RRN)
	}
	m.Set(38, line.Approval)
	m.Set(elementField, append(Elements{batchNumber(b), {ElementLine, fmt.Sprint(place + 1)}}, elements(line.Authorisation)...).String())
	m.Set(90, c.original(line.Trace))
	return m, nil
}

func batchNumber(b acquirer.Batch) Element { return Element{ElementBatch, fmt.Sprint(b.Number)} }

// reconciliation is 0500, or 0501 when totals of the batch were sent before.
func (c *Connector) reconciliation(b acquirer.Batch, t acquirer.Trace, repeat bool) (*Message, error) {
	mti := "0500"
	if repeat {
		mti = Repeat(mti)
	}
	currency, err := currencyNumber(50, b.Currency)
	if err != nil {
		return nil, err
	}
	t.Terminal, t.Zone = b.Terminal, b.Zone
	m := c.opening(mti, t, b.Contract)
	m.Set(elementField, append(Elements{batchNumber(b)}, operation(t)...).String())
	m.Set(50, currency)
	for _, total := range []struct {
		count, amount int
		sum           acquirer.Sum
	}{{74, 86, b.Credits}, {75, 87, acquirer.Sum{}}, {76, 88, b.Debits}, {77, 89, acquirer.Sum{}}} {
		m.Set(total.count, fmt.Sprintf("%010d", total.sum.Count))
		m.Set(total.amount, fmt.Sprintf("%016d", total.sum.Minor))
	}
	sign, net := "C", b.Credits.Minor-b.Debits.Minor
	if net < 0 {
		sign, net = "D", -net
	}
	m.Set(97, fmt.Sprintf("%s%016d", sign, net))
	return m, nil
}

// where is the merchant's name and town, as a statement shows them (DE43).
func where(c acquirer.Contract) string {
	return fmt.Sprintf("%-25s%-13s  ", plain(c.Name, 25), plain(c.City, 13))
}

// accents are the letters that a statement shows without.
var accents = strings.NewReplacer(
	"à", "a", "â", "a", "ä", "a", "ç", "c", "é", "e", "è", "e", "ê", "e", "ë", "e", "î", "i", "ï", "i", "ô", "o", "ö", "o", "ù", "u", "û", "u", "ü", "u", "œ", "oe", "æ", "ae",
	"À", "A", "Â", "A", "Ä", "A", "Ç", "C", "É", "E", "È", "E", "Ê", "E", "Ë", "E", "Î", "I", "Ï", "I", "Ô", "O", "Ö", "O", "Ù", "U", "Û", "U", "Ü", "U", "Œ", "OE", "Æ", "AE", "’", "'",
)

// plain is text in characters that every host prints, of n at most.
func plain(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, accents.Replace(text))
	return text[:min(n, len(text))]
}

// safe is what may be said of an error: a problem's code and place, else its
// text. Nothing in this package puts card data in either.
func safe(err error) string {
	if p := problem.As(err); p != nil {
		return p.Error()
	}
	return err.Error()
}
