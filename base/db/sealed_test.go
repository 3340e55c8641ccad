package db_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/schema"
)

// sealedTables are written once: no row of theirs changes or goes.
var sealedTables = []string{
	"audit_entry", "article_price", "cash_movement", "sale", "sale_line", "sale_vat", "tender", "closing",
	"closing_vat", "fiscal_record", "fiscal_signer", "ledger_transfer", "payment_history",
}

// seal is one change that the database must refuse, or let pass.
type seal struct {
	table, statement string
	passes           bool
}

func seals() []seal {
	var all []seal
	for _, table := range sealedTables {
		all = append(all,
			seal{table, "UPDATE " + table + " SET merchant_id = merchant_id", false},
			seal{table, "DELETE FROM " + table, false})
	}
	all = append(all,
		seal{"register", "UPDATE register SET kind = 'history'", false},
		seal{"register", "UPDATE register SET name = 'Caisse 2'", true},
		seal{"register", "DELETE FROM register", false},
		seal{"till_session", "UPDATE till_session SET currency = 'CHF'", true},
		seal{"till_session", "DELETE FROM till_session", false},
		seal{"till_session", "UPDATE till_session SET state = 'closed'", true},
		seal{"till_session", "UPDATE till_session SET state = 'open'", false},
		seal{"till_session", "DELETE FROM till_session", false},
		seal{"basket", "UPDATE basket SET priced = 'y'", false},
		seal{"basket", "UPDATE basket SET total_minor = 2", false},
		seal{"basket", "UPDATE basket SET register_id = 'y'", false},
		seal{"basket", "UPDATE basket SET reserved_minor = 1", true},
		seal{"basket", "UPDATE basket SET state = 'sealed'", true},
		seal{"basket", "UPDATE basket SET state = 'open'", false},
		seal{"basket", "DELETE FROM basket", false},
		seal{"basket_tender", "UPDATE basket_tender SET means = 'card'", false},
		seal{"basket_tender", "UPDATE basket_tender SET sale_id = 'y'", false},
		seal{"basket_tender", "UPDATE basket_tender SET accepted_at = 2", false},
		seal{"basket_tender", "UPDATE basket_tender SET manual = TRUE", true},
		seal{"basket_tender", "DELETE FROM basket_tender", false},
		seal{"person", "UPDATE person SET name = 'Zoé'", true},
		seal{"person", "DELETE FROM person", false},
		seal{"fiscal_chain", "DELETE FROM fiscal_chain", false},
	)
	for _, column := range []string{"seq", "tickets", "zs", "days", "absolute_minor", "last_at"} {
		all = append(all,
			seal{"fiscal_chain", fmt.Sprintf("UPDATE fiscal_chain SET %s = %s - 1", column, column), false},
			seal{"fiscal_chain", fmt.Sprintf("UPDATE fiscal_chain SET %s = %s + 1", column, column), true})
	}
	for _, column := range []string{"origin", "owner_id", "merchant_id", "chain_id"} {
		all = append(all, seal{"fiscal_chain", fmt.Sprintf("UPDATE fiscal_chain SET %s = 'other'", column), false})
	}
	return append(all,
		seal{"fiscal_chain", "UPDATE fiscal_chain SET history = TRUE", false},
		seal{"fiscal_chain", "UPDATE fiscal_chain SET net_minor = net_minor - 1, period = '', software = '2'", true})
}

// seeded makes one row in every table that has a seal. The rules of the schema
// are put aside for it: what the row says does not matter.
func seeded(t *testing.T, d *db.DB, dsn string) {
	t.Helper()
	tables := append(slices.Clone(sealedTables), "register", "till_session", "person", "fiscal_chain", "basket", "basket_tender")
	for _, table := range tables {
		var names, values []string
		read(t, d, func(tx *db.Tx) error {
			names, values = nil, nil
			query := "SELECT name, type FROM pragma_table_info($1)"
			if d.Engine() == db.PostgreSQL {
				query = "SELECT CAST(column_name AS TEXT), CAST(UPPER(data_type) AS TEXT) FROM information_schema.columns WHERE table_name = $1"
			}
			rows := tx.Query(query, table)
			for rows.Next() {
				var name, kind string
				if err := rows.Scan(&name, &kind); err != nil {
					return err
				}
				names, values = append(names, name), append(values, literal(name, kind, d.Engine()))
			}
			return rows.Err()
		})
		outsider(t, d.Engine(), dsn, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(values, ", ")))
	}
}

