package api

import (
	"context"
	"net/http"
	"slices"

	"encaisse/access"
	"encaisse/base/id"
)

type signInRequest struct {
	Email string `json:"email" format:"email" maxLength:"254" example:"camille@boulangerie.example"`
	Code  string `json:"code" doc:"Six digits." minLength:"6" maxLength:"6" example:"407182"`
}

// signedInBody is a session that was opened.
type signedInBody struct {
	Token     string `json:"token" doc:"The bearer of the session. Shown here and nowhere else." example:"st_…"`
	ExpiresAt string `json:"expires_at" format:"date-time" doc:"However much it is used. Without use it ends after 12 hours." example:"2026-11-29T09:00:00.000Z"`
	Person    meBody `json:"person"`
}

// meBody is who bears the session or the key.
type meBody struct {
	Merchant    id.Merchant `json:"merchant_id"`
	Person      *id.Person  `json:"person_id" nullable:"true" doc:"null: a program."`
	Key         *id.Key     `json:"key_id" nullable:"true" doc:"null: a person."`
	Operator    int64       `json:"operator" doc:"The person's number, on tickets and in the journal; 0: a program." example:"2"`
	Name        string      `json:"name" example:"Camille Petit"`
	Role        string      `json:"role" enum:"administrator,manager,user"`
	Permissions []string    `json:"permissions" nullable:"false" doc:"What the role may do."`
}

func meOf(p access.Principal) meBody {
	out := meBody{Merchant: p.Merchant, Operator: p.Operator, Name: p.Name, Role: string(p.Role), Permissions: []string{}}
	if p.Person != "" {
		out.Person = &p.Person
	}
	if p.Key != "" {
		out.Key = &p.Key
	}
	for permission, roles := range access.Table() {
		if slices.Contains(roles, p.Role) {
			out.Permissions = append(out.Permissions, string(permission))
		}
	}
	slices.Sort(out.Permissions)
	return out
}

type openSessionBody struct {
	CreatedAt string `json:"created_at" format:"date-time"`
	IdleUntil string `json:"idle_until" format:"date-time" doc:"Use moves it on."`
	ExpiresAt string `json:"expires_at" format:"date-time"`
	Current   bool   `json:"current" doc:"The one that asks."`
}

type sessionsBody struct {
	Sessions []openSessionBody `json:"sessions" nullable:"false" doc:"Newest first."`
}

type endedBody struct {
	Ended int64 `json:"ended" doc:"How many."`
}

// nothing is asked, or answered.
type nothing struct{}

func (a *API) sessions() {
	add(a, operation{
		id: "sign-in", method: http.MethodPost, path: "/v1/sessions", tag: tagAccess,
		summary: "Sign in",
		text: "With an e-mail address and a code of six digits. Ten wrong codes in a row lock the address for 15 minutes, from wherever they come. " +
			"Repeating it is harmless: each sign-in opens a session of its own.",
		guard: public("this is how one gets a bearer"), always: http.StatusCreated, example: signInRequest{Email: "camille@boulangerie.example", Code: "407182"},
		refuses: refusals{
			401: {"access.refused"}, 422: {"access.code_shape"}, 429: {"access.locked", "access.busy", "request.too_many"},
		},
	}, a.postSession)
	add(a, operation{
		id: "list-sessions", method: http.MethodGet, path: "/v1/sessions", tag: tagAccess,
		summary: "List my open sessions", guard: own("a person sees the sessions of that person alone"),
	}, a.listSessions)
	add(a, operation{
		id: "sign-out", method: http.MethodDelete, path: "/v1/sessions/current", tag: tagAccess,
		summary: "Sign out", text: "Ends the session whose token is the bearer. An API key is ended by revoking it.",
		guard: own("it ends the session that asks"),
	}, a.deleteSession)
	add(a, operation{
		id: "sign-out-others", method: http.MethodDelete, path: "/v1/sessions/others", tag: tagAccess,
		summary: "End my other sessions", text: "For a device that was lost.", guard: own("it ends sessions of the person who asks"),
	}, a.deleteSessions)
	add(a, operation{
		id: "get-me", method: http.MethodGet, path: "/v1/me", tag: tagAccess,
		summary: "Read who I am and what I may do", guard: own("it tells the bearer about the bearer"),
	}, a.getMe)
	add(a, operation{
		id: "change-my-code", method: http.MethodPut, path: "/v1/me/code", tag: tagAccess,
		summary: "Change my code", text: "Ends my other sessions. Wrong old codes count as wrong codes at the door.",
		guard: own("a person changes the code of that person alone, and gives the old one"), example: codeChangeRequest{Old: "407182", New: "593016"},
		refuses: refusals{
			403: {"access.not_a_person"}, 409: {"access.changed_meanwhile"}, 429: {"access.locked", "access.busy"},
			422: {"access.code_shape", "access.code_trivial", "access.code_same", "access.code_wrong"},
		},
	}, a.putMyCode)
}

type signInInput struct {
	Body body[signInRequest]
}

func (a *API) postSession(ctx context.Context, _ access.Principal, in *signInInput) (*answer[signedInBody], error) {
	if err := a.signIn.Allow(a.doors.Proxies.RemoteNetwork(callOf(ctx).r)); err != nil {
		return nil, err
	}
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	s, err := a.doors.Gate.SignIn(ctx, request.Email, request.Code)
	if err != nil {
		return nil, err
	}
	return made(signedInBody{Token: s.Token, ExpiresAt: stamp(s.ExpiresAt), Person: meOf(s.Principal)}, true), nil
}

func (a *API) listSessions(ctx context.Context, p access.Principal, _ *nothing) (*answer[sessionsBody], error) {
	list, err := a.doors.Gate.Sessions(ctx, p)
	if err != nil {
		return nil, err
	}
	out := sessionsBody{Sessions: make([]openSessionBody, len(list))}
	for i, s := range list {
		out.Sessions[i] = openSessionBody{
			CreatedAt: stamp(s.CreatedAt), IdleUntil: stamp(s.IdleUntil), ExpiresAt: stamp(s.ExpiresAt), Current: s.Current,
		}
	}
	return fine(out), nil
}

func (a *API) deleteSession(ctx context.Context, _ access.Principal, _ *nothing) (*nothing, error) {
	return &nothing{}, a.doors.Gate.SignOut(ctx, bearerOf(callOf(ctx).r))
}

func (a *API) deleteSessions(ctx context.Context, p access.Principal, _ *nothing) (*answer[endedBody], error) {
	ended, err := a.doors.Gate.SignOutOthers(ctx, p)
	if err != nil {
		return nil, err
	}
	return fine(endedBody{Ended: ended}), nil
}

func (a *API) getMe(_ context.Context, p access.Principal, _ *nothing) (*answer[meBody], error) {
	return fine(meOf(p)), nil
}

type codeChangeRequest struct {
	Old string `json:"old_code" minLength:"6" maxLength:"6" doc:"Six digits." example:"407182"`
	New string `json:"new_code" minLength:"6" maxLength:"6" doc:"Six digits, not those everybody tries first." example:"593016"`
}

type putMyCodeInput struct {
	Body body[codeChangeRequest]
}

func (a *API) putMyCode(ctx context.Context, p access.Principal, in *putMyCodeInput) (*nothing, error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	return &nothing{}, a.doors.Gate.ChangeCode(ctx, p, request.Old, request.New)
}
