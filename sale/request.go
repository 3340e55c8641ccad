package sale

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
)

// Limits of one sale.
const (
	MaxLines     = 500
	MaxTenders   = 20
	MaxLabel     = 200
	MaxReference = 100
	maxQuantity  = money.Quantity(1_000_000 * 1000)
	maxUnit      = 100_000_000_00 // minor units
)

// Request asks to seal a sale, or with Open to keep it as a basket whose means of
// payment come one by one. The caller makes the ID and keeps it before the first try.
type Request struct {
	ID          id.Sale
	Register    id.Register
	Session     id.Session // empty: the register's open one
	ExternalRef string
	Lines       []LineRequest
	Reduction   *Reduction
	Tenders     []TenderRequest
	CashPayer   string // Resident when empty
	Open        bool   `json:",omitempty"` // left out of the hash where it is not set: sales sealed before there were baskets keep theirs
}

// LineRequest is one line asked for: an article of the catalogue, or a line
// typed by hand with label, rate and price.
type LineRequest struct {
	Article   id.Article
	Label     string
	Nature    catalog.Nature
	Rate      *money.Rate
	Quantity  money.Quantity
	Unit      *money.Amount // TTC; nil: the catalogue's
	Reduction *Reduction
}

// Reduction takes off a percentage in basis points or an amount, never both.
type Reduction struct {
	PercentBP int64
	Amount    *money.Amount
	Name      string
}

// TenderRequest is one means of payment. Amount is what it pays of the sale,
// negative on a return; Received is what was handed over, from which change is
// given, and equals Amount when nil.
type TenderRequest struct {
	ID       id.Tender
	Means    string
	Amount   money.Amount
	Received *money.Amount
}

// hash tells one request from another under the same id.
func (r Request) hash() []byte {
	encoded, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("sale: a request always marshals: %v", err))
	}
	sum := sha256.Sum256(encoded)
	return sum[:]
}

// check refuses what can be refused without looking anything up. All the faults
// it finds are named at once.
func (r Request) check() error {
	var faults []*problem.Error
	refuse := func(field, code string, args ...any) {
		faults = append(faults, problem.New(problem.Invalid, code, args...).At(field))
	}
	if len(r.Lines) == 0 {
		refuse("lines", "sale.no_lines")
	}
	if len(r.Lines) > MaxLines {
		return problem.New(problem.Invalid, "sale.too_many_lines", "lines", len(r.Lines), "limit", MaxLines).At("lines")
	}
	if r.Open && len(r.Tenders) > 0 {
		refuse("tenders", "sale.open_tenders")
	}
	if len(r.Tenders) > MaxTenders {
		return problem.New(problem.Invalid, "sale.too_many_tenders", "limit", MaxTenders).At("tenders")
	}
	if !plainText(r.ExternalRef, MaxReference) {
		refuse("external_ref", "sale.text", "limit", MaxReference)
	}
	if r.CashPayer != "" && r.CashPayer != Resident && r.CashPayer != NonResident {
		refuse("cash_payer", "sale.cash_payer")
	}
	r.Reduction.check("reduction", refuse)
	for i := range r.Lines {
		r.Lines[i].check(fmt.Sprintf("lines[%d]", i), refuse)
	}
	for i := range r.Tenders {
		r.Tenders[i].check(fmt.Sprintf("tenders[%d]", i), refuse)
	}
	return join(faults)
}

type refusing func(field, code string, args ...any)

func (l LineRequest) check(at string, refuse refusing) {
	if l.Quantity == 0 {
		refuse(at+".quantity", "sale.quantity_zero")
	}
	if l.Quantity > maxQuantity || l.Quantity < -maxQuantity {
		refuse(at+".quantity", "sale.quantity_limit", "limit", maxQuantity.String())
	}
	if l.Unit != nil && l.Unit.Minor < 0 {
		refuse(at+".unit_price", "sale.price_negative")
	}
	if l.Unit != nil && l.Unit.Minor > maxUnit {
		refuse(at+".unit_price", "sale.price_limit")
	}
	if !plainText(l.Label, MaxLabel) {
		refuse(at+".label", "sale.text", "limit", MaxLabel)
	}
	if l.Article == "" {
		if l.Label == "" {
			refuse(at+".label", "sale.label_missing")
		}
		if l.Rate == nil {
			refuse(at+".vat_bp", "sale.rate_missing")
		}
		if l.Rate != nil && catalog.CheckVAT(*l.Rate) != nil {
			refuse(at+".vat_bp", "sale.rate_unknown")
		}
		if l.Unit == nil {
			refuse(at+".unit_price", "sale.price_missing")
		}
	} else if l.Label != "" || l.Rate != nil || l.Nature != "" {
		refuse(at+".article_id", "sale.article_or_label")
	}
	if l.Nature != "" && l.Nature != catalog.Goods && l.Nature != catalog.Service {
		refuse(at+".nature", "sale.nature")
	}
	l.Reduction.check(at+".reduction", refuse)
}

func (r *Reduction) check(at string, refuse refusing) {
	switch {
	case r == nil:
	case r.Amount != nil && r.PercentBP != 0, r.Amount == nil && r.PercentBP == 0:
		refuse(at, "sale.reduction_kind")
	case r.Amount != nil && r.Amount.Minor <= 0, r.PercentBP < 0, r.PercentBP > 10_000:
		refuse(at, "sale.reduction_range")
	case !plainText(r.Name, MaxLabel):
		refuse(at+".name", "sale.text", "limit", MaxLabel)
	}
}

func (t TenderRequest) check(at string, refuse refusing) {
	switch {
	case t.Means == Card:
		refuse(at+".means", "sale.card_needs_basket")
	case t.Means != Cash:
		refuse(at+".means", "sale.means_unknown")
	case t.Amount.Minor == 0:
		refuse(at+".amount", "sale.tender_zero")
	case t.Received != nil && t.Received.Minor < 0:
		refuse(at+".received", "sale.cash_negative")
	case t.Received != nil && t.Received.Minor < t.Amount.Minor:
		refuse(at+".received", "sale.received_short")
	case t.Received != nil && t.Amount.Minor < 0:
		refuse(at+".received", "sale.received_on_return")
	}
}

// plainText tells whether s is valid UTF-8 of at most limit characters without
// control characters: what a ticket can print.
func plainText(s string, limit int) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > limit {
		return false
	}
	for _, r := range s {
		if r < 0x20 || r == 0x7f {
			return false
		}
	}
	return true
}

// join makes one error of the faults found: the first, with the others as details.
func join(faults []*problem.Error) error {
	if len(faults) == 0 {
		return nil
	}
	return faults[0].With(faults[1:]...)
}
