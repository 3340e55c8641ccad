package catalog

import (
	"context"
	"errors"
	"strings"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// Limits of lists.
const (
	DefaultPage   = 100
	MaxPage       = 1000
	maxSearchScan = 50_000 // articles looked through for one page of a search
	maxSearchText = 100    // bytes
	maxHistory    = 1000
)

// Query says which articles to list. The zero Query lists the active ones from
// the first.
type Query struct {
	State    State       // empty: active
	Category id.Category // empty: all
	// Search keeps the articles that have each of its words in their name, case
	// and accents aside, or at the beginning of their reference or EAN.
	Search string
	After  id.Article // the last article of the page before; empty: from the first
	Limit  int        // 0: DefaultPage
}

// Page is some articles in the order of their names, case and accents aside.
type Page struct {
	Articles []Article
	More     bool // there are some after the last one
}

// Get reads an article, archived or not. Problems access.forbidden,
// catalog.article_not_found.
func (c *Catalog) Get(ctx context.Context, p access.Principal, article id.Article) (a Article, err error) {
	if err := access.Allow(p, access.CatalogRead); err != nil {
		return Article{}, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = findArticle(tx, p.Merchant, article)
		return err
	})
	return a, err
}

// ByEAN reads the article with this barcode, archived or not, for a scan.
// Problems access.forbidden, catalog.ean, catalog.article_not_found.
func (c *Catalog) ByEAN(ctx context.Context, p access.Principal, ean string) (a Article, err error) {
	if err := access.Allow(p, access.CatalogRead); err != nil {
		return Article{}, err
	}
	if ean, err = ParseEAN(ean); err != nil {
		return Article{}, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = readArticleBy(tx, p.Merchant, "ean", ean)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		err = problem.New(problem.NotFound, "catalog.article_not_found")
	}
	return a, err
}

// List reads a page of articles. Problems access.forbidden, catalog.state,
// catalog.search, catalog.article_not_found for an After that is not there.
func (c *Catalog) List(ctx context.Context, p access.Principal, q Query) (page Page, err error) {
	if err := access.Allow(p, access.CatalogRead); err != nil {
		return Page{}, err
	}
	switch q.State {
	case Active, Archived:
	case "":
		q.State = Active
	default:
		return Page{}, problem.New(problem.Invalid, "catalog.state").At("state")
	}
	if len(q.Search) > maxSearchText {
		return Page{}, problem.New(problem.Invalid, "catalog.search", "most", maxSearchText).At("search")
	}
	if q.Limit <= 0 {
		q.Limit = DefaultPage
	}
	q.Limit = min(q.Limit, MaxPage)
	words := strings.Fields(fold(q.Search))
	err = c.db.Read(ctx, func(tx *db.Tx) error {
		var from place
		if q.After != "" {
			a, err := findArticle(tx, p.Merchant, q.After)
			if err != nil {
				return err
			}
			from = place{fold(a.Name), a.ID}
		}
		var err error
		if len(words) == 0 {
			page, err = readPage(tx, p.Merchant, q, from)
		} else {
			page, err = search(tx, p.Merchant, q, from, words)
		}
		return err
	})
	return page, err
}

// search finds the articles of a page, then reads them.
func search(tx *db.Tx, m id.Merchant, q Query, from place, words []string) (page Page, err error) {
	matched, err := readMatches(tx, m, q, from, words)
	if err != nil {
		return Page{}, err
	}
	if len(matched) > q.Limit {
		matched, page.More = matched[:q.Limit], true
	}
	found := make(map[id.Article]Article, len(matched))
	for _, article := range matched {
		queueArticle(tx, m, article, found)
	}
	if err := tx.Flush(); err != nil {
		return Page{}, err
	}
	for _, article := range matched {
		page.Articles = append(page.Articles, found[article])
	}
	return page, nil
}

// matches tells whether an article has all the words.
func matches(key, reference string, ean *string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(key, w) && !strings.HasPrefix(fold(reference), w) && (ean == nil || !strings.HasPrefix(*ean, w)) {
			return false
		}
	}
	return true
}

// Categories lists the categories in their order. Problem access.forbidden.
func (c *Catalog) Categories(ctx context.Context, p access.Principal) (categories []Category, err error) {
	if err := access.Allow(p, access.CatalogRead); err != nil {
		return nil, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) (err error) {
		categories, err = readCategories(tx, p.Merchant)
		return err
	})
	return categories, err
}

// Prices is the history of an article's price, oldest first. Problems
// access.forbidden, catalog.article_not_found.
func (c *Catalog) Prices(ctx context.Context, p access.Principal, article id.Article) (prices []Price, err error) {
	if err := access.Allow(p, access.CatalogRead); err != nil {
		return nil, err
	}
	err = c.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := findArticle(tx, p.Merchant, article); err != nil {
			return err
		}
		var err error
		prices, err = readPrices(tx, p.Merchant, article)
		return err
	})
	return prices, err
}

// ForSale reads the articles of a sale in one round trip, each by its key. All
// must be active: otherwise the problem catalog.not_for_sale has one detail for
// each that is not, catalog.article_unknown or catalog.article_archived, whose
// argument "article" is its id.
func ForSale(tx *db.Tx, m id.Merchant, ids []id.Article) (map[id.Article]Article, error) {
	found := make(map[id.Article]Article, len(ids))
	asked := make(map[id.Article]bool, len(ids))
	for _, article := range ids {
		if !asked[article] {
			asked[article] = true
			queueArticle(tx, m, article, found)
		}
	}
	if err := tx.Flush(); err != nil {
		return nil, err
	}
	var missing []*problem.Error
	for _, article := range ids {
		a, known := found[article]
		if !asked[article] || known && a.State == Active {
			continue
		}
		asked[article] = false // named once
		code := "catalog.article_unknown"
		if known {
			code = "catalog.article_archived"
		}
		missing = append(missing, problem.New(problem.Invalid, code, "article", string(article)))
	}
	if missing != nil {
		return nil, problem.New(problem.Invalid, "catalog.not_for_sale").With(missing...)
	}
	return found, nil
}
