package db_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

func TestLongWriteIsNamedInTheLog(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			var log bytes.Buffer
			hands := clock.NewManual(time.Unix(0, 0))
			d, _ := dbtest.OpenWith(t, engine, db.Options{Clock: hands, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			makeThings(t, d)
			many := func(n int) func(tx *db.Tx) error {
				return func(tx *db.Tx) error {
					rows := tx.Query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i FROM n", n)
					for rows.Next() {
					}
					return rows.Err()
				}
			}
			slow := func(took time.Duration) func(tx *db.Tx) error {
				return func(tx *db.Tx) error { hands.Advance(took); return nil }
			}
			hook := func(tx *db.Tx) error { tx.AtCommit(slow(db.SlowWrite + 1e6)); return nil }
			cases := []struct {
				name string
				fn   func(tx *db.Tx) error
				want string
			}{
				{"long", slow(db.SlowWrite + time.Millisecond), "ms=21"},
				{"long in a hook", hook, "ms=21"},
				{"many rows", many(db.RowsWrite + 1), "rows=1001"},
				{"just short enough", slow(db.SlowWrite), ""},
				{"just few enough", many(db.RowsWrite), ""},
			}
			for _, c := range cases {
				log.Reset()
				write(t, d, c.fn)
				line := log.String()
				if !strings.Contains(line, c.want) || (c.want == "") != (line == "") {
					t.Errorf("%s: the log says %q, want %q", c.name, line, c.want)
				}
				if c.want != "" && !strings.Contains(line, "caller=encaisse/base/db_test.write") {
					t.Errorf("%s: the caller is not named in %q", c.name, line)
				}
			}
			read(t, d, many(db.RowsWrite+1)) // nobody waits for a reader
		})
	}
}
