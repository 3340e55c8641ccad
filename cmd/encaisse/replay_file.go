package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/merchant"
	"encaisse/sale"
)

// maxTicketsPerDay bounds what is held in memory: a day, and the night after it.
const maxTicketsPerDay = 20_000

// export is the file another till wrote, read from its beginning to its end.
type export struct {
	path     string
	site     merchant.Site
	articles map[string]id.Article // by reference
	rows     *csv.Reader
	date     string             // of the lines being read
	tickets  map[string]*ticket // of that date, by number
	days     map[string]*day    // that more lines may belong to, by business date
}

// day is one business day of the file.
type day struct {
	date    string
	line    int // of the file: the first one of this day
	tickets []*ticket
	lines   int64
	total   int64
}

// ticket is one ticket of the file: the lines of one date with one number.
type ticket struct {
	number string
	date   string
	at     time.Time
	lines  []sale.LineRequest
	total  int64
}

// eachDay hands over the business days of the file, in their order, and their
// tickets in the order of time. Problems cmd.replay_header, cmd.replay_line,
// cmd.replay_order, cmd.replay_day.
func (e *export) eachDay(ctx context.Context, use func(context.Context, *day) error) error {
	file, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer file.Close()
	var in io.Reader = bufio.NewReaderSize(file, 1<<16)
	if strings.HasSuffix(e.path, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	e.rows = csv.NewReader(in)
	e.rows.FieldsPerRecord, e.rows.ReuseRecord = 6, true
	if header, err := e.rows.Read(); err != nil || header[0] != "date" || header[5] != "unit_price" {
		return problem.New(problem.Invalid, "cmd.replay_header")
	}
	e.date, e.days = "", make(map[string]*day)
	for {
		row, err := e.rows.Read()
		if errors.Is(err, io.EOF) {
			return e.handOver(ctx, "", use)
		}
		if err != nil {
			return e.unreadable(err)
		}
		if row[0] != e.date {
			over, err := e.turn(row[0])
			if err != nil {
				return err
			}
			if err := e.handOver(ctx, over, use); err != nil {
				return err
			}
		}
		if err := e.take(row); err != nil {
			return e.bad(err)
		}
	}
}

// turn goes on to the next date, and tells before which business day everything
// is read: lines of the night still belong to the day before. A date that
// returns would change a day that was handed over: it is refused.
func (e *export) turn(date string) (over string, err error) {
	on, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "", e.bad(err)
	}
	if date < e.date {
		return "", problem.New(problem.Invalid, "cmd.replay_order", "file", e.path, "line", e.line(), "date", date, "after", e.date)
	}
	e.date, e.tickets = strings.Clone(date), make(map[string]*ticket)
	return on.AddDate(0, 0, -1).Format(time.DateOnly), nil
}

// handOver hands over the days before a date, or all of them.
func (e *export) handOver(ctx context.Context, before string, use func(context.Context, *day) error) error {
	for _, date := range slices.Sorted(maps.Keys(e.days)) {
		if before != "" && date >= before {
			return nil
		}
		d := e.days[date]
		delete(e.days, date)
		slices.SortStableFunc(d.tickets, func(a, b *ticket) int { return a.at.Compare(b.at) })
		if err := use(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// take adds one line to its ticket and its day.
func (e *export) take(row []string) error {
	t := e.tickets[row[2]]
	if t == nil {
		at, err := time.ParseInLocation("2006-01-02 15:04", row[0]+" "+row[1], e.site.Location())
		if err != nil {
			return err
		}
		t = &ticket{number: strings.Clone(row[2]), date: e.date, at: at}
		e.tickets[t.number] = t
	}
	d, err := e.dayOf(t)
	if err != nil {
		return err
	}
	line, amount, err := e.saleLine(row)
	if err != nil {
		return err
	}
	t.lines, t.total = append(t.lines, line), t.total+amount
	d.lines, d.total = d.lines+1, d.total+amount
	return nil
}

// dayOf is the business day of a ticket, to which it is added if it is new.
func (e *export) dayOf(t *ticket) (*day, error) {
	date := merchant.BusinessDate(e.site, t.at)
	d := e.days[date]
	if d == nil {
		d = &day{date: date, line: e.line()}
		e.days[date] = d
	}
	if t.lines == nil {
		if len(d.tickets) == maxTicketsPerDay {
			return nil, problem.New(problem.TooLarge, "cmd.replay_day", "limit", maxTicketsPerDay)
		}
		d.tickets = append(d.tickets, t)
	}
	return d, nil
}

func (e *export) saleLine(row []string) (line sale.LineRequest, amount int64, err error) {
	name, _ := merchant.Clean(row[3], catalog.MaxName) // as the catalogue cleaned it
	article, known := e.articles[name]
	if !known {
		return line, 0, problem.New(problem.Invalid, "sale.unknown_article", "article", name)
	}
	quantity, err := money.ParseQuantity(row[4])
	if err != nil {
		return line, 0, err
	}
	unit, err := money.ParseDecimal(row[5], "EUR")
	if err != nil {
		return line, 0, err
	}
	amount, err = quantity.Times(unit.Minor)
	return sale.LineRequest{Article: article, Quantity: quantity, Unit: &unit}, amount, err
}

// line is where in the file the row is that was read last.
func (e *export) line() int {
	line, _ := e.rows.FieldPos(0)
	return line
}

func (e *export) bad(err error) error {
	return problem.New(problem.Invalid, "cmd.replay_line", "file", e.path, "line", e.line()).Because(err)
}

// unreadable names the line of the file that is not CSV.
func (e *export) unreadable(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return problem.New(problem.Invalid, "cmd.replay_line", "file", e.path, "line", bad.Line).Because(err)
	}
	return err
}
