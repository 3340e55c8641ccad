package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
)

const (
	jsonType    = "application/json"
	bearerName  = "bearer"
	codesKey    = "x-codes" // the problem codes of an answer
	generalKey  = "x-general-codes"
	accessKey   = "x-permission" // what the role of the bearer must have
	accessOwn   = "own"          // no permission: it is about the bearer alone
	accessOpen  = "public"       // no bearer either
	reasonKey   = "x-access-reason"
	noBodyLimit = -1 // huma's: the frame has bounded the body already
)

// operation is everything that is promised of one route.
type operation struct {
	id, method, path string
	tag              tag
	summary, text    string
	guard            guard
	creates          bool // answers 201 where it makes something, 200 where it was there
	later            bool // answers 202 where the outcome is still to come, as events
	always           int  // the status of every success; 0: 200, or 204 without a body
	refuses          refusals
	example          any      // body of a request
	bodyTypes        []string // media types of a body that is not JSON
}

// refusals are the problem codes of an operation by HTTP status. Those that any
// operation may answer with are in generalCodes.
type refusals map[int][]string

// guard is who may call an operation: exactly one of the three is set.
type guard struct {
	permission access.Permission
	own        string // why a bearer is enough: it is about the bearer alone
	public     string // why no bearer is asked
}

func needs(p access.Permission) guard { return guard{permission: p} }
func own(reason string) guard         { return guard{own: reason} }
func public(reason string) guard      { return guard{public: reason} }

// mark writes the guard into the document.
func (g guard) mark(op *huma.Operation) {
	switch {
	case g.permission != "":
		op.Extensions[accessKey] = string(g.permission)
	case g.own != "":
		op.Extensions[accessKey], op.Extensions[reasonKey] = accessOwn, g.own
	case g.public != "":
		op.Extensions[accessKey], op.Extensions[reasonKey] = accessOpen, g.public
		op.Security = []map[string][]string{}
		return
	default:
		panic("api: " + op.OperationID + " says nothing of who may call it")
	}
	op.Security = []map[string][]string{{bearerName: {}}}
}

// add registers an operation. An error of handle is answered as a problem.
func add[I, O any](a *API, row operation, handle func(ctx context.Context, p access.Principal, in *I) (*O, error)) {
	a.guards[row.id], a.order = row.guard, append(a.order, row.id)
	planBody[I](a)
	op := row.describe(a)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		out, err := handle(ctx, c.principal, in)
		if err != nil {
			c.refuse(err)
			return nil, nil // what was answered stands
		}
		return out, nil
	})
	row.finish(a.huma.OpenAPI())
}

// planBody makes the plan of the body of I, where it has one.
func planBody[I any](a *API) {
	f, found := reflect.TypeFor[I]().FieldByName("Body")
	if !found {
		return
	}
	b, ours := reflect.New(f.Type).Interface().(planned)
	if !ours {
		panic("api: the body of " + reflect.TypeFor[I]().String() + " is not read by us")
	}
	b.plan(a)
}

// describe is the row as huma wants it, all but what the types say.
func (row operation) describe(a *API) huma.Operation {
	op := huma.Operation{
		OperationID: row.id, Method: row.method, Path: row.path, Tags: []string{string(row.tag)},
		Summary: row.summary, Description: row.text, DefaultStatus: row.always,
		SkipValidateBody: true, MaxBodyBytes: noBodyLimit, RejectUnknownQueryParameters: true,
		Extensions: make(map[string]any), Responses: make(map[string]*huma.Response),
	}
	row.guard.mark(&op)
	problems := a.registry.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	for status, codes := range row.refuses {
		codes = slices.Sorted(slices.Values(codes))
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: "`" + strings.Join(codes, "`, `") + "`",
			Content:     map[string]*huma.MediaType{problemType: {Schema: problems}},
			Extensions:  map[string]any{codesKey: codes},
		}
	}
	op.Responses["default"] = &huma.Response{
		Description: "Any other refusal: see the general problems.",
		Content:     map[string]*huma.MediaType{problemType: {Schema: problems}},
	}
	if row.bodyTypes != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: make(map[string]*huma.MediaType)}
	}
	for _, kind := range row.bodyTypes {
		op.RequestBody.Content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return op
}

// finish adds to the document what needs the schemas huma has made by now.
func (row operation) finish(doc *huma.OpenAPI) {
	op := operationAt(doc, row.method, row.path)
	if row.creates {
		made := *op.Responses["200"]
		made.Description = "Made now. The same request again answers 200."
		op.Responses["200"].Description = "It was there already, with the same content."
		op.Responses["201"] = &made
	}
	if row.later {
		coming := *op.Responses["200"]
		coming.Description = "Asked for. What comes of it is told as events, and shows in what is read again."
		op.Responses["202"] = &coming
	}
	if row.example != nil {
		for _, media := range op.RequestBody.Content {
			media.Example = row.example
		}
	}
}

// operationAt finds an operation in the document.
func operationAt(doc *huma.OpenAPI, method, path string) *huma.Operation {
	item := doc.Paths[path]
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPut:
		return item.Put
	case http.MethodPost:
		return item.Post
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	}
	return nil
}

// adapter puts huma's operations on our mux, each behind its guard.
type adapter struct{ api *API }

// Handle registers an operation. It panics when nothing was declared of who may
// call it: huma.Register alone opens no door.
func (d adapter) Handle(op *huma.Operation, handle func(huma.Context)) {
	g, declared := d.api.guards[op.OperationID]
	if !declared {
		panic("api: " + op.OperationID + " declares no access")
	}
	d.api.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		c := newCall(d.api, op, w, r)
		if err := c.enter(g); err != nil {
			c.refuse(err)
			return
		}
		handle(c)
	})
}

// ServeHTTP serves without the frame; huma asks for it.
func (d adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.api.mux.ServeHTTP(w, r) }

// fine answers 200.
func fine[T any](body T) *answer[T] { return &answer[T]{Status: http.StatusOK, Body: body} }

// coming answers 202 for what was asked for now, and 200 for what was asked for before.
func coming[T any](body T, created bool) *answer[T] {
	if created {
		return &answer[T]{Status: http.StatusAccepted, Body: body}
	}
	return fine(body)
}

// made answers 201 for what is new and 200 for what was there.
func made[T any](body T, created bool) *answer[T] {
	if created {
		return &answer[T]{Status: http.StatusCreated, Body: body}
	}
	return fine(body)
}
