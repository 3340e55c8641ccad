package access_test

import (
	"slices"
	"testing"

	"encaisse/access"
	"encaisse/base/problem"
)

// expected is who may do what, once more and by hand: A administrator, M manager, U user.
var expected = map[access.Permission]string{
	"merchant.read":  "AMU",
	"merchant.write": "A",
	"site.write":     "A",
	"register.read":  "AMU",
	"register.write": "A",
	"people.read":    "AM",
	"people.write":   "AM",
	"keys.read":      "A",
	"keys.write":     "A",
	"audit.read":     "A",
	"portal.enter":   "AM",
	"catalog.read":   "AMU",
	"catalog.write":  "AM",
	"sale.write":     "AMU",
	"sale.read":      "AMU",
	"sale.read_all":  "AM",
	"till.open":      "AMU",
	"till.close":     "AMU",
	"cash.move":      "AMU",
	"journal.read":   "AM",
	"report.read":    "AM",
	"event.read":     "AM",

	"contract.read":  "AM",
	"contract.write": "A",
	"batch.read":     "AM",
	"batch.close":    "AM",

	"terminal.read":   "AMU",
	"terminal.manage": "AM",

	"payment.write":    "AMU",
	"payment.read":     "AMU",
	"payment.read_all": "AM",
	"payment.void":     "AMU",
	"payment.refund":   "AMU",
	"payment.manual":   "AM",
}

var letters = map[access.Role]string{access.Administrator: "A", access.Manager: "M", access.User: "U", "": "?", "owner": "?"}

// allowed is the letters of the roles that have a permission.
func allowed(allow func(access.Principal, access.Permission) error, permission access.Permission) (out string) {
	for _, role := range []access.Role{access.Administrator, access.Manager, access.User, "", "owner"} {
		if err := allow(access.Principal{Role: role}, permission); err == nil {
			out += letters[role]
		}
	}
	return out
}

func TestUPM044_PermissionsOfTheThreeRoles(t *testing.T) {
	for permission := range access.Table() {
		if _, known := expected[permission]; !known {
			t.Errorf("%s is in the table and not here", permission)
		}
	}
	for permission, roles := range expected {
		if got := allowed(access.Allow, permission); got != roles {
			t.Errorf("%s: %s, want %s", permission, got, roles)
		}
		err := access.Allow(access.Principal{Role: "owner"}, permission)
		if !problem.Is(err, "access.forbidden") || problem.As(err).Kind != problem.Forbidden {
			t.Error(err)
		}
	}
	if got := allowed(access.Allow, "vault.open"); got != "" {
		t.Errorf("a permission that is not in the table is had by %s", got)
	}
	lax := func(p access.Principal, permission access.Permission) error {
		if permission == access.CatalogWrite {
			return nil
		}
		return access.Allow(p, permission)
	}
	if allowed(lax, access.CatalogWrite) == expected[access.CatalogWrite] {
		t.Error("a permission given to all is not seen")
	}
}

// testUPM051_UPM053_WhoManagesWhom holds each act on each role by each role
// against what UPM-049, UPM-051 and UPM-053 say.
func testUPM051_UPM053_WhoManagesWhom(t *testing.T, h *house) {
	manages := map[access.Role][]access.Role{
		access.Administrator: {access.Administrator, access.Manager, access.User},
		access.Manager:       {access.User},
		access.User:          nil,
	}
	actors := map[access.Role]access.Principal{
		access.Administrator: h.admin,
		access.Manager:       h.add(h.at("manager"), access.Manager).Principal,
		access.User:          h.add(h.at("user"), access.User).Principal,
	}
	targets := map[access.Role]access.Principal{
		access.Administrator: h.add(h.at("administrator2"), access.Administrator).Principal,
		access.Manager:       h.add(h.at("manager2"), access.Manager).Principal,
		access.User:          h.add(h.at("user2"), access.User).Principal,
	}
	for role, actor := range actors {
		for target, person := range targets {
			code := ""
			switch {
			case role == access.User:
				code = "access.forbidden"
			case !slices.Contains(manages[role], target):
				code = "access.role_forbidden"
			}
			h.manage(string(role)+" on "+string(target), actor, person, code)
		}
	}
}

