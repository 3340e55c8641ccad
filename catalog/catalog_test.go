package catalog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/merchant"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// shop is a merchant with a catalogue.
type shop struct {
	*catalog.Catalog
	t     testing.TB
	db    *db.DB
	clock *clock.Manual
	gate  *access.Gate
	boss  access.Principal
	user  access.Principal
}

func newShop(t testing.TB, d *db.DB) *shop {
	t.Helper()
	c := clock.NewManual(start)
	s := &shop{Catalog: catalog.New(d, c), t: t, db: d, clock: c, gate: access.New(d, c, access.Hashing{MemoryKiB: 64})}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		f, err := merchant.Found(tx, start, merchant.Founding{
			Company: "Boulangerie du Port", SIREN: "732829320", SiteName: "Le Port", SIRET: "73282932000074",
		})
		s.boss = access.Principal{Merchant: f.Merchant.ID, Person: id.New[id.Person](start), Operator: 1, Role: access.Manager}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.user = s.boss
	s.user.Role = access.User
	return s
}

func euros(minor int64) *money.Amount { return &money.Amount{Minor: minor, Currency: money.EUR} }

func baguette() catalog.Article {
	return catalog.Article{ID: id.New[id.Article](start), Name: "Baguette", VAT: 550, Price: euros(110)}
}

func (s *shop) put(a catalog.Article) catalog.Article {
	s.t.Helper()
	out, _, err := s.Put(s.t.Context(), s.boss, a)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *shop) acts() (actions []string) {
	s.t.Helper()
	owner := s.boss
	owner.Role = access.Administrator
	entries, err := s.gate.Trail(s.t.Context(), owner, "", 500)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	return actions
}

func (s *shop) prices(article id.Article) (prices []string) {
	s.t.Helper()
	history, err := s.Prices(s.t.Context(), s.boss, article)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range history {
		price := "asked"
		if p.Price != nil {
			price = p.Price.Decimal()
		}
		if p.Actor != s.boss.Actor() {
			s.t.Errorf("%s by %s", price, p.Actor)
		}
		prices = append(prices, price)
	}
	return prices
}

func want(t *testing.T, err error, code string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestCatalog runs each test on each engine. They share a database: a test has
// a merchant of its own.
func TestCatalog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for name, test := range map[string]func(*testing.T, *shop){
			"PutMakesAnArticleOnce":                testPutMakesAnArticleOnce,
			"PricesHaveAHistory":                   testPricesHaveAHistory,
			"AnArticleWithoutAPrice":               testAnArticleWithoutAPrice,
			"PutRefusals":                          testPutRefusals,
			"KeysAreUnique":                        testKeysAreUnique,
			"ArchivedArticlesStay":                 testArchivedArticlesStay,
			"UPM048_AUserReadsOnly":                testUPM048AUserReadsOnly,
			"ForSale":                              testForSale,
			"ListGoesThroughAllInOrder":            testListGoesThroughAllInOrder,
			"Search":                               testSearch,
			"ByEAN":                                testByEAN,
			"Categories":                           testCategories,
			"TheSamePutAtOnce":                     testTheSamePutAtOnce,
			"TwoWhoWantTheSameReference":           testTwoWhoWantTheSameReference,
			"ImportOfATill":                        testImportOfATill,
			"ImportOfASpreadsheet":                 testImportOfASpreadsheet,
			"ImportTwiceChangesNothing":            testImportTwiceChangesNothing,
			"ImportChangesWhatTheFileSays":         testImportChangesWhatTheFileSays,
			"ImportNamesEveryBadLine":              testImportNamesEveryBadLine,
			"ImportStrictIsAllOrNothing":           testImportStrictIsAllOrNothing,
			"ImportOverKeysOfOthers":               testImportOverKeysOfOthers,
			"ImportInChunks":                       testImportInChunks,
			"ImportsAtOnce":                        testImportsAtOnce,
			"StrictImportsAtOnce":                  testStrictImportsAtOnce,
			"StrictImportIsBounded":                testStrictImportIsBounded,
			"ImportOfTheBakery":                    testImportOfTheBakery,
			"ImportOfTheProductsWithBarcodes":      testImportOfTheProductsWithBarcodes,
			"ImportRefusesTheFileAsAWhole":         testImportRefusesTheFileAsAWhole,
			"ImportCountsMoreThanItNames":          testImportCountsMoreThanItNames,
			"ImportOfAnotherMerchantTouchesNobody": testImportOfAnotherMerchantTouchesNobody,
		} {
			t.Run(name, func(t *testing.T) { test(t, newShop(t, d)) })
		}
	})
}

