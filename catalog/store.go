package catalog

import (
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

const articleColumns = `article_id, reference, name, category_id, nature, vat_bp, price_minor, currency, ean, state, created_at, updated_at`

type scanning interface{ Scan(dest ...any) error }

func scanArticle(row scanning) (Article, error) {
	var a Article
	var category, ean *string
	var minor *int64
	var currency money.Currency
	err := row.Scan(&a.ID, &a.Reference, &a.Name, &category, &a.Nature, &a.VAT, &minor, &currency, &ean,
		&a.State, &a.CreatedAt, &a.UpdatedAt)
	if err != nil {
		return a, err
	}
	if category != nil {
		a.Category = id.Category(*category)
	}
	if ean != nil {
		a.EAN = *ean
	}
	a.Price = amount(minor, currency)
	return a, nil
}

func amount(minor *int64, currency money.Currency) *money.Amount {
	if minor == nil {
		return nil
	}
	return &money.Amount{Minor: *minor, Currency: currency}
}

// stored is the price and the currency as columns. Without a price the
// currency is empty: there is nothing to count in it.
func (a Article) stored() (minor *int64, currency money.Currency) {
	if a.Price == nil {
		return nil, ""
	}
	return &a.Price.Minor, a.Price.Currency
}

func orNull[S ~string](s S) *S {
	if s == "" {
		return nil
	}
	return &s
}

func readArticle(tx *db.Tx, m id.Merchant, article id.Article) (Article, error) {
	return scanArticle(tx.QueryRow(`SELECT `+articleColumns+` FROM article WHERE merchant_id = $1 AND article_id = $2`, m, article))
}

// queueArticle looks an article up for a sale: by primary key, in the round
// trip of all the others.
func queueArticle(tx *db.Tx, m id.Merchant, article id.Article, found map[id.Article]Article) {
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			a, err := scanArticle(rows)
			if err != nil {
				return err
			}
			found[a.ID] = a
		}
		return rows.Err()
	}, `SELECT `+articleColumns+` FROM article WHERE merchant_id = $1 AND article_id = $2`, m, article)
}

// The two keys an article can be found by besides its id.
const (
	selectByReference = `SELECT ` + articleColumns + ` FROM article WHERE merchant_id = $1 AND reference = $2`
	selectByEAN       = `SELECT ` + articleColumns + ` FROM article WHERE merchant_id = $1 AND ean = $2`
)

func selectBy(key string) string {
	if key == "ean" {
		return selectByEAN
	}
	return selectByReference
}

func readArticleBy(tx *db.Tx, m id.Merchant, key, value string) (Article, error) {
	return scanArticle(tx.QueryRow(selectBy(key), m, value))
}

// queueArticleBy looks an article up by one of its keys for an import.
func queueArticleBy(tx *db.Tx, m id.Merchant, key, value string, found map[string]Article) {
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			a, err := scanArticle(rows)
			if err != nil {
				return err
			}
			found[value] = a
		}
		return rows.Err()
	}, selectBy(key), m, value)
}

// insertArticle queues; fresh is set when the id, the reference and the EAN
// were all free.
func insertArticle(tx *db.Tx, m id.Merchant, a Article, fresh *bool) {
	minor, currency := a.stored()
	tx.QueueQuery(anyRow(fresh), `INSERT INTO article (merchant_id, article_id, reference, name, name_key, category_id, nature, vat_bp,
			price_minor, currency, ean, state, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING RETURNING article_id`,
		m, a.ID, a.Reference, a.Name, fold(a.Name), orNull(a.Category), a.Nature, a.VAT, minor, currency, orNull(a.EAN),
		a.State, a.CreatedAt, a.UpdatedAt)
}

// updateArticle queues; written is set when the row was still before.
func updateArticle(tx *db.Tx, m id.Merchant, before, a Article, written *bool) {
	minor, currency := a.stored()
	tx.QueueQuery(anyRow(written), `UPDATE article SET reference = $4, name = $5, name_key = $6, category_id = $7, nature = $8, vat_bp = $9,
			price_minor = $10, currency = $11, ean = $12, state = $13, updated_at = $14
		WHERE merchant_id = $1 AND article_id = $2 AND updated_at = $3 RETURNING article_id`,
		m, a.ID, before.UpdatedAt, a.Reference, a.Name, fold(a.Name), orNull(a.Category), a.Nature, a.VAT, minor, currency, orNull(a.EAN),
		a.State, a.UpdatedAt)
}

// countArticles tells the engine how large the table has become. PostgreSQL
// keeps the plan it made of a query while the table was small, and would look
// for each reference through all articles of the merchant until its own count a
// minute later: that made an import of 20,000 articles eight times longer.
func countArticles(tx *db.Tx) error {
	_, err := tx.Exec(`ANALYZE article`)
	return err
}

func anyRow(there *bool) func(*db.Rows) error {
	return func(rows *db.Rows) error {
		*there = false
		for rows.Next() {
			*there = true
		}
		return rows.Err()
	}
}

