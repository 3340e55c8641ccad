// Package simulator is an issuer and an acquirer's host on a real socket, for
// shops that try things out and for tests: `encaisse acquirer` runs it alone. It
// remembers, as banks do, and does what it is told to do wrong.
//
// # Words
//
// An account is a card at its issuer: what it may spend, the state of the card,
// its code, how far its chip has counted. Numbers are published test numbers, the
// deck of package card among them; others are refused. A contract is what a
// merchant signed with the acquirer: terminals, schemes, currency. An approval is
// a yes; it reserves money until it is reversed or cleared. A batch is what a
// terminal presents of its approvals. A scenario is steps, each a behaviour for
// the next messages that match it.
//
// # What it answers
//
// It speaks the profile of package iso8583 and shares nothing else with the
// connector: what is decided here is decided again by nobody else's code.
//
//   - 0100: the contract first (03 acceptor, 58 terminal, 12 currency, 57 scheme
//     with SCHEME or AFFILIATION in DE44), then the issuer: 14 number, 41 43 62 05
//     02 54 by its state, 63 where the chip's cryptogram (DE55) proves nothing or
//     its counter does not grow, 55 and 75 for the code (DE52), 1A or 65 when the
//     card must be inserted, 61 51 for money. The chip is answered with tags 8A and
//     91. Approved money is reserved.
//   - 0400, 0420: 00 reversed, once more or not at all reserved; 25 the original
//     is not known, and is refused with 68 should it still come; 21 it was
//     presented already; DE95 leaves a part of it.
//   - 0220: a line of the batch that DE48 names, any number of times: 25 never
//     approved, 12 reversed or not the same, 13 too much, 94 in another batch.
//   - 0500, 0520: 00 and DE66=1 when totals and lines agree: all lines are
//     cleared. 95 and DE66=2 when they do not. The same batch again is answered
//     as before and clears nothing; other totals under its number are 94.
//   - 0800: sign-on, sign-off (91 to what comes after it), echo.
//
// The same message is one with the same class, DE11, DE7, DE32, DE41 and DE42. It
// gets the stored answer; with another content it gets 94. Stored are answers
// that will never be others: a refused batch or reversal may be tried again.
//
// # What it keeps
//
// State is in memory, by design: a test begins with a clean bank. With
// [Options.State] it is kept in a file as well, and an answer leaves only when the
// file holds what it says. The wire carries card numbers and codes in clear, as
// the profile does without a zone key; the log keeps neither track nor code and
// shows numbers masked.
//
// Time comes from base/clock and chance from a seed and the message itself, so the
// same run has the same faults in whatever order messages come.
package simulator
