package emulator

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"encaisse/base/card"
	"encaisse/terminal"
)

// slip is a card slip: its content as DRV-02 and terminals.md §6.6 list it. It is
// French, as the law that asks for it; words on it are capitals without accents,
// as on paper.
type slip struct {
	with     terminal.Parameters
	kind     terminal.Kind
	c        terminal.Conclusion
	columns  int
	merchant bool // the merchant's copy: six and four digits; the customer's shows four
	sign     bool
	asked    bool // authorisation was asked: @
}

const batchDigits = 100 // DRV-02: two digits of the batch

// lines is the slip as text, no line longer than the paper is wide.
func (s slip) lines() []string {
	out := append(s.head(), s.body()...)
	out = append(out, s.emv()...)
	return append(out, s.foot()...)
}

func (s slip) head() []string {
	var out []string
	add := func(text string) { out = append(out, s.centred(text)...) }
	add("CARTE BANCAIRE")
	switch s.c.Card.Entry {
	case card.Contactless, card.Wallet, card.ContactlessStripe:
		add("SANS CONTACT")
	case card.Stripe, card.StripeFallback:
		add("PISTE")
	default:
		add("CONTACT")
	}
	if s.c.Card.AID != "" {
		add(s.c.Card.AID)
	}
	add(upper(s.c.Card.Label))
	add("LE " + s.c.At.Format("02/01/06") + " A " + s.c.At.Format("15:04:05"))
	add(upper(s.with.Merchant))
	add(upper(s.with.Address))
	if s.with.SIRET != "" {
		add("SIRET " + s.with.SIRET)
	}
	return append(out, "")
}

func (s slip) body() []string {
	number := card.Last4(s.c.Card.Masked)
	if s.merchant {
		number = s.c.Card.Masked
	} else {
		number = strings.Repeat("*", 12) + number
	}
	out := []string{}
	out = append(out, s.pair("CONTRAT", s.with.Acceptor)...)
	out = append(out, s.pair("TPE", s.with.TerminalID)...)
	out = append(out, s.pair("CARTE", number)...)
	out = append(out, s.pair("DOSSIER", s.file())...)
	if s.c.Approval != "" {
		out = append(out, s.pair("AUTORISATION", s.c.Approval)...)
	}
	out = append(out, "")
	out = append(out, s.pair("MONTANT", amountText(s.c))...)
	out = append(out, s.centred(s.nature())...)
	return append(out, s.centred(s.verification())...)
}

// file is the number of the file: terminal, transaction, batch, then how the
// card was read and whether authorisation was asked (DRV-02).
func (s slip) file() string {
	out := fmt.Sprintf("%03d %s %02d", s.with.Number%1000, s.c.Transaction, s.with.Batch%batchDigits)
	switch s.c.Card.Entry {
	case card.Stripe, card.StripeFallback, card.ContactlessStripe:
		out += " S"
	default:
		out += " C"
	}
	if s.asked {
		out += " @"
	}
	return out
}

// nature is what happened to the money.
func (s slip) nature() string {
	what := map[terminal.Kind]string{terminal.Payment: "DEBIT", terminal.Refund: "CREDIT", terminal.Void: "ANNULATION"}[s.kind]
	switch {
	case s.c.Success || s.sign:
		return what
	case s.c.Cause == terminal.CauseRefused, s.c.Cause == terminal.CauseScheme, s.c.Cause == terminal.CauseAffiliation:
		return what + " REFUSE"
	}
	return "ABANDON " + what
}

func (s slip) verification() string {
	switch s.c.Card.Verified {
	case card.OfflinePIN, card.OnlinePIN:
		return "CODE VERIFIE"
	case card.Signature:
		return "SIGNATURE"
	case card.DeviceCVM:
		return "VERIFIE SUR L'APPAREIL"
	}
	return "SANS VERIFICATION"
}

// emv is the section of the chip (SRC-023 to SRC-028).
func (s slip) emv() []string {
	ch := s.c.Chip
	if ch == nil {
		return nil
	}
	out := []string{""}
	for _, p := range [][2]string{
		{"AID", ch.AID},
		{"TVR", ch.TVR},
		{"IAD", ch.IAD},
		{"TSI", ch.TSI},
		{"ARC", ch.ARC},
		{cryptogramName(ch.CID), ch.Cryptogram},
		{"ATC", ch.ATC},
		{"CVM", ch.CVM},
	} {
		out = append(out, s.pair(p[0], p[1])...)
	}
	return out
}

func (s slip) foot() []string {
	out := []string{""}
	if s.sign {
		out = append(out, s.centred("SIGNATURE DU PORTEUR")...)
		out = append(out, "", "", strings.Repeat("_", s.columns))
	}
	if s.merchant {
		out = append(out, s.centred("TICKET COMMERCANT")...)
	} else {
		out = append(out, s.centred("TICKET CLIENT")...)
	}
	return append(out, s.centred("A CONSERVER")...)
}

// pair is a name at the left and its value at the right, on two lines where one
// is too short.
func (s slip) pair(name, value string) []string {
	if room := s.columns - utf8.RuneCountInString(name) - utf8.RuneCountInString(value); room > 0 {
		return []string{name + strings.Repeat(" ", room) + value}
	}
	out := []string{name}
	for _, l := range fold(value, s.columns) {
		out = append(out, strings.Repeat(" ", max(0, s.columns-utf8.RuneCountInString(l)))+l)
	}
	return out
}

func (s slip) centred(text string) []string {
	var out []string
	for _, l := range fold(text, s.columns) {
		out = append(out, centre(l, s.columns))
	}
	return out
}

func centre(text string, columns int) string {
	return strings.Repeat(" ", max(0, (columns-utf8.RuneCountInString(text))/2)) + text
}

// fold breaks text into lines of the paper's width, between words where it can.
func fold(text string, columns int) []string {
	runes := []rune(text)
	if len(runes) <= columns {
		return []string{text}
	}
	var out []string
	for len(runes) > columns {
		cut, skip := columns, 0
		for i := columns; i > 0; i-- {
			if runes[i] == ' ' {
				cut, skip = i, 1
				break
			}
		}
		out = append(out, string(runes[:cut]))
		runes = runes[cut+skip:]
	}
	return append(out, string(runes))
}

// upper is text as a slip prints it: capitals, without accents.
func upper(s string) string {
	return strings.NewReplacer(
		"À", "A", "Â", "A", "Ä", "A", "Ç", "C", "É", "E", "È", "E", "Ê", "E", "Ë", "E", "Î", "I", "Ï", "I", "Ô", "O", "Ö", "O",
		"Ù", "U", "Û", "U", "Ü", "U", "Œ", "OE", "Æ", "AE", "’", "'",
	).Replace(strings.ToUpper(s))
}

func amountText(c terminal.Conclusion) string {
	return strings.Replace(c.Amount.Decimal(), ".", ",", 1) + " " + string(c.Amount.Currency)
}

// cryptogramName is what a cryptogram says (tag 9F27).
func cryptogramName(cid string) string {
	switch cid {
	case "40":
		return "TC"
	case "80":
		return "ARQC"
	}
	return "AAC"
}
