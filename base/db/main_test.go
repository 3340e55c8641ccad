package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"zombiezen.com/go/sqlite"

	"encaisse/base/db"
	"encaisse/base/problem"
)

// childMode makes this program a child of one of its tests: a process of its own
// that can be traced, starved or killed. Its value is what the child does.
const childMode = "ENCAISSE_DB_CHILD"

// childFile is the database of the child.
const childFile = "ENCAISSE_DB_CHILD_FILE"

func TestMain(m *testing.M) {
	mode, file := os.Getenv(childMode), os.Getenv(childFile)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := children[mode](file); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

var children = map[string]func(file string) error{
	"serial": childSerial, "normal": childNormal, "crowd": childCrowd, "starved": childStarved,
}

// child prepares to run this program as a child, under the given words of a
// command line, if any.
func child(t *testing.T, mode, file string, under ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(under, self)
	c := exec.Command(words[0], words[1:]...)
	c.Env = append(os.Environ(), childMode+"="+mode, childFile+"="+file)
	c.Stderr = os.Stderr
	return c
}

// serialWrites is how many writes the traced children make.
const serialWrites = 40

// acknowledge says on standard output, in one system call, that a write is done.
func acknowledge(what any) { os.Stdout.WriteString(fmt.Sprintf("ack %v\n", what)) }

// childSerial makes one write after the other.
func childSerial(file string) error {
	d, err := db.Open(context.Background(), "sqlite:"+file, db.Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	for i := range serialWrites {
		if err := d.Write(context.Background(), func(tx *db.Tx) error { return insert(tx, key(i)) }); err != nil {
			return err
		}
		acknowledge(i)
	}
	return nil
}

// childNormal is childSerial without the product: synchronous=NORMAL.
func childNormal(file string) error {
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer conn.Close()
	statements := []string{"PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=0"}
	for i := range serialWrites {
		statements = append(statements, fmt.Sprintf("INSERT INTO thing (merchant_id, thing_id) VALUES ('m', '%s')", key(i)))
	}
	for i, text := range statements {
		stmt, _, err := conn.PrepareTransient(text)
		if err != nil {
			return err
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
		stmt.Finalize()
		if i >= 2 {
			acknowledge(i - 2)
		}
	}
	return nil
}

// childCrowd writes from many goroutines until it is killed, and tells now and
// then how large its groups are.
func childCrowd(file string) error {
	d, err := db.Open(context.Background(), "sqlite:"+file, db.Options{})
	if err != nil {
		return err
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for {
				i := n.Add(1)
				if err := d.Write(context.Background(), func(tx *db.Tx) error { return insert(tx, key(int(i))) }); err != nil {
					os.Stdout.WriteString(fmt.Sprintln("failed:", err))
					return
				}
				acknowledge(key(int(i)))
				if i%500 == 0 {
					os.Stdout.WriteString(fmt.Sprintf("group %.0f\n", d.Stats().MeanGroup()))
				}
			}
		})
	}
	wg.Wait()
	return errors.New("it was not killed")
}

// childStarved writes until its WAL may not grow any more, and says what Write
// says then and afterwards.
func childStarved(file string) error {
	signal.Ignore(syscall.SIGXFSZ)
	d, err := db.Open(context.Background(), "sqlite:"+file, db.Options{})
	if err != nil {
		return err
	}
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	label := strings.Repeat("x", 5000)
	for i := range 10_000 {
		err := d.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO thing (merchant_id, thing_id, label) VALUES ('m', $1, $2)", key(i), key(i)+label)
			return err
		})
		if err == nil {
			acknowledge(key(i))
			continue
		}
		fmt.Printf("first unknown=%v unavailable=%v\n", errors.Is(err, db.ErrUnknown), problem.Is(err, "db.unavailable"))
		again := d.Write(context.Background(), func(tx *db.Tx) error { return insert(tx, "again") })
		fmt.Printf("again unknown=%v unavailable=%v\n", errors.Is(again, db.ErrUnknown), problem.Is(again, "db.unavailable"))
		return nil
	}
	return errors.New("it never ran out")
}
