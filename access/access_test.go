package access_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// cheap hashes in some 50 µs: what is tested here is not the cost.
var cheap = access.Hashing{MemoryKiB: 64, Iterations: 1, Parallelism: 1, Concurrent: 8}

const (
	goodCode  = "735194"
	wrongCode = "735195"
)

// house is a merchant with an administrator.
type house struct {
	*access.Gate
	t      *testing.T
	db     *db.DB
	clock  *clock.Manual
	admin  access.Principal
	domain string
}

// TestAccess runs each test on each engine. They share a database: a test has
// merchants and addresses of its own, as merchants have on a platform.
func TestAccess(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, test := range map[string]func(*testing.T, *house){
			"UPM051_UPM053_WhoManagesWhom":                   testUPM051_UPM053_WhoManagesWhom,
			"SignInGivesASession":                            testSignInGivesASession,
			"UPM055_AnAddressIsUniqueOverAllMerchants":       testUPM055_AnAddressIsUniqueOverAllMerchants,
			"NobodyTellsWhetherAnAddressIsKnown":             testNobodyTellsWhetherAnAddressIsKnown,
			"DRV11_TenWrongTriesLockForAQuarterOfAnHour":     testDRV11_TenWrongTriesLockForAQuarterOfAnHour,
			"DRV11_ARightCodeForgetsTheWrongOnes":            testDRV11_ARightCodeForgetsTheWrongOnes,
			"DRV11_AfterALockTheCountBeginsAgain":            testDRV11_AfterALockTheCountBeginsAgain,
			"UPM057_ADeactivatedPersonIsOutAtTheNextRequest": testUPM057_ADeactivatedPersonIsOutAtTheNextRequest,
			"EnrolmentIsDoneOnce":                            testEnrolmentIsDoneOnce,
			"TheTrailIsWrittenWithTheAct":                    testTheTrailIsWrittenWithTheAct,
			"TrailIsReadInPages":                             testTrailIsReadInPages,
			"UPM053_AManagerMakesNoManager":                  testUPM053_AManagerMakesNoManager,
			"UPM049_AUserSeesAndInvitesNobody":               testUPM049_AUserSeesAndInvitesNobody,
			"PeopleOfAnotherMerchantAreNotFound":             testPeopleOfAnotherMerchantAreNotFound,
			"ChangeOfRoleHoldsFromTheNextRequestOn":          testChangeOfRoleHoldsFromTheNextRequestOn,
			"CCV002_TheLastAdministratorStays":               testCCV002_TheLastAdministratorStays,
			"DRV11_64GuessesAtOnceGetTenTries":               testDRV11_64GuessesAtOnceGetTenTries,
			"DRV11_GuessesCanFail":                           testDRV11_GuessesCanFail,
			"PeopleEnrolledAtOnceHaveNumbersOfTheirOwn":      testPeopleEnrolledAtOnceHaveNumbersOfTheirOwn,
			"TheSameEnrolmentAtOnceIsOnePerson":              testTheSameEnrolmentAtOnceIsOnePerson,
			"TwoAdministratorsWhoDemoteEachOther":            testTwoAdministratorsWhoDemoteEachOther,
			"TwoAdministratorsCanFail":                       testTwoAdministratorsCanFail,
			"SessionEndsWithoutUse":                          testSessionEndsWithoutUse,
			"SessionGoesOnWithUseUntilItsAbsoluteEnd":        testSessionGoesOnWithUseUntilItsAbsoluteEnd,
			"UseMovesTheIdleEndOnOnceAnHour":                 testUseMovesTheIdleEndOnOnceAnHour,
			"SignOut":                                        testSignOut,
			"SessionsAreListedAndTheOthersEnded":             testSessionsAreListedAndTheOthersEnded,
			"APersonHasTwentySessionsAtMost":                 testAPersonHasTwentySessionsAtMost,
			"Keys":                                           testKeys,
			"KeyRefusals":                                    testKeyRefusals,
			"BearersThatAreNone":                             testBearersThatAreNone,
			"NoSecretIsKept":                                 testNoSecretIsKept,
			"UPM075_ChangeOfCode":                            testUPM075_ChangeOfCode,
			"UPM082_TheCodeBeforeAnAct":                      testUPM082_TheCodeBeforeAnAct,
			"DRV11_TheOldCodeIsGuessedNoMoreFreely":          testDRV11_TheOldCodeIsGuessedNoMoreFreely,
			"ResetOfACodeSomebodyForgot":                     testResetOfACodeSomebodyForgot,
			"CodesAreHashedAnewWhenTheCostChanges":           testCodesAreHashedAnewWhenTheCostChanges,
			"SitesAndRegistersAreRenamedByAdministrators":    testSitesAndRegistersAreRenamedByAdministrators,
		} {
			t.Run(name, func(t *testing.T) { test(t, newHouse(t, d)) })
		}
	})
}

