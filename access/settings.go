package access

import (
	"context"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/merchant"
)

// RenameSite is merchant's verb as an act of somebody: allowed, done and kept
// in the trail in one transaction. Problems access.forbidden, merchant.name,
// merchant.site_not_found.
func (g *Gate) RenameSite(ctx context.Context, p Principal, m *merchant.Merchants, site id.Site, name string) (after merchant.Site, err error) {
	if err := Allow(p, SiteWrite); err != nil {
		return after, err
	}
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		var before merchant.Site
		var err error
		if before, after, err = m.RenameSite(tx, p.Merchant, site, name); err != nil || after.Name == before.Name {
			return err
		}
		return Audit(tx, g.clock.Now(), p, "site.renamed", string(site), before, after)
	})
	return after, err
}

// RenameRegister is merchant's verb as an act of somebody: allowed, done and
// kept in the trail in one transaction. Problems access.forbidden,
// merchant.name, merchant.register_not_found.
func (g *Gate) RenameRegister(ctx context.Context, p Principal, m *merchant.Merchants, register id.Register, name string) (after merchant.Register, err error) {
	if err := Allow(p, RegisterWrite); err != nil {
		return after, err
	}
	err = g.db.Write(ctx, func(tx *db.Tx) error {
		var before merchant.Register
		var err error
		if before, after, err = m.RenameRegister(tx, p.Merchant, register, name); err != nil || after.Name == before.Name {
			return err
		}
		return Audit(tx, g.clock.Now(), p, "register.renamed", string(register), before, after)
	})
	return after, err
}
