package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/sale"
)

type openingRequest struct {
	Float money.Amount `json:"float" doc:"The cash in the drawer."`
}

// sessionBody is a till session.
type tillSessionBody struct {
	ID           id.Session   `json:"id"`
	Register     id.Register  `json:"register_id"`
	BusinessDate string       `json:"business_date" format:"date" example:"2026-11-22"`
	Open         bool         `json:"open"`
	Float        money.Amount `json:"float"`
	OpenedAt     string       `json:"opened_at" format:"date-time" example:"2026-11-22T06:30:00.000Z"`
	OpenedBy     int64        `json:"opened_by" doc:"Number of the person; 0: a program."`
	FirstTicket  int64        `json:"first_ticket" doc:"The number its first ticket has or would have." example:"1"`
	ClosedAt     *string      `json:"closed_at" format:"date-time"`
}

func tillSessionOf(s sale.Session) tillSessionBody {
	return tillSessionBody{
		ID: s.ID, Register: s.Register, BusinessDate: s.BusinessDate, Open: s.Open, Float: money.Amount{Minor: s.Float, Currency: s.Currency},
		OpenedAt: stamp(s.OpenedAt), OpenedBy: s.OpenedBy, FirstTicket: s.FirstTicket, ClosedAt: stampOrNone(s.ClosedAt),
	}
}

type movementRequest struct {
	Direction string       `json:"direction" enum:"in,out" doc:"Into the drawer or out of it."`
	Amount    money.Amount `json:"amount" doc:"Always positive."`
	Reason    string       `json:"reason" minLength:"1" maxLength:"200" example:"Appoint de monnaie"`
}

// movementBody is cash put into the drawer or taken out of it.
type movementBody struct {
	ID        id.Movement  `json:"id"`
	Session   id.Session   `json:"session_id"`
	Direction string       `json:"direction" enum:"in,out"`
	Amount    money.Amount `json:"amount"`
	Reason    string       `json:"reason" example:"Appoint de monnaie"`
	At        string       `json:"at" format:"date-time" example:"2026-11-22T11:02:33.004Z"`
	Operator  int64        `json:"operator"`
}

const (
	directionIn  = "in"
	directionOut = "out"
)

func movementOf(m sale.Movement) movementBody {
	out := movementBody{
		ID: m.ID, Session: m.Session, Direction: directionOut, Amount: money.Amount{Minor: m.Amount, Currency: m.Currency},
		Reason: m.Reason, At: stamp(m.At), Operator: m.Operator,
	}
	if m.In {
		out.Direction = directionIn
	}
	return out
}

func (a *API) registers() {
	add(a, operation{
		id: "open-register", method: http.MethodPut, path: "/v1/registers/{register_id}/openings/{session_id}", tag: tagTill,
		summary: "Open a register", text: "Begins a till session with the cash that is in the drawer. A register has one open session.",
		guard: needs(access.TillOpen), creates: true, example: openingRequest{Float: euros(150_00)},
		refuses: refusals{
			404: {"merchant.register_not_found"},
			409: {"sale.already_open", "sale.other_content", "sale.day_closed", "sale.history_register"},
			422: {"sale.amount_range", "sale.currency"},
			503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.openRegister)
	add(a, operation{
		id: "get-open-session", method: http.MethodGet, path: "/v1/registers/{register_id}/session", tag: tagTill,
		summary: "Read the open till session", text: "409 where the register is closed.",
		guard:   needs(access.RegisterRead),
		refuses: refusals{404: {"merchant.register_not_found"}, 409: {"sale.register_closed"}},
	}, a.getSession)
	add(a, operation{
		id: "put-cash-movement", method: http.MethodPut, path: "/v1/registers/{register_id}/cash-movements/{movement_id}", tag: tagTill,
		summary: "Put cash in or take it out", text: "Noted in the journal of the open till session with its reason.",
		guard: needs(access.CashMove), creates: true,
		example: movementRequest{Direction: directionOut, Amount: euros(20_00), Reason: "Achat de timbres"},
		refuses: refusals{
			404: {"merchant.register_not_found"},
			409: {"sale.register_closed", "sale.session_closed", "sale.other_content"},
			422: {"sale.amount_range", "sale.tender_zero", "sale.currency", "sale.reason_missing"},
			503: {"fiscal.clock_back", "fiscal.key_unavailable"},
		},
	}, a.putMovement)
	add(a, operation{
		id: "get-x", method: http.MethodGet, path: "/v1/registers/{register_id}/x", tag: tagTill,
		summary: "Read the totals of the open session (X)", text: "Changes nothing. It shows everybody's turnover, so a user may not.",
		guard:   needs(access.ReportRead),
		refuses: refusals{404: {"merchant.register_not_found"}, 409: {"sale.register_closed"}},
	}, a.getX)
}

type openRegisterInput struct {
	Register id.Register `path:"register_id"`
	Session  id.Session  `path:"session_id" doc:"Made by you."`
	Body     body[openingRequest]
}

func (a *API) openRegister(ctx context.Context, p access.Principal, in *openRegisterInput) (*answer[tillSessionBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	s, created, err := a.doors.Sales.Open(ctx, p, sale.Opening{ID: in.Session, Register: in.Register, Float: request.Float})
	if err != nil {
		return nil, err
	}
	return made(tillSessionOf(s), created), nil
}

type registerInput struct {
	Register id.Register `path:"register_id"`
}

func (a *API) getSession(ctx context.Context, p access.Principal, in *registerInput) (*answer[tillSessionBody], error) {
	s, err := a.doors.Sales.Session(ctx, p, in.Register)
	if err != nil {
		return nil, err
	}
	return fine(tillSessionOf(s)), nil
}

type putMovementInput struct {
	Register id.Register `path:"register_id"`
	Movement id.Movement `path:"movement_id" doc:"Made by you."`
	Body     body[movementRequest]
}

func (a *API) putMovement(ctx context.Context, p access.Principal, in *putMovementInput) (*answer[movementBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	if request.Direction != directionIn && request.Direction != directionOut {
		return nil, notOneOf("direction", directionIn, directionOut)
	}
	m, created, err := a.doors.Sales.Move(ctx, p, sale.MovementRequest{
		ID: in.Movement, Register: in.Register, In: request.Direction == directionIn, Amount: request.Amount, Reason: request.Reason,
	})
	if err != nil {
		return nil, err
	}
	return made(movementOf(m), created), nil
}

type xBody struct {
	Session tillSessionBody `json:"session"`
	Totals  totalsBody      `json:"totals"`
}

func (a *API) getX(ctx context.Context, p access.Principal, in *registerInput) (*answer[xBody], error) {
	s, t, err := a.doors.Sales.X(ctx, p, in.Register)
	if err != nil {
		return nil, err
	}
	return fine(xBody{Session: tillSessionOf(s), Totals: totalsOf(t, s.Currency)}), nil
}
