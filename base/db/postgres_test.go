package db_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/problem"
)

func onPostgres(t *testing.T) (*db.DB, string) {
	t.Helper()
	d, dsn := dbtest.Open(t, db.PostgreSQL)
	makeThings(t, d)
	return d, dsn
}

func TestIsolation(t *testing.T) {
	d, _ := onPostgres(t)
	var level, readOnly string
	look := func(tx *db.Tx) error {
		return errors.Join(tx.QueryRow("SHOW transaction_isolation").Scan(&level), tx.QueryRow("SHOW transaction_read_only").Scan(&readOnly))
	}
	write(t, d, look)
	if level != "read committed" || readOnly != "off" {
		t.Errorf("a write is %s, read only %s", level, readOnly)
	}
	read(t, d, look)
	if level != "repeatable read" || readOnly != "on" {
		t.Errorf("a read is %s, read only %s", level, readOnly)
	}
}

// fails makes the server report a state.
func fails(tx *db.Tx, state string) error {
	_, err := tx.Exec("DO $do$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '" + state + "'; END $do$")
	return err
}

func TestSerialisationFailureRunsAgain(t *testing.T) {
	d, _ := onPostgres(t)
	for _, state := range []string{"40001", "40P01"} {
		runs := 0
		write(t, d, func(tx *db.Tx) error {
			if runs++; runs < 3 {
				insert(tx, "no")
				fails(tx, state)
				return nil // even if fn keeps it to itself
			}
			return insert(tx, state)
		})
		if runs != 3 {
			t.Errorf("%s: fn ran %d times", state, runs)
		}
	}
	wantIDs(t, d, "40001 40P01 ")

	runs := 0
	err := d.Write(t.Context(), func(tx *db.Tx) error { runs++; return fails(tx, "40001") })
	wantCode(t, err, "db.unavailable")
	if runs != db.MaxRetries+1 {
		t.Errorf("fn ran %d times", runs)
	}
	runs = 0
	err = d.Write(t.Context(), func(tx *db.Tx) error { runs++; return fails(tx, "22000") })
	if err == nil || runs != 1 {
		t.Errorf("another error: %v, %d runs", err, runs)
	}
}

func TestDeadlockRunsAgain(t *testing.T) {
	d, _ := onPostgres(t)
	write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, "a"), insert(tx, "b")) })
	var met sync.WaitGroup
	met.Add(2)
	var runs atomic.Int64
	var wg sync.WaitGroup
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		first := true
		wg.Go(func() {
			write(t, d, func(tx *db.Tx) error {
				runs.Add(1)
				for i, id := range order {
					if _, err := tx.Exec("UPDATE thing SET done = TRUE WHERE thing_id = $1", id); err != nil {
						return err
					}
					if i == 0 && first {
						first = false
						met.Done()
						met.Wait() // both hold what the other wants
					}
				}
				return nil
			})
		})
	}
	wg.Wait()
	if runs.Load() < 3 {
		t.Errorf("%d runs: there was no deadlock", runs.Load())
	}
}

func TestServerTroubleIsUnavailable(t *testing.T) {
	_, dsn := onPostgres(t)
	d, err := open(t, dsn+"&statement_timeout=50", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"08006", "53100", "53300", "57P03", "58030", "55P03"} {
		err := d.Write(t.Context(), func(tx *db.Tx) error { return fails(tx, state) })
		wantCode(t, err, "db.unavailable")
		if p := problem.As(err); p != nil && p.Kind != problem.Unavailable {
			t.Errorf("%s is of kind %v", state, p.Kind)
		}
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("SELECT pg_sleep(10)"); return err })
	wantCode(t, err, "db.unavailable")
	_, err = open(t, "postgres:///x?host=/nowhere", db.Options{})
	wantCode(t, err, "db.unavailable")
}

// A connection that is lost before COMMIT was sent lost nothing: fn runs again.
func TestLostConnectionRunsAgain(t *testing.T) {
	d, _ := onPostgres(t)
	runs := 0
	write(t, d, func(tx *db.Tx) error {
		runs++
		if err := insert(tx, "a"); err != nil {
			return err
		}
		if runs == 1 {
			_, err := tx.Exec("SELECT pg_terminate_backend(pg_backend_pid())")
			return err
		}
		return nil
	})
	if runs != 2 {
		t.Errorf("fn ran %d times", runs)
	}
	wantIDs(t, d, "a ")
}

