package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/event"
)

const (
	streamType  = "text/event-stream"
	lastEventID = "Last-Event-ID"
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

func eventOf(e *event.Event) eventBody {
	return eventBody{ID: e.ID, Number: e.Number, Type: e.Type, Subject: e.Subject, Data: e.Data, At: stamp(e.At)}
}

func (a *API) events() {
	add(a, operation{
		id: "list-events", method: http.MethodGet, path: "/v1/events", tag: tagEvents,
		summary: "Read what happened since, or follow what happens",
		text: "Events are numbered once they are committed, so that whoever comes back with the last number misses none.\n\n" +
			"With `Accept: text/event-stream` the answer is a stream of server-sent events that stays open: `id` is the number, `event` the type, `data` the same object " +
			"as in the list. It goes on after the number in `Last-Event-ID` (a browser sends it by itself), else after `after`, else with what happens from now on. " +
			"A comment comes every 15 seconds. A company may have 50 streams at once.",
		guard:   needs(access.EventRead),
		refuses: refusals{429: {"event.too_many_watches"}},
	}, a.listEvents)
	op := operationAt(a.huma.OpenAPI(), http.MethodGet, "/v1/events")
	op.Responses["200"].Content[streamType] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
}

type listEventsInput struct {
	After int64 `query:"after" minimum:"0" doc:"Only events with a number above this one."`
	Limit int   `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most. A stream has no limit."`
}

func (a *API) listEvents(ctx context.Context, p access.Principal, in *listEventsInput) (*answer[eventsBody], error) {
	if c := callOf(ctx); wantsStream(c.r) {
		return nil, a.openStream(ctx, c, in.After)
	}
	list, err := a.doors.Events.After(ctx, p.Merchant, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := eventsBody{Events: make([]eventBody, len(list)), Next: in.After}
	for i := range list {
		out.Events[i], out.Next = eventOf(&list[i]), list[i].Number
	}
	return fine(out), nil
}

// wantsStream tells whether a client asks for server-sent events.
func wantsStream(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(kind), streamType) {
			return true
		}
	}
	return false
}

// openStream finds where a stream begins, and serves it until it ends.
func (a *API) openStream(ctx context.Context, c *call, after int64) error {
	watch, err := a.doors.Events.Watch(c.principal.Merchant)
	if err != nil {
		return err
	}
	defer watch.Stop()
	switch {
	case c.r.Header.Get(lastEventID) != "":
		if after, err = strconv.ParseInt(c.r.Header.Get(lastEventID), 10, 64); err != nil || after < 0 {
			return refused("request.integer").At("header.Last-Event-ID")
		}
	case !c.r.URL.Query().Has("after"):
		if after, err = a.doors.Events.Last(ctx, c.principal.Merchant); err != nil {
			return err
		}
	}
	s := &stream{api: a, call: c, watch: watch, sent: after}
	return s.serve(ctx)
}
