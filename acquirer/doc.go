// Package acquirer is the contract with those who move money: what Encaisse
// asks of any of them, in the field's own words, and what they may answer.
//
// # Words
//
// An acquirer accepts card transactions for a merchant under an acceptance
// contract. A connector speaks one acquirer's protocol; it holds links, never
// states: what was asked and what came of it are the caller's rows, committed
// before and after the call. Authorisation is online; clearing is by batch
// (dual message). An advice tells what happened already and is repeated, under
// the same reference, until it is answered.
//
// A connector never guesses. [Unknown] is an honest answer: the request may
// have arrived. It is never merged with [NotPerformed], which says that it did
// not happen.
//
// Every connector passes the same conformance suite, acquirertest.
package acquirer
