package sim

import (
	"errors"
	"testing"

	"encaisse/base/db"
)

// errSpared undoes a statement that the database let through.
var errSpared = errors.New("the database let it through")

// TestFIS002_guards tries to change what is sealed while the database keeps its
// triggers, and sees the same go through once they are gone.
func TestFIS002_guards(t *testing.T) {
	Each(t, func(t *testing.T, engine db.Engine) {
		shop := Live(t, engine)
		for _, table := range []string{
			"sale", "sale_line", "sale_vat", "tender", "closing", "closing_vat", "cash_movement", "fiscal_record", "fiscal_signer",
			"ledger_transfer", "article_price", "audit_entry",
		} {
			sealed(t, shop, `UPDATE `+table+` SET merchant_id = merchant_id`)
			sealed(t, shop, `DELETE FROM `+table)
			if engine == db.PostgreSQL {
				sealed(t, shop, `TRUNCATE `+table)
			}
		}
		for _, statement := range []string{
			`UPDATE fiscal_chain SET seq = seq - 1 WHERE seq > 0`, `UPDATE fiscal_chain SET tickets = tickets - 1 WHERE tickets > 0`,
			`UPDATE fiscal_chain SET zs = zs - 1 WHERE zs > 0`, `UPDATE fiscal_chain SET days = days - 1 WHERE days > 0`,
			`UPDATE fiscal_chain SET absolute_minor = absolute_minor - 1 WHERE absolute_minor > 0`, `UPDATE fiscal_chain SET last_at = last_at - 1`,
			`UPDATE fiscal_chain SET history = NOT history`, `UPDATE fiscal_chain SET origin = origin || 'x'`, `DELETE FROM fiscal_chain`,
			`UPDATE register SET kind = 'till' WHERE kind = 'history'`, `DELETE FROM register`,
			`UPDATE till_session SET float_minor = 0 WHERE state = 'closed'`, `DELETE FROM till_session`, `DELETE FROM person`,
		} {
			sealed(t, shop, statement)
		}
	})
}

// sealed wants a statement refused with the triggers there and, so that it is
// known who refuses it, not without them.
func sealed(t *testing.T, shop *Shop, statement string) {
	t.Helper()
	d, done := Behind(t, shop.DSN)
	defer done()
	for _, guarded := range []bool{true, false} {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			x := &Spoiler{Shop: shop, tx: tx}
			if !guarded {
				x.unseal()
			}
			if x.Exec(statement); x.err == nil {
				x.err = errSpared
			}
			return x.err
		})
		switch {
		case guarded && !db.IsViolation(err, db.Sealed):
			t.Errorf("%s: %v, want that it is sealed", statement, err)
		case !guarded && !errors.Is(err, errSpared) && !db.IsViolation(err, db.ForeignKey):
			t.Errorf("%s without triggers: %v", statement, err)
		}
	}
}
