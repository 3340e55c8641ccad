package access

import (
	"context"
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Limits of a team.
const (
	MaxPeople     = 999 // of a merchant, deactivated ones too: an operator's number has three digits on a ticket
	MaxPersonName = 80  // characters

	// numberTries bounds how often a number is drawn again because another
	// transaction took it first: as many enrolments as can happen at once.
	numberTries = 64
)

// State tells whether a person may sign in.
type State string

// The states.
const (
	Active      State = "active"
	Deactivated State = "deactivated"
)

// Person works for a merchant. A person is never deleted: tickets and the
// journal carry the number.
type Person struct {
	Merchant  id.Merchant `json:"-"`
	ID        id.Person   `json:"id"`
	Number    int64       `json:"number"`
	Name      string      `json:"name"`
	Email     string      `json:"email"`
	Role      Role        `json:"role"`
	State     State       `json:"state"`
	CreatedAt time.Time   `json:"created_at"`
}

// Enrolment is what is said of a person to be enrolled. The caller makes the
// id: the same again is the same person; empty makes a new one.
type Enrolment struct {
	ID    id.Person
	Name  string
	Email string
	Role  Role
	Code  string
}

// Prepared is an Enrolment that was checked and whose code was hashed, which
// must not happen inside a transaction.
type Prepared struct {
	person Person
	hash   string
}

// Prepare checks an enrolment and hashes its code. Problems id.malformed,
// access.name, access.email, access.role, access.code_shape,
// access.code_trivial, access.busy.
func (g *Gate) Prepare(ctx context.Context, in Enrolment) (Prepared, error) {
	person := Person{ID: in.ID, Role: in.Role, State: Active}
	var err error
	if in.ID != "" {
		if person.ID, err = id.Parse[id.Person](string(in.ID)); err != nil {
			return Prepared{}, err
		}
	}
	if person.Name, err = checkName(in.Name); err != nil {
		return Prepared{}, err
	}
	if person.Email, err = ParseEmail(in.Email); err != nil {
		return Prepared{}, err
	}
	if err = in.Role.check(); err != nil {
		return Prepared{}, err
	}
	hash, err := g.hashNew(ctx, in.Code)
	return Prepared{person: person, hash: hash}, err
}

// hashNew hashes a code somebody is to have from now on.
func (g *Gate) hashNew(ctx context.Context, code string) (string, error) {
	if err := checkNewCode(code); err != nil {
		return "", err
	}
	leave, err := g.hashing.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return g.hashing.hash(code)
}

func checkName(s string) (string, error) {
	name, ok := merchant.Clean(s, MaxPersonName)
	if !ok {
		return "", problem.New(problem.Invalid, "access.name", "most", MaxPersonName).At("name")
	}
	return name, nil
}

// Enrol makes a person of the principal's merchant with the next number, and
// tells whether the person is new: the same again changes nothing. Problems
// access.forbidden, access.role_forbidden (UPM-051, UPM-053), access.email_taken
// whoever has the address (UPM-055), access.too_many_people,
// access.person_differs when the id names somebody else.
func Enrol(tx *db.Tx, now time.Time, p Principal, in Prepared) (person Person, created bool, err error) {
	if err := mayManage(p, in.person.Role); err != nil {
		return Person{}, false, err
	}
	person = in.person
	person.Merchant, person.CreatedAt = p.Merchant, now
	if person.ID == "" {
		person.ID = id.New[id.Person](now)
	}
	fresh, err := insertLogin(tx, person, in.hash)
	if err != nil {
		return Person{}, false, err
	}
	if !fresh {
		there, err := sameOrNone(tx, person)
		if err == nil && there.ID == "" {
			err = problem.New(problem.Conflict, "access.email_taken").At("email")
		}
		return there, false, err
	}
	for range numberTries {
		number, err := insertNextPerson(tx, person)
		if errors.Is(err, db.ErrNone) { // the number was taken meanwhile, or the id is
			if _, err := sameOrNone(tx, person); err != nil {
				return Person{}, false, err
			}
			continue
		}
		if err != nil {
			return Person{}, false, err
		}
		if number > MaxPeople {
			return Person{}, false, problem.New(problem.Conflict, "access.too_many_people", "most", MaxPeople)
		}
		person.Number = number
		return person, true, Audit(tx, now, p, "person.enrolled", string(person.ID), nil, person)
	}
	return Person{}, false, problem.New(problem.Unavailable, "access.busy")
}

// sameOrNone reads the person who has the id already: the same one, nobody, or
// a problem access.person_differs.
func sameOrNone(tx *db.Tx, want Person) (Person, error) {
	there, err := readPerson(tx, want.Merchant, want.ID)
	if errors.Is(err, db.ErrNone) {
		return Person{}, nil
	}
	if err != nil {
		return Person{}, err
	}
	if there.Name != want.Name || there.Email != want.Email || there.Role != want.Role {
		return Person{}, problem.New(problem.Conflict, "access.person_differs").At("id")
	}
	return there, nil
}

// Add enrols a person as one operation (UPM-054), and tells whether the person
// is new. Problems of Prepare and Enrol.
func (g *Gate) Add(ctx context.Context, p Principal, in Enrolment) (person Person, created bool, err error) {
	if err := in.Role.check(); err != nil {
		return Person{}, false, err
	}
	if err := mayManage(p, in.Role); err != nil {
		return Person{}, false, err
	}
	ready, err := g.Prepare(ctx, in)
	if err != nil {
		return Person{}, false, err
	}
	err = g.db.Write(ctx, func(tx *db.Tx) (err error) {
		person, created, err = Enrol(tx, g.clock.Now(), p, ready)
		return err
	})
	if err != nil {
		return Person{}, false, err
	}
	return person, created, nil
}

// People lists the merchant's people by number, deactivated ones too. Problem
// access.forbidden (UPM-049).
func (g *Gate) People(ctx context.Context, p Principal) (people []Person, err error) {
	if err := Allow(p, PeopleRead); err != nil {
		return nil, err
	}
	err = g.db.Read(ctx, func(tx *db.Tx) (err error) {
		people, err = readPeople(tx, p.Merchant)
		return err
	})
	return people, err
}
