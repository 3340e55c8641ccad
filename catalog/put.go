package catalog

import (
	"context"
	"errors"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// Put makes the article with this id what it is given, and tells whether it is
// new. The caller makes the id; the same again changes nothing. CreatedAt,
// UpdatedAt and State are not the caller's: see Archive. A change of price goes
// into the history. Problems access.forbidden, id.malformed, catalog.name,
// catalog.reference, catalog.ean, catalog.nature, catalog.vat_unknown,
// catalog.currency, catalog.price_negative, catalog.price_too_large,
// catalog.category_not_found, catalog.reference_taken, catalog.ean_taken,
// catalog.changed_meanwhile.
func (c *Catalog) Put(ctx context.Context, p access.Principal, in Article) (out Article, created bool, err error) {
	if err := access.Allow(p, access.CatalogWrite); err != nil {
		return Article{}, false, err
	}
	err = c.db.Write(ctx, func(tx *db.Tx) error {
		m, err := merchant.In(tx, p.Merchant)
		if err != nil {
			return err
		}
		wanted, err := in.check(m.Currency)
		if err != nil {
			return err
		}
		if err := haveCategory(tx, p.Merchant, wanted.Category); err != nil {
			return err
		}
		out, created, err = put(tx, c.clock.Now(), p, wanted)
		return err
	})
	if err != nil {
		return Article{}, false, lostRace(err)
	}
	return out, created, nil
}

// lostRace is the refusal of a unique index, when two who passed the look for a
// taken key wrote it at the same moment.
func lostRace(err error) error {
	if db.IsViolation(err, db.Unique) {
		return problem.New(problem.Conflict, "catalog.changed_meanwhile").Because(err)
	}
	return err
}

func put(tx *db.Tx, now time.Time, p access.Principal, wanted Article) (out Article, created bool, err error) {
	before, err := readArticle(tx, p.Merchant, wanted.ID)
	if errors.Is(err, db.ErrNone) {
		out, err = create(tx, now, p, wanted)
		return out, true, err
	}
	if err != nil {
		return Article{}, false, err
	}
	out, err = change(tx, now, p, before, wanted)
	return out, false, err
}

func create(tx *db.Tx, now time.Time, p access.Principal, a Article) (Article, error) {
	a.State, a.CreatedAt, a.UpdatedAt = Active, now, now
	fresh := false
	insertArticle(tx, p.Merchant, a, &fresh)
	if err := tx.Flush(); err != nil {
		return Article{}, err
	}
	if !fresh {
		if err := keysFree(tx, p.Merchant, a); err != nil {
			return Article{}, err
		}
		return Article{}, problem.New(problem.Conflict, "catalog.changed_meanwhile")
	}
	insertPrice(tx, p.Merchant, a, p.Actor())
	return a, access.Audit(tx, now, p, "article.created", string(a.ID), nil, a)
}

func change(tx *db.Tx, now time.Time, p access.Principal, before, a Article) (Article, error) {
	a.State, a.CreatedAt = before.State, before.CreatedAt
	if a.sameContent(before) {
		return before, nil
	}
	if err := keysFree(tx, p.Merchant, a); err != nil {
		return Article{}, err
	}
	a.UpdatedAt = after(before.UpdatedAt, now)
	return a, write(tx, now, p, "article.changed", before, a)
}

// write puts a over before, on condition that nobody changed it meanwhile.
func write(tx *db.Tx, now time.Time, p access.Principal, action string, before, a Article) error {
	written := false
	updateArticle(tx, p.Merchant, before, a, &written)
	if err := tx.Flush(); err != nil {
		return err
	}
	if !written {
		return problem.New(problem.Conflict, "catalog.changed_meanwhile")
	}
	if !a.samePrice(before) {
		insertPrice(tx, p.Merchant, a, p.Actor())
	}
	return access.Audit(tx, now, p, action, string(a.ID), before, a)
}

// after is now, or the first moment after what was, where the clock was set
// back: updated_at tells the versions of an article apart and dates its prices.
func after(was, now time.Time) time.Time {
	if now.After(was) {
		return now
	}
	return was.Add(time.Millisecond)
}

// keysFree looks for another article with the reference or the EAN.
func keysFree(tx *db.Tx, m id.Merchant, a Article) error {
	for _, key := range []struct{ column, value, code string }{
		{"reference", a.Reference, "catalog.reference_taken"},
		{"ean", a.EAN, "catalog.ean_taken"},
	} {
		if key.value == "" {
			continue
		}
		other, err := readArticleBy(tx, m, key.column, key.value)
		if errors.Is(err, db.ErrNone) || err == nil && other.ID == a.ID {
			continue
		}
		if err != nil {
			return err
		}
		return problem.New(problem.Conflict, key.code, "article", other.Name).At(key.column)
	}
	return nil
}

func haveCategory(tx *db.Tx, m id.Merchant, category id.Category) error {
	if category == "" {
		return nil
	}
	_, err := readCategory(tx, m, category)
	if errors.Is(err, db.ErrNone) {
		return problem.New(problem.Invalid, "catalog.category_not_found").At("category")
	}
	return err
}

// Archive takes an article out of the sale; Restore puts it back. Doing it
// again changes nothing. Problems access.forbidden, catalog.article_not_found,
// catalog.changed_meanwhile.
func (c *Catalog) Archive(ctx context.Context, p access.Principal, article id.Article) (Article, error) {
	return c.setState(ctx, p, article, "article.archived", Archived)
}

// Restore is the opposite of Archive, with the same problems.
func (c *Catalog) Restore(ctx context.Context, p access.Principal, article id.Article) (Article, error) {
	return c.setState(ctx, p, article, "article.restored", Active)
}

func (c *Catalog) setState(ctx context.Context, p access.Principal, article id.Article, action string, state State) (out Article, err error) {
	if err := access.Allow(p, access.CatalogWrite); err != nil {
		return Article{}, err
	}
	err = c.db.Write(ctx, func(tx *db.Tx) error {
		now := c.clock.Now()
		before, err := findArticle(tx, p.Merchant, article)
		if err != nil {
			return err
		}
		out = before
		if before.State == state {
			return nil
		}
		out.State, out.UpdatedAt = state, after(before.UpdatedAt, now)
		return write(tx, now, p, action, before, out)
	})
	if err != nil {
		return Article{}, err
	}
	return out, nil
}

func findArticle(tx *db.Tx, m id.Merchant, article id.Article) (Article, error) {
	a, err := readArticle(tx, m, article)
	if errors.Is(err, db.ErrNone) {
		return a, problem.New(problem.NotFound, "catalog.article_not_found")
	}
	return a, err
}

// PutCategory makes the category with this id what it is given, and tells
// whether it is new. Problems access.forbidden, id.malformed,
// catalog.category_name, catalog.category_taken, catalog.changed_meanwhile.
func (c *Catalog) PutCategory(ctx context.Context, p access.Principal, in Category) (created bool, err error) {
	if err := access.Allow(p, access.CatalogWrite); err != nil {
		return false, err
	}
	if in.ID, err = id.Parse[id.Category](string(in.ID)); err != nil {
		return false, problem.As(err).At("id")
	}
	if in.Name, err = cleanCategory(in.Name); err != nil {
		return false, err
	}
	err = c.db.Write(ctx, func(tx *db.Tx) error {
		now := c.clock.Now()
		var err error
		if created, err = insertCategory(tx, p.Merchant, in); err != nil {
			return err
		}
		if created {
			return access.Audit(tx, now, p, "category.created", string(in.ID), nil, in)
		}
		before, err := readCategory(tx, p.Merchant, in.ID)
		if errors.Is(err, db.ErrNone) {
			return problem.New(problem.Conflict, "catalog.category_taken").At("name")
		}
		if err != nil || before == in {
			return err
		}
		free, err := updateCategory(tx, p.Merchant, in)
		if err != nil {
			return err
		}
		if !free {
			return problem.New(problem.Conflict, "catalog.category_taken").At("name")
		}
		return access.Audit(tx, now, p, "category.changed", string(in.ID), before, in)
	})
	return created && err == nil, lostRace(err)
}
