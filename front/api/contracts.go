package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"encaisse/access"
	"encaisse/base/card"
	"encaisse/base/id"
	"encaisse/contract"
)

type contractRequest struct {
	Name           string       `json:"name" minLength:"1" maxLength:"60" example:"Carte bancaire"`
	Connector      string       `json:"connector" doc:"Who speaks the acquirer's protocol; it never changes." example:"iso8583"`
	Acceptor       string       `json:"acceptor" minLength:"1" maxLength:"15" doc:"The company's number at the acquirer; it never changes." example:"1234567"`
	MCC            string       `json:"mcc" minLength:"4" maxLength:"4" doc:"Merchant category code." example:"5462"`
	City           string       `json:"city,omitempty" maxLength:"60" example:"Nantes"`
	BatchAt        *int64       `json:"batch_at,omitempty" minimum:"0" maximum:"1439" doc:"When the batch is sent, in minutes after local midnight of the terminal's site; left out: 1410, 23:30." example:"1410"`
	ContactlessMax *int64       `json:"contactless_max_minor,omitempty" minimum:"0" doc:"Above it the card is inserted; left out: 50 €." example:"5000"`
	CVMRequired    *int64       `json:"cvm_required_minor,omitempty" minimum:"0" doc:"Above it the holder is verified; left out: 50 €." example:"5000"`
	FloorLimit     int64        `json:"floor_limit_minor,omitempty" minimum:"0" doc:"At or above it the issuer is asked; 0: always."`
	Schemes        []schemeBody `json:"schemes" nullable:"false" doc:"What is accepted. A card of any other scheme is refused."`
	State          string       `json:"state,omitempty" enum:"active,closed" default:"active"`
}

type schemeBody struct {
	Scheme      string `json:"scheme" enum:"cb,visa,mastercard,maestro,amex"`
	Affiliation string `json:"affiliation,omitempty" maxLength:"20" doc:"The number the scheme itself gave; without it a card of a scheme that needs one is refused (« affiliation requise »)." example:"9501234567"`
}

type contractBody struct {
	ID             id.Contract  `json:"id"`
	Name           string       `json:"name"`
	Connector      string       `json:"connector"`
	Acceptor       string       `json:"acceptor" example:"1234567"`
	MCC            string       `json:"mcc" example:"5462"`
	City           string       `json:"city"`
	Currency       string       `json:"currency" example:"EUR"`
	BatchAt        int64        `json:"batch_at"`
	ContactlessMax int64        `json:"contactless_max_minor"`
	CVMRequired    int64        `json:"cvm_required_minor"`
	FloorLimit     int64        `json:"floor_limit_minor"`
	Schemes        []schemeBody `json:"schemes" nullable:"false"`
	State          string       `json:"state" enum:"active,closed"`
	CreatedAt      string       `json:"created_at" format:"date-time"`
	UpdatedAt      string       `json:"updated_at" format:"date-time"`
}

func contractOf(c *contract.Contract) contractBody {
	out := contractBody{
		ID: c.ID, Name: c.Name, Connector: c.Connector, Acceptor: c.Acceptor, MCC: c.MCC, City: c.City, Currency: string(c.Currency),
		BatchAt: c.BatchAt, ContactlessMax: c.ContactlessMax, CVMRequired: c.CVMRequired, FloorLimit: c.FloorLimit,
		Schemes: make([]schemeBody, 0, len(c.Schemes)), State: string(c.State), CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
	for _, s := range slices.Sorted(maps.Keys(c.Schemes)) {
		out.Schemes = append(out.Schemes, schemeBody{Scheme: string(s), Affiliation: c.Schemes[s]})
	}
	return out
}

func (r *contractRequest) of(of id.Contract) contract.Contract {
	or := func(v *int64, otherwise int64) int64 {
		if v == nil {
			return otherwise
		}
		return *v
	}
	out := contract.Contract{
		ID: of, Name: r.Name, Connector: r.Connector, Acceptor: r.Acceptor, MCC: r.MCC, City: r.City,
		BatchAt: or(r.BatchAt, contract.DefaultBatchAt), ContactlessMax: or(r.ContactlessMax, contract.DefaultContactlessMax),
		CVMRequired: or(r.CVMRequired, contract.DefaultCVMRequired), FloorLimit: r.FloorLimit,
		Schemes: make(map[card.Scheme]string, len(r.Schemes)), State: contract.State(r.State),
	}
	for _, s := range r.Schemes {
		out.Schemes[card.Scheme(s.Scheme)] = s.Affiliation
	}
	return out
}

func (a *API) contracts() {
	add(a, operation{
		id: "list-contracts", method: http.MethodGet, path: "/v1/contracts", tag: tagContracts,
		summary: "List the acceptance contracts", guard: needs(access.ContractRead),
	}, a.listContracts)
	add(a, operation{
		id: "get-contract", method: http.MethodGet, path: "/v1/contracts/{id}", tag: tagContracts,
		summary: "Read an acceptance contract", guard: needs(access.ContractRead), refuses: refusals{404: {"contract.not_found"}},
	}, a.getContract)
	add(a, operation{
		id: "put-contract", method: http.MethodPut, path: "/v1/contracts/{id}", tag: tagContracts,
		summary: "Make an acceptance contract what it is given",
		text:    "Connector and acceptor of a contract never change, since its payments were made under them: that is another contract.",
		guard:   needs(access.ContractWrite), creates: true,
		example: contractRequest{Name: "Carte bancaire", Connector: "iso8583", Acceptor: "1234567", MCC: "5462", City: "Nantes", Schemes: []schemeBody{
			{Scheme: "cb"}, {Scheme: "visa"}, {Scheme: "mastercard"}, {Scheme: "amex", Affiliation: "9501234567"},
		}},
		refuses: refusals{
			409: {"contract.acceptor_taken", "contract.acceptor_fixed", "contract.too_many", "contract.changed_meanwhile"},
			422: {
				"contract.text", "contract.connector_unknown", "contract.acceptor", "contract.mcc", "contract.batch_at", "contract.limit",
				"contract.scheme_unknown", "contract.affiliation", "contract.state",
			},
			503: {"merchant.key_unavailable"},
		},
	}, a.putContract)
}

type contractsBody struct {
	Contracts []contractBody `json:"contracts" nullable:"false" doc:"In the order they were made."`
}

func (a *API) listContracts(ctx context.Context, p access.Principal, _ *nothing) (*answer[contractsBody], error) {
	list, err := a.doors.Cards.Contracts.List(ctx, p)
	if err != nil {
		return nil, err
	}
	out := contractsBody{Contracts: make([]contractBody, len(list))}
	for i := range list {
		out.Contracts[i] = contractOf(&list[i])
	}
	return fine(out), nil
}

type contractInput struct {
	ID id.Contract `path:"id"`
}

func (a *API) getContract(ctx context.Context, p access.Principal, in *contractInput) (*answer[contractBody], error) {
	found, err := a.doors.Cards.Contracts.Get(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return fine(contractOf(&found)), nil
}

type putContractInput struct {
	ID   id.Contract `path:"id" doc:"Made by you."`
	Body body[contractRequest]
}

func (a *API) putContract(ctx context.Context, p access.Principal, in *putContractInput) (*answer[contractBody], error) {
	r, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	out, created, err := a.doors.Cards.Contracts.Put(ctx, p, r.of(in.ID))
	if err != nil {
		return nil, err
	}
	return made(contractOf(&out), created), nil
}