// manage does to a person everything that can be done to one. code is how each
// is refused, empty when it must succeed.
func (h *house) manage(name string, actor, person access.Principal, code string) {
	h.t.Helper()
	ctx := h.t.Context()
	_, rename := h.Rename(ctx, actor, person.Person, "Sacha Roy "+name)
	_, deactivate := h.Deactivate(ctx, actor, person.Person)
	_, reactivate := h.Reactivate(ctx, actor, person.Person)
	_, role := h.ChangeRole(ctx, actor, person.Person, person.Role)
	reset := h.ResetCode(ctx, actor, person.Person, "918273")
	_, _, invite := h.Add(ctx, actor, access.Enrolment{
		Name: "New", Email: h.at("new." + letters[actor.Role] + letters[person.Role]), Role: person.Role, Code: goodCode,
	})
	for act, err := range map[string]error{
		"rename": rename, "deactivate": deactivate, "reactivate": reactivate, "role": role, "reset": reset, "invite": invite,
	} {
		if code == "" && err != nil || code != "" && !problem.Is(err, code) {
			h.t.Errorf("%s, %s: %v, want %q", name, act, err, code)
		}
	}
}

func testUPM053_AManagerMakesNoManager(t *testing.T, h *house) {
	manager := h.add(h.at("manager"), access.Manager).Principal
	user := h.add(h.at("user"), access.User).Principal
	for _, role := range []access.Role{access.Manager, access.Administrator} {
		_, err := h.ChangeRole(t.Context(), manager, user.Person, role)
		want(t, err, "access.role_forbidden")
		_, _, err = h.Add(t.Context(), manager, access.Enrolment{Name: "N", Email: h.at("n"), Role: role, Code: goodCode})
		want(t, err, "access.role_forbidden")
		_, err = h.ChangeRole(t.Context(), manager, manager.Person, role)
		want(t, err, "access.role_forbidden")
	}
	_, err := h.ChangeRole(t.Context(), user, user.Person, access.Manager)
	want(t, err, "access.forbidden")
	_, err = h.ChangeRole(t.Context(), h.admin, user.Person, "owner")
	want(t, err, "access.role")
}

func testUPM049_AUserSeesAndInvitesNobody(t *testing.T, h *house) {
	user := h.add(h.at("user"), access.User).Principal
	_, err := h.People(t.Context(), user)
	want(t, err, "access.forbidden")
	_, _, err = h.Add(t.Context(), user, access.Enrolment{Name: "N", Email: h.at("n"), Role: access.User, Code: goodCode})
	want(t, err, "access.forbidden")
}

func testPeopleOfAnotherMerchantAreNotFound(t *testing.T, h *house) {
	other := h.settle(h.at("lou"))
	_, err := h.Deactivate(t.Context(), h.admin, other.Person)
	want(t, err, "access.person_not_found")
	_, err = h.ChangeRole(t.Context(), h.admin, other.Person, access.User)
	want(t, err, "access.person_not_found")
	want(t, h.ResetCode(t.Context(), h.admin, other.Person, "918273"), "access.person_not_found")
}

func testChangeOfRoleHoldsFromTheNextRequestOn(t *testing.T, h *house) {
	s := h.add(h.at("sacha"), access.Manager)
	if _, err := h.ChangeRole(t.Context(), h.admin, s.Principal.Person, access.User); err != nil {
		t.Fatal(err)
	}
	h.last("person.role_changed", string(s.Principal.Person), h.admin)
	p, err := h.Authenticate(t.Context(), s.Token)
	if err != nil || p.Role != access.User {
		t.Error(p, err)
	}
}

func testCCV002_TheLastAdministratorStays(t *testing.T, h *house) {
	_, err := h.Deactivate(t.Context(), h.admin, h.admin.Person)
	want(t, err, "access.last_administrator")
	_, err = h.ChangeRole(t.Context(), h.admin, h.admin.Person, access.Manager)
	want(t, err, "access.last_administrator")
	second := h.add(h.at("second"), access.Administrator).Principal
	if _, err := h.ChangeRole(t.Context(), h.admin, h.admin.Person, access.Manager); err != nil {
		t.Error(err)
	}
	_, err = h.Deactivate(t.Context(), second, second.Person)
	want(t, err, "access.last_administrator")
}
