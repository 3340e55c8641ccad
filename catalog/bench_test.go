package catalog_test

import (
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/catalog"
)

func BenchmarkForSale(b *testing.B) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		b.Run(engine.String(), func(b *testing.B) {
			d, _ := dbtest.Open(b, engine)
			s := newShop(b, d)
			s.load(many(5000, "Rayon"), false)
			var ids []id.Article
			for _, a := range s.page()[:5] {
				ids = append(ids, a.ID)
			}
			for b.Loop() {
				err := d.Read(b.Context(), func(tx *db.Tx) error {
					_, err := catalog.ForSale(tx, s.boss.Merchant, ids)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImport20000(b *testing.B) {
	data := many(20_000, "Rayon")
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		b.Run(engine.String(), func(b *testing.B) {
			d, _ := dbtest.Open(b, engine)
			for b.Loop() {
				newShop(b, d).load(data, false)
			}
		})
	}
}

func BenchmarkSearch20000(b *testing.B) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		b.Run(engine.String(), func(b *testing.B) {
			d, _ := dbtest.Open(b, engine)
			s := newShop(b, d)
			s.load(many(20_000, "Rayon"), false)
			for b.Loop() {
				if page, err := s.List(b.Context(), s.boss, catalog.Query{Search: "article 19999"}); err != nil || len(page.Articles) != 1 {
					b.Fatal(page, err)
				}
			}
		})
	}
}
