// Package payment is the movement of money: what a merchant wants, each try at
// it, and each thing that is said to the outside about it.
//
// # Words
//
// A payment is what the merchant wants. An attempt is one try on one reader:
// the payment itself, or a void or refund of it later. An operation is what
// talks to the host (authorise, reversal) or moves money in our books (capture,
// refund, void). What may follow what is data, in graph.go, and drawn in
// docs/payment-states.md.
//
// An outcome is what became of one of them. Unknown is an outcome's absence: it
// may have happened. It is never taken for a failure, and it always has a next
// try. An orphan is an approval whose owner could not take it: it is kept, and
// undone.
//
// # One journey
//
// [Payments.Collect] writes payment and attempt in the transaction of its
// owner, a sale; [Payments.Start] hands it to the reader. The reader asks for
// authorisation ([Payments.Authorise]): the operation is committed, then the
// host is asked, then the outcome is committed. The reader's final word
// ([Payments.Concluded]) captures: batch line, ledger, event and the owner's
// ticket in one commit. What nobody said anything about, [Payments.Run] asks
// for.
//
// # How it holds
//
// What goes out is committed before it goes out, and what came of it passes one
// door, settle.go: the graph, a compare-and-set on the row, the history. A
// second, different outcome is kept beside the first and alarmed. An
// authorisation without answer is not asked again: it is reversed, for as long
// as it takes. Every transaction that moves anything takes the row of the
// attempt first, so that two words about it come one after the other; then
// operations, the payment, the batch, and last the owner.
package payment
