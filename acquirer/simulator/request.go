package simulator

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"encaisse/acquirer/iso8583"
	"encaisse/base/card"
	"encaisse/base/emv"
	"encaisse/base/money"
)

// Fields of ISO 8583:1987 that the host reads or writes.
const (
	fieldPAN         = 2
	fieldProcessing  = 3
	fieldAmount      = 4
	fieldSent        = 7
	fieldTrace       = 11
	fieldTime        = 12
	fieldDate        = 13
	fieldExpiry      = 14
	fieldEntry       = 22
	fieldSequence    = 23
	fieldAcquirer    = 32
	fieldTrack2      = 35
	fieldRRN         = 37
	fieldApproval    = 38
	fieldCode        = 39
	fieldTerminal    = 41
	fieldAcceptor    = 42
	fieldTrack1      = 45
	fieldAdditional  = 44
	fieldElements    = 48
	fieldCurrency    = 49
	fieldSettlement  = 50
	fieldPIN         = 52
	fieldChip        = 55
	fieldBalance     = 66
	fieldNetwork     = 70
	fieldCredits     = 74
	fieldCreditsBack = 75
	fieldDebits      = 76
	fieldDebitsBack  = 77
	fieldCreditSum   = 86
	fieldCreditBack  = 87
	fieldDebitSum    = 88
	fieldDebitBack   = 89
	fieldOriginal    = 90
	fieldReplacement = 95
	fieldNet         = 97
)

// echoed are the fields that an answer repeats.
var echoed = []int{
	fieldProcessing, fieldAmount, fieldSent, fieldTrace, fieldTime, fieldDate, fieldAcquirer, fieldRRN, fieldTerminal, fieldAcceptor,
	fieldCurrency, fieldSettlement, fieldNetwork, fieldOriginal,
}

// processing codes (the first two digits of field 3).
const (
	processPurchase = "00"
	processRefund   = "20"
)

// request is a message of one of the classes that touch money, read.
type request struct {
	*iso8583.Message
	class    byte // '1' authorisation, '2' financial, '4' reversal, '5' reconciliation
	key      string
	content  [sha256.Size]byte
	terminal string
	acceptor string
	elements iso8583.Elements
	amount   money.Amount
	credit   bool
}

// needs are the fields without which a message of a class says nothing.
var needs = map[byte][]int{
	'1': {fieldProcessing, fieldAmount, fieldSent, fieldTrace, fieldEntry, fieldTerminal, fieldAcceptor, fieldCurrency},
	'2': {fieldProcessing, fieldAmount, fieldSent, fieldTrace, fieldTerminal, fieldAcceptor, fieldCurrency, fieldOriginal},
	'4': {fieldAmount, fieldSent, fieldTrace, fieldTerminal, fieldAcceptor, fieldCurrency, fieldOriginal},
	'5': {fieldSent, fieldTrace, fieldTerminal, fieldAcceptor, fieldCredits, fieldDebits, fieldCreditSum, fieldDebitSum},
}

// read understands a message; ok is false where it lacks something or contradicts itself.
func read(m *iso8583.Message) (r request, ok bool) {
	r = request{
		Message: m, class: m.MTI[1], content: digest(m),
		terminal: strings.TrimRight(m.Get(fieldTerminal), " "), acceptor: strings.TrimRight(m.Get(fieldAcceptor), " "),
	}
	r.key = keyOf(r.class, m.Get(fieldTrace), m.Get(fieldSent), m.Get(fieldAcquirer), r.terminal, r.acceptor)
	for _, field := range needs[r.class] {
		if !m.Has(field) {
			return r, false
		}
	}
	var err error
	if r.elements, err = iso8583.ParseElements(m.Get(fieldElements)); err != nil {
		return r, false
	}
	if r.class == '5' {
		return r, true
	}
	r.amount = money.Amount{Minor: number(m.Get(fieldAmount)), Currency: currencyOf(m.Get(fieldCurrency))}
	process := m.Get(fieldProcessing)
	r.credit = strings.HasPrefix(process, processRefund)
	return r, r.credit || process == "" || strings.HasPrefix(process, processPurchase)
}

// keyOf is what tells a message from every other (terminals §5.4-7): its class,
// trace number, time of transmission, acquirer, terminal and acceptor.
func keyOf(class byte, trace, sent, acquirer, terminal, acceptor string) string {
	return strings.Join([]string{string(class), trace, sent, strings.TrimLeft(acquirer, "0"), terminal, acceptor}, "/")
}

// digest is over all that a message says but whether it says it again.
func digest(m *iso8583.Message) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(m.MTI[:3]))
	for _, field := range m.Fields() {
		value := m.Get(field)
		h.Write([]byte(strconv.Itoa(field) + ":" + strconv.Itoa(len(value)) + ":" + value))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// lengths of the parts of field 90.
const (
	originalBytes = 42
	originalTrace = 4
	originalSent  = 10
	originalBank  = 20
	originalOther = 31
)

// original is the key of the message that this one is about (field 90).
func (r request) original() (key string, ok bool) {
	o := r.Get(fieldOriginal)
	if len(o) != originalBytes {
		return "", false
	}
	return keyOf(o[1], o[originalTrace:originalSent], o[originalSent:originalBank], o[originalBank:originalOther], r.terminal, r.acceptor), true
}

// question is what the issuer is asked; ok is false where the message does not
// hold together.
func (r request) question() (q question, ok bool) {
	q = question{
		number: r.Get(fieldPAN), expiry: r.Get(fieldExpiry), entry: r.Get(fieldEntry)[:2], credit: r.credit, amount: r.amount, pin: r.Bytes(fieldPIN),
	}
	if s := r.Get(fieldSequence); s != "" {
		q.sequence = s[1:]
	}
	if number, rest, found := strings.Cut(r.Get(fieldTrack2), "="); found {
		if len(rest) < 4 || q.number != "" && q.number != number || q.expiry != "" && q.expiry != rest[:4] {
			return q, false
		}
		q.number, q.expiry = number, rest[:4]
	}
	var err error
	q.chip, err = emv.Parse(r.Bytes(fieldChip))
	return q, err == nil && q.number != ""
}

// scheme is under whose rules a card pays: the one of the application that was
// chosen, else the one the sender names, else one of the card's that the contract takes.
func (r request) scheme(a *Account, c *Contract, chip emv.List) card.Scheme {
	for _, tag := range []emv.Tag{emv.TagDFName, emv.TagAID, emv.TagTerminalAID} {
		if s := card.SchemeOfAID(hexUpper(chip.Get(tag))); s != "" {
			return s
		}
	}
	if s := card.Scheme(r.elements.Get(iso8583.ElementScheme)); s.Known() {
		return s
	}
	return c.firstOr(a.Schemes)
}

// number reads digits; what the codec let through has no others.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// digits writes a number without a sign.
func digits(n int64) string { return strconv.FormatInt(max(n, 0), 10) }

// fixed writes a number with leading zeros.
func fixed(n int64, width int) string {
	text := digits(n)
	return strings.Repeat("0", max(0, width-len(text))) + text
}
