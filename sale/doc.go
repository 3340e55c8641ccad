// Package sale turns a basket into a ticket that cannot be altered.
//
// # Words
//
// A till session runs on a register from its opening float to its Z. A sale is
// a basket that was sealed: its lines, reductions, VAT and tenders, a number
// without hole on its register, a fiscal record, ledger transfers and an event,
// all in one commit. A return is a sale with a negative total. An X shows the
// totals of the open session; a Z closes it; a day closing sums the sessions of
// a register's business day. A basket is a sale on its way: prices frozen, paid
// part by part. A leg is one part, a tender that is asked for or accepted before
// there is a ticket.
//
// # One journey
//
// [Sales.Put] checks the request, prices it (price.go: nothing but arithmetic),
// and seals it (seal.go). The caller makes the sale's id: the same request again
// is the same sale, another under the same id is refused. VAT is computed per
// rate on the discounted total and rounded once per rate and ticket (DRV-04);
// a Z is the sum of its tickets and never a new computation.
//
// # The other journey
//
// With Open the priced sale is kept as a basket (basket.go). [Sales.Tender] adds a
// leg (tender.go): its part of the due is reserved on the basket's row, so that no
// two legs take the same. Cash is accepted at once. A card is asked for, and what
// comes of it enters by owner.go, in the transaction that records it. What is
// accepted before the total is covered is journaled by itself; what covers it
// seals, by the one path of seal.go. A void or refund makes its return ticket
// (returned.go), or, where there is no ticket yet, gives the leg back. A basket
// that is given up (abandon.go) hands back first what it took.
package sale
