package sim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

// This file goes to the database behind the program's back: to read what it
// keeps, to copy it, and to do to it what whoever holds it could do.

// Behind opens a shop's database for SQL, which on SQLite nobody else may have
// open for writing then. done must be called before the program writes again,
// and nothing be started before: a process on its way to be another program
// holds for a moment all that this one has open, the lock of the file with it.
func Behind(t testing.TB, dsn string) (d *db.DB, done func()) {
	t.Helper()
	if !strings.HasPrefix(dsn, "sqlite:") {
		return open(t, dsn, db.Options{})
	}
	syscall.ForkLock.RLock()
	free := sync.OnceFunc(syscall.ForkLock.RUnlock)
	t.Cleanup(free)
	d, closed := open(t, dsn, db.Options{})
	return d, func() {
		closed()
		free()
	}
}

// Watch opens a shop's database for reading, while the program runs or not.
func Watch(t testing.TB, dsn string) *db.DB {
	t.Helper()
	d, _ := open(t, dsn, db.Options{ReadOnly: true})
	return d
}

func open(t testing.TB, dsn string, o db.Options) (*db.DB, func()) {
	t.Helper()
	d, err := db.Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	done := func() {
		if err := d.Close(); err != nil {
			t.Errorf("close %s: %v", dsn, err)
		}
	}
	t.Cleanup(done) // a second Close does nothing
	return d, done
}