func newHouse(t *testing.T, d *db.DB) *house {
	c := clock.NewManual(start)
	h := &house{Gate: access.New(d, c, cheap), t: t, db: d, clock: c, domain: strings.ToLower(rand.Text()) + ".example"}
	h.admin = h.settle(h.at("camille"))
	return h
}

// at is an address that no other test has.
func (h *house) at(name string) string { return name + "@" + h.domain }

// settle founds a merchant with an administrator who has this address, as the
// installation does it.
func (h *house) settle(email string) access.Principal {
	h.t.Helper()
	ready, err := h.Prepare(h.t.Context(), access.Enrolment{Name: "Camille Petit", Email: email, Role: access.Administrator, Code: goodCode})
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.db.Write(h.t.Context(), func(tx *db.Tx) error {
		f, err := merchant.Found(tx, h.clock.Now(), merchant.Founding{
			Company: "Boulangerie du Port", SIREN: "732829320", SiteName: "Le Port", SIRET: "73282932000074",
		})
		if err != nil {
			return err
		}
		_, _, err = access.Enrol(tx, h.clock.Now(), access.System(f.Merchant.ID), ready)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.in(email, goodCode).Principal
}

// in signs in, or fails.
func (h *house) in(email, code string) access.Session {
	h.t.Helper()
	s, err := h.SignIn(h.t.Context(), email, code)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// add enrols somebody and signs them in.
func (h *house) add(email string, role access.Role) access.Session {
	h.t.Helper()
	if _, _, err := h.Add(h.t.Context(), h.admin, access.Enrolment{Name: "Sacha Roy", Email: email, Role: role, Code: goodCode}); err != nil {
		h.t.Fatal(err)
	}
	return h.in(email, goodCode)
}

func (h *house) trail() []access.Entry {
	h.t.Helper()
	entries, err := h.Trail(h.t.Context(), h.admin, "", 500)
	if err != nil {
		h.t.Fatal(err)
	}
	return entries
}

// last is the latest entry of the trail, which must be this act.
func (h *house) last(action, subject string, actor access.Principal) {
	h.t.Helper()
	entries := h.trail()
	if len(entries) == 0 {
		h.t.Fatal("the trail is empty")
	}
	e := entries[len(entries)-1]
	if e.Action != action || e.Subject != subject || e.Actor != actor.Actor() {
		h.t.Errorf("the last act is %s on %s by %s, want %s on %s by %s", e.Action, e.Subject, e.Actor, action, subject, actor.Actor())
	}
}

func want(t *testing.T, err error, code string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

func testSignInGivesASession(t *testing.T, h *house) {
	s := h.in("  "+strings.ToUpper(h.at("camille"))+" ", goodCode)
	if s.Principal.Name != "Camille Petit" || s.Principal.Role != access.Administrator || s.Principal.Operator != 1 ||
		s.Principal.Merchant != h.admin.Merchant || s.Principal.Person == "" || s.Principal.Key != "" {
		t.Errorf("%+v", s.Principal)
	}
	p, err := h.Authenticate(t.Context(), s.Token)
	if err != nil || p != s.Principal {
		t.Errorf("%+v, %v", p, err)
	}
	if s.ExpiresAt != start.Add(access.SessionLifetime) || p.Actor() != string(p.Person) {
		t.Error(s.ExpiresAt, p.Actor())
	}
	h.last("session.opened", string(p.Person), p)
}

func TestUPM016_OnlySixDigitsAreACode(t *testing.T) {
	h := newHouse(t, sqlite(t))
	for _, code := range []string{"", "12345", "7351940", "73519a", "73519 ", "７３５１９４", "-73519", "73519\n"} {
		_, err := h.SignIn(t.Context(), h.at("camille"), code)
		want(t, err, "access.code_shape")
		_, err = h.Prepare(t.Context(), access.Enrolment{Name: "A", Email: "a@b.example", Role: access.User, Code: code})
		want(t, err, "access.code_shape")
	}
}

func TestUPM075_TrivialCodesAreRefused(t *testing.T) {
	h := newHouse(t, sqlite(t))
	for _, code := range []string{
		"000000", "111111", "999999", "123456", "012345", "456789", "567890", "890123", "654321", "543210", "210987", "121212", "909090", "123123", "007007",
	} {
		_, err := h.Prepare(t.Context(), access.Enrolment{Name: "A", Email: "a@b.example", Role: access.User, Code: code})
		want(t, err, "access.code_trivial")
	}
	for _, code := range []string{"123457", "112233", "135790", "100000", "987650"} {
		if _, err := h.Prepare(t.Context(), access.Enrolment{Name: "A", Email: "a@b.example", Role: access.User, Code: code}); err != nil {
			t.Error(code, err)
		}
	}
}

func TestDrawnCodesAreNotTrivial(t *testing.T) {
	h := newHouse(t, sqlite(t))
	seen := map[string]bool{}
	for range 100 {
		code := access.DrawCode()
		seen[code] = true
		if _, err := h.Prepare(t.Context(), access.Enrolment{Name: "A", Email: "a@b.example", Role: access.User, Code: code}); err != nil {
			t.Error(code, err)
		}
	}
	if len(seen) < 90 {
		t.Errorf("%d codes of 100 differ", len(seen))
	}
}

func sqlite(t *testing.T) *db.DB {
	d, _ := dbtest.Open(t, db.SQLite)
	return d
}

func testUPM055_AnAddressIsUniqueOverAllMerchants(t *testing.T, h *house) {
	other := h.settle(h.at("lou"))
	var answers []string
	for _, email := range []string{h.at("lou"), " " + strings.ToUpper(h.at("lou")) + "\t", h.at("camille")} {
		_, _, err := h.Add(t.Context(), h.admin, access.Enrolment{Name: "X", Email: email, Role: access.User, Code: goodCode})
		want(t, err, "access.email_taken")
		answers = append(answers, err.Error())
	}
	if answers[0] != answers[2] {
		t.Errorf("the answer tells whose address it is: %q, %q", answers[0], answers[2])
	}
	people, err := h.People(t.Context(), other)
	if err != nil || len(people) != 1 || people[0].Email != h.at("lou") {
		t.Error(people, err)
	}
}

func TestEmails(t *testing.T) {
	for in, out := range map[string]string{
		"a@b.example":            "a@b.example",
		" A.B+c@D.Example ":      "a.b+c@d.example",
		"":                       "",
		"a":                      "",
		"a@":                     "",
		"@b.example":             "",
		"a@b@c.example":          "",
		"A <a@b.example>":        "",
		"<a@b.example>":          "",
		"a@b.example (comment)":  "",
		"a@b.example,c@d.org":    "",
		"\"a b\"@c.example":      "",
		"a@b.example\r\nBcc: c@": "",
	} {
		got, err := access.ParseEmail(in)
		if got != out || (err == nil) != (out != "") {
			t.Errorf("ParseEmail(%q) = %q, %v", in, got, err)
		}
	}
}

// testNobodyTellsWhetherAnAddressIsKnown: an unknown address, a wrong code and
// a deactivated person have the same answer, down to the number of tries left.
func testNobodyTellsWhetherAnAddressIsKnown(t *testing.T, h *house) {
	gone := h.add(h.at("gone"), access.User)
	if _, err := h.Deactivate(t.Context(), h.admin, gone.Principal.Person); err != nil {
		t.Fatal(err)
	}
	for try := range access.MaxTries + 2 {
		var answers []string
		for _, who := range [][2]string{
			{h.at("nobody"), goodCode},
			{"not even an address", goodCode},
			{h.at("camille"), wrongCode},
			{h.at("gone"), goodCode},
		} {
			_, err := h.SignIn(t.Context(), who[0], who[1])
			answers = append(answers, err.Error())
			if kind := problem.As(err).Kind; kind != problem.Unauthorized && kind != problem.TooMany {
				t.Error(err)
			}
		}
		for _, a := range answers {
			if a != answers[0] {
				t.Fatalf("try %d: the answers differ: %q", try, answers)
			}
		}
	}
}

func testDRV11_TenWrongTriesLockForAQuarterOfAnHour(t *testing.T, h *house) {
	email := h.at("camille")
	for left := int64(access.MaxTries - 1); left >= 0; left-- {
		_, err := h.SignIn(t.Context(), email, wrongCode)
		want(t, err, "access.refused")
		if got := problem.As(err).Args["left"]; got != left {
			t.Fatalf("%v tries left, want %d", got, left)
		}
	}
	for minute, minutes := range map[time.Duration]int64{0: 15, 30 * time.Second: 15, 14*time.Minute + 59*time.Second: 1} {
		h.clock.Set(start.Add(minute))
		_, err := h.SignIn(t.Context(), email, goodCode)
		want(t, err, "access.locked")
		if got := problem.As(err).Args["minutes"]; got != minutes {
			t.Errorf("after %s: %v minutes left, want %d", minute, got, minutes)
		}
	}
	h.clock.Set(start.Add(access.LockFor))
	h.in(email, goodCode)
}

func testDRV11_ARightCodeForgetsTheWrongOnes(t *testing.T, h *house) {
	email := h.at("camille")
	for range 3 {
		for range access.MaxTries - 1 {
			_, err := h.SignIn(t.Context(), email, wrongCode)
			want(t, err, "access.refused")
		}
		h.in(email, goodCode)
	}
}

func testDRV11_AfterALockTheCountBeginsAgain(t *testing.T, h *house) {
	email := h.at("camille")
	for round := range 3 {
		for range access.MaxTries {
			_, err := h.SignIn(t.Context(), email, wrongCode)
			want(t, err, "access.refused")
		}
		_, err := h.SignIn(t.Context(), email, wrongCode)
		want(t, err, "access.locked")
		h.clock.Set(start.Add(time.Duration(round+1) * access.LockFor))
	}
	h.in(email, goodCode)
}

func testUPM057_ADeactivatedPersonIsOutAtTheNextRequest(t *testing.T, h *house) {
	s := h.add(h.at("sacha"), access.User)
	p, err := h.Deactivate(t.Context(), h.admin, s.Principal.Person)
	if err != nil || p.State != access.Deactivated {
		t.Fatal(p, err)
	}
	h.last("person.deactivated", string(p.ID), h.admin)
	_, err = h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
	_, err = h.SignIn(t.Context(), h.at("sacha"), goodCode)
	want(t, err, "access.refused")
	before := len(h.trail())
	if again, err := h.Deactivate(t.Context(), h.admin, p.ID); err != nil || again != p || len(h.trail()) != before {
		t.Error("again:", again, err)
	}
	if _, err := h.Reactivate(t.Context(), h.admin, p.ID); err != nil {
		t.Fatal(err)
	}
	h.last("person.reactivated", string(p.ID), h.admin)
	_, err = h.Authenticate(t.Context(), s.Token)
	want(t, err, "access.bearer")
	h.in(h.at("sacha"), goodCode)
}

func testEnrolmentIsDoneOnce(t *testing.T, h *house) {
	in := access.Enrolment{
		ID: id.New[id.Person](start), Name: "Sacha Roy", Email: h.at("sacha"), Role: access.User, Code: goodCode,
	}
	first, created, err := h.Add(t.Context(), h.admin, in)
	if err != nil || first.Number != 2 || !created {
		t.Fatal(first, created, err)
	}
	h.last("person.enrolled", string(first.ID), h.admin)
	before := len(h.trail())
	if again, created, err := h.Add(t.Context(), h.admin, in); err != nil || again != first || created || len(h.trail()) != before {
		t.Error("again:", again, created, err)
	}
	for _, spoil := range []func(*access.Enrolment){
		func(e *access.Enrolment) { e.Name = "Sacha Roi" },
		func(e *access.Enrolment) { e.Email = h.at("sacha2") },
		func(e *access.Enrolment) { e.Role = access.Manager },
	} {
		other := in
		spoil(&other)
		_, _, err := h.Add(t.Context(), h.admin, other)
		want(t, err, "access.person_differs")
	}
	for code, spoil := range map[string]func(*access.Enrolment){
		"id.malformed": func(e *access.Enrolment) { e.ID = "per_x" },
		"access.name":  func(e *access.Enrolment) { e.Name = "\u202e" },
		"access.email": func(e *access.Enrolment) { e.Email = "sacha" },
	} {
		bad := in
		spoil(&bad)
		_, _, err := h.Add(t.Context(), h.admin, bad)
		want(t, err, code)
	}
}

// testTheTrailIsWrittenWithTheAct: what is rolled back leaves no entry.
func testTheTrailIsWrittenWithTheAct(t *testing.T, h *house) {
	ready, err := h.Prepare(t.Context(), access.Enrolment{Name: "X", Email: h.at("x"), Role: access.User, Code: goodCode})
	if err != nil {
		t.Fatal(err)
	}
	before := len(h.trail())
	failure := errors.New("what comes after fails")
	err = h.db.Write(context.Background(), func(tx *db.Tx) error {
		if _, _, err := access.Enrol(tx, h.clock.Now(), h.admin, ready); err != nil {
			return err
		}
		return failure
	})
	if !errors.Is(err, failure) || len(h.trail()) != before {
		t.Error(err, h.trail()[before:])
	}
	if people, err := h.People(t.Context(), h.admin); err != nil || len(people) != 1 {
		t.Error(people, err)
	}
}

func testTrailIsReadInPages(t *testing.T, h *house) {
	for _, name := range []string{"a", "b", "c"} {
		h.add(h.at(name), access.User)
	}
	all := h.trail()
	var read []access.Entry
	var after id.Audit
	for {
		page, err := h.Trail(t.Context(), h.admin, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		read = append(read, page...)
		after = page[len(page)-1].ID
	}
	if len(read) != len(all) || len(all) != 8 { // the administrator and three more, each enrolled and signed in
		t.Errorf("%d entries in pages, %d at once", len(read), len(all))
	}
	enrolled := all[2]
	if enrolled.Action != "person.enrolled" || enrolled.Before != nil || string(enrolled.After) == "" || enrolled.At != start {
		t.Errorf("%+v", enrolled)
	}
	other := h.settle(h.at("lou"))
	if theirs, err := h.Trail(t.Context(), other, "", 10); err != nil || len(theirs) != 2 {
		t.Error("another merchant's trail:", theirs, err)
	}
}
