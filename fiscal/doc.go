// Package fiscal is the journal that cannot be altered without it showing.
//
// # Words
//
// A chain is one sequence of records: one for each register, one for each site
// (back-office events). A record is what happened, written once as canonical
// JSON (RFC 8785: sorted keys, integers, no spaces) and kept as the very bytes
// that were hashed. Its hash is the RFC 6962 leaf hash of these bytes, computed
// in one place, and is named by the next record of the chain. Every append also
// extends a Merkle tree over the chain; the chain row keeps the tree's right
// edge, so an append costs one hash for each level it completes. The record's
// one signature (ECDSA P-256, SHA-256) is over the checkpoint of the tree that
// includes it: origin, size, root, in the signed-note form that any transparency
// log tool reads.
//
// # What is promised (CGI art. 286, I, 3° bis; BOI-TVA-DECLA-30-10-30)
//
// No record is changed or removed: triggers forbid it, and [Verify] finds what
// went around them. No number is skipped: seq and the series of tickets, Z and
// days are counters of the chain row, which is updated in the sale's own
// transaction and last of all. No record joins a closed period: the chain row
// names the till session that may append. Perpetual totals, net and absolute,
// only move forward from record to record.
//
// Nothing inside a database can vouch for its own tail: [Checkpoints] appends
// signed checkpoints to a file outside of it, and Verify says plainly when no
// such file was given.
//
// Personal data never enters a record: people are operator numbers.
package fiscal
