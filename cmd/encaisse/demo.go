package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/sale"
)

type demoCmd struct {
	Listen string `help:"Address to listen on." default:"127.0.0.1:8080"`
	Data   string `help:"Folder of the demo's database; made when it is not there." default:"data/demo" type:"path"`
}

// demoState is what the demo must still know when it is started again: kept
// beside its database, readable by its owner alone. A real installation keeps
// neither codes nor keys.
type demoState struct {
	Founded founded      `json:"founded"`
	People  []demoPerson `json:"people"`
	Article string       `json:"article_id"`

	Terminal string `json:"terminal_id"`
}

type demoPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Role  string `json:"role"`
	Code  string `json:"code"`
}

// demoPeople are the collaborators of the bakery beside its administrator.
var demoPeople = [...]demoPerson{
	{Name: "Inès Carlier", Email: "ines@fournil.example", Role: string(access.Manager), Code: "407182"},
	{Name: "Malo Perrin", Email: "malo@fournil.example", Role: string(access.User), Code: "593016"},
}

// demoArticles are the bakery's: name, category, VAT rate in basis points, price in cents.
var demoArticles = [...]struct {
	name, category string
	rate           money.Rate
	price          int64
}{
	{"Baguette tradition", "Pains", 550, 130},
	{"Baguette", "Pains", 550, 105},
	{"Pain de campagne", "Pains", 550, 290},
	{"Pain complet", "Pains", 550, 310},
	{"Pain aux noix", "Pains", 550, 340},
	{"Ficelle", "Pains", 550, 85},
	{"Croissant", "Viennoiseries", 550, 120},
	{"Pain au chocolat", "Viennoiseries", 550, 130},
	{"Brioche", "Viennoiseries", 550, 480},
	{"Chausson aux pommes", "Viennoiseries", 550, 180},
	{"Éclair au café", "Pâtisseries", 550, 320},
	{"Tarte aux fraises", "Pâtisseries", 550, 390},
	{"Flan", "Pâtisseries", 550, 290},
	{"Jambon-beurre", "Sandwichs", 1000, 490},
	{"Quiche lorraine", "Sandwichs", 1000, 450},
	{"Café", "Boissons", 1000, 160},
	{"Thé", "Boissons", 1000, 220},
	{"Jus d'orange pressé", "Boissons", 1000, 380},
	{"Limonade 33 cl", "Boissons", 550, 260},
	{"Cidre fermier 75 cl", "Boissons", 2000, 720},
	{"Confiture de figues", "Épicerie", 550, 590},
	{"Sac en coton", "Épicerie", 2000, 450},
}

func (c *demoCmd) Run(ctx context.Context, o output) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	first := initCmd{databaseFlags: databaseFlags{DB: "sqlite:" + filepath.Join(c.Data, "encaisse.db"), KeyFile: filepath.Join(c.Data, "master.key")}}
	if err := first.makeMaster(); err != nil {
		return err
	}
	cards, err := openDemoCards(o, c.Data, c.Listen)
	if err != nil {
		return err
	}
	defer cards.close()
	connectors, disconnect := cardFlags{Acquirer: cards.hostLink.Addr().String(), Packing: "ascii"}.connect(clock.Real{}, o.log)
	defer disconnect()
	h, err := first.open(ctx, o.log, clock.Real{}, connectors)
	if err != nil {
		return err
	}
	defer h.db.Close()
	state, err := h.demoState(ctx, c.Data)
	if err != nil {
		return err
	}
	if err := h.demoOpen(ctx, state); err != nil {
		return err
	}
	beside, stop := context.WithCancel(ctx)
	defer cards.running.Wait()
	defer stop()
	cards.runHost(beside)
	return h.serve(ctx, c.Listen, nil, func(url string) {
		state.welcome(o.out, url, c.Data, cards)
		cards.running.Go(func() {
			pair := func() (code string, err error) {
				code, _, err = h.readers.PairingCode(beside, access.System(id.Merchant(state.Founded.Merchant)), id.Terminal(state.Terminal))
				return code, err
			}
			if err := cards.runReader(beside, url, pair, o); err != nil && beside.Err() == nil {
				o.log.Error("the emulated reader did not start", "error", err)
			}
		})
	})
}

// demoState reads what the demo is made of, or makes it.
func (h *house) demoState(ctx context.Context, folder string) (s demoState, err error) {
	path := filepath.Join(folder, "demo.json")
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &s); err != nil || s.Terminal != "" {
			return s, err
		}
		if err := h.demoTerminal(ctx, &s); err != nil { // made before there were cards
			return s, err
		}
		return s, s.save(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if s.Founded, err = h.found(ctx, founding{
		Company: "Le Fournil des Halles", SIRET: "73282932000074", SiteName: "Les Halles",
		AdminName: "Jeanne Morel", Email: "jeanne@fournil.example", Code: "284915",
	}); err != nil {
		return s, err
	}
	if err := s.Founded.export(filepath.Join(folder, "master.key")); err != nil {
		return s, err
	}
	if err := h.demoShop(ctx, &s); err != nil {
		return s, err
	}
	if err := h.demoTerminal(ctx, &s); err != nil {
		return s, err
	}
	return s, s.save(path)
}