// More writes that fail, each in its way, than the pool has connections: each
// gives its connection back.
func TestConnectionsComeBack(t *testing.T) {
	d, _ := onPostgres(t)
	for range 20 {
		func() {
			defer func() { recover() }()
			d.Write(t.Context(), func(tx *db.Tx) error { insert(tx, "a"); tx.Query("SELECT 1").Next(); panic("so there") })
		}()
		d.Write(t.Context(), func(tx *db.Tx) error { insert(tx, "a"); return errOwn })
		d.Write(t.Context(), func(tx *db.Tx) error { insert(tx, "a"); insert(tx, "a"); return nil })
		d.Read(t.Context(), func(tx *db.Tx) error { tx.Query("SELECT 1").Next(); return errOwn })
		d.Write(t.Context(), func(tx *db.Tx) error { tx.Queue(queued, "m", "a"); return errOwn })
	}
	wantIDs(t, d, "")
}

func TestRoundTrips(t *testing.T) {
	_, dsn := onPostgres(t)
	p := relay(t, dsn)
	d, err := open(t, p.dsn+"&pool_max_conns=1", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		want int64
		call func(fn func(*db.Tx) error) error
		fn   func(tx *db.Tx) error
	}{
		{"nothing", 0, nil, func(*db.Tx) error { return nil }},
		{"queue", 1, nil, func(tx *db.Tx) error {
			tx.Queue("UPDATE thing SET done = TRUE")
			tx.Queue("UPDATE thing SET done = FALSE")
			return nil
		}},
		{"queue in a hook", 1, nil, func(tx *db.Tx) error {
			tx.Queue("UPDATE thing SET done = TRUE")
			tx.AtCommit(func(tx *db.Tx) error { tx.Queue("UPDATE thing SET done = FALSE"); return nil })
			return nil
		}},
		{"query, then queue", 2, nil, func(tx *db.Tx) error {
			tx.QueryRow("SELECT thing_id FROM thing").Scan(new(string))
			tx.Queue("UPDATE thing SET done = TRUE")
			return nil
		}},
		{"queue, then statement", 2, nil, func(tx *db.Tx) error {
			tx.Queue("UPDATE thing SET done = TRUE")
			_, err := tx.Exec("UPDATE thing SET done = FALSE")
			return err
		}},
		{"queued rows", 2, nil, func(tx *db.Tx) error {
			tx.Queue("UPDATE thing SET done = TRUE")
			tx.QueueQuery(func(rows *db.Rows) error { return nil }, "SELECT thing_id FROM thing")
			return nil
		}},
	}
	for _, c := range cases {
		write(t, d, c.fn) // prepares its statements
		before := p.trips.Load()
		write(t, d, c.fn)
		if trips := p.trips.Load() - before; trips != c.want {
			t.Errorf("%s: %d round trips, want %d", c.name, trips, c.want)
		}
	}
}

// The connection breaks while COMMIT is on its way: nobody knows, and fn is not
// run again.
func TestNobodyKnowsWhetherTheCommitWasDone(t *testing.T) {
	_, dsn := onPostgres(t)
	for name, before := range map[string]bool{"before it arrived": true, "after it arrived": false} {
		t.Run(name, func(t *testing.T) {
			p := relay(t, dsn)
			d, err := open(t, p.dsn+"&pool_max_conns=1", db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			id := strings.ReplaceAll(name, " ", "_")
			write(t, d, func(tx *db.Tx) error { return errors.Join(insert(tx, id+"_first")) })
			runs := 0
			err = d.Write(t.Context(), func(tx *db.Tx) error {
				runs++
				err := insert(tx, id)
				p.breakNext(before)
				return err
			})
			if !errors.Is(err, db.ErrUnknown) || !problem.Is(err, "db.unavailable") || runs != 1 {
				t.Errorf("%v after %d runs", err, runs)
			}
			if there := strings.Contains(ids(t, d), id+" "); there == before {
				t.Errorf("written: %v", there)
			}
		})
	}
}

func TestPostgresSealsAreMadeOnce(t *testing.T) {
	d, dsn := onPostgres(t)
	oids := func() (sum string) {
		read(t, d, func(tx *db.Tx) error {
			return tx.QueryRow("SELECT CAST(MIN(oid::bigint) AS TEXT) || ' ' || CAST(MAX(oid::bigint) AS TEXT) FROM pg_trigger WHERE NOT tgisinternal").Scan(&sum)
		})
		return sum
	}
	before := oids()
	if _, err := open(t, dsn, db.Options{}); err != nil {
		t.Fatal(err)
	}
	if after := oids(); after != before {
		t.Errorf("the triggers were made again: %s, %s", before, after)
	}
}
