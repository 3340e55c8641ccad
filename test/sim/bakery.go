package sim

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Bakery is a sales file that no till ever wrote, with everything in it that
// real ones have: returns, lines of both signs on a ticket, a ticket of nothing,
// lines at no price, weights, prices that change, tickets out of time order,
// numbers left out. Days is what must come of it.
type Bakery struct {
	Articles string // CSV of its articles
	Lines    string // CSV of its ticket lines
	Days     []Day
}

// Day is what one business day comes to.
type Day struct {
	Date     string
	Tickets  int64
	Lines    int64
	Returns  int64 // tickets with a negative total
	Returned int64 // what they come to, minor units, negative
	Total    int64 // TTC, minor units
	Rates    map[int64]Rate
}

// Rate is a day's turnover and VAT at one rate, minor units.
type Rate struct{ TTC, VAT int64 }

// bakeryArticles are sold by the piece, the last one by weight. Prices in cents.
var bakeryArticles = [...]struct {
	name  string
	rate  int64
	price int64
}{
	{"BAGUETTE", 550, 105},
	{"TRADITION", 550, 130},
	{"CROISSANT", 550, 120},
	{"ÉCLAIR", 550, 340},
	{"CAFÉ", 1000, 160},
	{"QUICHE", 1000, 450},
	{"CIDRE 75 CL", 2000, 720},
	{"SACHET", 2000, 0},
	{"PAIN AU POIDS", 550, 689},
}

// bakeryTicket is one ticket being made up.
type bakeryTicket struct {
	number int
	minute int
	lines  []bakeryLine
}

type bakeryLine struct {
	article int
	milli   int64
	price   int64
}

