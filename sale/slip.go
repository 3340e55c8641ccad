package sale

import (
	"context"
	"fmt"
	"time"

	"encaisse/access"
	"encaisse/base/card"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/batch"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/terminal"
)

// What stands on a slip for how the card was read, and for an authorisation that was
// asked of the issuer (DRV-02).
const (
	letterChip       = "C"
	letterStripe     = "S"
	letterAuthorised = "@"
)

// Digits of the parts of a file number: terminal, transaction, batch (DRV-02).
const fileNumber = "%03d%s%02d"

const (
	batchDigits  = 100 // what two digits hold
	numberDigits = 6
)

// CardPayment is a payment as its card slip and the till show it.
type CardPayment struct {
	payment.Payment
	Slip  *CardSlip     // nil: no card was read
	Offer terminal.Kind // Void or Refund, as the batch decides; empty: there is nothing to give back
}

// CardSlip is what a card slip says (DRV-02), and its EMV section (SRC-023…028).
type CardSlip struct {
	Application string // label of the scheme's application
	AID         string
	At          time.Time
	TradeName   string
	Contract    string // the merchant's number at the acquirer
	Terminal    int64
	Masked      string
	Amount      money.Amount
	FileNumber  string // 3 digits terminal, 6 transaction, 2 batch
	Letters     string // C chip or S stripe, @ where the issuer was asked
	Approval    string
	Signed      bool
	Entry       card.Entry
	Verified    card.CVM
	Scheme      card.Scheme
	Chip        *terminal.Chip // nil: no chip
}

// CardPayment reads one payment with its slip. Whoever may read the payment may read
// what its slip says of the contract and the reader. Problems access.forbidden,
// payment.not_found.
func (s *Sales) CardPayment(ctx context.Context, p access.Principal, paid id.Payment) (CardPayment, error) {
	found, err := s.cards.Get(ctx, p, paid)
	if err != nil {
		return CardPayment{}, err
	}
	out := CardPayment{Payment: found}
	if found.State == payment.Succeeded && found.Refundable() > 0 && found.Batch != "" {
		out.Offer = terminal.Refund
		joined, err := s.cards.Batches.Get(ctx, access.System(p.Merchant), found.Batch)
		if err != nil {
			return CardPayment{}, err
		}
		if joined.State == batch.Open {
			out.Offer = terminal.Void
		}
	}
	if found.Card == nil {
		return out, nil
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		out.Slip, err = s.slip(tx, found)
		return err
	})
	return out, err
}

func (s *Sales) slip(tx *db.Tx, p payment.Payment) (*CardSlip, error) {
	company, err := merchant.In(tx, p.Merchant)
	if err != nil {
		return nil, err
	}
	reader, err := terminal.In(tx, p.Merchant, p.Terminal)
	if err != nil {
		return nil, err
	}
	terms, err := s.cards.Contracts.In(tx, p.Merchant, p.Contract)
	if err != nil {
		return nil, err
	}
	slip := CardSlip{
		Application: p.Card.Label, AID: p.Card.AID, At: p.CreatedAt, TradeName: company.Company, Contract: terms.Acceptor,
		Terminal: reader.Number, Masked: p.Card.Masked, Amount: p.Amount, Approval: p.Approval, Signed: p.Signed,
		Letters: letters(p), Entry: p.Card.Entry, Verified: p.Card.Verified, Scheme: p.Card.Scheme, Chip: p.Chip,
		FileNumber: fmt.Sprintf(fileNumber, reader.Number, sixDigits(p.Number), p.BatchNumber%batchDigits),
	}
	if p.At != nil {
		slip.At = *p.At
	}
	if p.Chip != nil {
		slip.AID, slip.Application = p.Chip.AID, p.Chip.Label
	}
	return &slip, nil
}

// letters says how the card was read, and whether the issuer was asked.
func letters(p payment.Payment) string {
	read := letterStripe
	switch p.Card.Entry {
	case card.Chip, card.Contactless, card.Wallet:
		read = letterChip
	case card.Keyed:
		read = ""
	}
	if p.Approval != "" {
		return read + letterAuthorised
	}
	return read
}

// sixDigits is the end of a reader's own number, filled with zeros.
func sixDigits(number string) string {
	if n := len(number); n > numberDigits {
		return number[n-numberDigits:]
	}
	return fmt.Sprintf("%0*s", numberDigits, number)
}
