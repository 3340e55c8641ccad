package merchant

import (
	"errors"
	"time"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

// numberTries bounds how often a number is drawn again because another
// transaction took it first: as many registers as can be made at once.
const numberTries = 64

// NewRegister is what is said of a register to be made. The caller makes the
// id: the same again is the same register.
type NewRegister struct {
	ID   id.Register
	Site id.Site
	Name string
	Kind Kind
}

// AddRegister makes a register of a site, numbered after the last one. The
// caller opens its fiscal chain in the same transaction. Problems
// id.malformed, merchant.name, merchant.kind, merchant.site_not_found,
// merchant.too_many_registers, and merchant.register_differs when the id names
// another register.
func (m *Merchants) AddRegister(tx *db.Tx, now time.Time, merchant id.Merchant, in NewRegister) (Register, error) {
	r := Register{Merchant: merchant, Site: in.Site, Kind: in.Kind, CreatedAt: now}
	var err error
	if r.ID, err = id.Parse[id.Register](string(in.ID)); err != nil {
		return r, err
	}
	if r.Name, err = checkName(in.Name, "name"); err != nil {
		return r, err
	}
	if r.Kind != Till && r.Kind != History {
		return r, problem.New(problem.Invalid, "merchant.kind").At("kind")
	}
	if _, err := m.readSite(tx, merchant, in.Site); err != nil {
		return r, err
	}
	for range numberTries {
		number, err := insertNextRegister(tx, r)
		if err == nil {
			if number > MaxRegisters {
				return r, problem.New(problem.Conflict, "merchant.too_many_registers", "most", MaxRegisters)
			}
			r.Number = number
			return r, nil
		}
		if !errors.Is(err, db.ErrNone) {
			return r, err
		}
		there, _, err := m.RegisterIn(tx, merchant, r.ID)
		switch {
		case problem.Is(err, "merchant.register_not_found"): // the number was taken meanwhile
			continue
		case err != nil:
			return r, err
		case there.Site != r.Site || there.Name != r.Name || there.Kind != r.Kind:
			return r, problem.New(problem.Conflict, "merchant.register_differs")
		}
		return there, nil
	}
	return r, problem.New(problem.Unavailable, "merchant.busy")
}

// RenameSite gives a site another name and returns it before and after.
// Problems merchant.name, merchant.site_not_found.
func (m *Merchants) RenameSite(tx *db.Tx, merchant id.Merchant, site id.Site, name string) (before, after Site, err error) {
	if before, err = m.readSite(tx, merchant, site); err != nil {
		return before, after, err
	}
	after = before
	if after.Name, err = checkName(name, "name"); err != nil {
		return before, after, err
	}
	return before, after, updateSiteName(tx, after)
}

// RenameRegister gives a register another name and returns it before and
// after. Problems merchant.name, merchant.register_not_found.
func (m *Merchants) RenameRegister(tx *db.Tx, merchant id.Merchant, register id.Register, name string) (before, after Register, err error) {
	if before, _, err = m.RegisterIn(tx, merchant, register); err != nil {
		return before, after, err
	}
	after = before
	if after.Name, err = checkName(name, "name"); err != nil {
		return before, after, err
	}
	return before, after, updateRegisterName(tx, after)
}
