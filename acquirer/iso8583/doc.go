// Package iso8583 speaks ISO 8583 with an acquirer's host: a codec whose tables
// can be read beside the standard, the framing of messages on a TCP stream, a
// link that keeps one connection, and a connector on top of it.
//
// # Words
//
// A message is a type indicator (MTI), a bitmap that names the fields, and the
// fields in their order. The standard says what a field may hold; how its
// characters become bytes is a matter between two parties, so a [Spec] is a
// table of fields and a [Packing]. A frame is a message with its length before
// it. A system trace audit number (STAN, DE11) tells the requests of a terminal
// apart; a repeat says the same again under the same number. An advice tells
// what happened already: it is repeated until it is answered.
//
// # The profile: CB2A-style dual message
//
// Authorisation is online and clearing is by batch, as French acceptance works.
// The real CB2A is a document of its members; this profile is the published
// standard of 1987 with the same behaviour, and says what it leaves open there:
//
//   - 0100/0110 authorisation. DE3 is 000000 for a purchase and 200000 for a
//     refund. DE2 and DE14 are always there, DE35, DE52 and DE55 when the card
//     was read so. DE22 is the entry mode, DE23 the card's sequence number.
//   - 0420/0430 reversal advice, 0421 when it is repeated. DE3, DE4 and DE49 are
//     the original's, DE90 names it: its MTI, DE11 and DE7, the acquirer (DE32)
//     and eleven zeroes. DE38 is the original's approval code where it had one.
//     Answers 00 and 25 (the host never knew it) both end the matter.
//   - 0220/0230 clearing advice, one for each line of a batch, 0221 when the
//     batch is sent again. Its DE11, DE7, DE12 and DE13 are those of the
//     authorisation it clears, so the same line always has the same key; DE37
//     and DE38 are the host's own of then, DE90 names the 0100.
//   - 0500/0510 reconciliation, 0501 when it is repeated: DE74–77 counts and
//     DE86–89 sums of credits, reversed credits, debits and reversed debits (the
//     reversed ones are zero: what was voided has left the batch), DE97 the net,
//     credits less debits, with C before it, or D when it is negative. DE50 is the
//     currency. In balance is answered DE39=00 with DE66=1, out of balance
//     DE39=95 with DE66=2: then the lines are sent again and the totals once
//     more. Nothing is cleared before totals and lines agree.
//   - 0800/0810 network management: DE70 is 001 sign-on, 002 sign-off, 301 echo.
//
// DE7 is in UTC, DE12 and DE13 in the site's zone. DE41 is padded with spaces to
// eight characters, DE42 to fifteen. DE48 carries what the standard has no field
// for, as elements of two letters, two digits of length and the value: see
// [Element]. A refusal by contract is DE39=57, and DE44 begins with AFFILIATION
// where it is only for want of that number. There is no MAC: the link belongs in
// TLS or a private network, by [LinkOptions].
//
// The host repeats DE7, DE11 and DE41 in its answers. It knows a message again by
// its class, DE7, DE11, DE32, DE41 and DE42: the same again is answered as it was
// before, another content under the same key is refused with 94.
//
// # What is sure and what is not
//
// A request that could not be written is [acquirer.NotPerformed]. As soon as one
// byte of it was handed to the network and no usable answer came, it is
// [acquirer.Unknown]: whoever asked reverses it or asks again under the same
// number. An answer that nobody waits for any more is counted and logged, never
// given to somebody else.
//
// Messages carry card numbers. They are opened here, while packing, and nowhere
// else; problems and logs name a field and an offset, and [Spec.Print] masks.
package iso8583
