package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"encaisse/base/db"
)

// childMode makes this program a child that starts a cluster, names it and waits.
const childMode = "ENCAISSE_DBTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) == "" {
		os.Exit(m.Run())
	}
	admin, _, err := StartCluster()
	fmt.Println(admin, err)
	select {}
}

// A cluster ends with the program that started it, even when that is killed.
func TestClusterEndsWithItsProgram(t *testing.T) {
	if _, err := findPrograms(); err != nil {
		missing(t, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), childMode+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	admin, said, _ := strings.Cut(strings.TrimSpace(line), " ")
	if said != "<nil>" {
		t.Fatal(line)
	}
	conn, err := pgx.Connect(t.Context(), admin)
	if err != nil {
		t.Fatalf("the cluster does not answer: %v", err)
	}
	defer conn.Close(context.Background())
	var fsync, encoding, collation string
	err = conn.QueryRow(t.Context(), `SELECT current_setting('fsync'), pg_encoding_to_char(encoding), datcollate
		FROM pg_database WHERE datname = 'postgres'`).Scan(&fsync, &encoding, &collation)
	if err != nil || fsync != "on" || encoding != "UTF8" || collation != "C" {
		t.Errorf("fsync %s, encoding %s, collation %s, %v", fsync, encoding, collation, err)
	}
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	gone(t, u.Query().Get("host"))
}

// gone waits until a folder is gone.
func gone(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for end := time.Now().Add(startPatience); time.Now().Before(end); <-tick.C {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	t.Errorf("%s is still there", dir)
}

func TestStopEndsTheCluster(t *testing.T) {
	if _, err := findPrograms(); err != nil {
		missing(t, err)
	}
	admin, stop, err := StartCluster()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(u.Query().Get("host")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

// Databases are each test's own, and gone after it.
func TestDatabasesAreTheTestsOwn(t *testing.T) {
	Each(t, func(t *testing.T, d *db.DB) {
		var one, two string
		t.Run("one", func(t *testing.T) { _, one = Open(t, d.Engine()) })
		t.Run("two", func(t *testing.T) { _, two = Open(t, d.Engine()) })
		if one == two {
			t.Error(one)
		}
		if _, err := db.Open(t.Context(), one, db.Options{ReadOnly: true}); err == nil {
			t.Error("the first one is still there")
		}
	})
}

// fakeT notes how a test would end.
type fakeT struct {
	testing.TB
	failed, skipped bool
}

func (f *fakeT) Helper()               {}
func (f *fakeT) Fatalf(string, ...any) { f.failed = true }
func (f *fakeT) Skipf(string, ...any)  { f.skipped = true }

func TestMissingPostgresFailsInCI(t *testing.T) {
	for ci, fails := range map[string]bool{"true": true, "": false} {
		t.Setenv("CI", ci)
		f := &fakeT{}
		missing(f, errors.New("no initdb"))
		if f.failed != fails || !fails && !f.skipped {
			t.Errorf("CI=%q: failed %v, skipped %v", ci, f.failed, f.skipped)
		}
	}
}
