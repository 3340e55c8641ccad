package sale

import (
	"slices"
	"time"

	"encaisse/base/db"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// sessionTotals adds up the tickets of a session as they were sealed. Called
// under the chain's lock it is what a Z seals; outside, what an X shows.
func sessionTotals(tx *db.Tx, s Session) (Totals, error) {
	t := Totals{FirstTicket: s.FirstTicket, LastTicket: s.FirstTicket - 1, Float: s.Float}
	if err := sumSales(tx, s, &t); err != nil {
		return t, err
	}
	if err := sumMovements(tx, s, &t); err != nil {
		return t, err
	}
	var err error
	if t.Held, err = sumHeld(tx, s); err != nil {
		return t, err
	}
	t.Expected = t.Float + t.Cash + t.Held + t.CashIn - t.CashOut
	return t, nil
}

// carry adds this period's VAT to the perpetual turnover of the period before.
func carry(before, now []PeriodVAT, absolute map[money.Rate]int64) ([]PeriodVAT, error) {
	byRate := make(map[money.Rate]PeriodVAT, len(before)+len(now))
	for _, v := range before {
		byRate[v.Rate] = PeriodVAT{
			VAT: money.VAT{Rate: v.Rate}, PerpetualNet: v.PerpetualNet, PerpetualAbsolute: v.PerpetualAbsolute,
		}
	}
	var err error
	for _, v := range now {
		p := byRate[v.Rate]
		p.VAT = v.VAT
		if p.PerpetualNet, err = money.Add(p.PerpetualNet, v.TTC); err != nil {
			return nil, err
		}
		if p.PerpetualAbsolute, err = money.Add(p.PerpetualAbsolute, absolute[v.Rate]); err != nil {
			return nil, err
		}
		byRate[v.Rate] = p
	}
	return sortedByRate(byRate), nil
}

func sortedByRate(byRate map[money.Rate]PeriodVAT) []PeriodVAT {
	list := make([]PeriodVAT, 0, len(byRate))
	for _, v := range byRate {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b PeriodVAT) int { return int(a.Rate - b.Rate) })
	return list
}

// addUp makes a day of its Z: every total is a sum of theirs, and the perpetual
// turnover by rate is that of the last one, or of the day before when none was made.
func (z *Closing) addUp(zs []Closing, before []PeriodVAT) error {
	byRate := make(map[money.Rate]PeriodVAT)
	for _, v := range before {
		byRate[v.Rate] = PeriodVAT{
			VAT: money.VAT{Rate: v.Rate}, PerpetualNet: v.PerpetualNet, PerpetualAbsolute: v.PerpetualAbsolute,
		}
	}
	var counted, difference int64
	all := len(zs) > 0
	for _, one := range zs {
		z.Lines += one.Lines
		z.Returns += one.Returns
		z.Net += one.Net
		z.Absolute += one.Absolute
		z.Float += one.Float
		z.Cash += one.Cash
		z.CashIn += one.CashIn
		z.CashOut += one.CashOut
		z.Held += one.Held
		z.Card += one.Card
		z.CardManual += one.CardManual
		z.Expected += one.Expected
		if one.Counted == nil {
			all = false
		} else {
			counted += *one.Counted
			difference += *one.Difference
		}
		for _, v := range one.VAT {
			p := byRate[v.Rate]
			p.Rate = v.Rate
			p.TTC += v.TTC
			p.HT += v.HT
			p.VAT.VAT += v.VAT.VAT
			p.PerpetualNet, p.PerpetualAbsolute = v.PerpetualNet, v.PerpetualAbsolute
			byRate[v.Rate] = p
		}
	}
	if all {
		z.Counted, z.Difference = &counted, &difference
	}
	z.VAT = sortedByRate(byRate)
	return nil
}

// checkDate refuses the closing of a day that is not a date or is still to come.
func checkDate(date, today string) error {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return problem.New(problem.Invalid, "sale.date").At("business_date")
	}
	if date > today {
		return problem.New(problem.Invalid, "sale.date_future", "today", today).At("business_date")
	}
	return nil
}