func (s *demoState) save(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// demoShop fills the bakery: people and articles.
func (h *house) demoShop(ctx context.Context, s *demoState) error {
	boss := access.System(id.Merchant(s.Founded.Merchant))
	s.People = append(s.People, demoPerson{"Jeanne Morel", s.Founded.Email, string(access.Administrator), s.Founded.Code})
	for _, person := range demoPeople {
		_, _, err := h.gate.Add(ctx, boss, access.Enrolment{Name: person.Name, Email: person.Email, Role: access.Role(person.Role), Code: person.Code})
		if err != nil {
			return err
		}
		s.People = append(s.People, person)
	}
	categories := make(map[string]id.Category)
	for _, a := range demoArticles {
		if categories[a.category] == "" {
			made := catalog.Category{ID: id.New[id.Category](h.clock.Now()), Name: a.category, Position: int64(len(categories) + 1)}
			if _, err := h.catalog.PutCategory(ctx, boss, made); err != nil {
				return err
			}
			categories[a.category] = made.ID
		}
		article, _, err := h.catalog.Put(ctx, boss, catalog.Article{
			ID: id.New[id.Article](h.clock.Now()), Name: a.name, Category: categories[a.category], Nature: catalog.Goods,
			VAT: a.rate, Price: &money.Amount{Minor: a.price, Currency: "EUR"},
		})
		if err != nil {
			return err
		}
		if a.name == "Croissant" {
			s.Article = string(article.ID)
		}
	}
	return nil
}

// demoOpen opens the till where it is closed: in the morning, or the first time.
func (h *house) demoOpen(ctx context.Context, s demoState) error {
	boss, till := access.System(id.Merchant(s.Founded.Merchant)), id.Register(s.Founded.Till)
	if _, err := h.sales.Session(ctx, boss, till); !problem.Is(err, "sale.register_closed") {
		return err
	}
	_, _, err := h.sales.Open(ctx, boss, sale.Opening{
		ID: id.New[id.Session](h.clock.Now()), Register: till, Float: money.Amount{Minor: 100_00, Currency: "EUR"},
	})
	if problem.Is(err, "sale.day_closed") { // by hand, earlier today: it opens again tomorrow
		return nil
	}
	return err
}

// welcome prints what to open, with which codes, and a line that makes a sale.
func (s demoState) welcome(w io.Writer, url, folder string, cards *demoCards) {
	fmt.Fprintf(w, "\nEncaisse is open: %s   (API documentation: %s/docs)\n\n", url, url)
	fmt.Fprintf(w, "  API key   %s\n", s.Founded.APIKey)
	for _, p := range s.People {
		fmt.Fprintf(w, "  %-13s %-24s code %s   %s\n", p.Role, p.Email, p.Code, p.Name)
	}
	now := clock.Real{}.Now()
	put := func(path, body string) {
		fmt.Fprintf(w, "  curl -X PUT %s/v1/sales/%s \\\n    -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n    -d '%s'\n", url, path, s.Founded.APIKey, body)
	}
	lines := fmt.Sprintf(`"register_id":%q,"lines":[{"article_id":%q,"quantity":"2"}]`, s.Founded.Till, s.Article)
	fmt.Fprint(w, "\nTwo croissants, paid with a 5 € note (the same line again is the same sale):\n\n")
	put(string(id.New[id.Sale](now)), `{`+lines+`,"tenders":[{"id":"`+string(id.New[id.Tender](now))+
		`","means":"cash","amount":{"amount":240,"currency":"EUR"},"received":{"amount":500,"currency":"EUR"}}]}`)
	basket := string(id.New[id.Sale](now))
	fmt.Fprintf(w, "\nTwo more by card, on the reader at http://%s (insert a card there, its code is beside it);\nthe bank that answers it is at http://%s:\n\n",
		cards.readerPage.Addr(), cards.hostPage.Addr())
	put(basket, `{"open":true,`+lines+`}`)
	put(basket+"/tenders/"+string(id.New[id.Tender](now)), `{"means":"card","terminal_id":"`+s.Terminal+`","amount":{"amount":240,"currency":"EUR"}}`)
	fmt.Fprintf(w, "  curl -N %s/v1/events -H 'Authorization: Bearer %s' -H 'Accept: text/event-stream'\n\n", url, s.Founded.APIKey)
	fmt.Fprintf(w, "Then check the books, while it runs:\n\n  bin/encaisse verify --db sqlite:%s --key %s\n\n",
		filepath.Join(folder, "encaisse.db"), filepath.Join(folder, "master.key.pub"))
}
