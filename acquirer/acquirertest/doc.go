// Package acquirertest is what every connector passes: [Run] drives it against
// the other end of its protocol, real or simulated, over real sockets, and holds
// what it says of each request against what that other end did.
//
// The other end is a [Host] in the test's hands: it can refuse for each reason,
// fall silent, be late, lose the link before and after it decides. What a host
// of a protocol cannot do its [Host.Arrange] says, and the case is left out by
// name.
//
// Every outcome and receipt that passes through the suite is searched for the
// card that was presented: number, track 2 and expiry with them are nowhere.
package acquirertest
