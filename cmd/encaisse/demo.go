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
	h, err := first.open(ctx, o.log, clock.Real{})
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
	return h.serve(ctx, c.Listen, nil, func(url string) { state.welcome(o.out, url, c.Data) })
}

// demoState reads what the demo is made of, or makes it.
func (h *house) demoState(ctx context.Context, folder string) (s demoState, err error) {
	path := filepath.Join(folder, "demo.json")
	text, err := os.ReadFile(path)
	if err == nil {
		return s, json.Unmarshal(text, &s)
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
	if text, err = json.MarshalIndent(s, "", "  "); err != nil {
		return s, err
	}
	return s, os.WriteFile(path, text, 0o600)
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
func (s demoState) welcome(w io.Writer, url, folder string) {
	fmt.Fprintf(w, "\nEncaisse is open: %s   (API documentation: %s/docs)\n\n", url, url)
	fmt.Fprintf(w, "  API key   %s\n", s.Founded.APIKey)
	for _, p := range s.People {
		fmt.Fprintf(w, "  %-13s %-24s code %s   %s\n", p.Role, p.Email, p.Code, p.Name)
	}
	now := clock.Real{}.Now()
	fmt.Fprintf(w, "\nTwo croissants, paid with a 5 € note (the same line again is the same sale):\n\n"+
		"  curl -X PUT %s/v1/sales/%s \\\n    -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n"+
		"    -d '{\"register_id\":\"%s\",\"lines\":[{\"article_id\":\"%s\",\"quantity\":\"2\"}],"+
		"\"tenders\":[{\"id\":\"%s\",\"means\":\"cash\",\"amount\":{\"amount\":240,\"currency\":\"EUR\"},\"received\":{\"amount\":500,\"currency\":\"EUR\"}}]}'\n\n",
		url, id.New[id.Sale](now), s.Founded.APIKey, s.Founded.Till, s.Article, id.New[id.Tender](now))
	fmt.Fprintf(w, "Then check the books, while it runs:\n\n  bin/encaisse verify --db sqlite:%s --key %s\n\n",
		filepath.Join(folder, "encaisse.db"), filepath.Join(folder, "master.key.pub"))
}
