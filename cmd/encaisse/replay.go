package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/merchant"
	"encaisse/sale"
)

type replayCmd struct {
	databaseFlags
	jsonFlag
	Articles string `help:"CSV of the articles the tickets name." required:"" type:"existingfile"`
	File     string `arg:"" help:"CSV of ticket lines: date,time,ticket_number,article,quantity,unit_price; .gz is unpacked." type:"existingfile"`
}

// replayed is what replay prints.
type replayed struct {
	Tickets          int64       `json:"tickets"`
	Lines            int64       `json:"lines"`
	Total            int64       `json:"total_minor"`
	VAT              []money.VAT `json:"vat"`
	Days             int64       `json:"days"`
	New              int64       `json:"new_tickets"`
	Seconds          float64     `json:"seconds"`
	TicketsPerSecond float64     `json:"tickets_per_second"`
}

// replay is one run over one file.
type replay struct {
	house     *house
	clock     *clock.Manual
	principal access.Principal
	register  merchant.Register
	file      export
	closed    map[string]sale.Closing // days that were closed before, by date
	last      string                  // the last of them
	sealed    int64
}

func (c *replayCmd) Run(ctx context.Context, o output) error {
	manual := clock.NewManual(clock.Real{}.Now())
	h, err := c.open(ctx, quiet(o.err), manual, nil)
	if err != nil {
		return err
	}
	defer h.db.Close()
	r := &replay{house: h, clock: manual, file: export{path: c.File}}
	if err := r.prepare(ctx, c.Articles); err != nil {
		return err
	}
	began := time.Now()
	if err := r.run(ctx); err != nil {
		return err
	}
	if _, err := h.checkpoints.Write(ctx, h.db, r.principal.Merchant); err != nil {
		return err
	}
	result, err := r.result(ctx)
	if err != nil {
		return err
	}
	result.Seconds = time.Since(began).Seconds()
	result.TicketsPerSecond = float64(r.sealed) / result.Seconds
	return o.done(c.JSON, result, func(w io.Writer) {
		fmt.Fprintf(w, "%d tickets (%d new), %d lines, %d days, %d minor units, %.0f tickets/s\n",
			result.Tickets, result.New, result.Lines, result.Days, result.Total, result.TicketsPerSecond)
		for _, v := range result.VAT {
			fmt.Fprintf(w, "VAT %s %%: TTC %d, HT %d, VAT %d\n", v.Rate, v.TTC, v.HT, v.VAT)
		}
	})
}

// prepare finds the merchant and its history register and imports the articles.
func (r *replay) prepare(ctx context.Context, articles string) error {
	merchants, err := merchant.All(ctx, r.house.db)
	if err != nil {
		return err
	}
	if len(merchants) != 1 {
		return problem.New(problem.Conflict, "cmd.one_merchant", "merchants", len(merchants))
	}
	r.principal = access.System(merchants[0])
	registers, err := r.house.merchants.Registers(ctx, merchants[0])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(registers, func(one merchant.Register) bool { return one.Kind == merchant.History })
	if i < 0 {
		return problem.New(problem.NotFound, "cmd.no_history_register")
	}
	if r.register, r.file.site, err = r.house.merchants.RegisterByID(ctx, merchants[0], registers[i].ID); err != nil {
		return err
	}
	return r.importArticles(ctx, articles)
}

func (r *replay) importArticles(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	result, err := r.house.catalog.Import(ctx, r.principal, file, catalog.Options{Strict: true})
	if err != nil {
		return err
	}
	if result.Rejected > 0 {
		return problem.New(problem.Invalid, "cmd.articles", "lines", result.Rejected, "line", result.Errors[0].Line).Because(result.Errors[0].Problem)
	}
	return r.listArticles(ctx)
}

// listArticles learns the ids of the articles by their references.
func (r *replay) listArticles(ctx context.Context) error {
	r.file.articles = make(map[string]id.Article)
	for query := (catalog.Query{Limit: catalog.MaxPage}); ; {
		page, err := r.house.catalog.List(ctx, r.principal, query)
		if err != nil {
			return err
		}
		for _, a := range page.Articles {
			r.file.articles[a.Reference] = a.ID
			query.After = a.ID
		}
		if !page.More {
			return nil
		}
	}
}

// run reads the file twice: what is sealed stays, so everything that can be
// refused is refused before.
func (r *replay) run(ctx context.Context) error {
	days, err := r.closings(ctx)
	if err != nil {
		return err
	}
	r.closed = make(map[string]sale.Closing, len(days))
	for _, z := range days {
		r.closed[z.BusinessDate] = z
		r.last = max(r.last, z.BusinessDate)
	}
	if err := r.file.eachDay(ctx, r.check); err != nil {
		return err
	}
	return r.file.eachDay(ctx, r.day)
}

// check refuses a day that nothing can be added to, or put before.
func (r *replay) check(_ context.Context, d *day) error {
	z, closed := r.closed[d.date]
	if closed && !d.agrees(z) {
		return r.differs(d, z)
	}
	if !closed && d.date < r.last {
		return problem.New(problem.Conflict, "cmd.replay_before", "file", r.file.path, "line", d.line, "date", d.date, "last", r.last)
	}
	return nil
}

