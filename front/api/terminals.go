package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/terminal"
)

// terminalRequest is a card reader as its merchant wants it.
type terminalRequest struct {
	Site     id.Site     `json:"site_id"`
	Register id.Register `json:"register_id,omitempty" doc:"Where it is chosen beforehand."`
	Contract id.Contract `json:"contract_id" doc:"Under which contract it works."`
	Alias    string      `json:"alias" minLength:"1" maxLength:"60" example:"Comptoir"`
	Number   int64       `json:"number,omitempty" minimum:"1" maximum:"999" doc:"On the slip, for ever; left out: the next one." example:"1"`
	Acceptor string      `json:"acceptor_terminal,omitempty" minLength:"8" maxLength:"8" doc:"Its number at the acquirer, for ever; left out: made of number." example:"00000001"`
}

type terminalBody struct {
	ID        id.Terminal  `json:"id"`
	Number    int64        `json:"number" example:"1"`
	Site      id.Site      `json:"site_id"`
	Register  id.Register  `json:"register_id,omitempty"`
	Contract  id.Contract  `json:"contract_id"`
	Acceptor  string       `json:"acceptor_terminal" example:"00000001"`
	Alias     string       `json:"alias" example:"Comptoir"`
	Model     string       `json:"model,omitempty" doc:"Of the device that stands in for it today." example:"EMU1"`
	Serial    string       `json:"serial,omitempty" example:"275011"`
	State     string       `json:"state" enum:"active,deactivated"`
	Presence  presenceBody `json:"presence"`
	CreatedAt string       `json:"created_at" format:"date-time"`
	UpdatedAt string       `json:"updated_at" format:"date-time"`
}

type presenceBody struct {
	State    string  `json:"state" enum:"online,asleep,offline" doc:"Asleep: it said so before it left. Offline: nobody knows why."`
	Since    *string `json:"since" nullable:"true" format:"date-time" doc:"null: it never came."`
	Busy     bool    `json:"busy" doc:"With a payment, void or refund."`
	Battery  int64   `json:"battery_percent" doc:"-1: on mains, or not told." example:"84"`
	Network  string  `json:"network,omitempty" example:"wifi"`
	Printer  string  `json:"printer,omitempty" example:"ok"`
	Software string  `json:"software,omitempty" example:"1.0"`
}

func terminalOf(t *terminal.Terminal) terminalBody {
	return terminalBody{
		ID: t.ID, Number: t.Number, Site: t.Site, Register: t.Register, Contract: t.Contract, Acceptor: t.Acceptor, Alias: t.Alias,
		Model: t.Model, Serial: t.Serial, State: string(t.State), CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt),
		Presence: presenceBody{
			State: string(t.Presence.State), Since: stampOrNone(t.Presence.Since), Busy: t.Presence.Busy, Battery: t.Presence.Health.Battery,
			Network: t.Presence.Health.Network, Printer: string(t.Presence.Health.Printer), Software: t.Presence.Software,
		},
	}
}

func (a *API) terminals() {
	add(a, operation{
		id: "list-terminals", method: http.MethodGet, path: "/v1/terminals", tag: tagTerminals,
		summary: "List the card readers", text: "With whether each can be reached: what a till chooses from.", guard: needs(access.TerminalRead),
	}, a.listTerminals)
	add(a, operation{
		id: "get-terminal", method: http.MethodGet, path: "/v1/terminals/{id}", tag: tagTerminals,
		summary: "Read a card reader", guard: needs(access.TerminalRead), refuses: refusals{404: {"terminal.not_found"}},
	}, a.getTerminal)
	add(a, operation{
		id: "put-terminal", method: http.MethodPut, path: "/v1/terminals/{id}", tag: tagTerminals,
		summary: "Add a card reader, or say where it stands now",
		text:    "What was paid on it keeps the site and the contract it was paid under. A device is made to stand in for it with a pairing code.",
		guard:   needs(access.TerminalManage), creates: true,
		example: terminalRequest{Site: "site_01k9zq0w5tfk8v3q8h2m7c4x9d", Contract: "ctr_01k9zq0w5tfk8v3q8h2m7c4x9d", Alias: "Comptoir"},
		refuses: refusals{
			404: {"merchant.site_not_found", "merchant.register_not_found", "contract.not_found"},
			409: {"terminal.fixed", "terminal.number_taken", "terminal.acceptor_taken", "terminal.too_many"},
			422: {"terminal.alias", "terminal.number", "terminal.acceptor"}, 503: {"terminal.changed_meanwhile"},
		},
	}, a.putTerminal)
	add(a, operation{
		id: "rename-terminal", method: http.MethodPatch, path: "/v1/terminals/{id}", tag: tagTerminals,
		summary: "Give a card reader another name", guard: needs(access.TerminalManage), example: aliasRequest{Alias: "Terrasse"},
		refuses: refusals{404: {"terminal.not_found"}, 422: {"terminal.alias"}},
	}, a.patchTerminal)
	add(a, operation{
		id: "deactivate-terminal", method: http.MethodPost, path: "/v1/terminals/{id}/deactivate", tag: tagTerminals,
		summary: "Block a card reader that is lost", text: "Its device's credential and connection end at once. A payment that is under way is asked for until it is known.",
		guard: needs(access.TerminalManage), refuses: refusals{404: {"terminal.not_found"}},
	}, a.deactivateTerminal)
	add(a, operation{
		id: "reactivate-terminal", method: http.MethodPost, path: "/v1/terminals/{id}/reactivate", tag: tagTerminals,
		summary: "Take a card reader into use again", text: "It needs a new pairing.",
		guard: needs(access.TerminalManage), refuses: refusals{404: {"terminal.not_found"}},
	}, a.reactivateTerminal)
	add(a, operation{
		id: "create-pairing-code", method: http.MethodPost, path: "/v1/terminals/{id}/pairing-code", tag: tagTerminals,
		summary: "Draw a code that pairs a device",
		text: "Good for a quarter of an hour and for one device, which gives it to `POST /v1/terminals/pair` with its model and serial number and gets its credential. " +
			"The device the terminal had until then loses its own.",
		guard: needs(access.TerminalManage), always: http.StatusCreated, refuses: refusals{403: {"terminal.deactivated"}, 404: {"terminal.not_found"}},
	}, a.postPairingCode)
	if a.doors.Cards.Devices != nil { // they speak for themselves: their bodies are not ours to read
		a.mux.Handle("POST /v1/terminals/pair", a.doors.Cards.Devices)
		a.mux.Handle("GET /v1/terminals/connect", a.doors.Cards.Devices)
	}
}

