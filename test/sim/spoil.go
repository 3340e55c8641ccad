package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"encaisse/base/db"
)

// Spoiler is somebody who holds the database and its administrator's password,
// and not the signing key. Its first error ends what it does.
type Spoiler struct {
	Shop *Shop

	tx       *db.Tx
	err      error
	unsealed bool
}

// Spoil lets somebody at a shop's database who first takes its triggers away. It
// also tells what the database said to the same deed while they were there.
func Spoil(t testing.TB, s *Shop, do func(x *Spoiler)) (refused error) {
	t.Helper()
	d, done := Behind(t, s.DSN)
	defer done()
	attempt := func(do func(x *Spoiler)) error {
		return d.Write(t.Context(), func(tx *db.Tx) error {
			x := &Spoiler{Shop: s, tx: tx}
			do(x)
			if x.err == nil && !x.unsealed {
				return errHarmless
			}
			return x.err
		})
	}
	refused = attempt(do)
	err := attempt(func(x *Spoiler) {
		x.unseal()
		do(x)
	})
	if err != nil {
		t.Fatalf("spoil: %v", err)
	}
	return refused
}

// errHarmless undoes what the triggers let through: an added row, for one.
var errHarmless = errors.New("sim: the triggers do not mind")

// Exec runs a statement, which must change something.
func (x *Spoiler) Exec(query string, args ...any) {
	if x.err != nil {
		return
	}
	n, err := x.tx.Exec(query, args...)
	word, _, _ := strings.Cut(query, " ")
	if err == nil && n == 0 && (word == "UPDATE" || word == "DELETE" || word == "INSERT") {
		err = fmt.Errorf("nothing to spoil: %s %v", query, args)
	}
	x.err = err
}

// Get reads one row, which must be there.
func (x *Spoiler) Get(dest []any, query string, args ...any) {
	if x.err == nil {
		x.err = x.tx.QueryRow(query, args...).Scan(dest...)
	}
	if errors.Is(x.err, db.ErrNone) {
		x.err = fmt.Errorf("nothing there: %s %v", query, args)
	}
}

// Int reads one integer.
func (x *Spoiler) Int(query string, args ...any) (n int64) {
	x.Get([]any{&n}, query, args...)
	return n
}

// Text reads one text.
func (x *Spoiler) Text(query string, args ...any) (s string) {
	x.Get([]any{&s}, query, args...)
	return s
}

// Texts reads a column.
func (x *Spoiler) Texts(query string, args ...any) (list []string) {
	if x.err != nil {
		return nil
	}
	rows := x.tx.Query(query, args...)
	for rows.Next() {
		var s string
		if x.err = rows.Scan(&s); x.err != nil {
			return nil
		}
		list = append(list, s)
	}
	x.err = rows.Err()
	return list
}

// unseal takes the triggers away that keep sealed rows as they are. They come
// back when the database is next opened for writing.
func (x *Spoiler) unseal() {
	x.unsealed = true
	if x.Shop.Engine == db.PostgreSQL {
		if x.err == nil {
			x.err = unguard(x.tx)
		}
		return
	}
	for _, name := range x.Texts(`SELECT name FROM sqlite_master WHERE type = 'trigger'`) {
		x.Exec(`DROP TRIGGER ` + name)
	}
}

// Uncheck takes the constraints of a table away.
func (x *Spoiler) Uncheck(table string) {
	if x.Shop.Engine == db.PostgreSQL {
		for _, name := range x.Texts(`SELECT CAST(conname AS TEXT) FROM pg_constraint WHERE CAST(conrelid AS regclass) = CAST($1 AS regclass) AND contype = 'c'`, table) {
			x.Exec(`ALTER TABLE ` + table + ` DROP CONSTRAINT ` + name)
		}
		return
	}
	x.Exec(`CREATE TABLE spoiled AS SELECT * FROM ` + table + ` ORDER BY rowid`)
	x.Exec(`DROP TABLE ` + table)
	x.Exec(`ALTER TABLE spoiled RENAME TO ` + table)
}

// Ticket finds a ticket of a register by its number.
func (x *Spoiler) Ticket(register string, number int64) Ticket {
	k := Ticket{Number: number}
	x.Get([]any{&k.ID}, `SELECT sale_id FROM sale WHERE register_id = $1 AND number = $2`, register, number)
	k.Seq, k.Origin = x.record(k.ID)
	return k
}

// Closing finds a closing of a register by its kind and number.
func (x *Spoiler) Closing(register, kind string, number int64) Ticket {
	k := Ticket{Number: number}
	x.Get([]any{&k.ID}, `SELECT closing_id FROM closing WHERE register_id = $1 AND kind = $2 AND number = $3`, register, kind, number)
	k.Seq, k.Origin = x.record(k.ID)
	return k
}

func (x *Spoiler) record(subject string) (seq int64, origin string) {
	x.Get([]any{&seq, &origin}, `SELECT r.seq, c.origin FROM fiscal_record r JOIN fiscal_chain c
		ON c.merchant_id = r.merchant_id AND c.chain_id = r.chain_id WHERE r.subject = $1`, subject)
	return seq, origin
}

// Ticket is something sealed: a sale or a closing, and its record.
type Ticket struct {
	ID     string
	Number int64
	Seq    int64
	Origin string
}

// Says is how verify begins what it says about a record.
func (k Ticket) Says(format string, args ...any) string {
	return fmt.Sprintf("%s record %d: ", k.Origin, k.Seq) + fmt.Sprintf(format, args...)
}

// Columns are those of a table, in their order.
func (x *Spoiler) Columns(table string) []string {
	if x.Shop.Engine == db.PostgreSQL {
		return x.Texts(`SELECT CAST(column_name AS TEXT) FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`, table)
	}
	return x.Texts(`SELECT name FROM pragma_table_info($1) ORDER BY cid`, table)
}

// Double adds a row that is like the first one for which the condition holds but
// for the columns given as SQL.
func (x *Spoiler) Double(table, condition string, but map[string]string) {
	columns := x.Columns(table)
	values := make([]string, len(columns))
	for i, column := range columns {
		values[i] = column
		if other, given := but[column]; given {
			values[i] = other
		}
	}
	x.Exec(`INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) SELECT ` + strings.Join(values, ", ") + ` FROM ` + table +
		` WHERE ` + condition + ` LIMIT 1`)
}
