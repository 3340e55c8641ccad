package access

import (
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
)

// Gate is where people and programs come in.
type Gate struct {
	db      *db.DB
	clock   clock.Clock
	hashing *hasher
}

// New makes a Gate over d. The zero Hashing is the standard one.
func New(d *db.DB, c clock.Clock, h Hashing) *Gate {
	return &Gate{db: d, clock: c, hashing: newHasher(h)}
}

// Principal is who acts: a person who is signed in, or a program with a key.
type Principal struct {
	Merchant id.Merchant
	Person   id.Person // empty: a program
	Operator int64     // the person's number, on tickets and in the journal; 0: a program
	Name     string    // of the person or of the key
	Role     Role
	Key      id.Key // empty: a person

	session string // hash of the token, so that a change of code can spare the session it was made in
}

// Actor names the principal in the trail and in histories.
func (p Principal) Actor() string {
	switch {
	case p.Person != "":
		return string(p.Person)
	case p.Key != "":
		return string(p.Key)
	}
	return systemActor
}

const systemActor = "system"

// System is the principal of what the installation does by itself for a
// merchant: setting it up, a command of its owner on the server. Nothing that
// comes over the network is ever System.
func System(merchant id.Merchant) Principal {
	return Principal{Merchant: merchant, Name: systemActor, Role: Administrator}
}
