// Package contract keeps the acceptance contracts of a merchant: with which
// acquirer, under which number, which card schemes, up to which limits, and at
// what hour the card batch closes.
//
// # Words
//
// The acceptor is the merchant's number at the acquirer (« n° de contrat »). An
// affiliation is its number at a scheme that signs with merchants itself (« n°
// d'affilié »). Each contract has a key pair: readers seal card data to the
// public half, and only the connector opens it, while packing a message.
//
// A contract is never deleted, since transactions refer to it: it is closed.
package contract