func literal(column, kind string, engine db.Engine) string {
	switch {
	case column == "state":
		return "'open'"
	case column == "kind":
		return "'till'"
	case kind == "BIGINT":
		return "1"
	case kind == "BOOLEAN":
		return "FALSE"
	case kind == "BYTEA" && engine == db.SQLite:
		return "x'00'"
	}
	return "'x'"
}

// outsider runs a script as somebody would who has the database but not the
// product, with the checks and foreign keys out of the way.
func outsider(t *testing.T, engine db.Engine, dsn, script string) {
	t.Helper()
	if engine == db.SQLite {
		if err := raw(t, dsn, "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; "+script); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("pool_max_conns") // a word of the pool's
	u.RawQuery = query.Encode()
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const noRules = `DO $do$ DECLARE r RECORD; BEGIN
		FOR r IN SELECT conrelid::regclass AS t, conname AS c FROM pg_constraint WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace
		LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.c); END LOOP; END $do$;`
	if _, err := conn.Exec(t.Context(), noRules+script, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

func eachWithSeeds(t *testing.T, test func(t *testing.T, d *db.DB, dsn string)) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			d, dsn := dbtest.Open(t, engine)
			seeded(t, d, dsn)
			test(t, d, dsn)
		})
	}
}

func TestSealsHold(t *testing.T) {
	eachWithSeeds(t, func(t *testing.T, d *db.DB, _ string) {
		for _, s := range seals() {
			var n int64
			err := d.Write(t.Context(), func(tx *db.Tx) (err error) { n, err = tx.Exec(s.statement); return err })
			switch {
			case s.passes && (err != nil || n != 1):
				t.Errorf("%s: %d, %v", s.statement, n, err)
			case !s.passes:
				wantViolation(t, err, db.Sealed, s.table)
				if err == nil {
					t.Errorf("%s: passed", s.statement)
				}
			}
		}
	})
}

// Without its trigger each statement passes: it is the seal that held it. And a
// seal that was broken by hand is whole again after the next start.
func TestSealsAreWhatHolds(t *testing.T) {
	eachWithSeeds(t, func(t *testing.T, d *db.DB, dsn string) {
		outsider(t, d.Engine(), dsn, dropSeals(d.Engine()))
		for _, s := range seals() {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if _, err := tx.Exec(s.statement); err != nil {
					return err
				}
				return errOwn // so that the row is there for the next one
			})
			if err != errOwn {
				t.Errorf("%s: %v", s.statement, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := open(t, dsn, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("DELETE FROM sale"); return err })
		wantViolation(t, err, db.Sealed, "sale")
	})
}

func TestTruncateIsSealed(t *testing.T) {
	d, dsn := dbtest.Open(t, db.PostgreSQL)
	seeded(t, d, dsn)
	for _, s := range seals() {
		err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("TRUNCATE " + s.table); return err })
		wantViolation(t, err, db.Sealed, s.table)
	}
}

var createdTrigger = regexp.MustCompile(`CREATE (?:OR REPLACE )?TRIGGER (\w+)\s+BEFORE (\w+)(?: OR DELETE)? ON (\w+)`)

func dropSeals(engine db.Engine) string {
	script := schema.SealedSQLite()
	if engine == db.PostgreSQL {
		script = schema.SealedPostgres()
	}
	var drops strings.Builder
	for _, m := range createdTrigger.FindAllStringSubmatch(script, -1) {
		drops.WriteString("DROP TRIGGER " + m[1])
		if engine == db.PostgreSQL {
			drops.WriteString(" ON " + m[3])
		}
		drops.WriteString(";")
	}
	return drops.String()
}
