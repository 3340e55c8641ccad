package api

import (
	"context"
	"encoding/json"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
)

type enrolmentRequest struct {
	Name  string `json:"name" minLength:"1" maxLength:"80" example:"Inès Carlier"`
	Email string `json:"email" format:"email" maxLength:"254" doc:"Identifies the person over the whole platform; case and outer spaces do not count." example:"ines@boulangerie.example"`
	Role  string `json:"role" enum:"administrator,manager,user"`
	Code  string `json:"code" minLength:"6" maxLength:"6" doc:"Six digits, not those everybody tries first." example:"593016"`
}

// personBody is somebody who works for the merchant.
type personBody struct {
	ID        id.Person `json:"id"`
	Number    int64     `json:"number" doc:"The operator's number, on tickets and in the journal." example:"3"`
	Name      string    `json:"name" example:"Inès Carlier"`
	Email     string    `json:"email" format:"email" example:"ines@boulangerie.example"`
	Role      string    `json:"role" enum:"administrator,manager,user"`
	State     string    `json:"state" enum:"active,deactivated"`
	CreatedAt string    `json:"created_at" format:"date-time"`
}

func personOf(p access.Person) personBody {
	return personBody{
		ID: p.ID, Number: p.Number, Name: p.Name, Email: p.Email, Role: string(p.Role), State: string(p.State), CreatedAt: stamp(p.CreatedAt),
	}
}

type peopleBody struct {
	People []personBody `json:"people" nullable:"false" doc:"By number, deactivated ones too."`
}

// managing are the problems of whatever is done to a person.
func managing(more ...string) refusals {
	return refusals{403: {"access.role_forbidden"}, 404: {"access.person_not_found"}, 409: append([]string{"access.changed_meanwhile"}, more...)}
}

func (a *API) people() {
	add(a, operation{
		id: "list-people", method: http.MethodGet, path: "/v1/people", tag: tagPeople,
		summary: "List the team", guard: needs(access.PeopleRead),
	}, a.listPeople)
	add(a, operation{
		id: "put-person", method: http.MethodPut, path: "/v1/people/{id}", tag: tagPeople,
		summary: "Enrol a person", text: "A manager enrols users; an administrator anybody. The code of somebody who is there already is left as it is.",
		guard: needs(access.PeopleWrite), creates: true,
		example: enrolmentRequest{Name: "Inès Carlier", Email: "ines@boulangerie.example", Role: string(access.User), Code: "593016"},
		refuses: refusals{
			403: {"access.role_forbidden"}, 409: {"access.email_taken", "access.person_differs", "access.too_many_people"},
			422: {"access.name", "access.email", "access.role", "access.code_shape", "access.code_trivial"}, 429: {"access.busy"},
		},
	}, a.putPerson)
	add(a, operation{
		id: "deactivate-person", method: http.MethodPost, path: "/v1/people/{id}/deactivate", tag: tagPeople,
		summary: "Deactivate a person", text: "Sessions end at the next request, signing in is refused, what the person did stays. Again: changes nothing.",
		guard: needs(access.PeopleWrite), refuses: managing("access.last_administrator"),
	}, a.deactivatePerson)
	add(a, operation{
		id: "reactivate-person", method: http.MethodPost, path: "/v1/people/{id}/reactivate", tag: tagPeople,
		summary: "Reactivate a person", text: "With the old code. Again: changes nothing.",
		guard: needs(access.PeopleWrite), refuses: managing(),
	}, a.reactivatePerson)
	role := managing("access.last_administrator")
	role[422] = []string{"access.role"}
	add(a, operation{
		id: "change-role", method: http.MethodPut, path: "/v1/people/{id}/role", tag: tagPeople,
		summary: "Change a role", text: "From the person's next request on.",
		guard: needs(access.PeopleWrite), example: roleRequest{Role: string(access.Manager)}, refuses: role,
	}, a.putRole)
	name := managing()
	name[422] = []string{"access.name"}
	add(a, operation{
		id: "rename-person", method: http.MethodPut, path: "/v1/people/{id}/name", tag: tagPeople,
		summary: "Rename a person", guard: needs(access.PeopleWrite), example: nameRequest{Name: "Inès Carlier-Roy"}, refuses: name,
	}, a.putPersonName)
	code := refusals{
		403: {"access.role_forbidden", "access.own_code"}, 404: {"access.person_not_found"},
		422: {"access.code_shape", "access.code_trivial"}, 429: {"access.busy"},
	}
	add(a, operation{
		id: "reset-code", method: http.MethodPut, path: "/v1/people/{id}/code", tag: tagPeople,
		summary: "Give somebody another code", text: "For one who forgot it: ends the person's sessions and lifts a lock.",
		guard: needs(access.PeopleWrite), example: codeRequest{Code: "284915"}, refuses: code,
	}, a.putCode)
	add(a, operation{
		id: "read-trail", method: http.MethodGet, path: "/v1/audit", tag: tagPeople,
		summary: "Read the trail of administrative acts", text: "Oldest first. Each act was kept in the transaction that did it.",
		guard: needs(access.AuditRead),
	}, a.getTrail)
}

