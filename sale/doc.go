// Package sale turns a basket into a ticket that cannot be altered.
//
// # Words
//
// A till session runs on a register from its opening float to its Z. A sale is
// a basket that was sealed: its lines, reductions, VAT and tenders, a number
// without hole on its register, a fiscal record, ledger transfers and an event,
// all in one commit. A return is a sale with a negative total. An X shows the
// totals of the open session; a Z closes it; a day closing sums the sessions of
// a register's business day.
//
// # One journey
//
// [Sales.Put] checks the request, prices it (price.go: nothing but arithmetic),
// and seals it (seal.go). The caller makes the sale's id: the same request again
// is the same sale, another under the same id is refused. VAT is computed per
// rate on the discounted total and rounded once per rate and ticket (DRV-04);
// a Z is the sum of its tickets and never a new computation.
package sale