func testPutMakesAnArticleOnce(t *testing.T, s *shop) {
	in := baguette()
	out, created, err := s.Put(t.Context(), s.boss, in)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	expected := in
	expected.Reference, expected.Nature, expected.State, expected.CreatedAt, expected.UpdatedAt = "Baguette", catalog.Goods, catalog.Active, start, start
	if diff := cmp.Diff(expected, out); diff != "" {
		t.Error(diff)
	}
	s.clock.Advance(time.Hour)
	again, created, err := s.Put(t.Context(), s.boss, in)
	if diff := cmp.Diff(out, again); diff != "" || created || err != nil {
		t.Error("again:", diff, created, err)
	}
	in.Name, in.EAN = "Baguette tradition", "3017620422003"
	changed, created, err := s.Put(t.Context(), s.boss, in)
	if err != nil || created || changed.Name != in.Name || changed.Reference != in.EAN || changed.CreatedAt != start || changed.UpdatedAt != start.Add(time.Hour) {
		t.Error(changed, created, err)
	}
	got, err := s.Get(t.Context(), s.user, in.ID)
	if diff := cmp.Diff(changed, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if acts := s.acts(); !slices.Equal(acts, []string{"article.created", "article.changed"}) {
		t.Error(acts)
	}
	if prices := s.prices(in.ID); !slices.Equal(prices, []string{"1.10"}) {
		t.Error(prices)
	}
}

func testPricesHaveAHistory(t *testing.T, s *shop) {
	a := s.put(baguette())
	for _, minor := range []int64{120, 120, 90, 0} {
		a.Price = euros(minor) // the clock stands still: the moments differ all the same
		a = s.put(a)
	}
	s.clock.Set(start.Add(-time.Hour)) // and even when it is set back
	a.Price = nil
	s.put(a)
	if prices := s.prices(a.ID); !slices.Equal(prices, []string{"1.10", "1.20", "0.90", "0.00", "asked"}) {
		t.Error(prices)
	}
}

func testAnArticleWithoutAPrice(t *testing.T, s *shop) {
	in := baguette()
	in.Price = nil
	s.put(in)
	got, err := s.Get(t.Context(), s.boss, in.ID)
	if err != nil || got.Price != nil {
		t.Error(got.Price, err)
	}
}

func testPutRefusals(t *testing.T, s *shop) {
	for code, spoil := range map[string]func(*catalog.Article){
		"id.malformed":               func(a *catalog.Article) { a.ID = "art_1" },
		"catalog.name":               func(a *catalog.Article) { a.Name = "  " },
		"catalog.reference":          func(a *catalog.Article) { a.Reference = strings.Repeat("x", 121) },
		"catalog.ean":                func(a *catalog.Article) { a.EAN = "3017620422004" },
		"catalog.nature":             func(a *catalog.Article) { a.Nature = "gift" },
		"catalog.vat_unknown":        func(a *catalog.Article) { a.VAT = 1960 },
		"catalog.currency":           func(a *catalog.Article) { a.Price = &money.Amount{Minor: 1, Currency: "USD"} },
		"catalog.price_negative":     func(a *catalog.Article) { a.Price = euros(-1) },
		"catalog.price_too_large":    func(a *catalog.Article) { a.Price = euros(catalog.MaxPriceMinor + 1) },
		"catalog.category_not_found": func(a *catalog.Article) { a.Category = id.New[id.Category](start) },
	} {
		in := baguette()
		spoil(&in)
		_, _, err := s.Put(t.Context(), s.boss, in)
		want(t, err, code)
	}
	unknown := baguette()
	unknown.VAT = 1960
	_, _, err := s.Put(t.Context(), s.boss, unknown)
	if known := problem.As(err).Args["known"]; known != "20, 10, 5.5, 2.1, 0, 13, 0.9, 8.5, 1.75, 1.05" {
		t.Errorf("known rates: %v", known)
	}
	if acts := s.acts(); acts != nil {
		t.Error(acts)
	}
}

func TestEveryRateInForceIsTaken(t *testing.T) {
	d, _ := dbtest.Open(t, db.SQLite)
	s := newShop(t, d)
	if len(catalog.VATRates()) != 10 {
		t.Error(catalog.VATRates())
	}
	for _, rate := range catalog.VATRates() {
		a := baguette()
		a.Name, a.VAT = rate.Rate.String()+" %", rate.Rate
		s.put(a)
	}
}

func testKeysAreUnique(t *testing.T, s *shop) {
	first := baguette()
	first.EAN, first.Reference = "3017620422003", "B1"
	s.put(first)
	second := baguette()
	second.Reference = "B1"
	_, _, err := s.Put(t.Context(), s.boss, second)
	want(t, err, "catalog.reference_taken")
	second.Reference, second.EAN = "B2", "3017620422003"
	_, _, err = s.Put(t.Context(), s.boss, second)
	want(t, err, "catalog.ean_taken")
	second.EAN = ""
	s.put(second)
	second.EAN = "3017620422003"
	_, _, err = s.Put(t.Context(), s.boss, second)
	want(t, err, "catalog.ean_taken")
}

func testArchivedArticlesStay(t *testing.T, s *shop) {
	a := s.put(baguette())
	for range 2 {
		if archived, err := s.Archive(t.Context(), s.boss, a.ID); err != nil || archived.State != catalog.Archived {
			t.Error(archived, err)
		}
	}
	if got, err := s.Get(t.Context(), s.boss, a.ID); err != nil || got.State != catalog.Archived {
		t.Error(got, err)
	}
	a.Name = "Baguette d'hier"
	if changed := s.put(a); changed.State != catalog.Archived {
		t.Error("a change puts it back in the sale")
	}
	if restored, err := s.Restore(t.Context(), s.boss, a.ID); err != nil || restored.State != catalog.Active {
		t.Error(restored, err)
	}
	if acts := s.acts(); !slices.Equal(acts, []string{"article.created", "article.archived", "article.changed", "article.restored"}) {
		t.Error(acts)
	}
	_, err := s.Archive(t.Context(), s.boss, id.New[id.Article](start))
	want(t, err, "catalog.article_not_found")
}

func testUPM048AUserReadsOnly(t *testing.T, s *shop) {
	a := s.put(baguette())
	_, _, err := s.Put(t.Context(), s.user, a)
	want(t, err, "access.forbidden")
	_, err = s.Archive(t.Context(), s.user, a.ID)
	want(t, err, "access.forbidden")
	_, err = s.Restore(t.Context(), s.user, a.ID)
	want(t, err, "access.forbidden")
	_, err = s.PutCategory(t.Context(), s.user, catalog.Category{ID: id.New[id.Category](start), Name: "Pains"})
	want(t, err, "access.forbidden")
	_, err = s.Import(t.Context(), s.user, strings.NewReader("nom,tva,prix\n"), catalog.Options{})
	want(t, err, "access.forbidden")
	if page, err := s.List(t.Context(), s.user, catalog.Query{}); err != nil || len(page.Articles) != 1 {
		t.Error(page, err)
	}
	nobody := access.Principal{Merchant: s.boss.Merchant}
	_, err = s.Get(t.Context(), nobody, a.ID)
	want(t, err, "access.forbidden")
}

// testTheSamePutAtOnce: eight times the same article is one article, one price,
// one entry in the trail.
func testTheSamePutAtOnce(t *testing.T, s *shop) {
	in := baguette()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			// One that comes in between may be told to look again.
			if _, _, err := s.Put(context.Background(), s.boss, in); err != nil && !problem.Is(err, "catalog.changed_meanwhile") {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if prices, acts := s.prices(in.ID), s.acts(); len(prices) != 1 || len(acts) != 1 {
		t.Error(prices, acts)
	}
}

func testTwoWhoWantTheSameReference(t *testing.T, s *shop) {
	a, b := baguette(), baguette()
	a.Name, b.Name = "Un", "Deux"
	articles := []catalog.Article{s.put(a), s.put(b)}
	for round := range 5 {
		var won [2]bool
		var wait sync.WaitGroup
		for i, in := range articles {
			wait.Go(func() {
				in.Reference = fmt.Sprint("R", round)
				_, _, err := s.Put(context.Background(), s.boss, in)
				if won[i] = err == nil; err != nil && !problem.Is(err, "catalog.reference_taken") && !problem.Is(err, "catalog.changed_meanwhile") {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if won[0] == won[1] {
			t.Errorf("round %d: %v", round, won)
		}
	}
}

func TestEAN(t *testing.T) {
	for ean, good := range map[string]bool{
		"3017620422003": true, "5449000000996": true, "2100001005504": true, "96385074": true, "00000000": true,
		"3017620422004": false, "96385075": false, "": false, "301762042200": false, "30176204220031": false, "301762042200a": false,
		"３017620422003": false, "3017620 422003": false,
	} {
		if _, err := catalog.ParseEAN(ean); (err == nil) != good {
			t.Errorf("%q: %v", ean, err)
		}
	}
}