// Read runs a read that must not fail.
func Read(t testing.TB, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Read(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// Number reads one integer.
func Number(t testing.TB, d *db.DB, query string, args ...any) (n int64) {
	t.Helper()
	Read(t, d, func(tx *db.Tx) error { return tx.QueryRow(query, args...).Scan(&n) })
	return n
}

// Closed reads the days of a register from its day closings.
func Closed(t testing.TB, d *db.DB, register string) []Day {
	t.Helper()
	return readDays(t, d, register,
		`SELECT business_date, last_ticket - first_ticket + 1, lines, returns, (net_minor - absolute_minor) / 2, net_minor
			FROM closing WHERE register_id = $1 AND kind = 'day' ORDER BY number`,
		`SELECT business_date, rate_bp, ttc_minor, vat_minor
			FROM closing JOIN closing_vat v ON v.merchant_id = closing.merchant_id AND v.closing_id = closing.closing_id WHERE register_id = $1 AND kind = 'day'`)
}

// SoldDays reads the days of a register, added up from its sales alone.
func SoldDays(t testing.TB, d *db.DB, register string) []Day {
	t.Helper()
	return readDays(t, d, register,
		`SELECT business_date, COUNT(*), CAST(SUM((SELECT COUNT(*) FROM sale_line l WHERE l.merchant_id = sale.merchant_id AND l.sale_id = sale.sale_id)) AS BIGINT),
			CAST(SUM(CASE WHEN total_minor < 0 THEN 1 ELSE 0 END) AS BIGINT),
			CAST(SUM(CASE WHEN total_minor < 0 THEN total_minor ELSE 0 END) AS BIGINT), CAST(SUM(total_minor) AS BIGINT)
			FROM sale WHERE register_id = $1 GROUP BY business_date ORDER BY business_date`,
		`SELECT business_date, rate_bp, CAST(SUM(ttc_minor) AS BIGINT), CAST(SUM(vat_minor) AS BIGINT)
			FROM sale JOIN sale_vat v ON v.merchant_id = sale.merchant_id AND v.sale_id = sale.sale_id WHERE register_id = $1 GROUP BY business_date, rate_bp`)
}

func readDays(t testing.TB, d *db.DB, register, totals, rates string) (days []Day) {
	t.Helper()
	Read(t, d, func(tx *db.Tx) error {
		days = nil
		at := make(map[string]int)
		rows := tx.Query(totals, register)
		for rows.Next() {
			day := Day{Rates: make(map[int64]Rate)}
			if err := rows.Scan(&day.Date, &day.Tickets, &day.Lines, &day.Returns, &day.Returned, &day.Total); err != nil {
				return err
			}
			at[day.Date] = len(days)
			days = append(days, day)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows = tx.Query(rates, register)
		for rows.Next() {
			var date string
			var rate int64
			var sum Rate
			if err := rows.Scan(&date, &rate, &sum.TTC, &sum.VAT); err != nil {
				return err
			}
			if sum != (Rate{}) { // a rate that sold nothing that day stays listed in its closing
				days[at[date]].Rates[rate] = sum
			}
		}
		return rows.Err()
	})
	return days
}

// Copy makes an installation like this one, that what is done to it does not
// touch. The program must not be running on it.
func (s *Shop) Copy(t testing.TB) *Shop {
	t.Helper()
	c := *s
	c.Dir = t.TempDir()
	c.DSN = dbtest.DSN(t, s.Engine)
	c.KeyFile, c.PublicKey = filepath.Join(c.Dir, "master.key"), filepath.Join(c.Dir, "master.key.pub")
	c.Checkpoints = filepath.Join(c.Dir, "checkpoints")
	copyFile(t, s.KeyFile, c.KeyFile)
	copyFile(t, s.PublicKey, c.PublicKey)
	copyFile(t, s.Checkpoints, c.Checkpoints)
	if s.Engine == db.SQLite {
		copyFile(t, s.File(), c.File())
		copyFile(t, s.File()+"-wal", c.File()+"-wal")
	} else {
		copyRows(t, s.DSN, c.DSN)
	}
	return &c
}

// Copies makes copies of a shop, one after the other: a copy is good until the
// next is made. On PostgreSQL they share a database, which is filled again.
func (s *Shop) Copies(t *testing.T) func(t *testing.T) *Shop {
	t.Helper()
	if s.Engine == db.SQLite {
		return func(t *testing.T) *Shop { return s.Copy(t) }
	}
	c := s.Copy(t)
	d, done := Behind(t, c.DSN)
	defer done()
	var tables []string
	for name := range columnsOf(t, d) {
		if !slices.Contains(parents[:], name) {
			tables = append(tables, name)
		}
	}
	tables = append(parents[:], tables...)
	Write(t, d, func(tx *db.Tx) error {
		tx.Queue(`CREATE SCHEMA kept`)
		for _, name := range tables {
			tx.Queue(`CREATE TABLE kept.` + name + ` AS SELECT * FROM ` + name)
		}
		return nil
	})
	return func(t *testing.T) *Shop {
		t.Helper()
		d, done := Behind(t, c.DSN)
		defer done()
		Write(t, d, func(tx *db.Tx) error {
			if err := unguard(tx); err != nil {
				return err
			}
			for _, name := range tables {
				tx.Queue(`DELETE FROM ` + name)
				tx.Queue(`INSERT INTO ` + name + ` SELECT * FROM kept.` + name)
			}
			return nil
		})
		return c
	}
}

// unguard takes the triggers away for the rest of a transaction on PostgreSQL, as
// its superuser can, or for good, as the owner of the tables can.
func unguard(tx *db.Tx) error {
	var super string
	err := tx.QueryRow(`SELECT current_setting('is_superuser')`).Scan(&super)
	if err != nil {
		return err
	}
	if super == "on" {
		_, err = tx.Exec(`SET LOCAL session_replication_role = 'replica'`)
	} else {
		_, err = tx.Exec(`DROP FUNCTION sealed() CASCADE`)
	}
	return err
}

// copyFile copies a file where there is one.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// column is one of a table of PostgreSQL.
type column struct{ table, name, kind string }

// parents are the tables that others refer to, in their order.
var parents = [...]string{"merchant", "site", "register", "category", "article"}

func copyRows(t testing.TB, from, to string) {
	t.Helper()
	source, done := Behind(t, from)
	defer done()
	target, close := Behind(t, to)
	defer close()
	tables := columnsOf(t, source)
	var names []string
	for name := range tables {
		if !slices.Contains(parents[:], name) {
			names = append(names, name)
		}
	}
	for _, name := range append(parents[:], names...) {
		copyTable(t, source, target, name, tables[name])
	}
}

func columnsOf(t testing.TB, d *db.DB) map[string][]column {
	t.Helper()
	tables := make(map[string][]column)
	Read(t, d, func(tx *db.Tx) error {
		rows := tx.Query(`SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT)
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version' ORDER BY table_name, ordinal_position`)
		for rows.Next() {
			var c column
			if err := rows.Scan(&c.table, &c.name, &c.kind); err != nil {
				return err
			}
			tables[c.table] = append(tables[c.table], c)
		}
		return rows.Err()
	})
	return tables
}

func copyTable(t testing.TB, source, target *db.DB, table string, columns []column) {
	t.Helper()
	names, places := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], places[i] = c.name, fmt.Sprintf("$%d", i+1)
	}
	list := strings.Join(names, ", ")
	var all [][]any
	Read(t, source, func(tx *db.Tx) error {
		all = nil
		rows := tx.Query("SELECT " + list + " FROM " + table)
		for rows.Next() {
			row := emptyRow(columns)
			if err := rows.Scan(row...); err != nil {
				return err
			}
			all = append(all, row)
		}
		return rows.Err()
	})
	Write(t, target, func(tx *db.Tx) error {
		for _, row := range all {
			args := make([]any, len(row))
			for i := range row {
				args[i] = value(row[i])
			}
			tx.Queue("INSERT INTO "+table+" ("+list+") VALUES ("+strings.Join(places, ", ")+")", args...)
		}
		return nil
	})
}

// emptyRow are places to scan a row into, NULL included.
func emptyRow(columns []column) []any {
	row := make([]any, len(columns))
	for i, c := range columns {
		switch c.kind {
		case "text":
			row[i] = new(*string)
		case "bigint":
			row[i] = new(*int64)
		case "boolean":
			row[i] = new(*bool)
		default:
			row[i] = new([]byte)
		}
	}
	return row
}

// value is what was scanned, as an argument.
func value(scanned any) any {
	switch v := scanned.(type) {
	case **string:
		return *v
	case **int64:
		return *v
	case **bool:
		return *v
	case *[]byte:
		return *v
	}
	panic("sim: not of emptyRow")
}

// Write runs a write that must not fail.
func Write(t testing.TB, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}
