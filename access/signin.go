package access

import (
	"context"
	"crypto/sha256"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Limits of guessing (DRV-11).
const (
	MaxTries = 10               // wrong codes in a row that lock an address; the schema has the same number
	LockFor  = 15 * time.Minute // how long

	// triesKept is how long the tries of an address are remembered after the
	// last one: long enough that waiting gains nothing over the lock, short
	// enough that addresses nobody has do not pile up.
	triesKept = 24 * time.Hour
)

// account is what a sign-in needs of the person an address belongs to; empty
// when it is nobody's.
type account struct {
	email    string
	merchant id.Merchant
	person   id.Person
	hash     string
	left     int64 // tries left after this one
}

// SignIn opens a session for the person with this e-mail address and code.
// Problems: access.code_shape; access.refused, the same for an unknown address,
// a wrong code and a deactivated person, with the number of tries left;
// access.locked with the minutes left, whether the address is known or not;
// access.busy when too many sign in at once.
func (g *Gate) SignIn(ctx context.Context, email, code string) (Session, error) {
	if err := checkShape(code); err != nil {
		return Session{}, err
	}
	leave, err := g.hashing.enter(ctx)
	if err != nil {
		return Session{}, err
	}
	defer leave()
	a, err := g.try(ctx, normalEmail(email))
	if err != nil {
		return Session{}, err
	}
	match, stale, err := g.hashing.matches(code, a.hash)
	if err != nil {
		return Session{}, err
	}
	if !match {
		return Session{}, a.refused()
	}
	renewed := a.hash
	if stale {
		if renewed, err = g.hashing.hash(code); err != nil {
			return Session{}, err
		}
	}
	return g.open(ctx, a, renewed)
}

func (a account) refused() error {
	return problem.New(problem.Unauthorized, "access.refused", "left", a.left)
}

// try takes one try of the address in its row, before its code is looked at:
// however many guess at once, ten are let through. Problem access.locked.
func (g *Gate) try(ctx context.Context, email string) (a account, err error) {
	hash := emailHash(email)
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		a = account{email: email}
		tries, lockedUntil, err := takeTry(tx, hash, now, now.Add(LockFor))
		if err != nil {
			return err
		}
		if tries == 0 {
			return problem.New(problem.TooMany, "access.locked", "minutes", minutesUp(lockedUntil.Sub(now)))
		}
		a.left = MaxTries - tries
		return readAccount(tx, &a)
	})
	return a, err
}

// open makes the session, unless the code was changed or the person deactivated
// since the code was checked: the row of the login says so.
func (g *Gate) open(ctx context.Context, a account, renewedHash string) (s Session, err error) {
	token := newToken(sessionPrefix)
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		s = Session{Token: token, ExpiresAt: now.Add(SessionLifetime)}
		same, err := replaceHash(tx, a.email, a.hash, renewedHash)
		if err != nil {
			return err
		}
		active, err := insertSession(tx, tokenHash(token), a, now, now.Add(SessionIdle), s.ExpiresAt)
		if err != nil {
			return err
		}
		if !same || !active {
			return a.refused()
		}
		forgetTries(tx, emailHash(a.email))
		dropOldSessions(tx, a.merchant, a.person, now)
		if s.Principal, _, err = readSession(tx, tokenHash(token), now); err != nil {
			return err
		}
		return Audit(tx, now, s.Principal, "session.opened", string(a.person), nil, nil)
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// emailHash is the key of the tries: addresses that nobody here has are not kept.
func emailHash(email string) []byte {
	sum := sha256.Sum256([]byte(email))
	return sum[:]
}

func minutesUp(d time.Duration) int64 { return int64((d + time.Minute - 1) / time.Minute) }
