package catalog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/catalog"
)

func (s *shop) forSale(ids ...id.Article) (found map[id.Article]catalog.Article, err error) {
	err = s.db.Write(context.Background(), func(tx *db.Tx) (err error) {
		found, err = catalog.ForSale(tx, s.boss.Merchant, ids)
		return err
	})
	return found, err
}

func testForSale(t *testing.T, s *shop) {
	a, other := s.put(baguette()), baguette()
	other.Name = "Croissant"
	b := s.put(other)
	found, err := s.forSale(a.ID, b.ID, a.ID)
	if diff := cmp.Diff(map[id.Article]catalog.Article{a.ID: a, b.ID: b}, found); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if found, err = s.forSale(); err != nil || len(found) != 0 {
		t.Error("nothing:", found, err)
	}
	if _, err := s.Archive(t.Context(), s.boss, b.ID); err != nil {
		t.Fatal(err)
	}
	unknown := id.New[id.Article](start)
	_, err = s.forSale(a.ID, b.ID, unknown, b.ID, unknown)
	want(t, err, "catalog.not_for_sale")
	var details []string
	for _, d := range problem.As(err).Details {
		details = append(details, fmt.Sprint(d.Code, " ", d.Args["article"]))
	}
	if diff := cmp.Diff([]string{"catalog.article_archived " + string(b.ID), "catalog.article_unknown " + string(unknown)}, details); diff != "" {
		t.Error(diff)
	}
}

func testListGoesThroughAllInOrder(t *testing.T, s *shop) {
	names := []string{"éclair", "Abricot", "baguette", "Baguette", "Écrin", "zeste", "Œuf", "abricot sec", "20 macarons"}
	ordered := []string{"20 macarons", "Abricot", "abricot sec", "baguette", "Baguette", "éclair", "Écrin", "Œuf", "zeste"}
	for i, name := range names {
		a := baguette()
		a.Name, a.Reference = name, fmt.Sprint("R", i)
		s.put(a)
	}
	for limit := 1; limit <= len(names)+1; limit++ {
		var read []string
		query := catalog.Query{Limit: limit}
		for {
			page, err := s.List(t.Context(), s.user, query)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Articles {
				read = append(read, a.Name)
				query.After = a.ID
			}
			if !page.More {
				break
			}
		}
		if diff := cmp.Diff(ordered, read); diff != "" {
			t.Fatalf("%d a page: %s", limit, diff)
		}
	}
	_, err := s.List(t.Context(), s.user, catalog.Query{After: id.New[id.Article](start)})
	want(t, err, "catalog.article_not_found")
	_, err = s.List(t.Context(), s.user, catalog.Query{State: "lost"})
	want(t, err, "catalog.state")
	_, err = s.List(t.Context(), s.user, catalog.Query{Search: strings.Repeat("x", 101)})
	want(t, err, "catalog.search")
}

func testSearch(t *testing.T, s *shop) {
	category := catalog.Category{ID: id.New[id.Category](start), Name: "Pains"}
	if _, err := s.PutCategory(t.Context(), s.boss, category); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"Pâté en croûte", "Pain de campagne", "Croûton", "Pain au chocolat", "100 % cacao"} {
		a := baguette()
		a.Name, a.Reference = name, fmt.Sprint("Réf-", i)
		if i == 1 {
			a.EAN, a.Category = "3017620422003", category.ID
		}
		a = s.put(a)
		if i == 3 {
			if _, err := s.Archive(t.Context(), s.boss, a.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		query catalog.Query
		want  []string
	}{
		{catalog.Query{Search: "croute"}, []string{"Pâté en croûte"}},
		{catalog.Query{Search: "CROÛ"}, []string{"Croûton", "Pâté en croûte"}},
		{catalog.Query{Search: "pa ca"}, []string{"Pain de campagne"}},
		{catalog.Query{Search: "301762"}, []string{"Pain de campagne"}},
		{catalog.Query{Search: "ref-2"}, []string{"Croûton"}},
		{catalog.Query{Search: "%"}, []string{"100 % cacao"}},
		{catalog.Query{Search: "_"}, nil},
		{catalog.Query{Search: "chocolat"}, nil},
		{catalog.Query{Search: "chocolat", State: catalog.Archived}, []string{"Pain au chocolat"}},
		{catalog.Query{Category: category.ID}, []string{"Pain de campagne"}},
		{catalog.Query{Search: "o", Limit: 1}, []string{"100 % cacao"}},
	} {
		page, err := s.List(t.Context(), s.user, c.query)
		var names []string
		for _, a := range page.Articles {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" || err != nil || page.More != (c.query.Limit == 1) {
			t.Errorf("%+v: %s %v", c.query, diff, err)
		}
	}
}

func testByEAN(t *testing.T, s *shop) {
	in := baguette()
	in.EAN = "96385074"
	a := s.put(in)
	got, err := s.ByEAN(t.Context(), s.user, "96385074")
	if diff := cmp.Diff(a, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = s.ByEAN(t.Context(), s.user, "3017620422003")
	want(t, err, "catalog.article_not_found")
	_, err = s.ByEAN(t.Context(), s.user, "96385075")
	want(t, err, "catalog.ean")
}

func testCategories(t *testing.T, s *shop) {
	pains := catalog.Category{ID: id.New[id.Category](start), Name: " Pains ", Position: 2}
	gateaux := catalog.Category{ID: id.New[id.Category](start), Name: "Gâteaux", Position: 1}
	for _, c := range []catalog.Category{pains, gateaux} {
		for i := range 2 {
			if created, err := s.PutCategory(t.Context(), s.boss, c); err != nil || created != (i == 0) {
				t.Error(created, err)
			}
		}
	}
	clash := gateaux
	clash.Name = "Pains"
	_, err := s.PutCategory(t.Context(), s.boss, clash)
	want(t, err, "catalog.category_taken")
	clash.ID = id.New[id.Category](start)
	_, err = s.PutCategory(t.Context(), s.boss, clash)
	want(t, err, "catalog.category_taken")
	_, err = s.PutCategory(t.Context(), s.boss, catalog.Category{ID: clash.ID, Name: "a\nb"})
	want(t, err, "catalog.category_name")
	pains.Name, pains.Position = "Pains", 0
	if created, err := s.PutCategory(t.Context(), s.boss, pains); err != nil || created {
		t.Error(created, err)
	}
	got, err := s.Categories(t.Context(), s.user)
	if diff := cmp.Diff([]catalog.Category{pains, gateaux}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if acts := s.acts(); !slices.Equal(acts, []string{"category.created", "category.created", "category.changed"}) {
		t.Error(acts)
	}
}
