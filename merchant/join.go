package merchant

import (
	"context"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
)

// All lists the identifiers of every merchant, in order: what verification and
// the nightly closings go through.
func All(ctx context.Context, d *db.DB) (list []id.Merchant, err error) {
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = readMerchantIDs(tx)
		return err
	})
	return list, err
}

// Location is the site's time zone.
func (s Site) Location() *time.Location { return s.zone() }
