package access_test

import (
	"testing"

	"encaisse/access"
	"encaisse/base/problem"
	"encaisse/merchant"
)

func testUPM075_ChangeOfCode(t *testing.T, h *house) {
	mine, other := h.in(h.at("camille"), goodCode), h.in(h.at("camille"), goodCode)
	for code, codes := range map[string][2]string{
		"access.code_wrong":   {wrongCode, "918273"},
		"access.code_shape":   {goodCode, "91827"},
		"access.code_trivial": {goodCode, "000000"},
		"access.code_same":    {goodCode, goodCode},
	} {
		want(t, h.ChangeCode(t.Context(), mine.Principal, codes[0], codes[1]), code)
	}
	if err := h.ChangeCode(t.Context(), mine.Principal, goodCode, "918273"); err != nil {
		t.Fatal(err)
	}
	h.last("person.code_changed", string(mine.Principal.Person), mine.Principal)
	if _, err := h.Authenticate(t.Context(), mine.Token); err != nil {
		t.Error("the session it was made in:", err)
	}
	_, err := h.Authenticate(t.Context(), other.Token)
	want(t, err, "access.bearer")
	_, err = h.SignIn(t.Context(), h.at("camille"), goodCode)
	want(t, err, "access.refused")
	h.in(h.at("camille"), "918273")
}

// testDRV11_TheOldCodeIsGuessedNoMoreFreely: whoever has a session and not the
// code has the same ten tries.
func testDRV11_TheOldCodeIsGuessedNoMoreFreely(t *testing.T, h *house) {
	s := h.in(h.at("camille"), goodCode)
	for range access.MaxTries {
		want(t, h.ChangeCode(t.Context(), s.Principal, wrongCode, "918273"), "access.code_wrong")
	}
	want(t, h.ChangeCode(t.Context(), s.Principal, goodCode, "918273"), "access.locked")
	_, err := h.SignIn(t.Context(), h.at("camille"), goodCode)
	want(t, err, "access.locked")
}

func testResetOfACodeSomebodyForgot(t *testing.T, h *house) {
	s := h.add(h.at("sacha"), access.User)
	for range access.MaxTries {
		_, err := h.SignIn(t.Context(), h.at("sacha"), wrongCode)
		want(t, err, "access.refused")
	}
	want(t, h.ResetCode(t.Context(), h.admin, s.Principal.Person, "123456"), "access.code_trivial")
	want(t, h.ResetCode(t.Context(), h.admin, h.admin.Person, "918273"), "access.own_code")
	if err := h.ResetCode(t.Context(), h.admin, s.Principal.Person, "918273"); err != nil {
		t.Fatal(err)
	}
	h.last("person.code_reset", string(s.Principal.Person), h.admin)
	_, err := h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
	h.in(h.at("sacha"), "918273") // the lock is lifted
}

// testCodesAreHashedAnewWhenTheCostChanges at the next sign-in, without anybody noticing.
func testCodesAreHashedAnewWhenTheCostChanges(t *testing.T, h *house) {
	dearer := access.Hashing{MemoryKiB: 128, Iterations: 2}
	gate := access.New(h.db, h.clock, dearer)
	if _, err := gate.SignIn(t.Context(), h.at("camille"), goodCode); err != nil {
		t.Fatal(err)
	}
	_, err := gate.SignIn(t.Context(), h.at("camille"), wrongCode)
	want(t, err, "access.refused")
	if s, err := gate.SignIn(t.Context(), h.at("camille"), goodCode); err != nil || s.Principal.Person != h.admin.Person {
		t.Error(s, err)
	}
}

func testSitesAndRegistersAreRenamedByAdministrators(t *testing.T, h *house) {
	m := merchant.New(h.db, h.clock)
	sites, err := m.Sites(t.Context(), h.admin.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	registers, err := m.Registers(t.Context(), h.admin.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	manager := h.add(h.at("manager"), access.Manager).Principal
	_, err = h.RenameSite(t.Context(), manager, m, sites[0].ID, "Quai")
	want(t, err, "access.forbidden")
	_, err = h.RenameRegister(t.Context(), manager, m, registers[0].ID, "Quai")
	want(t, err, "access.forbidden")
	if s, err := h.RenameSite(t.Context(), h.admin, m, sites[0].ID, "Quai"); err != nil || s.Name != "Quai" {
		t.Error(s, err)
	}
	h.last("site.renamed", string(sites[0].ID), h.admin)
	if r, err := h.RenameRegister(t.Context(), h.admin, m, registers[1].ID, "Comptoir"); err != nil || r.Name != "Comptoir" {
		t.Error(r, err)
	}
	h.last("register.renamed", string(registers[1].ID), h.admin)
	before := len(h.trail())
	if _, err := h.RenameSite(t.Context(), h.admin, m, sites[0].ID, "Quai"); err != nil || len(h.trail()) != before {
		t.Error("the same name again:", err)
	}
}

func TestAccessProblemsHaveTheirKind(t *testing.T) {
	h := newHouse(t, sqlite(t))
	_, err := h.Authenticate(t.Context(), "st_nothing")
	if problem.As(err).Kind != problem.Unauthorized {
		t.Error(err)
	}
	_, err = h.People(t.Context(), access.Principal{Merchant: h.admin.Merchant, Role: access.User})
	if problem.As(err).Kind != problem.Forbidden {
		t.Error(err)
	}
}

// testUPM082_TheCodeBeforeAnAct: the right one passes and forgets the wrong
// ones; who guesses has the tries of the door.
func testUPM082_TheCodeBeforeAnAct(t *testing.T, h *house) {
	t.Log("coverage: UPM-082 partial: without HTTP")
	s := h.in(h.at("camille"), goodCode)
	want(t, h.CheckCode(t.Context(), s.Principal, "12345"), "access.code_shape")
	for range 2 {
		for range access.MaxTries - 1 {
			want(t, h.CheckCode(t.Context(), s.Principal, wrongCode), "access.code_wrong")
		}
		if err := h.CheckCode(t.Context(), s.Principal, goodCode); err != nil {
			t.Fatal(err)
		}
	}
	for range access.MaxTries {
		want(t, h.CheckCode(t.Context(), s.Principal, wrongCode), "access.code_wrong")
	}
	want(t, h.CheckCode(t.Context(), s.Principal, goodCode), "access.locked")
	_, err := h.SignIn(t.Context(), h.at("camille"), goodCode)
	want(t, err, "access.locked")
	want(t, h.CheckCode(t.Context(), access.System(h.admin.Merchant), goodCode), "access.not_a_person")
}
