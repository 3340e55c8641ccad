// Package batch is the card batch (« télécollecte »): what was captured and is
// not yet with the acquirer, per contract and terminal.
//
// # Words
//
// A batch is open while captures join it, then closed: its totals are frozen and
// nothing joins or leaves it any more. It is sent to the acquirer under its
// number, as often as it takes, and acknowledged, refused or, where no answer
// came, unknown. A debit is a capture, a credit a refund. Voiding takes a line
// out of an open batch; once it is closed there is only the refund. The batch
// decides which, not midnight (UPM-079, UPM-081).
//
// # How it holds
//
// Captures add up in a part, a row of their own: one joins by a conditional
// UPDATE of the open part, and where that returns no row the batch was closed
// meanwhile and the next one is opened. Closing is one UPDATE of the parts,
// whose returned sums are the batch's totals. A batch is thus never closed with
// a capture half inside.
package batch