// NewBakery makes up days of tickets and writes them to files of the test.
func NewBakery(t testing.TB, random *rand.Rand, days, perDay int) Bakery {
	t.Helper()
	dir := t.TempDir()
	b := Bakery{Articles: filepath.Join(dir, "articles.csv"), Lines: filepath.Join(dir, "lines.csv")}
	var articles, lines strings.Builder
	articles.WriteString("article,category,vat_rate,price_usual\n")
	for _, a := range bakeryArticles {
		fmt.Fprintf(&articles, "%s,Pains,%s,%s\n", a.name, decimal(a.rate, 2), decimal(a.price, 2))
	}
	lines.WriteString("date,time,ticket_number,article,quantity,unit_price\n")
	number := 150_000
	for day := range days {
		date := time.Date(2021, 3, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		tickets := make([]bakeryTicket, perDay)
		for i := range tickets {
			number += 1 + random.IntN(2) // some are left out
			minute := 7*60 + i*12*60/perDay
			tickets[i] = bakeryTicket{number, minute, bakeryLines(random, i, day)}
		}
		b.Days = append(b.Days, dayOf(date, tickets))
		if i := random.IntN(perDay); i > 0 { // a ticket stands in the file before an earlier one
			tickets[i], tickets[i-1] = tickets[i-1], tickets[i]
		}
		for _, ticket := range tickets {
			for _, l := range ticket.lines {
				fmt.Fprintf(&lines, "%s,%02d:%02d,%d,%s,%s,%s\n", date, ticket.minute/60, ticket.minute%60, ticket.number,
					bakeryArticles[l.article].name, decimal(l.milli, 3), decimal(l.price, 2))
			}
		}
	}
	for path, text := range map[string]string{b.Articles: articles.String(), b.Lines: lines.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// bakeryLines makes up the lines of the i-th ticket of a day. The first tickets
// of a day are the odd ones, so that every day has each of them.
func bakeryLines(random *rand.Rand, i, day int) []bakeryLine {
	line := func(article int, milli int64) bakeryLine {
		price := bakeryArticles[article].price
		if day > 0 && article < 2 {
			price += 5 // it went up after the first day
		}
		return bakeryLine{article, milli, price}
	}
	switch i {
	case 0: // a return
		return []bakeryLine{line(0, -1000), line(6, -1000)}
	case 1: // both signs
		return []bakeryLine{line(3, 2000), line(2, -1000), line(6, 2000)}
	case 2: // nothing in all
		return []bakeryLine{line(2, 1000), line(2, -1000)}
	case 3: // at no price
		return []bakeryLine{line(7, 1000), line(1, 1000), line(4, 1000)}
	case 4: // by weight
		return []bakeryLine{line(8, 350)}
	}
	lines := make([]bakeryLine, 1+random.IntN(3))
	for k := range lines {
		lines[k] = line(random.IntN(len(bakeryArticles)-1), int64(1+random.IntN(3))*1000)
	}
	return lines
}

// dayOf computes what a day must come to with fractions of any size: another way
// than the product's, which computes with integers.
func dayOf(date string, tickets []bakeryTicket) Day {
	d := Day{Date: date, Tickets: int64(len(tickets)), Rates: make(map[int64]Rate)}
	for _, ticket := range tickets {
		var total int64
		byRate := make(map[int64]int64)
		for _, l := range ticket.lines {
			amount := halfAway(big.NewRat(l.milli*l.price, 1000))
			byRate[bakeryArticles[l.article].rate] += amount
			total += amount
		}
		for rate, ttc := range byRate {
			ht := halfAway(big.NewRat(ttc*10_000, 10_000+rate))
			sum := d.Rates[rate]
			d.Rates[rate] = Rate{sum.TTC + ttc, sum.VAT + ttc - ht}
		}
		d.Lines += int64(len(ticket.lines))
		d.Total += total
		if total < 0 {
			d.Returns++
			d.Returned += total
		}
	}
	return d
}

// halfAway rounds to the nearest integer, a half away from zero.
func halfAway(r *big.Rat) int64 {
	half := big.NewRat(int64(r.Sign()), 2)
	sum := new(big.Rat).Add(r, half)
	return new(big.Int).Quo(sum.Num(), sum.Denom()).Int64() // Quo cuts towards zero
}

// decimal writes an integer of so many decimals.
func decimal(v int64, decimals int) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	digits := fmt.Sprintf("%0*d", decimals+1, v)
	return sign + digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}

// Sum adds days up; its Date is empty.
func Sum(days []Day) Day {
	sum := Day{Rates: make(map[int64]Rate)}
	for _, d := range days {
		sum.Tickets += d.Tickets
		sum.Lines += d.Lines
		sum.Returns += d.Returns
		sum.Returned += d.Returned
		sum.Total += d.Total
		for rate, r := range d.Rates {
			s := sum.Rates[rate]
			sum.Rates[rate] = Rate{s.TTC + r.TTC, s.VAT + r.VAT}
		}
	}
	return sum
}

// Expect holds a replay's own totals against the days they must add up to.
func (r Replayed) Expect(t testing.TB, days []Day) {
	t.Helper()
	want := Sum(days)
	if r.Tickets != want.Tickets || r.Lines != want.Lines || r.Total != want.Total || r.Days != int64(len(days)) {
		t.Errorf("replayed %+v, want %d days of %+v", r, len(days), want)
	}
	rates := make(map[int64]Rate)
	for _, v := range r.VAT {
		rates[int64(v.Rate)] = Rate{v.TTC, v.VAT}
		if v.HT+v.VAT != v.TTC {
			t.Errorf("VAT %+v does not add up", v)
		}
	}
	for _, rate := range slices.Collect(keys(rates, want.Rates)) {
		if rates[rate] != want.Rates[rate] {
			t.Errorf("rate %d: replayed %+v, want %+v", rate, rates[rate], want.Rates[rate])
		}
	}
}

// keys yields the keys of both maps, some of them twice.
func keys[K comparable, V any](maps ...map[K]V) func(yield func(K) bool) {
	return func(yield func(K) bool) {
		for _, m := range maps {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
	}
}
