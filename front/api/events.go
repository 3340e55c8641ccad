package api

import (
	"context"
	"encoding/json"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
)

// eventBody is one thing that happened.
type eventBody struct {
	ID      id.Event        `json:"id"`
	Number  int64           `json:"number" doc:"In the order of the log, without hole: what to come back with." example:"4711"`
	Type    string          `json:"type" example:"sale.sealed"`
	Subject string          `json:"subject" doc:"What it is about; the whole is read there." example:"sale_01k9zq0w5tfk8v3q8h2m7c4x9d"`
	Data    json.RawMessage `json:"data" doc:"A small object."`
	At      string          `json:"at" format:"date-time"`
}

type eventsBody struct {
	Events []eventBody `json:"events" nullable:"false" doc:"In order."`
	Next   int64       `json:"next" doc:"Give it as after next time, also when there was nothing." example:"4711"`
}

func (a *API) events() {
	add(a, operation{
		id: "list-events", method: http.MethodGet, path: "/v1/events", tag: tagEvents,
		summary: "Read what happened since",
		text:    "Events are numbered once they are committed, so that whoever comes back with the last number misses none.",
		guard:   needs(access.EventRead),
	}, a.listEvents)
}

type listEventsInput struct {
	After int64 `query:"after" minimum:"0" doc:"Only events with a number above this one."`
	Limit int   `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most."`
}

func (a *API) listEvents(ctx context.Context, p access.Principal, in *listEventsInput) (*answer[eventsBody], error) {
	list, err := a.doors.Events.After(ctx, p.Merchant, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := eventsBody{Events: make([]eventBody, len(list)), Next: in.After}
	for i, e := range list {
		out.Events[i] = eventBody{ID: e.ID, Number: e.Number, Type: e.Type, Subject: e.Subject, Data: e.Data, At: stamp(e.At)}
		out.Next = e.Number
	}
	return fine(out), nil
}
