package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/catalog"
)

type categoryRequest struct {
	Name     string `json:"name" minLength:"1" maxLength:"60" example:"Pains"`
	Position int64  `json:"position,omitempty" doc:"Categories are listed by it, then by name." example:"1"`
}

// categoryBody groups articles on the screen.
type categoryBody struct {
	ID       id.Category `json:"id"`
	Name     string      `json:"name" example:"Pains"`
	Position int64       `json:"position" example:"1"`
}

type categoriesBody struct {
	Categories []categoryBody `json:"categories" nullable:"false" doc:"In their order."`
}

func (a *API) categories() {
	add(a, operation{
		id: "list-categories", method: http.MethodGet, path: "/v1/categories", tag: tagCatalog,
		summary: "List categories", guard: needs(access.CatalogRead),
	}, a.listCategories)
	add(a, operation{
		id: "put-category", method: http.MethodPut, path: "/v1/categories/{id}", tag: tagCatalog,
		summary: "Make or change a category", text: "The category becomes what is given. The same again changes nothing.",
		guard: needs(access.CatalogWrite), creates: true, example: categoryRequest{Name: "Pains", Position: 1},
		refuses: refusals{409: {"catalog.category_taken", "catalog.changed_meanwhile"}, 422: {"catalog.category_name"}},
	}, a.putCategory)
}

func (a *API) listCategories(ctx context.Context, p access.Principal, _ *nothing) (*answer[categoriesBody], error) {
	list, err := a.doors.Catalog.Categories(ctx, p)
	if err != nil {
		return nil, err
	}
	out := categoriesBody{Categories: make([]categoryBody, len(list))}
	for i, c := range list {
		out.Categories[i] = categoryBody(c)
	}
	return fine(out), nil
}

type putCategoryInput struct {
	ID   id.Category `path:"id" doc:"Made by you."`
	Body body[categoryRequest]
}

func (a *API) putCategory(ctx context.Context, p access.Principal, in *putCategoryInput) (*answer[categoryBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	wanted := catalog.Category{ID: in.ID, Name: request.Name, Position: request.Position}
	created, err := a.doors.Catalog.PutCategory(ctx, p, wanted)
	if err != nil {
		return nil, err
	}
	return made(categoryBody(wanted), created), nil
}