type terminalsBody struct {
	Terminals []terminalBody `json:"terminals" nullable:"false" doc:"By number."`
}

func (a *API) listTerminals(ctx context.Context, p access.Principal, _ *nothing) (*answer[terminalsBody], error) {
	list, err := a.doors.Cards.Terminals.List(ctx, p)
	if err != nil {
		return nil, err
	}
	out := terminalsBody{Terminals: make([]terminalBody, len(list))}
	for i := range list {
		out.Terminals[i] = terminalOf(&list[i])
	}
	return fine(out), nil
}

type terminalInput struct {
	ID id.Terminal `path:"id"`
}

func (a *API) getTerminal(ctx context.Context, p access.Principal, in *terminalInput) (*answer[terminalBody], error) {
	found, err := a.doors.Cards.Terminals.Get(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(terminalOf(&found)), nil
}

type putTerminalInput struct {
	ID   id.Terminal `path:"id" doc:"Made by you."`
	Body body[terminalRequest]
}

func (a *API) putTerminal(ctx context.Context, p access.Principal, in *putTerminalInput) (*answer[terminalBody], error) {
	r, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	out, created, err := a.doors.Cards.Terminals.Put(ctx, p, terminal.Terminal{
		ID: in.ID, Site: r.Site, Register: r.Register, Contract: r.Contract, Alias: r.Alias, Number: r.Number, Acceptor: r.Acceptor,
	})
	if err != nil {
		return nil, err
	}
	return made(terminalOf(&out), created), nil
}

type aliasRequest struct {
	Alias string `json:"alias" minLength:"1" maxLength:"60" example:"Terrasse"`
}

type aliasInput struct {
	ID   id.Terminal `path:"id"`
	Body body[aliasRequest]
}

func (a *API) patchTerminal(ctx context.Context, p access.Principal, in *aliasInput) (*answer[terminalBody], error) {
	r, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	out, err := a.doors.Cards.Terminals.Rename(ctx, p, in.ID, r.Alias)
	if err != nil {
		return nil, err
	}
	return fine(terminalOf(&out)), nil
}

func (a *API) deactivateTerminal(ctx context.Context, p access.Principal, in *terminalInput) (*answer[terminalBody], error) {
	out, err := a.doors.Cards.Terminals.Deactivate(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(terminalOf(&out)), nil
}

func (a *API) reactivateTerminal(ctx context.Context, p access.Principal, in *terminalInput) (*answer[terminalBody], error) {
	out, err := a.doors.Cards.Terminals.Reactivate(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(terminalOf(&out)), nil
}

type pairingBody struct {
	Code      string `json:"code" doc:"Shown here and nowhere else." example:"7KQ2MXWP"`
	ExpiresAt string `json:"expires_at" format:"date-time"`
}

func (a *API) postPairingCode(ctx context.Context, p access.Principal, in *terminalInput) (*answer[pairingBody], error) {
	code, expires, err := a.doors.Cards.Terminals.PairingCode(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[pairingBody]{Status: http.StatusCreated, Body: pairingBody{Code: code, ExpiresAt: stamp(expires)}}, nil
}
