package catalog

import (
	"math"
	"strings"
	"unicode"

	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/merchant"
)

// column is something a file may tell of an article.
type column string

// The columns, by the names they have in BadLine.
const (
	columnReference column = "reference"
	columnName      column = "name"
	columnCategory  column = "category"
	columnNature    column = "nature"
	columnVAT       column = "vat"
	columnPrice     column = "price"
	columnEAN       column = "ean"
)

// required are the columns without which a file is not a list of articles.
var required = []column{columnName, columnVAT, columnPrice}

// synonyms are the headings under which files have the columns, folded: without
// case, accents and anything but letters, digits and single spaces. A heading
// that is not here is ignored. It is never written to.
var synonyms = map[string]column{
	"reference": columnReference, "ref": columnReference, "sku": columnReference, "code article": columnReference,
	"code": columnReference, "plu": columnReference,

	"name": columnName, "article": columnName, "nom": columnName, "designation": columnName, "libelle": columnName,
	"produit": columnName, "product": columnName, "label": columnName, "intitule": columnName, "nom de l article": columnName,

	"category": columnCategory, "categorie": columnCategory, "famille": columnCategory, "rayon": columnCategory,

	"nature": columnNature,

	"vat": columnVAT, "vat rate": columnVAT, "tva": columnVAT, "taux": columnVAT, "taux tva": columnVAT,
	"taux de tva": columnVAT, "tva %": columnVAT,

	"price": columnPrice, "price ttc": columnPrice, "price usual": columnPrice, "prix": columnPrice, "prix ttc": columnPrice,
	"prix de vente": columnPrice, "prix de vente ttc": columnPrice, "prix vente ttc": columnPrice, "pv ttc": columnPrice,
	"tarif ttc": columnPrice, "prix unitaire ttc": columnPrice,

	"ean": columnEAN, "ean13": columnEAN, "ean 13": columnEAN, "ean8": columnEAN, "gtin": columnEAN, "barcode": columnEAN,
	"code barres": columnEAN, "code barre": columnEAN, "codebarre": columnEAN, "gencod": columnEAN, "gencode": columnEAN,
}

// natures are the words a file may have for the nature, folded.
var natures = map[string]Nature{
	"goods": Goods, "good": Goods, "bien": Goods, "biens": Goods, "marchandise": Goods, "livraison de biens": Goods,
	"service": Service, "services": Service, "prestation": Service, "prestation de services": Service,
}

// heading is a heading as synonyms has it.
func heading(s string) string {
	return strings.Join(strings.FieldsFunc(fold(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '%'
	}), " ")
}

// row is one good line: what it tells of an article.
type row struct {
	line     int
	given    bool   // the reference stood in the file; otherwise it is the EAN or the name
	key      string // the reference
	name     string
	category string // empty: the file does not say
	nature   Nature // empty: the file does not say
	vat      money.Rate
	price    *money.Amount // nil: asked at the till
	ean      string        // empty: the file does not say
}

// fault is what is wrong with one column of a line.
type fault struct {
	column column
	why    *problem.Error
}

// parseRow reads the cells of a line, and names everything that is wrong in it.
func parseRow(cells map[column]string, currency money.Currency) (r row, faults []fault) {
	check := func(c column, err error) {
		if err != nil {
			why := problem.As(err)
			why.Field = ""
			faults = append(faults, fault{c, why})
		}
	}
	var err error
	r.name, err = cleanName(cells[columnName])
	check(columnName, err)
	if s := cells[columnCategory]; s != "" {
		r.category, err = cleanCategory(s)
		check(columnCategory, err)
	}
	if s := cells[columnNature]; s != "" {
		var known bool
		if r.nature, known = natures[heading(s)]; !known {
			check(columnNature, problem.New(problem.Invalid, "catalog.nature"))
		}
	}
	r.vat, err = parseVAT(cells[columnVAT])
	check(columnVAT, err)
	r.price, err = parsePrice(cells[columnPrice], currency)
	check(columnPrice, err)
	if s := cells[columnEAN]; s != "" {
		r.ean, err = ParseEAN(s)
		check(columnEAN, err)
	}
	r.given = cells[columnReference] != ""
	r.key, err = Article{Reference: cells[columnReference], EAN: r.ean, Name: r.name}.reference()
	check(columnReference, err)
	return r, faults
}

// parseVAT reads "5.5", "5,5" or "5,5 %".
func parseVAT(s string) (money.Rate, error) {
	rate, err := money.ParseRate(strings.TrimSuffix(withoutSpaces(s), "%"))
	if err != nil {
		return 0, problem.New(problem.Invalid, "catalog.vat_unreadable")
	}
	return rate, CheckVAT(rate)
}

// parsePrice reads "0.90", "0,90", "0,90 €", "1 234,50 EUR". An empty cell is an
// article whose price is asked at the till. "1,234.50" is refused: what one
// country's dot is, is another's comma.
func parsePrice(s string, currency money.Currency) (*money.Amount, error) {
	s = withoutSpaces(s)
	if s == "" {
		return nil, nil
	}
	s = strings.TrimSuffix(s, string(currency))
	if currency == money.EUR {
		s = strings.TrimSuffix(s, "€")
	}
	a, err := money.ParseDecimal(s, currency)
	switch {
	case problem.Is(err, "money.fraction"):
		return nil, problem.New(problem.Invalid, "catalog.price_fraction", "decimals", currency.Decimals())
	case problem.Is(err, "money.overflow"):
		a = money.Amount{Minor: math.MaxInt64, Currency: currency} // checkPrice says how much is too much
	case err != nil:
		return nil, problem.New(problem.Invalid, "catalog.price_unreadable")
	}
	return &a, checkPrice(a, currency)
}

// withoutSpaces takes out those between thousands and before a sign, too.
func withoutSpaces(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// cleanCell is a cell without space around it; a name is cleaned further.
func cleanCell(s string) (string, bool) {
	if len(s) > maxCell {
		return "", false
	}
	if s = strings.TrimSpace(s); s == "" {
		return "", true
	}
	return merchant.Clean(s, maxCell)
}
