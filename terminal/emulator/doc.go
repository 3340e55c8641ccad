// Package emulator is a card reader as a product of its own: what a merchant
// would hold in the hand, in a browser. It connects to a hub, or serves a local
// endpoint, as any reader does; nothing in Encaisse knows that it is emulated.
//
// # Words
//
// The rack is the cards that lie beside the reader; each has a chip with a
// counter and tries of its own. A gesture is what a person does with a card:
// insert, tap, swipe, remove. A dialogue is one payment, void or refund on this
// reader, from the request to its final word. The kernel is the part that EMV
// prescribes. A hand acts in a person's stead; a scenario is a hand and faults
// prepared for the next dialogue.
//
// # One journey
//
// A request begins a dialogue ([Emulator.perform]), which is remembered before
// anything is shown. The dialogue runs on a goroutine of its own and reads like
// the life it imitates (pay.go): wait for a card, read it, verify its holder, ask
// for authorisation, complete. Everything that happens to it comes through one
// queue ([dialogue.await]): gestures, keys, answers, the end of its 60 s, which
// the reader keeps itself. Its end is remembered before it is told, told until
// the hub acknowledges it, and kept for 48 hours: a reader that was restarted
// still knows what it did, and what it had not finished it ends as failed.
//
// # What is true and what is not
//
// TVR, TSI, CVM results, counters and cryptograms follow what happened, under a
// test key that protects nothing. Offline data authentication is a flag: no RSA
// is computed. Every chip asks to go online: this reader approves nothing by
// itself (UPM-028). The code of an online verification travels as a clear PIN
// block inside the sealed card data, where a real reader would encipher it under
// a key of its own first. The numbers are those that schemes and gateways publish
// for tests.
package emulator
