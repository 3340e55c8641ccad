package sale

import (
	"context"
	"errors"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// maxPage bounds a page of sales or closings.
const maxPage = 100

// Get reads one sale, sealed or still a basket. A user sees own sales only (UPM-045): another's is sale.not_found.
func (s *Sales) Get(ctx context.Context, p access.Principal, saleID id.Sale) (found Sale, err error) {
	if err := access.Allow(p, access.SaleRead); err != nil {
		return Sale{}, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = readAny(tx, p.Merchant, saleID)
		return err
	})
	if errors.Is(err, db.ErrNone) || err == nil && !seesAll(p) && found.Operator != p.Operator {
		return Sale{}, problem.New(problem.NotFound, "sale.not_found")
	}
	return found, err
}

// List reads up to limit sales made before the given one (empty: the newest),
// newest first, without lines, VAT and tenders. A user sees own sales only.
func (s *Sales) List(ctx context.Context, p access.Principal, before id.Sale, limit int) (page []Sale, err error) {
	if err := access.Allow(p, access.SaleRead); err != nil {
		return nil, err
	}
	operator := int64(-1)
	if !seesAll(p) {
		operator = p.Operator
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		page, err = readPage(tx, p.Merchant, before, operator, min(max(limit, 1), maxPage))
		return err
	})
	return page, err
}

// seesAll tells whether the principal sees everybody's sales.
func seesAll(p access.Principal) bool { return access.Allow(p, access.SaleReadAll) == nil }

// Session reads the open session of a register; problem sale.register_closed.
func (s *Sales) Session(ctx context.Context, p access.Principal, register id.Register) (found Session, err error) {
	if err := access.Allow(p, access.RegisterRead); err != nil {
		return found, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if _, _, err = s.merchants.RegisterIn(tx, p.Merchant, register); err != nil {
			return err
		}
		found, err = openSession(tx, p.Merchant, register)
		return err
	})
	return found, err
}

// Closing reads one closing; problem sale.closing_not_found.
func (s *Sales) Closing(ctx context.Context, p access.Principal, closing id.Closing) (found Closing, err error) {
	if err := access.Allow(p, access.TillClose); err != nil {
		return found, err
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = readClosing(tx, p.Merchant, closing)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return found, problem.New(problem.NotFound, "sale.closing_not_found")
	}
	return found, err
}

// Closings reads up to limit closings of a register of one kind with a number
// below before (0: the newest), newest first.
func (s *Sales) Closings(ctx context.Context, p access.Principal, register id.Register, kind string, before int64, limit int) (page []Closing, err error) {
	if err := access.Allow(p, access.TillClose); err != nil {
		return nil, err
	}
	if kind != Z && kind != Day {
		return nil, problem.New(problem.Invalid, "sale.closing_kind").At("kind")
	}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		page, err = readClosings(tx, p.Merchant, `register_id = $2 AND kind = $3 AND (number < $4 OR $4 = 0) ORDER BY number DESC LIMIT $5`,
			register, kind, before, min(max(limit, 1), maxPage))
		return err
	})
	return page, err
}
