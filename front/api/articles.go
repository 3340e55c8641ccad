package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/catalog"
)

type articleRequest struct {
	Name      string        `json:"name" minLength:"1" maxLength:"120" example:"Baguette tradition"`
	Reference string        `json:"reference,omitempty" maxLength:"120" doc:"Your own key, unique; left out: the EAN, or else the name." example:"BAG-01"`
	Category  id.Category   `json:"category,omitempty"`
	Nature    string        `json:"nature,omitempty" enum:"goods,service" default:"goods"`
	VAT       money.Rate    `json:"vat_bp" doc:"A rate in force, in basis points." example:"550"`
	Price     *money.Amount `json:"price,omitempty" doc:"Tax included; left out: asked at the till, which is not the same as zero."`
	EAN       string        `json:"ean,omitempty" doc:"EAN-8 or EAN-13, its check digit verified." example:"3017620422003"`
}

func (r *articleRequest) of(article id.Article) catalog.Article {
	return catalog.Article{
		ID: article, Reference: r.Reference, Name: r.Name, Category: r.Category, Nature: catalog.Nature(r.Nature), VAT: r.VAT, Price: r.Price, EAN: r.EAN,
	}
}

// articleBody is something that can be put on a ticket.
type articleBody struct {
	ID        id.Article    `json:"id"`
	Reference string        `json:"reference" example:"BAG-01"`
	Name      string        `json:"name" example:"Baguette tradition"`
	Category  *id.Category  `json:"category" nullable:"true" doc:"null: none."`
	Nature    string        `json:"nature" enum:"goods,service"`
	VAT       int64         `json:"vat_bp" example:"550"`
	Price     *money.Amount `json:"price,omitempty" doc:"Tax included; left out: asked at the till."`
	EAN       *string       `json:"ean" doc:"null: none." example:"3017620422003"`
	State     string        `json:"state" enum:"active,archived"`
	CreatedAt string        `json:"created_at" format:"date-time"`
	UpdatedAt string        `json:"updated_at" format:"date-time"`
}

func articleOf(a catalog.Article) articleBody {
	return articleBody{
		ID: a.ID, Reference: a.Reference, Name: a.Name, Category: orNone(a.Category), Nature: string(a.Nature), VAT: int64(a.VAT), Price: a.Price,
		EAN: orNone(a.EAN), State: string(a.State), CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt),
	}
}

// orNone is nil for what is empty.
func orNone[S ~string](s S) *S {
	if s == "" {
		return nil
	}
	return &s
}

type articlesPageBody struct {
	Articles []articleBody `json:"articles" nullable:"false" doc:"By name, case and accents aside."`
	Next     *id.Article   `json:"next" nullable:"true" doc:"Give it as after for the page that follows; null: this was the last."`
}

type pricesBody struct {
	Prices []priceBody `json:"prices" nullable:"false" doc:"Oldest first."`
}

type priceBody struct {
	Since string        `json:"since" format:"date-time"`
	Price *money.Amount `json:"price,omitempty" doc:"Left out: asked at the till."`
	Actor string        `json:"actor" doc:"The person or key that set it."`
}

