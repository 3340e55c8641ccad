// Package access knows who may do what: people and their roles, sign-in,
// sessions, API keys, permissions, and the trail of administrative acts.
//
// Words. A Person works for one merchant, with a role and a number: the
// operator's number is what tickets and the fiscal journal carry instead of a
// name. A person signs in with an e-mail address, which is unique over the whole
// platform, and a code of six digits, and gets a session token. A program has an
// API key. Both are a bearer, and Authenticate makes a Principal of either. A
// Permission is what a route asks for; the table in permission.go says which
// roles have it. The trail keeps each administrative act in the transaction
// that did it.
//
// # Codes
//
// A code has a million values, so guessing is what must be stopped. A try is
// taken in the database before the code is looked at: ten tries and the address
// is locked for a quarter of an hour, whatever the number of clients, machines
// or addresses they come from. Tries are counted per address that was typed,
// whether anybody has it or not, and a code is always hashed once: the answer
// and its time do not tell which addresses are known. Codes are kept as argon2id.
//
// # Sessions
//
// alexedwards/scs was tried on paper and left out. It keeps a session as an
// opaque blob that it loads, changes and saves: a bearer needs one indexed read
// that joins the person and sees at once that the person was deactivated; a
// list of somebody's sessions and their end would need a second index beside
// scs's own store; and it takes its time from the machine, not from base/clock.
// What is left is small and here: 32 random bytes for the client, their SHA-256
// in the row, an absolute end and an idle end that use moves on at most once an
// hour.
package access
