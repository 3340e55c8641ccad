// Package ledger keeps what is owed, in double entry, beside what caused it.
//
// A transfer moves an amount from one account to another: it debits one and
// credits the other in a single row, so that debits and credits are equal by
// shape and not by care. Transfers are written in the transaction of their
// source (a sale, a cash movement, a closing), are never changed, and a
// correction is a new transfer.
//
// Accounts are named by what they hold:
//
//	due            what a sale still owes; a sealed sale brings it back to zero
//	sales:{rate}   turnover excluding VAT, by rate in basis points
//	vat:{rate}     VAT collected, by rate
//	cash:{reg}     the drawer of a register
//	safe           where floats come from and takings go
//	over_short     what a count found too much or too little
//	card_by_hand   what a person says was paid by card and no acquirer has confirmed
//
//	acquirer:{ctr}:captured      paid by card, in an open batch
//	acquirer:{ctr}:batch:{bat}   in a closed batch the acquirer has not acknowledged
//	acquirer:{ctr}:receivable    what the acquirer owes
package ledger

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// Accounts that need no argument.
const (
	Due       = "due"
	Safe      = "safe"
	OverShort = "over_short"

	CardByHand = "card_by_hand"
)

// Sales is the turnover account of a VAT rate.
func Sales(rate money.Rate) string { return "sales:" + itoa(int64(rate)) }

// VAT is the account of VAT collected at a rate.
func VAT(rate money.Rate) string { return "vat:" + itoa(int64(rate)) }

// Cash is the drawer of a register.
func Cash(register id.Register) string { return "cash:" + string(register) }

// Captured is what was paid by card under a contract and is in an open batch.
func Captured(c id.Contract) string { return "acquirer:" + string(c) + ":captured" }

// CardBatch is a closed card batch that is not acknowledged.
func CardBatch(c id.Contract, b id.Batch) string {
	return "acquirer:" + string(c) + ":batch:" + string(b)
}

// Receivable is what the acquirer of a contract owes.
func Receivable(c id.Contract) string { return "acquirer:" + string(c) + ":receivable" }

// Transfer debits one account and credits another. Amount is positive, in minor units.
type Transfer struct {
	Debit  string
	Credit string
	Amount int64
}

// String reads as a posting: what is moved, from what it credits to what it debits.
func (t Transfer) String() string { return itoa(t.Amount) + " from " + t.Credit + " to " + t.Debit }

// Posted is a transfer as the ledger holds it.
type Posted struct {
	Transfer
	Position int // among those of its source, from one
	Currency money.Currency
	At       time.Time
}

// Move makes the transfer of a signed amount: a negative one goes the other way.
// ok is false for zero, which moves nothing.
func Move(debit, credit string, amount int64) (t Transfer, ok bool) {
	switch {
	case amount > 0:
		return Transfer{Debit: debit, Credit: credit, Amount: amount}, true
	case amount < 0:
		return Transfer{Debit: credit, Credit: debit, Amount: -amount}, true
	}
	return Transfer{}, false
}

// List collects transfers in their order, leaving out those that move nothing.
type List []Transfer

// Add appends the transfer of a signed amount.
func (l *List) Add(debit, credit string, amount int64) {
	if t, ok := Move(debit, credit, amount); ok {
		*l = append(*l, t)
	}
}

// Post writes the transfers that source causes, in order, in the caller's transaction.
func Post(tx *db.Tx, m id.Merchant, source string, currency money.Currency, at time.Time, transfers []Transfer) {
	for i, t := range transfers {
		insertTransfer(tx, m, source, i+1, t, currency, at)
	}
}