func (a *API) articles() {
	add(a, operation{
		id: "list-articles", method: http.MethodGet, path: "/v1/articles", tag: tagCatalog,
		summary: "List or search articles", guard: needs(access.CatalogRead),
		refuses: refusals{404: {"catalog.article_not_found"}, 422: {"catalog.state", "catalog.search"}},
	}, a.listArticles)
	add(a, operation{
		id: "get-article", method: http.MethodGet, path: "/v1/articles/{id}", tag: tagCatalog,
		summary: "Read an article", guard: needs(access.CatalogRead), refuses: refusals{404: {"catalog.article_not_found"}},
	}, a.getArticle)
	add(a, operation{
		id: "put-article", method: http.MethodPut, path: "/v1/articles/{id}", tag: tagCatalog,
		summary: "Make or change an article", text: "The article becomes what is given. The same again changes nothing. A change of price goes into its history.",
		guard: needs(access.CatalogWrite), creates: true,
		example: articleRequest{Name: "Baguette tradition", VAT: 550, Price: amount(130)},
		refuses: refusals{
			409: {"catalog.reference_taken", "catalog.ean_taken", "catalog.changed_meanwhile"},
			422: {
				"catalog.name", "catalog.reference", "catalog.ean", "catalog.nature", "catalog.vat_unknown", "catalog.currency",
				"catalog.price_negative", "catalog.price_too_large", "catalog.category_not_found",
			},
		},
	}, a.putArticle)
	state := refusals{404: {"catalog.article_not_found"}, 409: {"catalog.changed_meanwhile"}}
	add(a, operation{
		id: "archive-article", method: http.MethodPost, path: "/v1/articles/{id}/archive", tag: tagCatalog,
		summary: "Take an article out of the sale", text: "It stays: tickets refer to it. Again: changes nothing.",
		guard: needs(access.CatalogWrite), refuses: state,
	}, a.archiveArticle)
	add(a, operation{
		id: "restore-article", method: http.MethodPost, path: "/v1/articles/{id}/restore", tag: tagCatalog,
		summary: "Put an archived article back", text: "Again: changes nothing.", guard: needs(access.CatalogWrite), refuses: state,
	}, a.restoreArticle)
	add(a, operation{
		id: "list-prices", method: http.MethodGet, path: "/v1/articles/{id}/prices", tag: tagCatalog,
		summary: "Read the history of a price", guard: needs(access.CatalogRead), refuses: refusals{404: {"catalog.article_not_found"}},
	}, a.listPrices)
	add(a, operation{
		id: "get-barcode", method: http.MethodGet, path: "/v1/barcodes/{ean}", tag: tagCatalog,
		summary: "Find an article by its barcode", text: "Archived ones too.", guard: needs(access.CatalogRead),
		refuses: refusals{404: {"catalog.article_not_found"}, 422: {"catalog.ean"}},
	}, a.getBarcode)
	a.imports()
}

type listArticlesInput struct {
	Search   string      `query:"search" maxLength:"100" doc:"Words that the name has, or that begin the reference or the EAN."`
	Category id.Category `query:"category"`
	State    string      `query:"state" enum:"active,archived" default:"active"`
	After    id.Article  `query:"after" doc:"The last article of the page before."`
	Limit    int         `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

func (a *API) listArticles(ctx context.Context, p access.Principal, in *listArticlesInput) (*answer[articlesPageBody], error) {
	page, err := a.doors.Catalog.List(ctx, p, catalog.Query{
		State: catalog.State(in.State), Category: in.Category, Search: in.Search, After: in.After, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := articlesPageBody{Articles: make([]articleBody, len(page.Articles))}
	for i, one := range page.Articles {
		out.Articles[i] = articleOf(one)
	}
	if page.More {
		out.Next = &page.Articles[len(page.Articles)-1].ID
	}
	return fine(out), nil
}

type articleInput struct {
	ID id.Article `path:"id"`
}

func oneArticle(found catalog.Article, err error) (*answer[articleBody], error) {
	if err != nil {
		return nil, err
	}
	return fine(articleOf(found)), nil
}

func (a *API) getArticle(ctx context.Context, p access.Principal, in *articleInput) (*answer[articleBody], error) {
	return oneArticle(a.doors.Catalog.Get(ctx, p, in.ID))
}

type putArticleInput struct {
	ID   id.Article `path:"id" doc:"Made by you."`
	Body body[articleRequest]
}

func (a *API) putArticle(ctx context.Context, p access.Principal, in *putArticleInput) (*answer[articleBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	kept, created, err := a.doors.Catalog.Put(ctx, p, request.of(in.ID))
	if err != nil {
		return nil, err
	}
	return made(articleOf(kept), created), nil
}

func (a *API) archiveArticle(ctx context.Context, p access.Principal, in *articleInput) (*answer[articleBody], error) {
	return oneArticle(a.doors.Catalog.Archive(ctx, p, in.ID))
}

func (a *API) restoreArticle(ctx context.Context, p access.Principal, in *articleInput) (*answer[articleBody], error) {
	return oneArticle(a.doors.Catalog.Restore(ctx, p, in.ID))
}

func (a *API) listPrices(ctx context.Context, p access.Principal, in *articleInput) (*answer[pricesBody], error) {
	list, err := a.doors.Catalog.Prices(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	out := pricesBody{Prices: make([]priceBody, len(list))}
	for i, one := range list {
		out.Prices[i] = priceBody{Since: stamp(one.Since), Price: one.Price, Actor: one.Actor}
	}
	return fine(out), nil
}

type barcodeInput struct {
	EAN string `path:"ean" example:"3017620422003"`
}

func (a *API) getBarcode(ctx context.Context, p access.Principal, in *barcodeInput) (*answer[articleBody], error) {
	return oneArticle(a.doors.Catalog.ByEAN(ctx, p, in.EAN))
}
