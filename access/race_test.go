package access_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// guessAtOnce lets 64 guess at the same time and tells how many were let
// through to the code.
func guessAtOnce(guess func() (through bool)) int64 {
	var through atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			if guess() {
				through.Add(1)
			}
		})
	}
	wait.Wait()
	return through.Load()
}

func testDRV11_64GuessesAtOnceGetTenTries(t *testing.T, h *house) {
	for _, email := range []string{h.at("camille"), h.at("nobody")} {
		through := guessAtOnce(func() bool {
			_, err := h.SignIn(context.Background(), email, wrongCode)
			if !problem.Is(err, "access.refused") && !problem.Is(err, "access.locked") {
				t.Error(err)
			}
			return problem.Is(err, "access.refused")
		})
		if through != access.MaxTries {
			t.Errorf("%s: %d guesses were let through, want %d", email, through, access.MaxTries)
		}
	}
}

// testDRV11_GuessesCanFail: counting after the code was looked at, as it is
// often done, lets all of them through, and the test above would see it.
func testDRV11_GuessesCanFail(t *testing.T, h *house) {
	var looked sync.WaitGroup
	looked.Add(64)
	through := guessAtOnce(func() bool {
		var tries int64
		err := h.db.Read(context.Background(), func(tx *db.Tx) error {
			err := tx.QueryRow(`SELECT tries FROM login_try WHERE email_hash = $1`, []byte("naive")).Scan(&tries)
			if errors.Is(err, db.ErrNone) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		looked.Done()
		looked.Wait() // here the code is hashed
		return tries < access.MaxTries
	})
	if through <= access.MaxTries {
		t.Errorf("only %d were let through", through)
	}
}

// testPeopleEnrolledAtOnceHaveNumbersOfTheirOwn: eight at the same time get the
// eight numbers that follow, none twice, and each can sign in.
func testPeopleEnrolledAtOnceHaveNumbersOfTheirOwn(t *testing.T, h *house) {
	const count = 8
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() {
			_, _, err := h.Add(context.Background(), h.admin, access.Enrolment{
				Name: "Sacha Roy", Email: h.at(fmt.Sprint("p", i)), Role: access.User, Code: goodCode,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	people, err := h.People(t.Context(), h.admin)
	if err != nil || len(people) != 1+count {
		t.Fatal(people, err)
	}
	for i, p := range people {
		if p.Number != int64(i+1) {
			t.Errorf("person %d has number %d", i, p.Number)
		}
		if s := h.in(p.Email, goodCode); s.Principal.Operator != p.Number {
			t.Error(s.Principal, p)
		}
	}
}

// testTheSameEnrolmentAtOnceIsOnePerson: eight times the same id, and one of them
// hears that it made the person.
func testTheSameEnrolmentAtOnceIsOnePerson(t *testing.T, h *house) {
	in := access.Enrolment{ID: id.New[id.Person](start), Name: "Sacha Roy", Email: h.at("s"), Role: access.User, Code: goodCode}
	var wait sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		wait.Go(func() {
			p, created, err := h.Add(context.Background(), h.admin, in)
			if err != nil || p.Number != 2 {
				t.Error(p, err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	wait.Wait()
	if made.Load() != 1 {
		t.Errorf("%d made the person", made.Load())
	}
}

// testTwoAdministratorsWhoDemoteEachOther: one of them is left, whoever is first.
func testTwoAdministratorsWhoDemoteEachOther(t *testing.T, h *house) {
	other := h.add(h.at("second"), access.Administrator).Principal
	for round := range 10 {
		var wait sync.WaitGroup
		for _, pair := range [][2]access.Principal{{h.admin, other}, {other, h.admin}} {
			wait.Go(func() {
				var err error
				if round%2 == 0 {
					_, err = h.Deactivate(context.Background(), pair[0], pair[1].Person)
				} else {
					_, err = h.ChangeRole(context.Background(), pair[0], pair[1].Person, access.User)
				}
				if err != nil && !problem.Is(err, "access.last_administrator") {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if left := h.administrators(); left != 1 {
			t.Fatalf("round %d: %d administrators are left", round, left)
		}
		for _, p := range []access.Principal{h.admin, other} {
			h.raw(`UPDATE person SET role = 'administrator', state = 'active' WHERE merchant_id = $1 AND person_id = $2`, p.Merchant, p.Person)
		}
	}
}

// testTwoAdministratorsCanFail: the same condition without taking the rows
// first leaves nobody, on the engine where two transactions run side by side.
func testTwoAdministratorsCanFail(t *testing.T, h *house) {
	if h.db.Engine() == db.SQLite {
		return // writes come one after the other anyway
	}
	other := h.add(h.at("second"), access.Administrator).Principal
	var both, wait sync.WaitGroup
	both.Add(2)
	for _, p := range []access.Principal{h.admin, other} {
		wait.Go(func() {
			err := h.db.Write(context.Background(), func(tx *db.Tx) error {
				_, err := tx.Exec(`UPDATE person SET role = 'user' WHERE merchant_id = $1 AND person_id = $2
					AND EXISTS (SELECT 1 FROM person other WHERE other.merchant_id = $1 AND other.person_id <> $2
						AND other.role = 'administrator' AND other.state = 'active')`, p.Merchant, p.Person)
				both.Done()
				both.Wait()
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if left := h.administrators(); left != 0 {
		t.Errorf("%d administrators are left: the guard is not needed", left)
	}
}

func (h *house) raw(query string, args ...any) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) administrators() (count int64) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM person WHERE merchant_id = $1 AND role = 'administrator' AND state = 'active'`,
			h.admin.Merchant).Scan(&count)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return count
}
