// Package terminal is the hub of card readers: pairing, presence, one dialogue
// at a time, parameters.
//
// # Words
//
// A terminal is a reader as its merchant knows it: a name, a number, a place, a
// contract, a history. A device is the physical thing that stands in for it,
// with a credential of its own; replacing the device keeps the terminal. A link
// is the connection of a device: readers dial in over WebSocket and speak a
// [Protocol], which the hub knows by its neutral [Message] alone. A node is one
// program among those that share the database; whatever node a reader reaches,
// a message for it is a row when it was asked for at another one. A dialogue is
// one attempt on one reader, from the request to the reader's final word: the
// row of an open dialogue keeps a second one out.
//
// # Pairing
//
// Somebody who may manage terminals asks for a code ([Hub.PairingCode]): eight
// readable characters, good once, for a quarter of an hour. A device brings it
// with its model and serial number and gets a credential, of which the hash
// alone is kept; the device before it loses its own and is cut off.
//
// # A link
//
// The hub speaks first: who are you? The answer must name the device that the
// credential was given to. It is then sent its parameters, counts as online,
// and takes the place of whatever connection its terminal had. A ping every two
// seconds shows that it is still there; nothing of that is written. What is
// written is that it came, fell asleep, left or was lost: asleep is what a
// reader said before it left, offline is all else. Every message that cannot be
// taken is answered with a refusal that names a field and never a value, and
// the link goes on; only who floods, or breaks the framing, is cut off.
//
// # One journey
//
// payment opens a dialogue in its own transaction ([Hub.Open]), then lets it go
// to the reader ([Hub.Send]). The reader tells what happens ([Payments.Progressed]),
// asks for authorisation ([Payments.Authorise]) and has the final word
// ([Payments.Concluded]). Where the word does not come, payment asks for it
// ([Hub.Ask]). The hub itself decides nothing about money.
//
// Send makes sure that somebody listens before an amount leaves: a ping, or a
// diagnosis that wakes a reader asleep on its link. Its problems mean that the
// reader certainly does not have the request; any other error means that nobody
// knows, and payment asks. Everything a reader says may come twice: it repeats
// its requests until they are answered and its final word until it is
// acknowledged, which happens after payment's commit and not before.
package terminal
