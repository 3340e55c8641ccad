package catalog_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"encaisse/access"
	"encaisse/base/clock"
	"encaisse/base/db"
	"encaisse/base/db/dbtest"
	"encaisse/base/id"
	"encaisse/catalog"
)

const (
	// envKilled makes this program one that imports strictly and is killed, at the
	// statement it names: DSN, merchant, table and how often it was written to.
	envKilled = "ENCAISSE_CATALOG_KILLED"

	killedArticles = 600
)

func TestMain(m *testing.M) {
	if told := os.Getenv(envKilled); told != "" {
		importAndDie(told)
	}
	os.Exit(m.Run())
}

// importAndDie ends as a power cut would, before the statement it was told.
func importAndDie(told string) {
	var dsn, merchant, table string
	var left int
	if _, err := fmt.Sscan(told, &dsn, &merchant, &table, &left); err != nil {
		panic(err)
	}
	d, err := db.Open(context.Background(), dsn, db.Options{Trace: func(query string, _ []any) {
		if strings.Contains(query, "INSERT INTO "+table+" ") {
			left--
		}
		if left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	if err != nil {
		panic(err)
	}
	boss := access.Principal{Merchant: id.Merchant(merchant), Person: id.New[id.Person](start), Operator: 1, Role: access.Manager}
	r, err := catalog.New(d, clock.NewManual(start)).Import(context.Background(), boss, bytes.NewReader(many(killedArticles, "Rayon")), catalog.Options{Strict: true})
	fmt.Printf("it lived: %+v, %v\n", r, err)
	os.Exit(0)
}

// TestStrictImportKilled: a strict import that is killed anywhere before its
// commit leaves nothing; done again, it puts in what one that was never killed
// does, once.
func TestStrictImportKilled(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			dsn := dbtest.DSN(t, engine)
			s := reopened(t, dsn, nil)
			for _, moment := range []string{
				"category 1",
				"article_price 1", "article_price 251", fmt.Sprint("article_price ", killedArticles),
				"audit_entry 1", // the last statement
			} {
				if err := s.db.Close(); err != nil {
					t.Fatal(err)
				}
				kill(t, fmt.Sprint(dsn, " ", s.boss.Merchant, " ", moment))
				s = reopened(t, dsn, s)
				if all, acts := s.all(), s.acts(); all != nil || acts != nil {
					t.Errorf("killed at %s, it left %d articles and %v", moment, len(all), acts)
				}
				if categories, err := s.Categories(t.Context(), s.boss); err != nil || categories != nil {
					t.Errorf("killed at %s, it left %v, %v", moment, categories, err)
				}
			}
			data := many(killedArticles, "Rayon")
			if r := s.load(data, true); r.Created != killedArticles {
				t.Errorf("%+v", r)
			}
			never := newShop(t, s.db)
			never.load(data, true)
			if diff := cmp.Diff(never.all(), s.all()); diff != "" {
				t.Error(diff)
			}
			for _, a := range s.page() {
				if prices := s.prices(a.ID); len(prices) != 1 {
					t.Fatal(a, prices)
				}
			}
			if r := s.load(data, true); r.Unchanged != killedArticles {
				t.Errorf("%+v", r)
			}
			if err := s.db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// reopened is a new shop on a database, or the one before over a new connection.
func reopened(t *testing.T, dsn string, before *shop) *shop {
	t.Helper()
	d, err := db.Open(t.Context(), dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newShop(t, d)
	if before != nil {
		s.boss, s.user = before.boss, before.user
	}
	return s
}

func kill(t *testing.T, told string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), envKilled+"="+told)
	output, _ := child.CombinedOutput()
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("%s: not killed: %s", told, output)
	}
}
