package merchant

import (
	"errors"

	"encaisse/base/db"
	"encaisse/base/id"
	"encaisse/base/problem"
)

func insertMerchant(tx *db.Tx, m Merchant) (fresh bool, err error) {
	affected, err := tx.Exec(`INSERT INTO merchant (merchant_id, company, siren, currency, mode, created_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		m.ID, m.Company, m.SIREN, m.Currency, m.Mode, m.CreatedAt)
	return affected == 1, err
}

func readMerchant(tx *db.Tx, merchant id.Merchant) (Merchant, error) {
	m := Merchant{ID: merchant}
	err := tx.QueryRow(`SELECT company, siren, currency, mode, created_at FROM merchant WHERE merchant_id = $1`, merchant).
		Scan(&m.Company, &m.SIREN, &m.Currency, &m.Mode, &m.CreatedAt)
	return m, missing(err, "merchant.not_found")
}

func insertSite(tx *db.Tx, s Site) {
	tx.Queue(`INSERT INTO site (merchant_id, site_id, number, name, siret, zone, day_starts_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Merchant, s.ID, s.Number, s.Name, s.SIRET, s.Zone, s.DayStartsAt, s.CreatedAt)
}

const siteColumns = `s.site_id, s.number, s.name, s.siret, s.zone, s.day_starts_at, s.created_at`

func (s *Site) fields() []any {
	return []any{&s.ID, &s.Number, &s.Name, &s.SIRET, &s.Zone, &s.DayStartsAt, &s.CreatedAt}
}

func (m *Merchants) readSites(tx *db.Tx, merchant id.Merchant) ([]Site, error) {
	rows := tx.Query(`SELECT `+siteColumns+` FROM site s WHERE s.merchant_id = $1 ORDER BY s.number`, merchant)
	defer rows.Close()
	var sites []Site
	for rows.Next() {
		s := Site{Merchant: merchant}
		if err := rows.Scan(s.fields()...); err != nil {
			return nil, err
		}
		var err error
		if s.location, err = m.zone(s.Zone); err != nil {
			return nil, err
		}
		sites = append(sites, s)
	}
	return sites, rows.Err()
}

func (m *Merchants) readSite(tx *db.Tx, merchant id.Merchant, site id.Site) (Site, error) {
	s := Site{Merchant: merchant}
	err := tx.QueryRow(`SELECT `+siteColumns+` FROM site s WHERE s.merchant_id = $1 AND s.site_id = $2`, merchant, site).Scan(s.fields()...)
	if err != nil {
		return s, missing(err, "merchant.site_not_found")
	}
	s.location, err = m.zone(s.Zone)
	return s, err
}

func updateSiteName(tx *db.Tx, s Site) error {
	_, err := tx.Exec(`UPDATE site SET name = $3 WHERE merchant_id = $1 AND site_id = $2`, s.Merchant, s.ID, s.Name)
	return err
}

const registerColumns = `r.register_id, r.site_id, r.number, r.name, r.kind, r.created_at`

func (r *Register) fields() []any {
	return []any{&r.ID, &r.Site, &r.Number, &r.Name, &r.Kind, &r.CreatedAt}
}

func insertRegister(tx *db.Tx, r Register) {
	tx.Queue(`INSERT INTO register (merchant_id, register_id, site_id, number, name, kind, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		r.Merchant, r.ID, r.Site, r.Number, r.Name, r.Kind, r.CreatedAt)
}

// insertNextRegister draws the next number. db.ErrNone: the number or the id is
// taken, and the unique keys kept it from being given twice.
func insertNextRegister(tx *db.Tx, r Register) (number int64, err error) {
	err = tx.QueryRow(`INSERT INTO register (merchant_id, register_id, site_id, number, name, kind, created_at)
		VALUES ($1, $2, $3, (SELECT COALESCE(MAX(number), 0) + 1 FROM register WHERE merchant_id = $1), $4, $5, $6)
		ON CONFLICT DO NOTHING RETURNING number`,
		r.Merchant, r.ID, r.Site, r.Name, r.Kind, r.CreatedAt).Scan(&number)
	return number, err
}

func readRegisters(tx *db.Tx, merchant id.Merchant) ([]Register, error) {
	rows := tx.Query(`SELECT `+registerColumns+` FROM register r WHERE r.merchant_id = $1 ORDER BY r.number`, merchant)
	defer rows.Close()
	var registers []Register
	for rows.Next() {
		r := Register{Merchant: merchant}
		if err := rows.Scan(r.fields()...); err != nil {
			return nil, err
		}
		registers = append(registers, r)
	}
	return registers, rows.Err()
}

func (m *Merchants) queueRegister(tx *db.Tx, merchant id.Merchant, register id.Register, place *Place) {
	*place = Place{Register: Register{Merchant: merchant}, Site: Site{Merchant: merchant}}
	tx.QueueQuery(func(rows *db.Rows) (err error) {
		if place.found = rows.Next(); !place.found {
			return rows.Err()
		}
		if err := rows.Scan(append(place.Register.fields(), place.Site.fields()...)...); err != nil {
			return err
		}
		place.Site.location, err = m.zone(place.Site.Zone)
		return err
	}, `SELECT `+registerColumns+`, `+siteColumns+`
		FROM register r JOIN site s ON s.merchant_id = r.merchant_id AND s.site_id = r.site_id
		WHERE r.merchant_id = $1 AND r.register_id = $2`, merchant, register)
}

func updateRegisterName(tx *db.Tx, r Register) error {
	_, err := tx.Exec(`UPDATE register SET name = $3 WHERE merchant_id = $1 AND register_id = $2`, r.Merchant, r.ID, r.Name)
	return err
}

// missing makes "no row" a problem that says what was not found.
func missing(err error, code string) error {
	if errors.Is(err, db.ErrNone) {
		return problem.New(problem.NotFound, code)
	}
	return err
}
