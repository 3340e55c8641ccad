package catalog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// VATRate is a rate in force, and where.
type VATRate struct {
	Rate  money.Rate
	Where string
}

// vatRates are the rates of VAT in force in France (CGI 278 to 281 nonies, 294
// to 298 quater), the commonest first. It is never written to.
var vatRates = []VATRate{
	{2000, "mainland, Corsica: standard"},
	{1000, "mainland, Corsica: intermediate"},
	{550, "mainland: reduced"},
	{210, "mainland, Corsica, overseas: press, medicines reimbursed"},
	{0, "exempt, outside the scope"},
	{1300, "Corsica: petroleum products"},
	{90, "Corsica: first performances, animals for slaughter"},
	{850, "Guadeloupe, Martinique, Réunion: standard"},
	{175, "Guadeloupe, Martinique, Réunion: animals for slaughter"},
	{105, "Guadeloupe, Martinique, Réunion: press"},
}

// VATRates lists the rates that an article may have. The caller owns it.
func VATRates() []VATRate { return append([]VATRate(nil), vatRates...) }

// CheckVAT refuses a rate that is not in force and names those that are. Problem
// catalog.vat_unknown.
func CheckVAT(rate money.Rate) error {
	known := make([]string, len(vatRates))
	for i, r := range vatRates {
		if r.Rate == rate {
			return nil
		}
		known[i] = r.Rate.String()
	}
	return problem.New(problem.Invalid, "catalog.vat_unknown", "known", strings.Join(known, ", "))
}

// ParseEAN reads an EAN-8 or EAN-13 and verifies its check digit. Problem catalog.ean.
func ParseEAN(s string) (string, error) {
	if !isEAN(s) {
		return "", problem.New(problem.Invalid, "catalog.ean")
	}
	return s, nil
}

func isEAN(s string) bool {
	if len(s) != 8 && len(s) != 13 {
		return false
	}
	sum := 0
	for i := range len(s) {
		c := s[len(s)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		if i%2 == 0 {
			sum += int(c - '0')
		} else {
			sum += 3 * int(c-'0')
		}
	}
	return sum%10 == 0
}

// fold is a text without case and accents: what it is ordered and searched by.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch r = unicode.ToLower(r); {
		case unicode.Is(unicode.Mn, r):
		case r == 'œ':
			b.WriteString("oe")
		case r == 'æ':
			b.WriteString("ae")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// check is an article as it is kept, or the first thing that is wrong with it.
func (a Article) check(currency money.Currency) (_ Article, err error) {
	if a.ID, err = id.Parse[id.Article](string(a.ID)); err != nil {
		return a, problem.As(err).At("id")
	}
	if a.Name, err = cleanName(a.Name); err != nil {
		return a, err
	}
	if a.EAN != "" {
		if a.EAN, err = ParseEAN(a.EAN); err != nil {
			return a, problem.As(err).At("ean")
		}
	}
	if a.Reference, err = a.reference(); err != nil {
		return a, err
	}
	if a.Category != "" {
		if a.Category, err = id.Parse[id.Category](string(a.Category)); err != nil {
			return a, problem.As(err).At("category")
		}
	}
	if a.Nature == "" {
		a.Nature = Goods
	}
	if a.Nature != Goods && a.Nature != Service {
		return a, problem.New(problem.Invalid, "catalog.nature").At("nature")
	}
	if err = CheckVAT(a.VAT); err != nil {
		return a, problem.As(err).At("vat_bp")
	}
	if a.Price != nil {
		price := *a.Price // the caller keeps its own
		a.Price = &price
		err = checkPrice(price, currency)
	}
	return a, err
}

// reference is what the merchant gave, or what stands for it.
func (a Article) reference() (string, error) {
	if a.Reference == "" {
		if a.EAN != "" {
			return a.EAN, nil
		}
		return a.Name, nil
	}
	clean, ok := merchant.Clean(a.Reference, MaxName)
	if !ok {
		return "", problem.New(problem.Invalid, "catalog.reference", "most", MaxName).At("reference")
	}
	return clean, nil
}

func cleanName(s string) (string, error) {
	clean, ok := merchant.Clean(s, MaxName)
	if !ok {
		return "", problem.New(problem.Invalid, "catalog.name", "most", MaxName).At("name")
	}
	return clean, nil
}

func cleanCategory(s string) (string, error) {
	clean, ok := merchant.Clean(s, MaxCategoryName)
	if !ok {
		return "", problem.New(problem.Invalid, "catalog.category_name", "most", MaxCategoryName).At("name")
	}
	return clean, nil
}

func checkPrice(a money.Amount, currency money.Currency) error {
	switch {
	case a.Currency != currency:
		return problem.New(problem.Invalid, "catalog.currency", "currency", string(currency)).At("price")
	case a.Minor < 0:
		return problem.New(problem.Invalid, "catalog.price_negative").At("price")
	case a.Minor > MaxPriceMinor:
		most := money.Amount{Minor: MaxPriceMinor, Currency: currency}
		return problem.New(problem.Invalid, "catalog.price_too_large", "most", fmt.Sprintf("%s %s", most.Decimal(), currency)).At("price")
	}
	return nil
}
