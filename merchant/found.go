package merchant

import (
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
)

// Founding is what a new merchant says of itself. What is left empty has a
// default: new ids, euro, the whole cash register, Europe/Paris, 04:00.
type Founding struct {
	Merchant id.Merchant
	Company  string
	SIREN    string
	Currency money.Currency
	Mode     Mode

	SiteName    string
	SIRET       string
	Zone        string
	DayStartsAt *int64 // minutes after local midnight; nil: 04:00

	TillName    string // « Caisse 1 » when empty
	HistoryName string // « Historique » when empty
}

// Founded is a new merchant with what it needs to sell.
type Founded struct {
	Merchant Merchant
	Site     Site
	History  Register
	Till     Register
}

// Found makes a merchant, its first site, the register that holds its imported
// history (number 1) and its first till (number 2). Problems merchant.company,
// merchant.siren, merchant.siret, merchant.siret_of_other, merchant.name,
// merchant.mode, merchant.zone, merchant.day_start, money.unknown_currency, and
// merchant.exists when the id is taken.
func Found(tx *db.Tx, now time.Time, in Founding) (Founded, error) {
	f, err := in.check(now)
	if err != nil {
		return Founded{}, err
	}
	fresh, err := insertMerchant(tx, f.Merchant)
	if err != nil {
		return Founded{}, err
	}
	if !fresh {
		return Founded{}, problem.New(problem.Conflict, "merchant.exists")
	}
	insertSite(tx, f.Site)
	insertRegister(tx, f.History)
	insertRegister(tx, f.Till)
	return f, nil
}

// check makes all four rows, or says what is wrong with the first one that is.
func (in Founding) check(now time.Time) (f Founded, err error) {
	f.Merchant = Merchant{ID: in.Merchant, Currency: in.Currency, Mode: in.Mode, CreatedAt: now}
	if f.Merchant.ID == "" {
		f.Merchant.ID = id.New[id.Merchant](now)
	} else if f.Merchant.ID, err = id.Parse[id.Merchant](string(in.Merchant)); err != nil {
		return f, err
	}
	var ok bool
	if f.Merchant.Company, ok = Clean(in.Company, MaxName); !ok {
		return f, problem.New(problem.Invalid, "merchant.company", "most", MaxName).At("company")
	}
	if f.Merchant.SIREN, err = ParseSIREN(in.SIREN); err != nil {
		return f, problem.As(err).At("siren")
	}
	if f.Merchant.Currency, err = money.ParseCurrency(or(string(in.Currency), string(money.EUR))); err != nil {
		return f, problem.As(err).At("currency")
	}
	switch f.Merchant.Mode = Mode(or(string(in.Mode), string(Complet))); f.Merchant.Mode {
	case Simple, Complet:
	default:
		return f, problem.New(problem.Invalid, "merchant.mode").At("mode")
	}
	if f.Site, err = in.checkSite(f.Merchant, now); err != nil {
		return f, err
	}
	if f.History, err = firstRegister(f.Site, 1, or(in.HistoryName, "Historique"), History); err != nil {
		return f, err
	}
	f.Till, err = firstRegister(f.Site, 2, or(in.TillName, "Caisse 1"), Till)
	return f, err
}

func (in Founding) checkSite(m Merchant, now time.Time) (s Site, err error) {
	s = Site{
		Merchant: m.ID, ID: id.New[id.Site](now), Number: 1, Zone: or(in.Zone, DefaultZone),
		DayStartsAt: DefaultDayStartsAt, CreatedAt: now,
	}
	if s.Name, err = checkName(in.SiteName, "site_name"); err != nil {
		return s, err
	}
	if s.SIRET, err = siretOf(m.SIREN, in.SIRET); err != nil {
		return s, problem.As(err).At("siret")
	}
	if s.location, err = loadZone(s.Zone); err != nil {
		return s, err
	}
	if in.DayStartsAt != nil {
		s.DayStartsAt = *in.DayStartsAt
	}
	if s.DayStartsAt < 0 || s.DayStartsAt >= 24*hour {
		return s, problem.New(problem.Invalid, "merchant.day_start").At("day_starts_at")
	}
	return s, nil
}

func firstRegister(s Site, number int64, name string, kind Kind) (r Register, err error) {
	r = Register{Merchant: s.Merchant, ID: id.New[id.Register](s.CreatedAt), Site: s.ID, Number: number, Kind: kind, CreatedAt: s.CreatedAt}
	r.Name, err = checkName(name, string(kind)+"_name")
	return r, err
}

func checkName(s, field string) (string, error) {
	name, ok := Clean(s, MaxName)
	if !ok {
		return "", problem.New(problem.Invalid, "merchant.name", "most", MaxName).At(field)
	}
	return name, nil
}

// or is s, or what stands for it where it is empty.
func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
