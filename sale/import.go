package sale

import (
	"context"
	"slices"
	"time"

	"encaisse/access"
	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// ImportChunk is how many historic sales one commit may hold.
const ImportChunk = 40

// Historic is a sale of the past, with the time it was made.
type Historic struct {
	Request
	At time.Time
}

// Import seals up to ImportChunk sales of the past on a register made for
// history, in their order and each at its own time, in one commit. They take the
// very path of a sale at the counter; those already there are left as they are,
// so that a stopped import is run again from its beginning or anywhere before
// where it stopped. It returns how many were new.
//
// Problem sale.not_history for any other register.
func (s *Sales) Import(ctx context.Context, p access.Principal, register id.Register, past []Historic) (sealed int, err error) {
	if err := access.Allow(p, access.RegisterWrite); err != nil {
		return 0, err
	}
	if len(past) > ImportChunk {
		return 0, problem.New(problem.TooLarge, "sale.import_chunk", "limit", ImportChunk)
	}
	hashes := make([][]byte, len(past))
	var articles []id.Article
	for i := range past {
		if err := past[i].check(); err != nil {
			return 0, err
		}
		hashes[i] = past[i].hash()
		articles = append(articles, past[i].articles()...)
	}
	slices.Sort(articles)
	articles = slices.Compact(articles)
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		sealed = 0
		b, err := s.basis(tx, p.Merchant, true, register, "", articles)
		if err != nil {
			return err
		}
		for i := range past {
			if there, err := saleExists(tx, p.Merchant, past[i].ID); err != nil {
				return err
			} else if there {
				continue
			}
			priced, err := price(past[i].Request, b.session.Currency, b.articles)
			if err != nil {
				return err
			}
			if _, err := s.seal(tx, p, priced, hashes[i], b, past[i].At); err != nil {
				return err
			}
			sealed++
		}
		return nil
	})
	return sealed, err
}
