package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
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

// maxReplayLine bounds a ticket line of the file read.
const maxTicketsPerDay = 20_000

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
	zone      *time.Location
	articles  map[string]id.Article
	sealed    int64
}

// ticket is one ticket of the file.
type ticket struct {
	number string
	at     time.Time
	order  int // in the file: what decides between tickets of the same minute
	lines  []sale.LineRequest
	total  int64
}

func (c *replayCmd) Run(ctx context.Context, o output) error {
	manual := clock.NewManual(clock.Real{}.Now())
	h, err := c.open(ctx, quiet(o.err), manual)
	if err != nil {
		return err
	}
	defer h.db.Close()
	r := &replay{house: h, clock: manual}
	if err := r.prepare(ctx, c.Articles); err != nil {
		return err
	}
	began := time.Now()
	if err := r.file(ctx, c.File); err != nil {
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
	var where merchant.Site
	if r.register, where, err = r.house.merchants.RegisterByID(ctx, merchants[0], registers[i].ID); err != nil {
		return err
	}
	r.zone = where.Location()
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
	r.articles = make(map[string]id.Article)
	for query := (catalog.Query{Limit: catalog.MaxPage}); ; {
		page, err := r.house.catalog.List(ctx, r.principal, query)
		if err != nil {
			return err
		}
		for _, a := range page.Articles {
			r.articles[a.Reference] = a.ID
			query.After = a.ID
		}
		if !page.More {
			return nil
		}
	}
}

// file reads the file a day at a time and seals each day before the next is read.
func (r *replay) file(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var in io.Reader = bufio.NewReaderSize(file, 1<<16)
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.ReuseRecord = 6, true
	if header, err := rows.Read(); err != nil || header[0] != "date" || header[5] != "unit_price" {
		return problem.New(problem.Invalid, "cmd.replay_header")
	}
	var date string
	var day map[string]*ticket
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return r.day(ctx, date, day)
		}
		if err != nil {
			return unreadable(err)
		}
		if row[0] != date {
			if err := r.day(ctx, date, day); err != nil {
				return err
			}
			date, day = strings.Clone(row[0]), make(map[string]*ticket)
		}
		if err := r.line(day, row); err != nil {
			line, _ := rows.FieldPos(0)
			return problem.New(problem.Invalid, "cmd.replay_line", "line", line).Because(err)
		}
	}
}

// unreadable names the line of the file that is not CSV.
func unreadable(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return problem.New(problem.Invalid, "cmd.replay_line", "line", bad.Line).Because(err)
	}
	return err
}

// line adds one line of the file to its ticket.
func (r *replay) line(day map[string]*ticket, row []string) error {
	t := day[row[2]]
	if t == nil {
		at, err := time.ParseInLocation("2006-01-02 15:04", row[0]+" "+row[1], r.zone)
		if err != nil {
			return err
		}
		if len(day) == maxTicketsPerDay {
			return problem.New(problem.TooLarge, "cmd.replay_day", "limit", maxTicketsPerDay)
		}
		t = &ticket{number: strings.Clone(row[2]), at: at, order: len(day)}
		day[t.number] = t
	}
	name, _ := merchant.Clean(row[3], catalog.MaxName) // as the catalogue cleaned it
	article, known := r.articles[name]
	if !known {
		return problem.New(problem.Invalid, "sale.unknown_article", "article", name)
	}
	quantity, err := money.ParseQuantity(row[4])
	if err != nil {
		return err
	}
	unit, err := money.ParseDecimal(row[5], "EUR")
	if err != nil {
		return err
	}
	amount, err := quantity.Times(unit.Minor)
	if err != nil {
		return err
	}
	t.total += amount
	t.lines = append(t.lines, sale.LineRequest{Article: article, Quantity: quantity, Unit: &unit})
	return nil
}

// day seals one day: a session from its first ticket to its last, the Z, the day
// closing. A day that is closed already is passed over, one that was stopped
// halfway goes on where it was.
func (r *replay) day(ctx context.Context, date string, byNumber map[string]*ticket) error {
	if len(byNumber) == 0 {
		return nil
	}
	tickets := make([]*ticket, 0, len(byNumber))
	for _, t := range byNumber {
		tickets = append(tickets, t)
	}
	slices.SortFunc(tickets, func(a, b *ticket) int {
		if by := a.at.Compare(b.at); by != 0 {
			return by
		}
		return a.order - b.order
	})
	first, last := tickets[0].at, tickets[len(tickets)-1].at
	r.clock.Set(first)
	session, _, err := r.house.sales.Open(ctx, r.principal, sale.Opening{
		ID: id.From[id.Session](first, r.digest(date, "session")), Register: r.register.ID, Float: money.Amount{Currency: "EUR"}, History: true,
	})
	if err != nil {
		return err
	}
	if session.Open {
		if err := r.seal(ctx, date, tickets); err != nil {
			return err
		}
		r.clock.Set(last)
		z := sale.ClosingRequest{ID: id.From[id.Closing](last, r.digest(date, "z")), Register: r.register.ID, Kind: sale.Z, History: true}
		if _, _, err := r.house.sales.Close(ctx, r.principal, z); err != nil {
			return err
		}
	}
	r.clock.Set(last)
	closing := sale.ClosingRequest{
		ID: id.From[id.Closing](last, r.digest(date, "day")), Register: r.register.ID, Kind: sale.Day, BusinessDate: session.BusinessDate, History: true,
	}
	_, _, err = r.house.sales.Close(ctx, r.principal, closing)
	return err
}

// seal seals a day's tickets through the sale path, each at its own time.
func (r *replay) seal(ctx context.Context, date string, tickets []*ticket) error {
	for chunk := range slices.Chunk(tickets, sale.ImportChunk) {
		past := make([]sale.Historic, len(chunk))
		for i, t := range chunk {
			past[i] = r.historic(date, t)
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

func (r *replay) historic(date string, t *ticket) sale.Historic {
	digest := r.digest(date, t.number)
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

// result adds up the day closings of the register: what is there, not what was asked.
func (r *replay) result(ctx context.Context) (replayed, error) {
	out := replayed{New: r.sealed, VAT: []money.VAT{}}
	byRate := make(map[money.Rate]money.VAT)
	for before := int64(0); ; {
		page, err := r.house.sales.Closings(ctx, r.principal, r.register.ID, sale.Day, before, 100)
		if err != nil {
			return out, err
		}
		if len(page) == 0 {
			break
		}
		for _, z := range page {
			out.Days++
			out.Tickets += z.Tickets()
			out.Lines += z.Lines
			out.Total += z.Net
			for _, v := range z.VAT {
				sum := byRate[v.Rate]
				byRate[v.Rate] = money.VAT{Rate: v.Rate, TTC: sum.TTC + v.TTC, HT: sum.HT + v.HT, VAT: sum.VAT + v.VAT.VAT}
			}
		}
		before = page[len(page)-1].Number
	}
	for _, v := range byRate {
		out.VAT = append(out.VAT, v)
	}
	slices.SortFunc(out.VAT, func(a, b money.VAT) int { return int(a.Rate - b.Rate) })
	return out, nil
}
