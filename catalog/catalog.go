package catalog

import (
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
)

// Limits of an article.
const (
	MaxName         = 120         // characters of a name or reference
	MaxCategoryName = 60          // characters
	MaxPriceMinor   = 999_999_999 // 9 999 999,99 €: a price with a slip of the finger in it is above
)

// Nature tells goods from services.
type Nature = string

// The natures.
const (
	Goods   Nature = "goods"
	Service Nature = "service"
)

// State tells whether an article is for sale.
type State string

// The states.
const (
	Active   State = "active"
	Archived State = "archived"
)

// Article is something that can be put on a ticket.
type Article struct {
	ID        id.Article    `json:"id"`
	Reference string        `json:"reference"`
	Name      string        `json:"name"`
	Category  id.Category   `json:"category,omitempty"` // empty: none
	Nature    Nature        `json:"nature"`
	VAT       money.Rate    `json:"vat_bp"`
	Price     *money.Amount `json:"price"`         // TTC; nil: asked at the till
	EAN       string        `json:"ean,omitempty"` // empty: none
	State     State         `json:"state"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"` // never twice the same for an article
}

// sameContent tells whether a merchant would see no difference.
func (a Article) sameContent(b Article) bool {
	return a.ID == b.ID && a.Reference == b.Reference && a.Name == b.Name && a.Category == b.Category && a.Nature == b.Nature &&
		a.VAT == b.VAT && a.EAN == b.EAN && a.samePrice(b)
}

func (a Article) samePrice(b Article) bool {
	if a.Price == nil || b.Price == nil {
		return a.Price == b.Price
	}
	return *a.Price == *b.Price
}

// Category groups articles on the screen.
type Category struct {
	ID       id.Category `json:"id"`
	Name     string      `json:"name"`
	Position int64       `json:"position"` // categories are listed by it, then by name
}

// Price is one entry of an article's history.
type Price struct {
	Since time.Time     `json:"since"`
	Price *money.Amount `json:"price"` // nil: asked at the till
	Actor string        `json:"actor"`
}

// Catalog reads and changes the articles of merchants.
type Catalog struct {
	db    *db.DB
	clock clock.Clock
}

// New makes a Catalog over d.
func New(d *db.DB, c clock.Clock) *Catalog { return &Catalog{db: d, clock: c} }
