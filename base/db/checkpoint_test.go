package db_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

const (
	smallWAL = 256 << 10
	// patience is how many writes may pass until what is waited for happens; a
	// checkpoint comes every 100 ms.
	patience = 100_000
)

// writeUntil writes rows of 1 KB until a condition holds.
func writeUntil(t *testing.T, d *db.DB, condition func() bool) {
	t.Helper()
	label := strings.Repeat("x", 1000)
	for i := range patience {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO thing (merchant_id, thing_id, parent) VALUES ('m', $1, NULL)
				ON CONFLICT (merchant_id, thing_id) DO UPDATE SET done = TRUE`, key(i%1000)+label)
			return err
		})
		if condition() {
			return
		}
	}
	t.Fatal("it did not happen")
}

// The WAL begins again at its start once it is over its bound, while writes go
// on; so its file stays small.
func TestWALBeginsAgain(t *testing.T) {
	d, dsn := dbtest.OpenWith(t, db.SQLite, db.WithWALBound(db.Options{}, smallWAL))
	makeThings(t, d)
	before := d.Stats().WALBytes
	for range 3 {
		last, _ := db.WALBefore(d)
		writeUntil(t, d, func() bool { now, _ := db.WALBefore(d); return now > last })
	}
	grown := d.Stats().WALBytes - before
	info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:") + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if grown <= smallWAL || info.Size() >= grown {
		t.Errorf("the WAL took %d bytes and its file has %d", grown, info.Size())
	}
}

// One restart is enough: while nobody writes, none is asked for again.
func TestRestartIsAskedForOnce(t *testing.T) {
	d, _ := dbtest.OpenWith(t, db.SQLite, db.WithWALBound(db.Options{}, smallWAL))
	makeThings(t, d)
	writeUntil(t, d, func() bool { return db.WALSize(d) >= smallWAL })
	for !db.Over(d) { // which comes by itself, within a pause
		runtime.Gosched()
	}
	if db.Passive(d) {
		t.Error("it is asked for again")
	}
}

// A reader holds what it sees: the WAL cannot begin again, writes go on, and once
// the reader is gone it does.
func TestReaderThatStaysHoldsTheWAL(t *testing.T) {
	d, _ := dbtest.OpenWith(t, db.SQLite, db.WithWALBound(db.Options{}, smallWAL))
	makeThings(t, d)
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- d.Read(t.Context(), func(tx *db.Tx) error {
			var before, after int
			if err := tx.QueryRow("SELECT COUNT(*) FROM thing").Scan(&before); err != nil {
				return err
			}
			close(held)
			<-hold
			err := tx.QueryRow("SELECT COUNT(*) FROM thing").Scan(&after)
			if before != after {
				t.Errorf("the reader saw %d, then %d", before, after)
			}
			return err
		})
	}()
	<-held
	last, _ := db.WALBefore(d)
	writeUntil(t, d, func() bool { _, late := db.WALBefore(d); return late })
	if now, _ := db.WALBefore(d); now != last {
		t.Error("the WAL began again under a reader")
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	writeUntil(t, d, func() bool { now, late := db.WALBefore(d); return now > last && !late })
}

// What was written before the WAL moved is still there when it is opened again.
func TestCloseLeavesOneFile(t *testing.T) {
	d, dsn := dbtest.Open(t, db.SQLite)
	makeThings(t, d)
	write(t, d, func(tx *db.Tx) error { return insert(tx, "a") })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:") + rest); err == nil {
			t.Errorf("%s is left", rest)
		}
	}
	d, err := open(t, dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, d, "a ")
}