func (a *API) listPeople(ctx context.Context, p access.Principal, _ *nothing) (*answer[peopleBody], error) {
	list, err := a.doors.Gate.People(ctx, p)
	if err != nil {
		return nil, err
	}
	out := peopleBody{People: make([]personBody, len(list))}
	for i, person := range list {
		out.People[i] = personOf(person)
	}
	return fine(out), nil
}

type putPersonInput struct {
	ID   id.Person `path:"id" doc:"Made by you."`
	Body body[enrolmentRequest]
}

func (a *API) putPerson(ctx context.Context, p access.Principal, in *putPersonInput) (*answer[personBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	person, created, err := a.doors.Gate.Add(ctx, p, access.Enrolment{
		ID: in.ID, Name: request.Name, Email: request.Email, Role: access.Role(request.Role), Code: request.Code,
	})
	if err != nil {
		return nil, err
	}
	return made(personOf(person), created), nil
}

type personInput struct {
	ID id.Person `path:"id"`
}

func (a *API) deactivatePerson(ctx context.Context, p access.Principal, in *personInput) (*answer[personBody], error) {
	return onePerson(a.doors.Gate.Deactivate(ctx, p, in.ID))
}

func (a *API) reactivatePerson(ctx context.Context, p access.Principal, in *personInput) (*answer[personBody], error) {
	return onePerson(a.doors.Gate.Reactivate(ctx, p, in.ID))
}

func onePerson(person access.Person, err error) (*answer[personBody], error) {
	if err != nil {
		return nil, err
	}
	return fine(personOf(person)), nil
}

type roleRequest struct {
	Role string `json:"role" enum:"administrator,manager,user"`
}

type putRoleInput struct {
	ID   id.Person `path:"id"`
	Body body[roleRequest]
}

func (a *API) putRole(ctx context.Context, p access.Principal, in *putRoleInput) (*answer[personBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	return onePerson(a.doors.Gate.ChangeRole(ctx, p, in.ID, access.Role(request.Role)))
}

type nameRequest struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
}

type putPersonNameInput struct {
	ID   id.Person `path:"id"`
	Body body[nameRequest]
}

func (a *API) putPersonName(ctx context.Context, p access.Principal, in *putPersonNameInput) (*answer[personBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	return onePerson(a.doors.Gate.Rename(ctx, p, in.ID, request.Name))
}

type codeRequest struct {
	Code string `json:"code" minLength:"6" maxLength:"6" doc:"Six digits, not those everybody tries first." example:"284915"`
}

type putCodeInput struct {
	ID   id.Person `path:"id"`
	Body body[codeRequest]
}

func (a *API) putCode(ctx context.Context, p access.Principal, in *putCodeInput) (*nothing, error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	return &nothing{}, a.doors.Gate.ResetCode(ctx, p, in.ID, request.Code)
}

type trailInput struct {
	After id.Audit `query:"after" doc:"Only acts after this one."`
	Limit int      `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most."`
}

// trailEntryBody is one administrative act.
type trailEntryBody struct {
	ID      id.Audit        `json:"id"`
	At      string          `json:"at" format:"date-time"`
	Actor   string          `json:"actor" doc:"A person or a key; system for what the installation does by itself." example:"per_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	Action  string          `json:"action" example:"person.deactivated"`
	Subject string          `json:"subject" doc:"What it was done to." example:"per_01k9zq0w5tfk8v3q8h2m7c4x9e"`
	Before  json.RawMessage `json:"before,omitempty" doc:"An object: what it was."`
	After   json.RawMessage `json:"after,omitempty" doc:"An object: what it became."`
}

type trailBody struct {
	Entries []trailEntryBody `json:"entries" nullable:"false"`
	Next    *id.Audit        `json:"next" nullable:"true" doc:"Give it as after for the page that follows; null: this was the last."`
}

func (a *API) getTrail(ctx context.Context, p access.Principal, in *trailInput) (*answer[trailBody], error) {
	entries, err := a.doors.Gate.Trail(ctx, p, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := trailBody{Entries: make([]trailEntryBody, len(entries))}
	for i, e := range entries {
		out.Entries[i] = trailEntryBody{
			ID: e.ID, At: stamp(e.At), Actor: e.Actor, Action: e.Action, Subject: e.Subject, Before: e.Before, After: e.After,
		}
	}
	if len(entries) == in.Limit {
		out.Next = &entries[len(entries)-1].ID
	}
	return fine(out), nil
}
