package sale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/money"
	"encaisse/base/problem"
	"encaisse/catalog"
	"encaisse/event"
	"encaisse/fiscal"
)

// keep keeps a priced sale as an open basket.
func (s *Sales) keep(ctx context.Context, p access.Principal, priced Sale, payer string, hash []byte) (kept Sale, created bool, err error) {
	if priced.Total <= 0 {
		return Sale{}, false, problem.New(problem.Invalid, "sale.open_total").At("lines")
	}
	if payer == "" {
		payer = Resident
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		b := basket{
			merchant: p.Merchant, id: priced.ID, register: priced.Register, state: Opened, openedAt: s.clock.Now(), operator: p.Operator,
			currency: priced.Currency, total: priced.Total, cashPayer: payer, priced: string(priced.freeze()), hash: hash,
		}
		if there, err := saleExists(tx, b.merchant, b.id); err != nil {
			return err
		} else if there { // sealed since it was looked for
			return problem.New(problem.Conflict, "sale.other_content", "sale", b.id)
		}
		insertBasket(tx, &b)
		event.Emit(tx, b.merchant, b.openedAt, event.SaleOpened, string(b.id), registerData(b.register))
		kept, err = b.sale(nil)
		return err
	})
	return kept, err == nil, err
}

// freeze writes a priced sale as canonical JSON: what a basket keeps, so that no
// price that changes meanwhile touches it.
func (s *Sale) freeze() []byte {
	return fiscal.Body(func(c *fiscal.Canon) {
		if s.ExternalRef != "" {
			c.Str("external_ref", s.ExternalRef)
		}
		c.List("lines", len(s.Lines), func(i int) { s.Lines[i].write(c, true) })
		if s.Reduction != 0 {
			c.Int("reduction", s.Reduction)
			c.Str("reduction_name", s.ReductionName)
		}
		c.List("vat", len(s.VAT), func(i int) {
			v := s.VAT[i]
			c.Int("ht_minor", v.HT)
			c.Int("rate_bp", int64(v.Rate))
			c.Int("ttc_minor", v.TTC)
			c.Int("vat_minor", v.VAT)
		})
	})
}

// frozen reads what freeze wrote.
type frozen struct {
	ExternalRef   string       `json:"external_ref"`
	Lines         []frozenLine `json:"lines"`
	Reduction     int64        `json:"reduction"`
	ReductionName string       `json:"reduction_name"`
	VAT           []money.VAT  `json:"vat"`
}

type frozenLine struct {
	Article       string         `json:"article"`
	HT            int64          `json:"ht"`
	Label         string         `json:"label"`
	List          *int64         `json:"list"`
	Nature        catalog.Nature `json:"nature"`
	Quantity      money.Quantity `json:"quantity"`
	Reduction     int64          `json:"reduction"`
	ReductionName string         `json:"reduction_name"`
	Share         int64          `json:"share"`
	TTC           int64          `json:"ttc"`
	Unit          int64          `json:"unit"`
	Rate          money.Rate     `json:"vat_bp"`
}

// sale is the basket as a sale that is not sealed, with the means of payment it was given.
func (b *basket) sale(legs []leg) (Sale, error) {
	var f frozen
	if err := json.Unmarshal([]byte(b.priced), &f); err != nil {
		return Sale{}, fmt.Errorf("basket %s: %w", b.id, err)
	}
	s := Sale{
		Merchant: b.merchant, ID: b.id, State: b.state, Register: b.register, Document: Ticket, Operator: b.operator,
		Currency: b.currency, Total: b.total, Accepted: b.accepted, Reserved: b.reserved, OpenedAt: b.openedAt,
		Reduction: f.Reduction, ReductionName: f.ReductionName, ExternalRef: f.ExternalRef, VAT: f.VAT, requestHash: b.hash,
		Lines: make([]Line, len(f.Lines)), Tenders: make([]Tender, len(legs)),
	}
	for i, l := range f.Lines {
		s.Lines[i] = Line{
			Article: l.Article, Label: l.Label, Nature: l.Nature, Quantity: l.Quantity, Unit: l.Unit, List: l.List,
			Reduction: l.Reduction, ReductionName: l.ReductionName, Share: l.Share, Rate: l.Rate, TTC: l.TTC, HT: l.HT,
		}
	}
	for i := range legs {
		s.Tenders[i] = legs[i].Tender
	}
	return s, nil
}

// due is what nothing pays yet, nor is about to.
func (b *basket) due() money.Amount {
	return money.Amount{Minor: b.total - b.reserved, Currency: b.currency}
}

// readAny reads what is under an id: the sale where it is sealed, else the basket
// with its means of payment. db.ErrNone when there is neither.
func readAny(tx *db.Tx, m id.Merchant, saleID id.Sale) (Sale, error) {
	found, err := readSale(tx, m, saleID)
	if !errors.Is(err, db.ErrNone) {
		return found, err
	}
	b, err := readBasket(tx, m, saleID)
	if err != nil {
		return Sale{}, err
	}
	legs, err := readLegs(tx, m, saleID)
	if err != nil {
		return Sale{}, err
	}
	return b.sale(legs)
}

// Baskets reads up to limit baskets in a state (Opened or Abandoned) that were made
// before the given one, newest first, without lines, VAT and tenders. A user sees
// own baskets only.
func (s *Sales) Baskets(ctx context.Context, p access.Principal, state string, before id.Sale, limit int) (page []Sale, err error) {
	if err := access.Allow(p, access.SaleRead); err != nil {
		return nil, err
	}
	operator := int64(-1)
	if !seesAll(p) {
		operator = p.Operator
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		list, err := readBaskets(tx, p.Merchant, state, before, operator, min(max(limit, 1), maxPage))
		page = make([]Sale, len(list))
		for i := range list {
			b := &list[i]
			page[i] = Sale{
				Merchant: b.merchant, ID: b.id, State: b.state, Register: b.register, Document: Ticket, Operator: b.operator,
				Currency: b.currency, Total: b.total, Accepted: b.accepted, Reserved: b.reserved, OpenedAt: b.openedAt,
			}
		}
		return err
	})
	return page, err
}

// tenderData is what an event says of a means of payment.
func tenderData(saleID id.Sale, l *leg, currency money.Currency) []byte {
	data := append(make([]byte, 0, 160), `{"sale_id":"`...)
	data = append(data, saleID...)
	data = append(data, `","means":"`...)
	data = append(data, l.Means...)
	data = append(data, `","amount":{"amount":`...)
	data = strconv.AppendInt(data, l.Amount, 10)
	data = append(data, `,"currency":"`...)
	data = append(data, currency...)
	return append(data, `"}}`...)
}
