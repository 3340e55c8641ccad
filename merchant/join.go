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

// Place is a register and the site it stands in, as a sale needs them.
type Place struct {
	Register Register
	Site     Site
	found    bool
}

// Err is problem merchant.register_not_found when there is no such register.
func (p *Place) Err() error {
	if !p.found {
		return missing(db.ErrNone, "merchant.register_not_found")
	}
	return nil
}

// QueueRegister is RegisterIn that travels with whatever else is queued: place
// is filled in, and its Err may be asked, once the queue was flushed.
func (m *Merchants) QueueRegister(tx *db.Tx, merchant id.Merchant, register id.Register, place *Place) {
	m.queueRegister(tx, merchant, register, place)
}

// SiteIn reads one site in the caller's transaction. Problem merchant.site_not_found.
func (m *Merchants) SiteIn(tx *db.Tx, merchant id.Merchant, site id.Site) (Site, error) {
	return m.readSite(tx, merchant, site)
}
