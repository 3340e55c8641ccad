package access

import (
	"context"
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Deactivate takes a person's access away: sessions end at the next request,
// signing in is refused, what the person did stays (UPM-057). Deactivating again
// changes nothing. Problems access.forbidden, access.role_forbidden,
// access.person_not_found, access.last_administrator.
func (g *Gate) Deactivate(ctx context.Context, p Principal, person id.Person) (Person, error) {
	return g.change(ctx, p, person, "person.deactivated", func(after *Person) error {
		after.State = Deactivated
		return nil
	})
}

// Reactivate gives a deactivated person access again, with the old code.
// Problems access.forbidden, access.role_forbidden, access.person_not_found.
func (g *Gate) Reactivate(ctx context.Context, p Principal, person id.Person) (Person, error) {
	return g.change(ctx, p, person, "person.reactivated", func(after *Person) error {
		after.State = Active
		return nil
	})
}

// ChangeRole gives a person another role, from the next request on. Problems
// access.role, access.forbidden, access.role_forbidden for the role it was or
// the one it would be (UPM-051, UPM-053), access.person_not_found,
// access.last_administrator.
func (g *Gate) ChangeRole(ctx context.Context, p Principal, person id.Person, role Role) (Person, error) {
	if err := role.check(); err != nil {
		return Person{}, err
	}
	if err := mayManage(p, role); err != nil {
		return Person{}, err
	}
	return g.change(ctx, p, person, "person.role_changed", func(after *Person) error {
		after.Role = role
		return nil
	})
}

// Rename gives a person another name. Problems access.name, access.forbidden,
// access.role_forbidden, access.person_not_found.
func (g *Gate) Rename(ctx context.Context, p Principal, person id.Person, name string) (Person, error) {
	return g.change(ctx, p, person, "person.renamed", func(after *Person) (err error) {
		after.Name, err = checkName(name)
		return err
	})
}

// change is every change of a person's row: read it, ask whether the principal
// may, write it on condition that it is still what was read, keep it in the trail.
func (g *Gate) change(ctx context.Context, p Principal, person id.Person, action string, edit func(after *Person) error) (after Person, err error) {
	if err := mayManage(p); err != nil {
		return Person{}, err
	}
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		now := g.clock.Now()
		before, err := findPerson(tx, p, person)
		if err != nil {
			return err
		}
		after = before
		if err := edit(&after); err != nil || after == before {
			return err
		}
		if err := writePerson(tx, now, before, after); err != nil {
			return err
		}
		if after.State != before.State {
			if _, err := deleteSessions(tx, p.Merchant, person, nil); err != nil {
				return err
			}
		}
		return Audit(tx, now, p, action, string(person), before, after)
	})
	if err != nil {
		return Person{}, err
	}
	return after, nil
}

// findPerson reads somebody the principal may manage.
func findPerson(tx *db.Tx, p Principal, person id.Person) (Person, error) {
	there, err := readPerson(tx, p.Merchant, person)
	if errors.Is(err, db.ErrNone) {
		return Person{}, problem.New(problem.NotFound, "access.person_not_found")
	}
	if err != nil {
		return Person{}, err
	}
	return there, mayManage(p, there.Role)
}

// writePerson writes the row if nobody changed it meanwhile. Where it takes an
// administrator away, another one must be left: all their rows are taken first,
// so that two who demote each other come one after the other and the second
// sees what the first did.
func writePerson(tx *db.Tx, now time.Time, before, after Person) error {
	administers := func(p Person) bool { return p.Role == Administrator && p.State == Active }
	leaves := administers(before) && !administers(after)
	if leaves {
		if err := takeAdministrators(tx, before.Merchant); err != nil {
			return err
		}
	}
	written, err := updatePerson(tx, before, after, leaves)
	if err != nil || written {
		return err
	}
	there, err := readPerson(tx, before.Merchant, before.ID)
	if err != nil {
		return err
	}
	if leaves && there == before {
		return problem.New(problem.Conflict, "access.last_administrator")
	}
	return problem.New(problem.Conflict, "access.changed_meanwhile")
}

