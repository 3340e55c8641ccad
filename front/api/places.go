package api

import (
	"context"
	"net/http"

	"encaisse/access"
	"encaisse/base/id"
	"encaisse/merchant"
)

// merchantBody is the company that gets paid.
type merchantBody struct {
	ID        id.Merchant `json:"id"`
	Company   string      `json:"company" example:"Boulangerie du Port"`
	SIREN     string      `json:"siren" example:"732829320"`
	Currency  string      `json:"currency" example:"EUR"`
	Mode      string      `json:"mode" enum:"simple,complet"`
	CreatedAt string      `json:"created_at" format:"date-time"`
}

// siteBody is a place where the merchant sells.
type siteBody struct {
	ID          id.Site `json:"id"`
	Number      int64   `json:"number" example:"1"`
	Name        string  `json:"name" example:"Le Port"`
	SIRET       string  `json:"siret" example:"73282932000074"`
	Zone        string  `json:"zone" doc:"IANA time zone." example:"Europe/Paris"`
	DayStartsAt int64   `json:"day_starts_at" doc:"Minutes after local midnight at which a business day begins." example:"240"`
	CreatedAt   string  `json:"created_at" format:"date-time"`
}

func siteOf(s merchant.Site) siteBody {
	return siteBody{
		ID: s.ID, Number: s.Number, Name: s.Name, SIRET: s.SIRET, Zone: s.Zone, DayStartsAt: s.DayStartsAt, CreatedAt: stamp(s.CreatedAt),
	}
}

// registerBody is a series of tickets of a site.
type registerBody struct {
	ID        id.Register `json:"id"`
	Site      id.Site     `json:"site_id"`
	Number    int64       `json:"number" example:"2"`
	Name      string      `json:"name" example:"Caisse 1"`
	Kind      string      `json:"kind" enum:"till,history" doc:"history holds what was sold before Encaisse and never becomes a till."`
	CreatedAt string      `json:"created_at" format:"date-time"`
}

func registerOf(r merchant.Register) registerBody {
	return registerBody{ID: r.ID, Site: r.Site, Number: r.Number, Name: r.Name, Kind: string(r.Kind), CreatedAt: stamp(r.CreatedAt)}
}

type sitesBody struct {
	Sites []siteBody `json:"sites" nullable:"false" doc:"By number."`
}

type registersBody struct {
	Registers []registerBody `json:"registers" nullable:"false" doc:"By number."`
}

func (a *API) places() {
	add(a, operation{
		id: "get-merchant", method: http.MethodGet, path: "/v1/merchant", tag: tagPlaces,
		summary: "Read the company", guard: needs(access.MerchantRead),
	}, a.getMerchant)
	add(a, operation{
		id: "list-sites", method: http.MethodGet, path: "/v1/sites", tag: tagPlaces,
		summary: "List the sites", guard: needs(access.MerchantRead),
	}, a.listSites)
	add(a, operation{
		id: "rename-site", method: http.MethodPatch, path: "/v1/sites/{id}", tag: tagPlaces,
		summary: "Rename a site", guard: needs(access.SiteWrite), example: nameRequest{Name: "Le Port"},
		refuses: refusals{404: {"merchant.site_not_found"}, 422: {"merchant.name"}},
	}, a.patchSite)
	add(a, operation{
		id: "list-registers", method: http.MethodGet, path: "/v1/registers", tag: tagPlaces,
		summary: "List the registers", guard: needs(access.RegisterRead),
	}, a.listRegisters)
	add(a, operation{
		id: "get-register", method: http.MethodGet, path: "/v1/registers/{id}", tag: tagPlaces,
		summary: "Read a register", guard: needs(access.RegisterRead), refuses: refusals{404: {"merchant.register_not_found"}},
	}, a.getRegister)
	add(a, operation{
		id: "rename-register", method: http.MethodPatch, path: "/v1/registers/{id}", tag: tagPlaces,
		summary: "Rename a register", guard: needs(access.RegisterWrite), example: nameRequest{Name: "Caisse du fond"},
		refuses: refusals{404: {"merchant.register_not_found"}, 422: {"merchant.name"}},
	}, a.patchRegister)
}

func (a *API) getMerchant(ctx context.Context, p access.Principal, _ *nothing) (*answer[merchantBody], error) {
	m, err := a.doors.Merchants.Get(ctx, p.Merchant)
	if err != nil {
		return nil, err
	}
	return fine(merchantBody{
		ID: m.ID, Company: m.Company, SIREN: m.SIREN, Currency: string(m.Currency), Mode: string(m.Mode), CreatedAt: stamp(m.CreatedAt),
	}), nil
}

func (a *API) listSites(ctx context.Context, p access.Principal, _ *nothing) (*answer[sitesBody], error) {
	list, err := a.doors.Merchants.Sites(ctx, p.Merchant)
	if err != nil {
		return nil, err
	}
	out := sitesBody{Sites: make([]siteBody, len(list))}
	for i, s := range list {
		out.Sites[i] = siteOf(s)
	}
	return fine(out), nil
}

type patchSiteInput struct {
	ID   id.Site `path:"id"`
	Body body[nameRequest]
}

func (a *API) patchSite(ctx context.Context, p access.Principal, in *patchSiteInput) (*answer[siteBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	s, err := a.doors.Gate.RenameSite(ctx, p, a.doors.Merchants, in.ID, request.Name)
	if err != nil {
		return nil, err
	}
	return fine(siteOf(s)), nil
}

func (a *API) listRegisters(ctx context.Context, p access.Principal, _ *nothing) (*answer[registersBody], error) {
	list, err := a.doors.Merchants.Registers(ctx, p.Merchant)
	if err != nil {
		return nil, err
	}
	out := registersBody{Registers: make([]registerBody, len(list))}
	for i, r := range list {
		out.Registers[i] = registerOf(r)
	}
	return fine(out), nil
}

type getRegisterInput struct {
	ID id.Register `path:"id"`
}

func (a *API) getRegister(ctx context.Context, p access.Principal, in *getRegisterInput) (*answer[registerBody], error) {
	r, _, err := a.doors.Merchants.RegisterByID(ctx, p.Merchant, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(registerOf(r)), nil
}

type patchRegisterInput struct {
	ID   id.Register `path:"id"`
	Body body[nameRequest]
}

func (a *API) patchRegister(ctx context.Context, p access.Principal, in *patchRegisterInput) (*answer[registerBody], error) {
	request, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	r, err := a.doors.Gate.RenameRegister(ctx, p, a.doors.Merchants, in.ID, request.Name)
	if err != nil {
		return nil, err
	}
	return fine(registerOf(r)), nil
}
