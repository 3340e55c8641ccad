package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
)

// Plant adds an operation that nobody has looked at.
func Plant(a *API) {
	add(a, operation{
		id: "planted", method: "GET", path: "/v1/planted", tag: tagAbout, summary: "Planted", guard: own("nobody looked"),
	}, a.getMe)
}

// PlantUnguarded goes around the row of an operation.
func PlantUnguarded(a *API) {
	huma.Register(a.huma, huma.Operation{OperationID: "unguarded", Method: "GET", Path: "/v1/unguarded"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
}

// PlantSilent is an operation that says nothing of who may call it.
func PlantSilent(a *API) {
	add(a, operation{id: "silent", method: "GET", path: "/v1/silent", tag: tagAbout}, a.getMe)
}

// PlantPanic is an operation with a fault of ours in it.
func PlantPanic(a *API) {
	add(a, operation{
		id: "panic", method: "GET", path: "/v1/panic", tag: tagAbout, summary: "Panic", guard: public("a test"),
	}, func(context.Context, access.Principal, *nothing) (*nothing, error) { panic("4970101234567890") })
}