// ChangeCode replaces the principal's own code (UPM-075) and ends the person's
// other sessions. The old code is guessed no more freely here than at the door.
// Problems access.not_a_person for a program, access.code_shape,
// access.code_trivial, access.code_same, access.code_wrong, access.locked,
// access.busy.
func (g *Gate) ChangeCode(ctx context.Context, p Principal, old, replacement string) error {
	if p.Person == "" {
		return problem.New(problem.Forbidden, "access.not_a_person")
	}
	if err := checkShape(old); err != nil {
		return problem.As(err).At("old_code")
	}
	if err := checkNewCode(replacement); err != nil {
		return problem.As(err).At("new_code")
	}
	if old == replacement {
		return problem.New(problem.Invalid, "access.code_same").At("new_code")
	}
	leave, err := g.hashing.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	person, a, err := g.ownCode(ctx, p, old, "old_code")
	if err != nil {
		return err
	}
	hash, err := g.hashing.hash(replacement)
	if err != nil {
		return err
	}
	return g.db.Write(ctx, func(tx *db.Tx) error {
		same, err := replaceHash(tx, a.email, a.hash, hash)
		if err != nil {
			return err
		}
		if !same {
			return problem.New(problem.Conflict, "access.changed_meanwhile")
		}
		return settleCode(tx, g.clock.Now(), p, person, "person.code_changed")
	})
}

// CheckCode tells whether a code is the principal's own, before an act that asks
// for it (UPM-082). It is guessed no more freely here than at the door. Problems
// access.not_a_person for a program, access.code_shape, access.code_wrong,
// access.locked, access.busy.
func (g *Gate) CheckCode(ctx context.Context, p Principal, code string) error {
	if p.Person == "" {
		return problem.New(problem.Forbidden, "access.not_a_person")
	}
	if err := checkShape(code); err != nil {
		return err
	}
	leave, err := g.hashing.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, a, err := g.ownCode(ctx, p, code, "code")
	if err != nil {
		return err
	}
	return g.db.Write(ctx, func(tx *db.Tx) error {
		forgetTries(tx, emailHash(a.email))
		return nil
	})
}

// ownCode takes a try of the principal's own address and looks at the code. It is
// for a caller that has entered.
func (g *Gate) ownCode(ctx context.Context, p Principal, code, field string) (person Person, a account, err error) {
	err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
		person, err = readPerson(tx, p.Merchant, p.Person)
		return err
	})
	if err != nil {
		return person, a, err
	}
	if a, err = g.try(ctx, person.Email); err != nil {
		return person, a, err
	}
	match, _, err := g.hashing.matches(code, a.hash)
	if err == nil && !match {
		err = problem.New(problem.Invalid, "access.code_wrong", "left", a.left).At(field)
	}
	return person, a, err
}

// ResetCode gives somebody who forgot it another code, ends all their sessions
// and lifts a lock. Nobody resets their own: that is ChangeCode. Problems
// access.forbidden, access.role_forbidden, access.own_code,
// access.person_not_found, access.code_shape, access.code_trivial, access.busy.
func (g *Gate) ResetCode(ctx context.Context, p Principal, person id.Person, code string) error {
	if err := mayManage(p); err != nil {
		return err
	}
	if person == p.Person {
		return problem.New(problem.Forbidden, "access.own_code")
	}
	hash, err := g.hashNew(ctx, code)
	if err != nil {
		return err
	}
	return g.db.Write(ctx, func(tx *db.Tx) error {
		there, err := findPerson(tx, p, person)
		if err != nil {
			return err
		}
		setHash(tx, there, hash)
		return settleCode(tx, g.clock.Now(), p, there, "person.code_reset")
	})
}

// settleCode is what follows a new code: no other session, no counted try, an
// entry in the trail.
func settleCode(tx *db.Tx, now time.Time, p Principal, person Person, action string) error {
	forgetTries(tx, emailHash(person.Email))
	var spared []byte
	if p.Person == person.ID {
		spared = []byte(p.session)
	}
	if _, err := deleteSessions(tx, person.Merchant, person.ID, spared); err != nil {
		return err
	}
	return Audit(tx, now, p, action, string(person.ID), nil, nil)
}
