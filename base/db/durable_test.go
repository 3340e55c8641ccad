package db_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"encaisse/base/db"
	"encaisse/base/db/dbtest"
)

// madeFile is a migrated file with the table thing, closed again.
func madeFile(t *testing.T) (dsn, file string) {
	t.Helper()
	d, dsn := dbtest.Open(t, db.SQLite)
	makeThings(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dsn, strings.TrimPrefix(dsn, "sqlite:")
}

// flushes traces a child that writes serially and counts the flushes of the WAL
// that were done between two acknowledgements.
func flushes(t *testing.T, mode string) []int {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is missing: apt-get install strace")
		}
		t.Skip("strace is missing: apt-get install strace")
	}
	_, file := madeFile(t)
	trace := filepath.Join(t.TempDir(), "trace")
	c := child(t, mode, file, "strace", "-f", "-y", "-e", "trace=fdatasync,fsync,write", "-o", trace)
	if out, err := c.Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return countFlushes(bufio.NewScanner(f))
}

var (
	traceBegun = regexp.MustCompile(`^(\d+) +(?:fdatasync|fsync)\(\d+<[^>]*-wal>(?:\)\s+= 0| <unfinished)`)
	traceEnded = regexp.MustCompile(`^(\d+) +<\.\.\. (?:fdatasync|fsync) resumed>\)\s+= 0`)
	traceAck   = regexp.MustCompile(`^\d+ +write\(1<[^>]*>, "ack \d+`)
)

// countFlushes reads a trace: a flush counts when it has come back.
func countFlushes(lines *bufio.Scanner) []int {
	var counts []int
	count := 0
	underWay := map[string]bool{} // by thread
	for lines.Scan() {
		line := lines.Text()
		if m := traceBegun.FindStringSubmatch(line); m != nil {
			if strings.Contains(line, "unfinished") {
				underWay[m[1]] = true
			} else {
				count++
			}
		}
		if m := traceEnded.FindStringSubmatch(line); m != nil && underWay[m[1]] {
			delete(underWay, m[1])
			count++
		}
		if traceAck.MatchString(line) {
			counts = append(counts, count)
			count = 0
		}
	}
	return counts
}

func TestEveryAcknowledgedWriteIsFlushed(t *testing.T) {
	counts := flushes(t, "serial")
	if len(counts) != serialWrites {
		t.Fatalf("%d acknowledgements in the trace, want %d", len(counts), serialWrites)
	}
	for i, n := range counts {
		if n < 1 {
			t.Errorf("write %d was acknowledged without a flush: %v", i, counts)
		}
	}
}

// The count can fail: with synchronous=NORMAL there is nothing to count.
func TestFlushesAreMissedWithoutFull(t *testing.T) {
	counts := flushes(t, "normal")
	missed := 0
	for _, n := range counts {
		if n == 0 {
			missed++
		}
	}
	if len(counts) != serialWrites || missed < serialWrites-1 {
		t.Errorf("%d acknowledgements, %d of them without a flush", len(counts), missed)
	}
}

func TestWriterRefusesToStartUnlessDurable(t *testing.T) {
	_, file := madeFile(t)
	if err := db.WriterWith(file); err != nil {
		t.Fatal(err)
	}
	for _, pragma := range []string{
		"synchronous=NORMAL", "synchronous=OFF", "synchronous=EXTRA", "journal_mode=DELETE", "journal_mode=MEMORY",
		"foreign_keys=OFF", "wal_autocheckpoint=1000",
	} {
		wantCode(t, db.WriterWith(file, "PRAGMA "+pragma), "db.not_durable")
	}
}

// What was acknowledged survives the death of the process, and the writes were
// grouped.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	dsn, file := madeFile(t)
	c := child(t, "crowd", file)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	group := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ack":
			acknowledged = append(acknowledged, rest)
		case "group":
			group = rest
		default:
			t.Error(lines.Text())
		}
		if len(acknowledged) == 1500 {
			if err := c.Process.Kill(); err != nil { // and read on: what was said before counts
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if group == "" || group == "0" || group == "1" {
		t.Errorf("the mean group is %q", group)
	}
	d, err := open(t, dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, id := range strings.Fields(ids(t, d)) {
		there[id] = true
	}
	for _, id := range acknowledged {
		if !there[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	t.Logf("%d acknowledged, %d there, mean group %s", len(acknowledged), len(there), group)
	wantWhole(t, d)
}

func wantWhole(t *testing.T, d *db.DB) {
	t.Helper()
	var check string
	read(t, d, func(tx *db.Tx) error {
		return tx.QueryRow("SELECT integrity_check FROM pragma_integrity_check").Scan(&check)
	})
	if check != "ok" {
		t.Errorf("integrity: %s", check)
	}
}

// When the disk fails a commit, Write says that nobody knows, and nothing is
// written until the file is opened again.
func TestDiskThatFailsACommitStopsTheWriter(t *testing.T) {
	dsn, file := madeFile(t)
	out, err := child(t, "starved", file).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"first unknown=true unavailable=true\n", "again unknown=false unavailable=true\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the child did not say %q", want)
		}
	}
	d, err := open(t, dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	there := ids(t, d)
	n := 0
	for line := range strings.Lines(string(out)) {
		var id string
		if _, err := fmt.Sscanf(line, "ack %s\n", &id); err == nil {
			n++
			if !strings.Contains(there, id) {
				t.Errorf("%s was acknowledged and is gone", id)
			}
		}
	}
	if n == 0 || strings.Contains(there, "again") {
		t.Errorf("%d acknowledged; there: %s", n, there)
	}
	wantWhole(t, d)
}
