package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/i18n"
	"encaisse/base/id"
	"encaisse/base/web"
	"encaisse/batch"
	"encaisse/catalog"
	"encaisse/contract"
	"encaisse/event"
	"encaisse/fiscal"
	"encaisse/merchant"
	"encaisse/payment"
	"encaisse/sale"
	"encaisse/terminal"
)

// Limits of signing in from one network, beside the lock of the address that is
// tried, which no change of network gets around.
const (
	signInBurst  = 30
	signInEvery  = 2 * time.Second
	signInKeys   = 20_000
	importPath   = "/v1/articles/import"
	docsPath     = "/docs"
	styleName    = "style.css"
	openAPIPath  = "/openapi"
	titleOfAPI   = "Encaisse"
	versionOfAPI = "v1"
)

// Journal reads the fiscal chains of a merchant.
type Journal interface {
	// Chains lists the merchant's chains.
	Chains(ctx context.Context, m id.Merchant) ([]fiscal.Overview, error)
	// Records reads up to limit records of a chain after seq. Problem fiscal.no_chain.
	Records(ctx context.Context, m id.Merchant, chain id.Chain, after int64, limit int) ([]fiscal.Record, error)
}

// Cards are the doors to payments by card.
type Cards struct {
	Payments  *payment.Payments
	Terminals *terminal.Hub
	Contracts *contract.Contracts
	Batches   *batch.Batches
	Devices   http.Handler // where card readers pair and connect; nil: nowhere
}

// Doors are what the API opens on.
type Doors struct {
	Gate      *access.Gate
	Merchants *merchant.Merchants
	Catalog   *catalog.Catalog
	Sales     *sale.Sales
	Cards     *Cards // nil: no card is taken here, and no operation is about one
	Events    *event.Log
	Journal   Journal
	Catalogue *i18n.Catalogue
	Clock     clock.Clock  // nil: the machine's
	Log       *slog.Logger // nil: nothing is logged
	Software  string       // the version that answers
	Ready     func() bool  // nil: always
	Proxies   web.Proxies  // whose word is taken for who asks; nil: nobody's
}

// API is the whole door, an http.Handler safe for use by many goroutines.
type API struct {
	doors    Doors
	frame    *web.Frame
	huma     huma.API
	mux      *http.ServeMux
	handler  http.Handler
	registry huma.Registry
	signIn   *web.Limiter
	stop     func()        // ends the streams
	stopping chan struct{} // closed by stop

	// Made while operations are registered, and only read afterwards.
	guards  map[string]guard // by operation
	order   []string         // of the operations in the documentation
	plans   map[reflect.Type]*plan
	parsers map[reflect.Type]func(string) error // of identifiers
}

// errDoors means that a door the API needs is missing.
var errDoors = errors.New("api: a door is missing")

// New makes the API. It fails when a door is missing, and panics when an operation
// contradicts itself, which a test sees before anybody else.
func New(d Doors) (*API, error) {
	if d.Gate == nil || d.Merchants == nil || d.Catalog == nil || d.Sales == nil || d.Events == nil || d.Journal == nil || d.Catalogue == nil {
		return nil, errDoors
	}
	if d.Clock == nil {
		d.Clock = clock.Real{}
	}
	if d.Ready == nil {
		d.Ready = func() bool { return true }
	}
	a := &API{
		doors: d, mux: http.NewServeMux(), guards: make(map[string]guard), plans: make(map[reflect.Type]*plan),
		signIn: web.NewLimiter(d.Clock, signInEvery, signInBurst, signInKeys),
	}
	a.frame = web.New(web.Options{Catalogue: d.Catalogue, Log: d.Log, Clock: d.Clock, MaxBody: maxBody})
	a.stopping = make(chan struct{})
	a.stop = sync.OnceFunc(func() { close(a.stopping) })
	a.newRegistry()
	a.huma = huma.NewAPI(a.config(), adapter{a})
	a.about()
	a.sessions()
	a.people()
	a.keys()
	a.places()
	a.articles()
	a.categories()
	a.sales()
	a.tenders()
	if d.Cards != nil {
		a.payments()
		a.terminals()
		a.contracts()
		a.batches()
	}
	a.registers()
	a.closings()
	a.journal()
	a.events()
	a.documents()
	a.handler = a.frame.Wrap(a.mux)
	return a, nil
}

// ServeHTTP answers a request, in the frame of base/web.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Server is an http.Server of this API with the limits of base/web; the caller gives
// it a listener. Its Shutdown ends the event streams, whose clients come back.
func (a *API) Server() *http.Server {
	server := a.frame.Server(a)
	server.RegisterOnShutdown(a.stop)
	return server
}

// WriteProblem answers err as every operation does: for the handlers that are mounted
// beside the operations.
func (a *API) WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	a.frame.WriteProblem(w, r, err)
}

// OpenAPI is the document, for reading.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

func maxBody(r *http.Request) int64 {
	if r.URL.Path == importPath {
		return catalog.MaxImportBytes
	}
	return web.MaxBody
}

// config is huma's, without what it would add by itself: no links to schemas in the
// answers, no documentation page that loads its script from elsewhere.
func (a *API) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: titleOfAPI, Version: versionOfAPI, Description: introduction,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Tags:       tagList(),
			Extensions: map[string]any{generalKey: generalCodes()},
			Components: &huma.Components{
				Schemas: a.registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearerName: {Type: "http", Scheme: "bearer", Description: "An API key (`sk_live_…`) or the token of a session (`st_…`)."},
				},
			},
		},
		Formats: map[string]huma.Format{
			jsonType: {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: a.unmarshal},
			// huma's name for whatever ends in +json: its own problems, which we replace.
			"json": {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: a.unmarshal},
		},
		DefaultFormat: jsonType,
		Transformers:  []huma.Transformer{a.transform},
	}
}

// unmarshal reads a body. What is wrong with it stays in the body, with its place.
func (a *API) unmarshal(data []byte, v any) error {
	v.(planned).decode(a, data)
	return nil
}
