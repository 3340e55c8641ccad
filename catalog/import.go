package catalog

import (
	"context"
	"io"
	"slices"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
	"encaisse/merchant"
)

const (
	// importChunk is how many lines go into one transaction: with two look-ups and
	// two writes each, they stay under the thousand rows a write may touch.
	importChunk = 250

	// MaxStrictLines is how many lines go in all or none. They are one transaction,
	// longer than a write may otherwise last, because nothing less leaves nothing
	// behind when the power goes; on SQLite the tills wait for it, so it is
	// bounded: 10,000 articles take a quarter of a second.
	MaxStrictLines = 10_000
)

// Options say how an import is to be done.
type Options struct {
	Strict bool // all goes in or nothing, be it for a bad line or a power cut; at most MaxStrictLines
}

// Result is what became of a file. Read = Created + Updated + Unchanged +
// Rejected, where it was applied.
type Result struct {
	Applied   bool // false: strict, and some line is bad
	Read      int  // lines of articles
	Created   int
	Updated   int
	Unchanged int
	Rejected  int       // bad lines, named or not
	Errors    []BadLine // in the order of the lines, at most MaxNamedErrors
	Ignored   []string  // headings that say nothing to us
}

// Import reads articles from a CSV file and puts them in by reference, or by
// EAN where the reference is new. What the file does not say of an article, in
// a column it has not or a cell that is empty, stays; an empty price is said,
// and means that it is asked at the till. An archived article stays archived.
//
// Bad lines are named in the Result and are no error. Problems access.forbidden
// and, about the file as a whole, after which nothing was put in:
// catalog.import_empty, catalog.import_encoding, catalog.import_columns,
// catalog.import_column_twice, catalog.import_too_large,
// catalog.import_too_many_lines, catalog.import_too_many_columns. A strict import
// that another writer came in between of is refused with
// catalog.changed_meanwhile, and any error of it means that nothing is in. With
// any other error the Result tells what is in already; the same file again does
// the rest.
func (c *Catalog) Import(ctx context.Context, p access.Principal, r io.Reader, o Options) (Result, error) {
	if err := access.Allow(p, access.CatalogWrite); err != nil {
		return Result{}, err
	}
	var m merchant.Merchant
	err := c.db.Read(ctx, func(tx *db.Tx) (err error) {
		m, err = merchant.In(tx, p.Merchant)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	s, err := read(r, m.Currency)
	if err != nil {
		return Result{}, err
	}
	if o.Strict {
		return c.importWhole(ctx, p, s)
	}
	return c.importChunks(ctx, p, s)
}

// importWhole puts all lines in, or none. What they come to is looked up before,
// so that the one transaction does nothing but write.
func (c *Catalog) importWhole(ctx context.Context, p access.Principal, s *sheet) (Result, error) {
	if s.read > MaxStrictLines {
		return Result{}, problem.New(problem.TooLarge, "catalog.import_too_many_lines", "most", MaxStrictLines)
	}
	plans, err := c.plan(ctx, p, s)
	if err != nil {
		return Result{}, err
	}
	result := Result{Read: s.read, Rejected: s.rejected, Errors: inOrder(s.bad), Ignored: s.ignored}
	if s.rejected > 0 {
		return result, nil
	}
	var sum tally
	err = c.db.Write(ctx, func(tx *db.Tx) (err error) {
		sum, err = writeWhole(tx, c.clock.Now(), p, plans)
		return err
	})
	if err != nil {
		return Result{}, lostRace(err)
	}
	result.Applied = true
	result.count(sum)
	if sum.created >= importChunk {
		_ = c.db.Write(ctx, countArticles) // a matter of speed: what is in, is in
	}
	return result, nil
}

// plan is what the whole sheet comes to, chunk by chunk. It writes nothing, and
// names the lines that the database would refuse.
func (c *Catalog) plan(ctx context.Context, p access.Principal, s *sheet) (plans []plan, err error) {
	taken := map[id.Article]int{}
	for rows := range chunks(s.rows) {
		var pl plan
		err := c.db.Read(ctx, func(tx *db.Tx) (err error) {
			pl, err = makePlan(tx, c.clock.Now(), p, rows, taken)
			return err
		})
		if err != nil {
			return nil, err
		}
		pl.settle(s, taken)
		plans = append(plans, pl)
	}
	return plans, nil
}

// writeWhole does what all plans say. The first line that is lost to another
// writer ends it.
func writeWhole(tx *db.Tx, now time.Time, p access.Principal, plans []plan) (sum tally, err error) {
	for i := range plans {
		pl := &plans[i]
		if err := pl.write(tx, p); err != nil {
			return tally{}, err
		}
		if len(pl.lost) > 0 {
			return tally{}, pl.lost[0].why.why
		}
		sum.add(pl.tally)
	}
	return sum, sum.audit(tx, now, p)
}

// importChunks puts the good lines in, chunk by chunk.
func (c *Catalog) importChunks(ctx context.Context, p access.Principal, s *sheet) (Result, error) {
	result := Result{Applied: true, Read: s.read, Ignored: s.ignored}
	taken := map[id.Article]int{}
	var sum tally
	var err error
	counted := importChunk / 2
	for rows := range chunks(s.rows) {
		var done plan
		err = c.db.Write(ctx, func(tx *db.Tx) (err error) {
			now := c.clock.Now()
			if done, err = makePlan(tx, now, p, rows, taken); err != nil {
				return err
			}
			if err := done.write(tx, p); err != nil {
				return err
			}
			return done.audit(tx, now, p)
		})
		if err != nil {
			err = lostRace(err)
			break
		}
		done.settle(s, taken)
		sum.add(done.tally)
		if sum.created >= 2*counted {
			counted = sum.created
			_ = c.db.Write(ctx, countArticles) // a matter of speed: what is in, is in
		}
	}
	result.count(sum)
	result.Rejected, result.Errors = s.rejected, inOrder(s.bad)
	return result, err
}

func (r *Result) count(t tally) {
	r.Created, r.Updated, r.Unchanged = t.created, t.updated, t.unchanged
}

func inOrder(bad []BadLine) []BadLine {
	slices.SortStableFunc(bad, func(a, b BadLine) int { return a.Line - b.Line })
	return bad
}

// chunks goes through rows importChunk at a time.
func chunks(rows []row) func(yield func([]row) bool) {
	return func(yield func([]row) bool) {
		for len(rows) > 0 {
			n := min(len(rows), importChunk)
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// step is what one line comes to: an article to create, or to change.
type step struct {
	row     row
	before  Article // of a change
	article Article
	done    bool // written; false after the write: lost to another writer
}

// tally is how many articles an import created, changed and left as they were.
type tally struct{ created, updated, unchanged int }

func (t *tally) add(o tally) {
	t.created += o.created
	t.updated += o.updated
	t.unchanged += o.unchanged
}

// audit leaves what was imported in the trail, if anything was.
func (t tally) audit(tx *db.Tx, now time.Time, p access.Principal) error {
	if t.created+t.updated == 0 {
		return nil
	}
	return access.Audit(tx, now, p, "catalog.imported", string(p.Merchant), nil, map[string]int{
		"created": t.created, "updated": t.updated, "unchanged": t.unchanged,
	})
}

// plan is what a chunk comes to.
type plan struct {
	tally
	creates, changes []*step
	categories       []Category // that are new
	lost             []lostLine
	targets          map[id.Article]int // articles of this chunk and the lines that have them
}

type lostLine struct {
	line int
	why  fault
}

// makePlan looks up what the lines are about. taken is the articles of earlier
// chunks; it is not changed here, because the transaction may run again.
func makePlan(tx *db.Tx, now time.Time, p access.Principal, rows []row, taken map[id.Article]int) (plan, error) {
	pl := plan{targets: map[id.Article]int{}}
	byReference, byEAN, categories := map[string]Article{}, map[string]Article{}, map[string]id.Category{}
	for _, r := range rows {
		queueArticleBy(tx, p.Merchant, "reference", r.key, byReference)
		if r.ean != "" {
			queueArticleBy(tx, p.Merchant, "ean", r.ean, byEAN)
		}
		if _, asked := categories[r.category]; r.category != "" && !asked {
			categories[r.category] = ""
			queueCategoryNamed(tx, p.Merchant, r.category, categories)
		}
	}
	if err := tx.Flush(); err != nil {
		return pl, err
	}
	for _, r := range rows {
		if r.category != "" && categories[r.category] == "" {
			fresh := Category{ID: id.New[id.Category](now), Name: r.category}
			categories[r.category] = fresh.ID
			pl.categories = append(pl.categories, fresh)
		}
		pl.place(now, r, byReference[r.key], byEAN[r.ean], categories[r.category], taken)
	}
	return pl, nil
}

// place decides what one line comes to. known and barred are the articles that
// have its reference and its EAN, with an empty id where there is none.
func (pl *plan) place(now time.Time, r row, known, barred Article, category id.Category, taken map[id.Article]int) {
	if known.ID != "" && barred.ID != "" && known.ID != barred.ID {
		why := problem.New(problem.Conflict, "catalog.ean_taken", "article", barred.Name)
		pl.lost = append(pl.lost, lostLine{r.line, fault{columnEAN, why}})
		return
	}
	before := known
	if before.ID == "" {
		before = barred
	}
	if before.ID == "" {
		a := Article{
			ID: id.New[id.Article](now), Reference: r.key, Name: r.name, Category: category, Nature: orGoods(r.nature), VAT: r.vat,
			Price: r.price, EAN: r.ean, State: Active, CreatedAt: now, UpdatedAt: now,
		}
		pl.creates = append(pl.creates, &step{row: r, article: a})
		return
	}
	first, twice := taken[before.ID]
	if !twice {
		first, twice = pl.targets[before.ID]
	}
	if twice { // one line has its reference, another its EAN
		pl.lost = append(pl.lost, lostLine{r.line, duplicate(first)})
		return
	}
	pl.targets[before.ID] = r.line
	a := r.over(before, category)
	if a.sameContent(before) {
		pl.unchanged++
		return
	}
	a.UpdatedAt = after(before.UpdatedAt, now)
	pl.changes = append(pl.changes, &step{row: r, before: before, article: a})
}

// over is the article with what the line says of it.
func (r row) over(a Article, category id.Category) Article {
	a.Name, a.VAT, a.Price = r.name, r.vat, r.price
	if r.given {
		a.Reference = r.key
	}
	if r.category != "" {
		a.Category = category
	}
	if r.nature != "" {
		a.Nature = r.nature
	}
	if r.ean != "" {
		a.EAN = r.ean
	}
	return a
}

func orGoods(n Nature) Nature {
	if n == "" {
		return Goods
	}
	return n
}

// write does what the plan says. A line whose article another writer took
// meanwhile is lost, and named.
func (pl *plan) write(tx *db.Tx, p access.Principal) error {
	if err := pl.writeCategories(tx, p.Merchant); err != nil {
		return err
	}
	for _, s := range pl.creates {
		insertArticle(tx, p.Merchant, s.article, &s.done)
	}
	for _, s := range pl.changes {
		updateArticle(tx, p.Merchant, s.before, s.article, &s.done)
	}
	if err := tx.Flush(); err != nil {
		return err
	}
	created, updated := pl.written(pl.creates), pl.written(pl.changes)
	pl.created, pl.updated = len(created), len(updated)
	for _, s := range slices.Concat(created, updated) {
		if s.before.ID == "" || !s.article.samePrice(s.before) {
			insertPrice(tx, p.Merchant, s.article, p.Actor())
		}
	}
	return nil
}

// written keeps the steps that were done, and names the lines of the others.
func (pl *plan) written(steps []*step) (done []*step) {
	for _, s := range steps {
		if s.done {
			done = append(done, s)
			continue
		}
		pl.lost = append(pl.lost, lostLine{s.row.line, fault{why: problem.New(problem.Conflict, "catalog.changed_meanwhile")}})
	}
	return done
}

// writeCategories makes the new categories. One that another writer made
// meanwhile under the same name has another id, which the articles must have.
func (pl *plan) writeCategories(tx *db.Tx, m id.Merchant) error {
	made := map[string]id.Category{}
	for _, c := range pl.categories {
		insertNextCategory(tx, m, c)
		queueCategoryNamed(tx, m, c.Name, made)
	}
	if len(pl.categories) == 0 {
		return nil
	}
	if err := tx.Flush(); err != nil {
		return err
	}
	for _, steps := range [][]*step{pl.creates, pl.changes} {
		for _, s := range steps {
			if category, fresh := made[s.row.category]; fresh {
				s.article.Category = category
			}
		}
	}
	return nil
}

// settle keeps what the chunk came to, once its transaction is over.
func (pl *plan) settle(s *sheet, taken map[id.Article]int) {
	for article, line := range pl.targets {
		taken[article] = line
	}
	for _, l := range pl.lost {
		s.reject(l.line, l.why)
	}
}