// agrees tells whether a closing counts what the file has.
func (d *day) agrees(z sale.Closing) bool {
	return z.Tickets() == int64(len(d.tickets)) && z.Lines == d.lines && z.Net == d.total
}

func (r *replay) differs(d *day, z sale.Closing) error {
	return problem.New(problem.Conflict, "cmd.replay_closed", "file", r.file.path, "line", d.line, "date", d.date,
		"closed_tickets", z.Tickets(), "closed_lines", z.Lines, "closed_total", money.Amount{Minor: z.Net, Currency: z.Currency}.Decimal(),
		"tickets", len(d.tickets), "lines", d.lines, "total", money.Amount{Minor: d.total, Currency: z.Currency}.Decimal())
}

// day seals one day: a session from its first ticket to its last, the Z, the day
// closing. A day that is closed already is passed over, one that was stopped
// halfway goes on where it was.
func (r *replay) day(ctx context.Context, d *day) error {
	if _, closed := r.closed[d.date]; closed {
		return nil
	}
	first, last := d.tickets[0].at, d.tickets[len(d.tickets)-1].at
	r.clock.Set(first)
	session, _, err := r.house.sales.Open(ctx, r.principal, sale.Opening{
		ID: id.From[id.Session](first, r.digest(d.date, "session")), Register: r.register.ID, Float: money.Amount{Currency: "EUR"}, History: true,
	})
	if err != nil {
		return err
	}
	if session.Open {
		if err := r.seal(ctx, d.tickets); err != nil {
			return err
		}
		r.clock.Set(last)
		z := sale.ClosingRequest{ID: id.From[id.Closing](last, r.digest(d.date, "z")), Register: r.register.ID, Kind: sale.Z, History: true}
		if _, _, err := r.house.sales.Close(ctx, r.principal, z); err != nil {
			return err
		}
	}
	r.clock.Set(last)
	z, _, err := r.house.sales.Close(ctx, r.principal, sale.ClosingRequest{
		ID: id.From[id.Closing](last, r.digest(d.date, "day")), Register: r.register.ID, Kind: sale.Day, BusinessDate: d.date, History: true,
	})
	if err == nil && !d.agrees(z) { // stopped halfway through another file
		err = r.differs(d, z)
	}
	return err
}

// seal seals a day's tickets through the sale path, each at its own time.
func (r *replay) seal(ctx context.Context, tickets []*ticket) error {
	for chunk := range slices.Chunk(tickets, sale.ImportChunk) {
		past := make([]sale.Historic, len(chunk))
		for i, t := range chunk {
			past[i] = r.historic(t)
		}
		r.clock.Set(chunk[len(chunk)-1].at)
		sealed, err := r.house.sales.Import(ctx, r.principal, r.register.ID, past)
		if err != nil {
			return err
		}
		r.sealed += int64(sealed)
	}
	return nil
}

func (r *replay) historic(t *ticket) sale.Historic {
	digest := r.digest(t.date, t.number)
	request := sale.Request{
		ID: id.From[id.Sale](t.at, digest), Register: r.register.ID, ExternalRef: t.number, Lines: t.lines,
	}
	if t.total != 0 {
		request.Tenders = []sale.TenderRequest{{
			ID: id.From[id.Tender](t.at, digest), Means: sale.Cash, Amount: money.Amount{Minor: t.total, Currency: "EUR"},
		}}
	}
	return sale.Historic{Request: request, At: t.at}
}

// digest makes the ids of a replay depend on what they name alone, so that the
// same file replayed again makes the same ids.
func (r *replay) digest(date, what string) [32]byte {
	return sha256.Sum256([]byte(string(r.register.ID) + "\n" + date + "\n" + what))
}

// closings are the day closings of the register.
func (r *replay) closings(ctx context.Context) (days []sale.Closing, err error) {
	for before := int64(0); ; {
		page, err := r.house.sales.Closings(ctx, r.principal, r.register.ID, sale.Day, before, 100)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return days, nil
		}
		days = append(days, page...)
		before = page[len(page)-1].Number
	}
}

// result adds up the day closings: what is there, not what was asked.
func (r *replay) result(ctx context.Context) (replayed, error) {
	out := replayed{New: r.sealed, VAT: []money.VAT{}}
	days, err := r.closings(ctx)
	if err != nil {
		return out, err
	}
	byRate := make(map[money.Rate]money.VAT)
	for _, z := range days {
		out.Days++
		out.Tickets += z.Tickets()
		out.Lines += z.Lines
		out.Total += z.Net
		for _, v := range z.VAT {
			sum := byRate[v.Rate]
			byRate[v.Rate] = money.VAT{Rate: v.Rate, TTC: sum.TTC + v.TTC, HT: sum.HT + v.HT, VAT: sum.VAT + v.VAT.VAT}
		}
	}
	for _, v := range byRate {
		out.VAT = append(out.VAT, v)
	}
	slices.SortFunc(out.VAT, func(a, b money.VAT) int { return int(a.Rate - b.Rate) })
	return out, nil
}
