package db_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"zombiezen.com/go/sqlite"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

// The sale of the benchmarks: one sale, three lines, one tender, one transfer,
// one journal row with a payload of 572 bytes, a hash and a signature: seven
// rows and about 1.4 KB, the shape docs/performance.md speaks of.
const (
	insertSale     = `INSERT INTO bench_sale VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	insertLine     = `INSERT INTO bench_line VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	insertTender   = `INSERT INTO bench_tender VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertTransfer = `INSERT INTO bench_transfer VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertRecord   = `INSERT INTO bench_record VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

// benchTables have the columns and the indexes that the product's had when the
// benchmark was written; they are its own, so that its figures stay comparable.
var benchTables = []string{
	`CREATE TABLE bench_sale (merchant_id TEXT NOT NULL, sale_id TEXT NOT NULL, register_id TEXT NOT NULL, number BIGINT NOT NULL CHECK (number > 0),
		session_id TEXT NOT NULL, business_date TEXT NOT NULL, document TEXT NOT NULL CHECK (document IN ('ticket', 'return')),
		sealed_at BIGINT NOT NULL, operator BIGINT NOT NULL, currency TEXT NOT NULL, total_minor BIGINT NOT NULL,
		reduction_minor BIGINT NOT NULL, reduction_name TEXT NOT NULL, external_ref TEXT NOT NULL, request_hash BYTEA NOT NULL,
		PRIMARY KEY (merchant_id, sale_id), UNIQUE (merchant_id, register_id, number))`,
	`CREATE TABLE bench_line (merchant_id TEXT NOT NULL, sale_id TEXT NOT NULL, line BIGINT NOT NULL CHECK (line > 0), article_id TEXT NOT NULL,
		label TEXT NOT NULL, nature TEXT NOT NULL, quantity_milli BIGINT NOT NULL CHECK (quantity_milli <> 0),
		unit_minor BIGINT NOT NULL CHECK (unit_minor >= 0), list_minor BIGINT, reduction_minor BIGINT NOT NULL, reduction_name TEXT NOT NULL,
		share_minor BIGINT NOT NULL, vat_bp BIGINT NOT NULL, ttc_minor BIGINT NOT NULL, ht_minor BIGINT NOT NULL,
		PRIMARY KEY (merchant_id, sale_id, line))`,
	`CREATE TABLE bench_tender (merchant_id TEXT NOT NULL, sale_id TEXT NOT NULL, position BIGINT NOT NULL CHECK (position > 0), tender_id TEXT NOT NULL,
		means TEXT NOT NULL CHECK (means IN ('cash')), amount_minor BIGINT NOT NULL CHECK (amount_minor <> 0), received_minor BIGINT NOT NULL,
		change_minor BIGINT NOT NULL CHECK (change_minor >= 0), PRIMARY KEY (merchant_id, sale_id, position),
		CHECK (received_minor - change_minor = amount_minor))`,
	`CREATE TABLE bench_transfer (merchant_id TEXT NOT NULL, source TEXT NOT NULL, position BIGINT NOT NULL CHECK (position > 0), debit TEXT NOT NULL,
		credit TEXT NOT NULL CHECK (credit <> debit), amount_minor BIGINT NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL,
		at BIGINT NOT NULL, PRIMARY KEY (merchant_id, source, position))`,
	`CREATE TABLE bench_record (merchant_id TEXT NOT NULL, chain_id TEXT NOT NULL, seq BIGINT NOT NULL CHECK (seq > 0), kind TEXT NOT NULL,
		subject TEXT NOT NULL, at BIGINT NOT NULL, payload BYTEA NOT NULL, hash BYTEA NOT NULL, signature BYTEA NOT NULL,
		PRIMARY KEY (merchant_id, chain_id, seq))`,
}

func makeBenchTables(b *testing.B, d *db.DB) {
	b.Helper()
	err := d.Write(context.Background(), func(tx *db.Tx) error {
		for _, table := range benchTables {
			tx.Queue(table)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

const benchMerchants = 1000

// benchSale is the n-th sale.
type benchSale struct {
	merchant, sale, register, session, article, chain string
	n                                                 int64
	payload, hash, signature                          []byte
}

func newBenchSale(n int64) *benchSale {
	m := (n * 7919) % benchMerchants
	s := &benchSale{
		merchant: fmt.Sprintf("mer_%026d", m), sale: fmt.Sprintf("sale_%026d", n), register: fmt.Sprintf("reg_%026d", m),
		session: fmt.Sprintf("ses_%026d", m), article: "art_00000000000000000000000042", chain: fmt.Sprintf("chn_%026d", m),
		n: n + 1, payload: make([]byte, 572), hash: make([]byte, 32), signature: make([]byte, 71),
	}
	binary.BigEndian.PutUint64(s.payload, uint64(n))
	return s
}

// write is the sale as the product writes it: queued, so that PostgreSQL gets it
// in one round trip.
func (s *benchSale) write(tx *db.Tx) error {
	tx.Queue(insertSale, s.merchant, s.sale, s.register, s.n, s.session, "2026-11-22", "ticket", int64(1795000000000), int64(1),
		"EUR", int64(1250), int64(0), "", "", s.hash)
	for line := int64(1); line <= 3; line++ {
		tx.Queue(insertLine, s.merchant, s.sale, line, s.article, "Baguette tradition", "goods", int64(1000), int64(416),
			nil, int64(0), "", int64(0), int64(550), int64(416), int64(394))
	}
	tx.Queue(insertTender, s.merchant, s.sale, int64(1), s.sale, "cash", int64(1250), int64(2000), int64(750))
	tx.Queue(insertTransfer, s.merchant, s.sale, int64(1), "due", "sales", int64(1250), "EUR", int64(1795000000000))
	tx.Queue(insertRecord, s.merchant, s.chain, s.n, "ticket", s.sale, int64(1795000000000), s.payload, s.hash, s.signature)
	return nil
}

func benchWrite(b *testing.B, engine db.Engine, writers int) {
	d, _ := dbtest.Open(b, engine)
	makeBenchTables(b, d)
	ctx := context.Background()
	var n atomic.Int64
	b.ReportAllocs()
	before := d.Stats()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				if err := d.Write(ctx, newBenchSale(i).write); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	s := d.Stats()
	commits, writes := s.Commits-before.Commits, s.Writes-before.Writes
	b.ReportMetric(float64(writes)/b.Elapsed().Seconds(), "sales/s")
	b.ReportMetric(float64(writes)/float64(commits), "group")
	b.ReportMetric(float64(s.WALBytes-before.WALBytes)/float64(writes)/1024, "walKiB/sale")
}

// BenchmarkTurn64 is what Write costs by itself: the queue, the turn, a savepoint.
func BenchmarkTurn64(b *testing.B) {
	d, _ := dbtest.Open(b, db.SQLite)
	b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := d.Write(context.Background(), func(*db.Tx) error { return nil }); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRead is a Read of one row by its key.
func BenchmarkRead(b *testing.B) {
	d, _ := dbtest.Open(b, db.SQLite)
	makeBenchTables(b, d)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := d.Write(ctx, newBenchSale(1).write); err != nil {
		b.Fatal(err)
	}
	s := newBenchSale(1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		var total int64
		err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow("SELECT total_minor FROM bench_sale WHERE merchant_id = $1 AND sale_id = $2", s.merchant, s.sale).Scan(&total)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite1(b *testing.B)   { benchWrite(b, db.SQLite, 1) }
func BenchmarkWrite64(b *testing.B)  { benchWrite(b, db.SQLite, 64) }
func BenchmarkWrite256(b *testing.B) { benchWrite(b, db.SQLite, 256) }

func BenchmarkPostgres64(b *testing.B) { benchWrite(b, db.PostgreSQL, 64) }

// BenchmarkBare64 is the same driver, schema, statements and durability with
// nothing around it: one goroutine, 64 sales a commit.
func BenchmarkBare64(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bare.db")
	d, err := db.Open(context.Background(), "sqlite:"+path, db.Options{})
	if err != nil {
		b.Fatal(err)
	}
	makeBenchTables(b, d)
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{"PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=4000", "PRAGMA cache_size=-65536"} {
		bareRun(b, conn, text)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%64 == 0 {
			bareRun(b, conn, "BEGIN IMMEDIATE")
		}
		s := newBenchSale(int64(i))
		bareRun(b, conn, insertSale, s.merchant, s.sale, s.register, s.n, s.session, "2026-11-22", "ticket", int64(1795000000000), int64(1),
			"EUR", int64(1250), int64(0), "", "", s.hash)
		for line := int64(1); line <= 3; line++ {
			bareRun(b, conn, insertLine, s.merchant, s.sale, line, s.article, "Baguette tradition", "goods", int64(1000), int64(416),
				nil, int64(0), "", int64(0), int64(550), int64(416), int64(394))
		}
		bareRun(b, conn, insertTender, s.merchant, s.sale, int64(1), s.sale, "cash", int64(1250), int64(2000), int64(750))
		bareRun(b, conn, insertTransfer, s.merchant, s.sale, int64(1), "due", "sales", int64(1250), "EUR", int64(1795000000000))
		bareRun(b, conn, insertRecord, s.merchant, s.chain, s.n, "ticket", s.sale, int64(1795000000000), s.payload, s.hash, s.signature)
		if i%64 == 63 || i == b.N-1 {
			bareRun(b, conn, "COMMIT")
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sales/s")
}

func bareRun(b *testing.B, conn *sqlite.Conn, text string, args ...any) {
	stmt, err := conn.Prepare(text)
	if err != nil {
		b.Fatal(err)
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			stmt.BindText(i+1, v)
		case int64:
			stmt.BindInt64(i+1, v)
		case []byte:
			stmt.BindBytes(i+1, v)
		}
	}
	for row := true; row; {
		if row, err = stmt.Step(); err != nil {
			b.Fatal(err)
		}
	}
}