// insertPrice queues an entry of the history of an article that was written.
func insertPrice(tx *db.Tx, m id.Merchant, a Article, actor string) {
	minor, currency := a.stored()
	tx.Queue(`INSERT INTO article_price (merchant_id, article_id, since, price_minor, currency, actor) VALUES ($1, $2, $3, $4, $5, $6)`,
		m, a.ID, a.UpdatedAt, minor, currency, actor)
}

func readPrices(tx *db.Tx, m id.Merchant, article id.Article) ([]Price, error) {
	rows := tx.Query(`SELECT since, price_minor, currency, actor FROM article_price
		WHERE merchant_id = $1 AND article_id = $2 ORDER BY since LIMIT $3`, m, article, maxHistory)
	defer rows.Close()
	var prices []Price
	for rows.Next() {
		var p Price
		var minor *int64
		var currency money.Currency
		if err := rows.Scan(&p.Since, &minor, &currency, &p.Actor); err != nil {
			return nil, err
		}
		p.Price = amount(minor, currency)
		prices = append(prices, p)
	}
	return prices, rows.Err()
}

// place is where a page begins in the order of lists.
type place struct {
	key     string
	article id.Article
}

const pageCondition = ` FROM article
	WHERE merchant_id = $1 AND (name_key, article_id) > ($2, $3) AND state = $4 AND ($5 = '' OR category_id = $5)
	ORDER BY name_key, article_id LIMIT $6`

// readPage walks the index of names.
func readPage(tx *db.Tx, m id.Merchant, q Query, from place) (page Page, err error) {
	rows := tx.Query(`SELECT `+articleColumns+pageCondition, m, from.key, from.article, q.State, q.Category, q.Limit+1)
	defer rows.Close()
	for rows.Next() {
		a, err := scanArticle(rows)
		if err != nil {
			return Page{}, err
		}
		if len(page.Articles) == q.Limit {
			page.More = true
			continue
		}
		page.Articles = append(page.Articles, a)
	}
	return page, rows.Err()
}

// readMatches walks the index of names and stops when it has a page of
// articles, and one more, with all the words. They are looked for here and not
// in SQL: the engines do not agree on case.
func readMatches(tx *db.Tx, m id.Merchant, q Query, from place, words []string) (found []id.Article, err error) {
	rows := tx.Query(`SELECT article_id, name_key, reference, ean`+pageCondition, m, from.key, from.article, q.State, q.Category, maxSearchScan)
	defer rows.Close()
	for rows.Next() && len(found) <= q.Limit {
		var article id.Article
		var key, reference string
		var ean *string
		if err := rows.Scan(&article, &key, &reference, &ean); err != nil {
			return nil, err
		}
		if matches(key, reference, ean, words) {
			found = append(found, article)
		}
	}
	return found, rows.Err()
}

func insertCategory(tx *db.Tx, m id.Merchant, c Category) (fresh bool, err error) {
	affected, err := tx.Exec(`INSERT INTO category (merchant_id, category_id, name, position) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, m, c.ID, c.Name, c.Position)
	return affected == 1, err
}

// insertNextCategory queues a category for an import, after the last position;
// one whose name is taken is there already.
func insertNextCategory(tx *db.Tx, m id.Merchant, c Category) {
	tx.Queue(`INSERT INTO category (merchant_id, category_id, name, position)
		VALUES ($1, $2, $3, (SELECT COALESCE(MAX(position), 0) + 1 FROM category WHERE merchant_id = $1))
		ON CONFLICT DO NOTHING`, m, c.ID, c.Name)
}

// updateCategory reports whether no other category has the name.
func updateCategory(tx *db.Tx, m id.Merchant, c Category) (free bool, err error) {
	affected, err := tx.Exec(`UPDATE category SET name = $3, position = $4 WHERE merchant_id = $1 AND category_id = $2
		AND NOT EXISTS (SELECT 1 FROM category other WHERE other.merchant_id = $1 AND other.name = $3 AND other.category_id <> $2)`,
		m, c.ID, c.Name, c.Position)
	return affected == 1, err
}

func readCategory(tx *db.Tx, m id.Merchant, category id.Category) (Category, error) {
	c := Category{ID: category}
	err := tx.QueryRow(`SELECT name, position FROM category WHERE merchant_id = $1 AND category_id = $2`, m, category).Scan(&c.Name, &c.Position)
	return c, err
}

// queueCategoryNamed looks a category up by its name for an import.
func queueCategoryNamed(tx *db.Tx, m id.Merchant, name string, found map[string]id.Category) {
	tx.QueueQuery(func(rows *db.Rows) error {
		for rows.Next() {
			var category id.Category
			if err := rows.Scan(&category); err != nil {
				return err
			}
			found[name] = category
		}
		return rows.Err()
	}, `SELECT category_id FROM category WHERE merchant_id = $1 AND name = $2`, m, name)
}

func readCategories(tx *db.Tx, m id.Merchant) ([]Category, error) {
	rows := tx.Query(`SELECT category_id, name, position FROM category WHERE merchant_id = $1 ORDER BY position, name`, m)
	defer rows.Close()
	var categories []Category
	for rows.Next() {
		var c Category
		if err := rows.Scan(&c.ID, &c.Name, &c.Position); err != nil {
			return nil, err
		}
		categories = append(categories, c)
	}
	return categories, rows.Err()
}
